#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "sources/changelog/byte_stream.hpp"

namespace admetrics::source {

// A file is known again by so many bytes at its beginning, and so many before what was taken of it.
inline constexpr std::int64_t kHeadBytesMax = 1'024;
inline constexpr std::int64_t kTailBytesMax = 256;

/// A file of the log, by what was read of it.
struct LogFile {
  std::int64_t id = 0;  // in the database; 0: nothing was taken of it yet
  std::string name;
  std::string identity;
  Compression compression = Compression::kNone;
  std::int64_t taken = 0;
  std::int64_t head_size = 0;
  std::uint64_t head_digest = 0;
  std::int64_t tail_size = 0;
  std::uint64_t tail_digest = 0;
  // While it runs.
  std::string head, tail;  // the bytes of which these are
  bool bytes_known = false;
  bool changed = false;
  bool listed = false;
  bool cut_short = false;
  std::string rank;         // files of which nothing was read yet are taken in the order of this
  std::string name_before;  // under which it was read last, where that is not certain to be this file
  std::int64_t disk_size = 0;
  std::int64_t modified_nanos = 0;
  // How it stood when it gave nothing more.
  bool exhausted = false;
  bool tail_pending = false;
  std::int64_t exhausted_size = 0;
  std::int64_t exhausted_nanos = 0;
  std::int64_t exhausted_next = 0;       // what stood in the file behind it, where its last line may go on
  std::int64_t given_up_at = INT64_MAX;  // in seconds, when nobody will complete what is pending any more

  /// `size` more bytes were taken; `bytes` are these, or nothing where they were too many to keep.
  void take(std::string_view bytes, std::int64_t size);
  /// Nothing more comes of it as it stands on the disk; `pending`: but for something at its end that is not whole.
  void note_exhausted(bool pending);
  /// Nothing came of it when it was read last, and it stands on the disk as it did then.
  [[nodiscard]] bool is_as_exhausted() const {
    return exhausted && exhausted_size == disk_size && exhausted_nanos == modified_nanos;
  }
  /// Another file has taken its place: nothing was taken of that.
  void begin_anew();
};

/// The `size` bytes before `until` of an open file, named and compressed as `as` says; nothing when there are not so many.
Result<std::optional<std::string>> bytes_before(int file, const LogFile& as, std::int64_t until, std::int64_t size);
/// Whether the open `file` begins with all that was read of `known`.
Result<bool> goes_on(int file, const LogFile& as, const LogFile& known);
/// Of two files with paths as these one may be a copy of the other, or its compressed form.
bool names_fit(const std::string& known_path, const std::string& path);

}  // namespace admetrics::source
