#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace admetrics::source {

/// Tells, through the io_context, that one of some database files or their logs was written, or anything in some folders. A hint only: a
/// notification may come early, late or not at all, so whoever uses it polls as well (pitfalls.md 8).
class FileWatcher {
 public:
  /// Calls `on_write` on the io_context's thread. Watches the files' folders, because logs come and go. What is a folder itself
  /// is watched for whatever happens in it.
  static Result<std::unique_ptr<FileWatcher>> create(boost::asio::io_context& io,
                                                     const std::vector<std::string>& databases,
                                                     std::function<void()> on_write);
  ~FileWatcher();

 private:
  struct Impl;
  explicit FileWatcher(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace admetrics::source
