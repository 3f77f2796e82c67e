# admetrics::build_info: #include "admetrics_build_info.hpp" for version, git description, build type and compiler.
# The header is looked at in every build and only touched when it would change, so one file recompiles after a commit.

set(admetrics_build_info_dir "${PROJECT_BINARY_DIR}/generated")
string(TOLOWER "${CMAKE_BUILD_TYPE}" admetrics_build_type)
if(ADMETRICS_SANITIZE)
  string(APPEND admetrics_build_type "+${ADMETRICS_SANITIZE}")
endif()

add_custom_target(admetrics_build_info_header ALL
  COMMAND "${CMAKE_COMMAND}"
    "-DTEMPLATE=${CMAKE_CURRENT_LIST_DIR}/version.hpp.in"
    "-DOUTPUT=${admetrics_build_info_dir}/admetrics_build_info.hpp"
    "-DSOURCE_DIR=${PROJECT_SOURCE_DIR}"
    "-DVERSION=${PROJECT_VERSION}"
    "-DBUILD_TYPE=${admetrics_build_type}"
    "-DCOMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
    -P "${CMAKE_CURRENT_LIST_DIR}/version.cmake"
  BYPRODUCTS "${admetrics_build_info_dir}/admetrics_build_info.hpp"
  COMMENT "Checking the build info header"
  VERBATIM)

add_library(admetrics_build_info INTERFACE)
add_library(admetrics::build_info ALIAS admetrics_build_info)
target_include_directories(admetrics_build_info INTERFACE "${admetrics_build_info_dir}")
add_dependencies(admetrics_build_info admetrics_build_info_header)
