# Rooms, tests, benchmarks and programs: the only ways a source file gets compiled.
#
#   admetrics_room(NAME metrics SOURCES contribution.cpp ... DEPENDS base model [SYSTEM_LIBS absl::time] [PRIVATE_LIBS ...])
#       library admetrics_metrics, alias admetrics::metrics; an INTERFACE library when SOURCES is empty.
#   admetrics_program(NAME admetricsd SOURCES main.cpp DEPENDS daemon [NO_INSTALL])
#   admetrics_test(NAME base_money SOURCES money_test.cpp DEPENDS base [LABELS slow] [TIMEOUT 300] [PROPERTIES WILL_FAIL TRUE])
#       gtest executable with GTest's main; each TEST becomes a CTest test named base_money.Suite.Name.
#   admetrics_bench(NAME engine SOURCES ... DEPENDS ...)      executable bench_engine; the target `bench` runs them all.
#   admetrics_fuzz(NAME changelog SOURCES ... DEPENDS ...)    executable fuzz_changelog, with ADMETRICS_FUZZ only.
#
# DEPENDS names rooms (without admetrics::), and is what scripts/tidy.py holds the includes against: a file may include
# its own room, and the rooms that this one declares or reaches through them. SYSTEM_LIBS travel to those who depend on
# the room, PRIVATE_LIBS do not.
#
# Labels with a meaning (CMakePresets.json, scripts/test.sh):
#   release-only   not run under the sanitizers (measures time, or needs the optimizer)
#   no-tsan        not run under ThreadSanitizer
#   nightly        too long for `make test`; run with `ctest --test-dir build/release -L nightly`

include_guard(GLOBAL)
if(BUILD_TESTING)
  include(GoogleTest)
endif()

set(ADMETRICS_TEST_TIMEOUT_S 300)

# Turns `base` into admetrics::base and leaves pkg::target alone.
function(_admetrics_targets out)
  set(targets "")
  foreach(name IN LISTS ARGN)
    if(name MATCHES "::")
      list(APPEND targets ${name})
    else()
      list(APPEND targets admetrics::${name})
    endif()
  endforeach()
  set(${out} "${targets}" PARENT_SCOPE)
endfunction()

# Remembers source files for the tidy test, whether or not this build compiles them.
function(_admetrics_remember_sources)
  foreach(source IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH source NORMALIZE)
    set_property(GLOBAL APPEND PROPERTY ADMETRICS_SOURCES "${source}")
  endforeach()
endfunction()

macro(_admetrics_parse function_name options one many)
  cmake_parse_arguments(PARSE_ARGV 0 arg "${options}" "NAME;${one}" "SOURCES;DEPENDS;SYSTEM_LIBS;PRIVATE_LIBS;${many}")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_NAME)
    message(FATAL_ERROR "${function_name}: NAME is missing or these arguments are unknown: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  _admetrics_targets(depends ${arg_DEPENDS})
  _admetrics_remember_sources(${arg_SOURCES})
endmacro()

function(admetrics_room)
  _admetrics_parse(admetrics_room "" "" "")
  set(target admetrics_${arg_NAME})

  set(compiled ${arg_SOURCES})
  list(FILTER compiled INCLUDE REGEX "\\.(cpp|c)$")
  if(compiled)
    add_library(${target} STATIC ${arg_SOURCES})
    target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${target} PUBLIC ${depends} ${arg_SYSTEM_LIBS} PRIVATE admetrics_warnings ${arg_PRIVATE_LIBS})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${target} INTERFACE ${depends} ${arg_SYSTEM_LIBS})
  endif()
  add_library(admetrics::${arg_NAME} ALIAS ${target})

  cmake_path(RELATIVE_PATH CMAKE_CURRENT_SOURCE_DIR BASE_DIRECTORY "${PROJECT_SOURCE_DIR}" OUTPUT_VARIABLE folder)
  string(REPLACE "admetrics::" "" room_depends "${arg_DEPENDS}")
  string(JOIN " " room_depends ${room_depends})
  set_property(GLOBAL APPEND PROPERTY ADMETRICS_ROOMS "${arg_NAME}|${folder}|${room_depends}")
endfunction()

function(admetrics_program)
  _admetrics_parse(admetrics_program "NO_INSTALL" "" "")
  add_executable(${arg_NAME} ${arg_SOURCES})
  target_include_directories(${arg_NAME} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${arg_NAME} PRIVATE admetrics_warnings ${depends} ${arg_SYSTEM_LIBS} ${arg_PRIVATE_LIBS})
  if(NOT arg_NO_INSTALL)
    install(TARGETS ${arg_NAME} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endfunction()

function(admetrics_test)
  _admetrics_parse(admetrics_test "" "TIMEOUT" "LABELS;PROPERTIES")
  if(NOT BUILD_TESTING)
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT ${ADMETRICS_TEST_TIMEOUT_S})
  endif()
  set(target test_${arg_NAME})
  add_executable(${target} ${arg_SOURCES})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE
    admetrics_warnings ${depends} ${arg_SYSTEM_LIBS} ${arg_PRIVATE_LIBS} GTest::gtest_main GTest::gmock)
  # What a test calls is optimized; its own code runs once, and at -O1 takes twice as long to compile under the sanitizers.
  target_compile_options(${target} PRIVATE $<$<CONFIG:Debug>:-O0>)

  # PRE_TEST: the executables are asked for their tests by ctest, not by the build.
  gtest_discover_tests(${target}
    TEST_PREFIX "${arg_NAME}."
    DISCOVERY_MODE PRE_TEST
    DISCOVERY_TIMEOUT 60
    TEST_LIST ${target}_tests
    PROPERTIES TIMEOUT ${arg_TIMEOUT} ${arg_PROPERTIES})
  if(arg_LABELS)
    # gtest_discover_tests takes several labels apart; a file that ctest reads after the discovered tests sets them whole.
    set(labels_file "${CMAKE_CURRENT_BINARY_DIR}/${target}_labels.cmake")
    file(WRITE "${labels_file}"
      "foreach(test IN LISTS ${target}_tests)\n"
      "  set_tests_properties(\"\${test}\" PROPERTIES LABELS \"${arg_LABELS}\")\n"
      "endforeach()\n")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${labels_file}")
  endif()
endfunction()

function(admetrics_bench)
  _admetrics_parse(admetrics_bench "" "" "")
  if(NOT ADMETRICS_BENCH)
    return()
  endif()
  set(target bench_${arg_NAME})
  add_executable(${target} ${arg_SOURCES})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE
    admetrics_warnings ${depends} ${arg_SYSTEM_LIBS} ${arg_PRIVATE_LIBS} benchmark::benchmark_main)
  set_property(GLOBAL APPEND PROPERTY ADMETRICS_BENCHES ${target})
endfunction()

function(admetrics_fuzz)
  _admetrics_parse(admetrics_fuzz "" "" "")
  if(NOT ADMETRICS_FUZZ)
    return()
  endif()
  set(target fuzz_${arg_NAME})
  add_executable(${target} ${arg_SOURCES})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE admetrics_warnings ${depends} ${arg_SYSTEM_LIBS} ${arg_PRIVATE_LIBS})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  if(BUILD_TESTING)
    set(corpus "${CMAKE_CURRENT_SOURCE_DIR}/corpus/${arg_NAME}")
    if(NOT IS_DIRECTORY "${corpus}")
      set(corpus "")
    endif()
    add_test(NAME ${target} COMMAND ${target} -max_total_time=30 ${corpus})
    set_tests_properties(${target} PROPERTIES LABELS fuzz TIMEOUT 120)
  endif()
endfunction()

# Adds the sources of every target under `folder` that was declared without the functions above.
function(_admetrics_remember_targets folder)
  set_property(GLOBAL APPEND PROPERTY ADMETRICS_FOLDERS "${folder}")
  get_property(targets DIRECTORY "${folder}" PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(sources ${target} SOURCES)
    get_target_property(source_dir ${target} SOURCE_DIR)
    foreach(source IN LISTS sources)
      if(source AND NOT source MATCHES "^\\$<")
        cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${source_dir}" NORMALIZE)
        set_property(GLOBAL APPEND PROPERTY ADMETRICS_SOURCES "${source}")
      endif()
    endforeach()
  endforeach()
  get_property(subfolders DIRECTORY "${folder}" PROPERTY SUBDIRECTORIES)
  foreach(subfolder IN LISTS subfolders)
    _admetrics_remember_targets("${subfolder}")
  endforeach()
endfunction()

# Called once, last, by the top CMakeLists.txt: the target `bench`, and the tidy test with the map of the house.
function(admetrics_finish)
  get_property(benches GLOBAL PROPERTY ADMETRICS_BENCHES)
  if(benches)
    set(commands "")
    foreach(target IN LISTS benches)
      list(APPEND commands COMMAND ${target})
    endforeach()
    add_custom_target(bench ${commands} DEPENDS ${benches} USES_TERMINAL VERBATIM)
  endif()

  _admetrics_remember_targets("${PROJECT_SOURCE_DIR}")
  set(map "")
  get_property(rooms GLOBAL PROPERTY ADMETRICS_ROOMS)
  foreach(room IN LISTS rooms)
    string(APPEND map "room|${room}\n")
  endforeach()
  get_property(folders GLOBAL PROPERTY ADMETRICS_FOLDERS)
  foreach(folder IN LISTS folders)
    string(APPEND map "folder|${folder}\n")
  endforeach()
  get_property(sources GLOBAL PROPERTY ADMETRICS_SOURCES)
  list(REMOVE_DUPLICATES sources)
  foreach(source IN LISTS sources)
    string(APPEND map "source|${source}\n")
  endforeach()
  file(WRITE "${PROJECT_BINARY_DIR}/house.map" "${map}")

  if(BUILD_TESTING)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    add_test(NAME tidy
      COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/scripts/tidy.py" --map "${PROJECT_BINARY_DIR}/house.map"
      WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set_tests_properties(tidy PROPERTIES TIMEOUT 60)
  endif()
endfunction()
