#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

/// Which files a log consists of, by their names.
namespace admetrics::source {

struct FoundFile {
  std::string name;
  std::string path;
  struct stat info {};
  std::string rank;  // files are read in the order of this
};

struct LogListing {
  bool there = false;            // whether anything is
  bool folder = false;           // whether the path is a folder's
  std::vector<FoundFile> files;  // in the order in which they were written, as far as names tell
};

/// A folder's files, or a file and what rotation made of it. Without files that are being written under a name for the time
/// being, compressed ones whose original still stands, and further names of one and the same file.
/// `was_folder`: what the path was when it was there last.
Result<LogListing> list_log(const std::string& path, bool was_folder);

/// `name` without compression and without a number that rotation gave it.
std::string_view base_of(std::string_view name);
/// The same for all names of a file, and for no other while this one is there.
std::string identity_of(const struct stat& info);

}  // namespace admetrics::source
