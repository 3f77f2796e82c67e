#include "sources/changelog/log_file.hpp"

#include <algorithm>
#include <filesystem>
#include <span>
#include <utility>

#include "sources/changelog/digest.hpp"
#include "sources/changelog/log_folder.hpp"

namespace admetrics::source {

void LogFile::take(std::string_view bytes, std::int64_t size) {
  taken += size;
  changed = true;
  exhausted = false;
  tail_pending = false;
  if (static_cast<std::int64_t>(bytes.size()) != size) {  // not all of it is in memory: known by its end no more
    tail.clear();
  } else {
    if (head_size < kHeadBytesMax && head_size == taken - size) {
      head += bytes.substr(0, static_cast<std::size_t>(kHeadBytesMax - head_size));
      head_size = static_cast<std::int64_t>(head.size());
      head_digest = digest_of(head);
    }
    tail += bytes.substr(bytes.size() - std::min(bytes.size(), static_cast<std::size_t>(kTailBytesMax)));
    if (tail.size() > kTailBytesMax) tail.erase(0, tail.size() - kTailBytesMax);
  }
  tail_size = static_cast<std::int64_t>(tail.size());
  tail_digest = digest_of(tail);
}

void LogFile::note_exhausted(bool pending) {
  const bool as_saved = exhausted_size == disk_size && exhausted_nanos == modified_nanos;
  changed = changed || (id != 0 && !pending && !as_saved);
  exhausted = true;
  tail_pending = pending;
  exhausted_size = disk_size;
  exhausted_nanos = modified_nanos;
}

void LogFile::begin_anew() {
  id = 0;
  taken = 0;
  head_size = tail_size = 0;
  head.clear();
  tail.clear();
  bytes_known = true;
  changed = false;
  exhausted = false;
  tail_pending = false;
}

Result<std::optional<std::string>> bytes_before(int file, const LogFile& as, std::int64_t until, std::int64_t size) {
  std::string bytes(static_cast<std::size_t>(size), '\0');
  if (size == 0) return std::optional(bytes);
  auto stream = ByteStream::open(file, as.name, as.compression, until - size);
  if (!stream) {
    if (stream.error().code == Errc::kNotFound || stream.error().code == Errc::kCorrupt)
      return std::optional<std::string>();
    return std::move(stream).error();
  }
  std::size_t have = 0;
  while (have < bytes.size()) {
    auto count = (*stream)->read(std::span(bytes).subspan(have));
    if (!count && count.error().code != Errc::kCorrupt) return std::move(count).error();
    if (!count || *count == 0) return std::optional<std::string>();
    have += *count;
  }
  return std::optional(std::move(bytes));
}

Result<bool> goes_on(int file, const LogFile& as, const LogFile& known) {
  ADM_ASSIGN(const auto head, bytes_before(file, as, known.head_size, known.head_size));
  if (!head || digest_of(*head) != known.head_digest) return false;
  ADM_ASSIGN(const auto tail, bytes_before(file, as, known.taken, known.tail_size));
  return tail && digest_of(*tail) == known.tail_digest;
}

bool names_fit(const std::string& known_path, const std::string& path) {
  const auto known = std::filesystem::path(known_path).filename().string();
  const auto name = std::filesystem::path(path).filename().string();
  return base_of(known) == base_of(name) || name.starts_with(base_of(known));
}

}  // namespace admetrics::source
