# Script (cmake -P): writes OUTPUT, a source file in which FUNCTION (declared in HEADER) gives the bytes of FILE.

file(READ "${FILE}" hex HEX)
string(LENGTH "${hex}" length)
math(EXPR length "${length} / 2")
string(REGEX REPLACE "(..)" "'\\\\x\\1'," hex "${hex}")
file(WRITE "${OUTPUT}" "#include \"${HEADER}\"\n\nnamespace {\n\nconst char kBytes[] = {${hex}'\\0'};\n\n}  // namespace\n\n"
  "std::string_view ${FUNCTION}() { return {kBytes, ${length}}; }\n")
