#include "state/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace admetrics {
namespace {

std::string lock_path(const std::string& folder) { return folder + "/lock"; }

}  // namespace

Result<std::unique_ptr<FolderLock>> FolderLock::take(const std::string& folder) {
  std::error_code made;
  std::filesystem::create_directories(folder, made);
  if (made) return Error{Errc::kReadOnly, "create the state folder", folder, made.message()};
  const std::string path = lock_path(folder);
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR | S_IRGRP);
  if (file < 0) return Error{Errc::kReadOnly, "open the state folder's lock", path, std::strerror(errno)};
  std::unique_ptr<FolderLock> lock(new FolderLock(file));
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    return Error{Errc::kBusy, "lock the state folder", path, "another admetricsd is running on it"};
  }
  return lock;
}

bool FolderLock::held(const std::string& folder) {
  const int file = ::open(lock_path(folder).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool held = ::flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(file);
  return held;
}

FolderLock::~FolderLock() { ::close(file_); }

}  // namespace admetrics
