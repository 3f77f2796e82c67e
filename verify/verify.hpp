#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/day.hpp"
#include "core/base/result.hpp"
#include "core/model/reporting.hpp"

namespace admetrics {

/// verify: what must the four materialized tables hold, and what do they hold?
///
/// The numbers are computed again from the raw tables, in SQL over whole numbers, by a path that shares nothing with
/// the engine. Both sides are of the position that the sink says it has. Where the sources have change logs they are read
/// in transactions of some milliseconds, while everybody goes on writing (verify/README.md); else in one.
///
/// Threads: one thread per call; calls share nothing, so several may run at once.

/// Where a long verification stands. `total` is 0 while it is not known.
struct VerifyProgress {
  std::string phase;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
};

struct VerifyOptions {
  std::string product_db;
  std::string ads_db;
  std::string sink_db;  // often the product database itself
  Reporting reporting;
  std::optional<Day> as_of;  // absent: the day that the sink's rows were written for
  // A part of the rows. The mapping tables are compared only when nothing is left out.
  std::optional<Day> since;
  std::optional<Day> until;  // this day included
  double sample = 1.0;       // share of the (entity, day) pairs, chosen by hash: the same ones every time
  std::size_t differences_kept = 100;
  std::string temp_dir;           // absent: the system's. Holds about as much as the raw tables' read columns
  bool align = true;              // false: take both sides as they are, whatever the daemon has yet to catch up with
  int align_timeout_ms = 10'000;  // how long to wait for the daemon to catch up
  bool at_once = false;           // read everything in one transaction: for a sink that nobody goes on writing
  int busy_timeout_ms = 10'000;   // how long to wait for a writer's lock
  bool any_shape = false;         // a table or column that the sink lacks holds nothing, instead of being an error
  std::function<void(const VerifyProgress&)> progress;
  const Clock* clock = nullptr;  // for `seconds` only
};

enum class DifferenceKind : std::uint8_t {
  kColumn,      // the row is there, and this column is wrong
  kMissingRow,  // the row should be there
  kExtraRow,    // the row should not be there (or is there twice)
};

struct Difference {
  DifferenceKind kind = DifferenceKind::kColumn;
  std::string table;
  std::vector<std::string> key;  // entity_type, entity_id, date, …: the key columns in the table's order
  std::string column;            // empty unless `kind` is kColumn
  std::string expected;          // both as they would be typed in SQL, long lists shortened around the first difference
  std::string stored;

  /// `ad a7 2026-01-03 country=US`
  [[nodiscard]] std::string key_text() const;
};

struct TableReport {
  std::string table;
  std::uint64_t rows_expected = 0;
  std::uint64_t rows_stored = 0;
  std::uint64_t rows_equal = 0;
  std::uint64_t rows_missing = 0;
  std::uint64_t rows_extra = 0;
  std::vector<std::pair<std::string, std::uint64_t>> column_differences;  // only columns that differ somewhere
  std::vector<std::string> columns;                                       // all that were compared
  std::vector<std::vector<std::string>>
      missing;  // the first `differences_kept` keys that should be stored, but are not

  [[nodiscard]] std::uint64_t rows_differing() const { return rows_expected - rows_missing - rows_equal; }
  /// The share of the expected keys that are stored, in percent; 100 only when none is missing.
  [[nodiscard]] double completeness() const;
  [[nodiscard]] bool equal() const { return rows_equal == rows_expected && rows_extra == 0; }
};

struct RejectCount {
  std::string table;
  std::string reason;  // as `name_of(RejectReason)` spells it
  std::uint64_t rows = 0;
};

struct VerifyReport {
  Day as_of;
  std::optional<std::int64_t> epoch;    // of the rows that were compared
  std::vector<TableReport> tables;      // those that were compared
  std::vector<Difference> differences;  // the first `differences_kept`, table by table in key order
  std::uint64_t difference_count = 0;   // all of them
  std::vector<RejectCount> rejects;
  std::vector<std::string> notes;  // missing optional tables and what else a reader should know
  double seconds = 0;

  [[nodiscard]] bool equal() const { return difference_count == 0; }
};

/// Fails when it cannot tell: kBusy when the daemon does not catch up in time, kSchema when a table or column is
/// missing or nothing has been materialized yet. `report.epoch` is the sink's when the two sides were last looked at together.
Result<VerifyReport> verify(const VerifyOptions& options);

/// Writes what the four tables must hold into a new database file. Needs no sink; `as_of` must be given unless
/// `sink_db` names a sink that recorded it.
Status recompute_into(const VerifyOptions& options, const std::string& path);

std::string to_text(const VerifyReport& report);
/// What a repair did to make `before` equal: rows by table, and each difference that was listed.
std::string repair_to_text(const VerifyReport& before);
/// `repaired`: what was found before a repair; none: nothing was repaired.
std::string to_json(const VerifyReport& report, const VerifyReport* repaired = nullptr);

}  // namespace admetrics
