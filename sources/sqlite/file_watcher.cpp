#include "sources/sqlite/file_watcher.hpp"

#include <sys/inotify.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

namespace admetrics::source {

struct FileWatcher::Impl {
  Impl(boost::asio::io_context& io, int handle) : stream(io, handle) {}

  void read_next() {
    stream.async_read_some(boost::asio::buffer(buffer), [this](boost::system::error_code error, std::size_t bytes) {
      if (error) return;  // closed with the watcher
      if (concerns_us(bytes)) on_write();
      read_next();
    });
  }

  [[nodiscard]] bool concerns_us(std::size_t bytes) const {
    for (std::size_t at = 0; at + sizeof(inotify_event) <= bytes;) {
      inotify_event event;
      std::memcpy(&event, buffer.data() + at, sizeof event);
      if ((event.mask & IN_Q_OVERFLOW) != 0) return true;
      const char* name = buffer.data() + at + sizeof event;
      if (folders.contains(event.wd)) return true;
      if (event.len > 0 && names.contains(std::string(name))) return true;
      at += sizeof event + event.len;
    }
    return false;
  }

  boost::asio::posix::stream_descriptor stream;
  std::set<std::string> names;
  std::set<int> folders;
  std::function<void()> on_write;
  std::array<char, std::size_t{16} * 1024> buffer;
};

FileWatcher::FileWatcher(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FileWatcher::~FileWatcher() = default;

Result<std::unique_ptr<FileWatcher>> FileWatcher::create(boost::asio::io_context& io,
                                                         const std::vector<std::string>& databases,
                                                         std::function<void()> on_write) {
  const int handle = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (handle < 0) return Error{Errc::kUnsupported, "watch files", "inotify", std::strerror(errno)};
  auto impl = std::make_unique<Impl>(io, handle);
  impl->on_write = std::move(on_write);
  for (const std::string& database : databases) {
    std::error_code unresolved;
    std::filesystem::path path =
        std::filesystem::weakly_canonical(database, unresolved);  // a link is not where writes go
    if (unresolved) path = database;
    if (std::filesystem::is_directory(path, unresolved)) {
      const int watch = ::inotify_add_watch(handle, path.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE);
      if (watch < 0) return Error{Errc::kUnsupported, "watch files", path.string(), std::strerror(errno)};
      impl->folders.insert(watch);
      continue;
    }
    const std::string folder = path.has_parent_path() ? path.parent_path().string() : ".";
    if (::inotify_add_watch(handle, folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE) < 0) {
      return Error{Errc::kUnsupported, "watch files", folder, std::strerror(errno)};
    }
    const std::string name = path.filename().string();
    for (const char* suffix : {"", "-wal", "-journal"}) impl->names.insert(name + suffix);
  }
  impl->read_next();
  return std::unique_ptr<FileWatcher>(new FileWatcher(std::move(impl)));
}

}  // namespace admetrics::source
