#include "sinks/changefeed/feed_files.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <filesystem>

namespace admetrics::sink {
namespace {

constexpr const char* kOperation = "write the change feed";

Error error_of(const std::string& where) {
  const int number = errno;
  Errc code = Errc::kIo;
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) code = Errc::kFull;
  if (number == EACCES || number == EPERM || number == EROFS) code = Errc::kReadOnly;
  return {code, kOperation, where, std::strerror(number)};
}

}  // namespace

FeedFiles::~FeedFiles() {
  if (file_ >= 0) ::close(file_);
}

std::string FeedFiles::path_of(std::int64_t number) const {
  const std::filesystem::path path(options_.path);
  std::array<char, 32> digits;
  std::snprintf(digits.data(), digits.size(), "-%08lld", static_cast<long long>(number));
  return (path.parent_path() / (path.stem().string() + digits.data() + path.extension().string())).string();
}

Result<FeedPlace> FeedFiles::open_at(const FeedPlace& place, Instant now) {
  FeedPlace at = place;
  const bool full = options_.size_max > 0 && at.offset >= options_.size_max;
  const bool old = options_.age_max_seconds > 0 && now.seconds - at.opened_at_seconds >= options_.age_max_seconds;
  bool next = at.number == 0 || (at.offset > 0 && (full || old));
  if (!next) {
    // Somebody took the file away, or cut off what was delivered: what comes belongs into the next one.
    struct stat standing {};
    const bool there = ::stat(path_of(at.number).c_str(), &standing) == 0;
    next = at.offset > 0 && (!there || standing.st_size < at.offset);
  }
  if (next) at = {at.number + 1, 0, now.seconds};
  const std::string path = path_of(at.number);
  struct stat named {};
  struct stat held {};
  const bool same = file_ >= 0 && open_number_ == at.number && ::stat(path.c_str(), &named) == 0 &&
                    ::fstat(file_, &held) == 0 && named.st_ino == held.st_ino && named.st_dev == held.st_dev;
  if (!same) {
    if (file_ >= 0) ::close(file_);
    std::error_code ignored;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    constexpr mode_t kMode = 0640;
    file_ = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, kMode);
    if (file_ < 0) return error_of(path);
    open_number_ = at.number;
    // Its name has to last as well.
    const int folder = ::open(std::filesystem::path(path).parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
      ::fsync(folder);
      ::close(folder);
    }
  }
  if (::ftruncate(file_, at.offset) != 0) return error_of(path);
  if (::lseek(file_, at.offset, SEEK_SET) < 0) return error_of(path);
  return at;
}

Status FeedFiles::write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return error_of(options_.path == "-" ? "standard output" : path_of(open_number_));
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Status FeedFiles::write_to_output(std::string_view bytes) {
  // A reader that does not read must not keep the daemon from stopping: a pipe that can be written takes PIPE_BUF bytes.
  constexpr int kSliceMs = 50;
  while (!bytes.empty()) {
    if (options_.stop != nullptr && options_.stop->load())
      return Error{Errc::kInterrupted, kOperation, "standard output", "asked to stop"};
    pollfd waiting{STDOUT_FILENO, POLLOUT, 0};
    const int ready = ::poll(&waiting, 1, kSliceMs);
    if (ready <= 0) continue;
    const std::string_view piece = bytes.substr(0, PIPE_BUF);
    ADM_TRY(write_all(STDOUT_FILENO, piece));
    bytes.remove_prefix(piece.size());
  }
  return {};
}

Result<FeedPlace> FeedFiles::append(const FeedPlace& place, std::string_view lines, Instant now) {
  if (options_.path == "-") {
    ADM_TRY(write_to_output(lines));
    return place;
  }
  ADM_ASSIGN(FeedPlace at, open_at(place, now));
  ADM_TRY(write_all(file_, lines));
  if (::fdatasync(file_) != 0) return error_of(path_of(at.number));
  at.offset += static_cast<std::int64_t>(lines.size());
  return at;
}

void FeedFiles::remove_old(const FeedPlace& place) const {
  if (options_.keep <= 0 || options_.path == "-") return;
  // Downwards until one is missing: what an earlier setting kept goes as well.
  for (std::int64_t number = place.number - options_.keep - 1; number > 0; --number) {
    if (::unlink(path_of(number).c_str()) != 0) return;
  }
}

}  // namespace admetrics::sink
