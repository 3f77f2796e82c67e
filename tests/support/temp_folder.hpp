#pragma once

#include <map>
#include <string>

namespace admetrics::support {

/// A folder of its own, gone with the object.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// What a `kill -9` would leave of a folder: the bytes of every file, taken while databases are open and transactions
/// half done. Shared memory is left out, for it does not outlive its processes.
///
/// Opening and closing a database file drops this process's locks on it (pitfalls.md 14): after `take` nobody may go on
/// with the folder but to close it and `restore`.
class DiskImage {
 public:
  static DiskImage take(const std::string& folder);
  /// Writes into the files that are there, so that each stays the file that it was: a reboot changes no inode.
  void restore() const;

 private:
  std::string folder_;
  std::map<std::string, std::string> files_;  // bytes by relative path
};

}  // namespace admetrics::support
