# Every package we build on, found once. Rooms link these targets by name:
#
#   admetrics::asio            Asio and Beast (headers only); Boost::headers for the rest of Boost
#   admetrics::json            third_party/boost_json: Boost.JSON, for what is no change record
#   admetrics::url             third_party/boost_url: Boost.URL
#   simdjson::simdjson         JSON reading
#   spdlog::spdlog             logging, with the external fmt that Debian builds it against (daemon/ only)
#   tomlplusplus::tomlplusplus configuration
#   CLI11::CLI11               command line
#   absl::time                 time zones, read from the operating system's tz database
#   prometheus-cpp::core       metrics registry and text format (we serve HTTP ourselves)
#   admetrics::concurrentqueue <concurrentqueue.h>, <blockingconcurrentqueue.h>
#   admetrics::systemd         service notification: sd_notify
#   admetrics::sqlite3         third_party/sqlite
#   PkgConfig::libpq           PostgreSQL's client library, for its sink only
#   admetrics::libdeflate      gzip of whole answers, several times as fast as zlib
#   admetrics::zlib, admetrics::zstd  reading compressed change logs piece by piece
#   GTest::gtest_main, GTest::gmock, benchmark::benchmark_main
#
# scripts/setup.sh installs them.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

find_package(Boost 1.81 REQUIRED)
find_package(simdjson REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(absl REQUIRED)
find_package(prometheus-cpp REQUIRED COMPONENTS core)

if(BUILD_TESTING)
  find_package(GTest REQUIRED)
endif()
if(ADMETRICS_BENCH)
  find_package(benchmark REQUIRED)
endif()

# libsystemd has no CMake package.
pkg_check_modules(libsystemd REQUIRED IMPORTED_TARGET libsystemd)
add_library(admetrics_systemd INTERFACE)
add_library(admetrics::systemd ALIAS admetrics_systemd)
target_link_libraries(admetrics_systemd INTERFACE PkgConfig::libsystemd)

pkg_check_modules(libdeflate REQUIRED IMPORTED_TARGET libdeflate)
add_library(admetrics_libdeflate INTERFACE)
add_library(admetrics::libdeflate ALIAS admetrics_libdeflate)
target_link_libraries(admetrics_libdeflate INTERFACE PkgConfig::libdeflate)

pkg_check_modules(libpq REQUIRED IMPORTED_TARGET libpq)
find_package(ZLIB REQUIRED)
add_library(admetrics_zlib INTERFACE)
add_library(admetrics::zlib ALIAS admetrics_zlib)
target_link_libraries(admetrics_zlib INTERFACE ZLIB::ZLIB)

pkg_check_modules(libzstd REQUIRED IMPORTED_TARGET libzstd)
add_library(admetrics_zstd INTERFACE)
add_library(admetrics::zstd ALIAS admetrics_zstd)
target_link_libraries(admetrics_zstd INTERFACE PkgConfig::libzstd)

# moodycamel's queue is headers without a package file; Debian keeps them in a folder of their own.
find_path(CONCURRENTQUEUE_INCLUDE_DIR concurrentqueue.h PATH_SUFFIXES concurrentqueue moodycamel REQUIRED)
mark_as_advanced(CONCURRENTQUEUE_INCLUDE_DIR)
add_library(admetrics_concurrentqueue INTERFACE)
add_library(admetrics::concurrentqueue ALIAS admetrics_concurrentqueue)
target_include_directories(admetrics_concurrentqueue SYSTEM INTERFACE "${CONCURRENTQUEUE_INCLUDE_DIR}")
target_link_libraries(admetrics_concurrentqueue INTERFACE Threads::Threads)

# The queue uses std::atomic_thread_fence. g++ 12 warns (-Wtsan) wherever one is inlined under -fsanitize=thread, although
# the header is a SYSTEM include, because ThreadSanitizer does not model fences. The queue's hand-over itself goes
# through acquire and release operations, which it does model. So whoever links the queue is eased, and nobody else: link it
# with PRIVATE_LIBS, in the one room that uses it.
set(ADMETRICS_TSAN_EASE "-Wno-tsan" CACHE STRING "Options for users of the lock-free queue under -fsanitize=thread with g++")
mark_as_advanced(ADMETRICS_TSAN_EASE)
if(ADMETRICS_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(admetrics_concurrentqueue INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${ADMETRICS_TSAN_EASE}>")
endif()

# Boost.Asio has such fences, too: whoever uses it links this instead of Boost::headers.
add_library(admetrics_asio INTERFACE)
add_library(admetrics::asio ALIAS admetrics_asio)
target_link_libraries(admetrics_asio INTERFACE Boost::headers Threads::Threads)
if(ADMETRICS_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(admetrics_asio INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${ADMETRICS_TSAN_EASE}>")
endif()
