#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/sqlite/database.hpp"
#include "sources/changelog/record.hpp"

namespace admetrics::source {

/// A line that was not understood.
struct DeadLetter {
  std::int64_t id = 0;
  std::int64_t at_seconds = 0;
  BadRecord reason = BadRecord::kNotJson;
  std::string file;
  std::int64_t offset = 0;
  std::int64_t size = 0;
  std::string text;  // of a line that is too long its beginning
};

/// One line of the dead-letter file, with its line break.
std::string to_json_line(const DeadLetter& letter);

/// What `admetricsd replay` needs of such a line.
struct MendedLetter {
  std::int64_t key = 0;  // the same for the same dead letter, whatever became of its text
  std::string text;
};
/// Fails with kCorrupt when the line is no dead letter.
Result<MendedLetter> parse_dead_letter(std::string_view line);
std::string to_json_line(const MendedLetter& letter);
Result<MendedLetter> parse_mended_letter(std::string_view line);

/// DeadLetters: kept in the landing database with the position that passed them, then appended to a file, each once.
///
/// Threads: one at a time.
class DeadLetters {
 public:
  /// A file of `size_max` bytes is renamed to `file`.1, in the place of the one before it. Of letters that cannot be
  /// written, that many bytes are kept at most, the newest ones.
  DeadLetters(sqlite::Connection& database, std::string file, std::int64_t size_max)
      : database_(&database), file_(std::move(file)), size_max_(size_max) {}

  Status load();
  /// Inside the caller's transaction.
  Status add(const DeadLetter& letter);
  /// After a rollback.
  Status reload() { return load(); }
  /// Appends what is not in the file yet. Outside a transaction.
  Status export_all();

  [[nodiscard]] std::int64_t total() const { return total_; }
  /// How many are gone for want of room, ever.
  [[nodiscard]] std::int64_t dropped() const { return dropped_; }
  /// By reason, as `kBadRecords` has them.
  [[nodiscard]] const std::array<std::int64_t, kBadRecords.size()>& counts() const { return counts_; }

 private:
  Status rotate();
  Status count_dropped(std::int64_t letters);

  sqlite::Connection* database_;
  const std::string file_;
  const std::int64_t size_max_;
  sqlite::Statement insert_;
  std::array<std::int64_t, kBadRecords.size()> counts_{};
  std::int64_t total_ = 0;
  std::int64_t waiting_ = 0;
  std::int64_t waiting_bytes_ = 0;
  std::int64_t dropped_ = 0;
};

}  // namespace admetrics::source
