#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "core/sqlite/database.hpp"
#include "sources/changelog/byte_stream.hpp"

namespace admetrics::source {

/// How a piece of a log stands to its lines.
enum class PieceKind : std::uint8_t {
  kLines,    // whole lines
  kTooLong,  // one line longer than kLineBytesMax; the text is its beginning
  kTorn,     // the end of a closed file, where a line stops half-way
  kDamaged,  // compressed data that cannot be read on; the text says why
};

struct LogFile;

/// What the reader hands out next.
struct LogPiece {
  PieceKind kind = PieceKind::kLines;
  std::string_view text;    // RecordParser::padding() readable bytes lie behind it
  std::int64_t offset = 0;  // of the text in its file, of the decompressed bytes
  std::int64_t size = 0;    // how much of the file it stands for
  LogFile* file = nullptr;
  std::vector<std::pair<LogFile*, std::int64_t>> next;  // a line goes on in these files, for so many bytes
};

/// LogReader: the bytes of a growing file, of a folder of rotated files, or of standard input, in pieces of whole lines.
///
/// A file is known by what stands in it (its beginning, and what was read last), not by its name alone: renamed, compressed,
/// copied and truncated files go on where they were.
///
/// Threads:    one at a time.
/// Invariants: (1) what `advance` was told is what `save` writes; after `load` the reader stands where it was saved;
///             (2) memory holds one piece, at most some kLineBytesMax.
class LogReader {
 public:
  /// `path`: a file, a folder, or "-". `set`: distinguishes the files of several readers in one database.
  LogReader(std::string path, std::string set, const Clock& clock,
            std::function<bool(std::string_view)> is_whole_record);
  ~LogReader();
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  /// Takes up what was saved, and forgets what was read since.
  Status load(sqlite::Connection& database);
  /// Writes what changed since the last save, inside the caller's transaction.
  Status save(sqlite::Connection& database);

  /// Looks which files there are. False: there is nothing at the path.
  Result<bool> refresh();
  /// Whether `next` may have something, as far as can be seen cheaply.
  Result<bool> has_news();
  /// The next piece, or nothing for now. Valid until the next call.
  Result<std::optional<LogPiece>> next();
  void advance(const LogPiece& piece);

  /// Removes the files of which all was read, and saved as read.
  void remove_files_that_were_read();
  /// Waits a moment for standard input to have something, or to end.
  void wait_for_input() const;
  /// Whether standard input has ended; of files never.
  [[nodiscard]] bool ended() const;
  [[nodiscard]] bool ever_read() const;
  /// Bytes that were not read yet, of files that are not compressed.
  [[nodiscard]] std::int64_t bytes_waiting() const;
  /// How a file is called in messages and dead letters.
  static const std::string& name_of(const LogFile& file);
  /// The file that was read last, and how far; "" before the first.
  [[nodiscard]] std::string where() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace admetrics::source
