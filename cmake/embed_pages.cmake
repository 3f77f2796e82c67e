# Script (cmake -P): writes OUTPUT, a source file with the bytes of every file below FOLDER, for web/pages.hpp.

file(GLOB_RECURSE FILES RELATIVE "${FOLDER}" "${FOLDER}/*")
list(SORT FILES)

set(types "html=text/html; charset=utf-8" "css=text/css; charset=utf-8" "js=text/javascript; charset=utf-8"
          "json=application/json" "svg=image/svg+xml" "png=image/png" "ico=image/x-icon" "woff2=font/woff2"
          "txt=text/plain; charset=utf-8")
set(bytes "")
set(table "")
set(number 0)
foreach(file IN LISTS FILES)
  string(REGEX MATCH "[^.]*$" ending "${file}")
  set(type "")
  foreach(entry IN LISTS types)
    if(entry MATCHES "^${ending}=(.*)$")
      set(type "${CMAKE_MATCH_1}")
    endif()
  endforeach()
  if(type STREQUAL "")
    message(FATAL_ERROR "${FOLDER}/${file}: no content type is known for .${ending}; add it to cmake/embed_pages.cmake")
  endif()
  file(READ "${FOLDER}/${file}" hex HEX)
  string(LENGTH "${hex}" length)
  math(EXPR length "${length} / 2")
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," hex "${hex}")
  string(APPEND bytes "const char kBytes${number}[] = {${hex}'\\0'};\n")
  string(REGEX REPLACE "^index.html$" "" path "${file}")
  string(APPEND table "    {\"/${path}\", \"${type}\", {kBytes${number}, ${length}}},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUTPUT}" "#include \"web/pages.hpp\"\n\nnamespace admetrics::web {\nnamespace {\n\n${bytes}\n"
  "const Page kPages[] = {\n${table}};\n\n}  // namespace\n\n"
  "std::span<const Page> pages() { return kPages; }\n\n}  // namespace admetrics::web\n")
