# How everything is compiled. What is set directory-wide here also reaches third_party/; our own warnings do not, they
# travel with the target `admetrics_warnings`, which every room, test and program links.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

# -g1 keeps function names and line tables for backtraces at a fraction of the size, and of the time to compile and link, of -g.
# -O1 keeps the sanitizers' runs short.
foreach(language C CXX)
  set(CMAKE_${language}_FLAGS_DEBUG "-O1 -g1")
  set(CMAKE_${language}_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
endforeach()

find_program(CCACHE_PROGRAM ccache)
mark_as_advanced(CCACHE_PROGRAM)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Paths below the project are hashed relative to it, so that every clone of it shares one cache.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    "${CMAKE_COMMAND}" -E env "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1 "${CCACHE_PROGRAM}")
  set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

# Everything ends in an executable: -fPIE, because -fPIC would stop the compiler from inlining our own functions.
add_compile_options(-fPIE)
add_link_options(-pie)

# Frame pointers: a profiler can walk the stack of a release build.
add_compile_options(-fno-omit-frame-pointer -fstack-protector-strong)
add_link_options(LINKER:-z,relro LINKER:-z,now LINKER:--as-needed)

if(ADMETRICS_SANITIZE)
  add_compile_options(-fsanitize=${ADMETRICS_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ADMETRICS_SANITIZE})
else()
  # FORTIFY needs the optimizer, and hides errors from the sanitizers.
  add_compile_options($<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE>
                      $<$<CONFIG:Release,RelWithDebInfo>:-D_FORTIFY_SOURCE=2>)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_definitions($<$<COMPILE_LANGUAGE:CXX>:_GLIBCXX_ASSERTIONS>)
endif()

add_library(admetrics_warnings INTERFACE)
add_library(admetrics::warnings ALIAS admetrics_warnings)
target_compile_options(admetrics_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wsign-conversion;-Wnon-virtual-dtor>
  $<$<COMPILE_LANGUAGE:CXX>:-Wold-style-cast;-Woverloaded-virtual;-Werror>
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wthread-safety>)

if(ADMETRICS_CLANG_TIDY)
  find_program(CLANG_TIDY_PROGRAM clang-tidy REQUIRED)
  set(CMAKE_CXX_CLANG_TIDY "${CLANG_TIDY_PROGRAM};--quiet")
endif()
