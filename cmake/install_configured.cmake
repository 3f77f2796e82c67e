# admetrics_install_configured(FILE admetricsd.service DESTINATION lib/systemd/system [RENAME name] [EXECUTABLE] [CONFFILE] [COMPRESS])
#
# Installs a file that names installed paths. In the source tree it names those of the prefix /usr, so that it is good as it
# stands; at install time they become those of the prefix in force. Only then is it certain: `cmake --install --prefix` and
# `cpack` (always /usr) do not ask what was configured. A relative DESTINATION is below the prefix; one that begins
# with /etc follows the prefix as GNU's directories do: /etc for /usr, PREFIX/etc otherwise.
#
#   EXECUTABLE  a script
#   CONFFILE    left alone where it is already, because an administrator may have changed it
#   COMPRESS    with gzip, as Debian wants man pages and changelogs; FILE gets .gz behind its name
function(admetrics_install_configured)
  cmake_parse_arguments(PARSE_ARGV 0 arg "EXECUTABLE;CONFFILE;COMPRESS" "FILE;DESTINATION;RENAME" "")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "admetrics_install_configured: unknown: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  cmake_path(ABSOLUTE_PATH arg_FILE BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}" NORMALIZE)
  if(NOT arg_RENAME)
    cmake_path(GET arg_FILE FILENAME arg_RENAME)
  endif()
  install(CODE "
    set(file \"${arg_FILE}\")
    set(name \"${arg_RENAME}\")
    set(destination \"${arg_DESTINATION}\")
    set(work_folder \"${CMAKE_CURRENT_BINARY_DIR}/installed\")
    set(executable ${arg_EXECUTABLE})
    set(conffile ${arg_CONFFILE})
    set(compress ${arg_COMPRESS})
    include(\"${PROJECT_SOURCE_DIR}/cmake/install_configured_step.cmake\")")
endfunction()
