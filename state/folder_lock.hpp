#pragma once

#include <memory>
#include <string>

#include "core/base/result.hpp"

namespace admetrics {

/// The lock on a state folder: one process at a time writes for a configuration, be it the daemon or a command. The
/// operating system takes it back when its holder ends, however that happens.
class FolderLock {
 public:
  /// Creates the folder when it is missing. kBusy: another process holds it.
  static Result<std::unique_ptr<FolderLock>> take(const std::string& folder);
  /// Whether a process holds it now.
  static bool held(const std::string& folder);

  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  ~FolderLock();

 private:
  explicit FolderLock(int file) : file_(file) {}
  const int file_;
};

}  // namespace admetrics
