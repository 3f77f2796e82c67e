#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/sqlite/database.hpp"
#include "sources/sqlite/tables.hpp"

/// Capture by triggers: the writer's own transaction records which keys it touched. Facts are never recorded, only
/// keys, so double records and foreign conflict clauses do no harm (pitfalls.md 1, 2).
namespace admetrics::source {

inline constexpr std::string_view kLogTable = "_admetrics_changes";
/// The last record ever written. `sqlite_sequence` alone is not enough: a statement that fails half-way under OR FAIL
/// leaves its records, but not the sequence.
inline constexpr std::string_view kLastSeqSql =
    "max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = '_admetrics_changes'), 0), "
    "coalesce((SELECT max(seq) FROM _admetrics_changes), 0))";
inline constexpr std::string_view kCaptureTable = "_admetrics_capture";

/// What one database's capture looks like, as of one snapshot.
struct CaptureState {
  std::string generation;         // of the log; drawn when the log was created. "": no log
  std::int64_t last_seq = 0;      // the last record ever written
  std::int64_t acknowledged = 0;  // records up to here may be gone
  std::string mark;               // drawn at each opening: a restored backup has an older one
  std::string signature;          // of the raw tables and our triggers: differs when something was dropped or replaced
  bool armed = false;             // every trigger stands as it should
};

/// Who appends to the change log.
enum class RecordedBy : std::uint8_t {
  kTriggers,
  kWriter,  // itself: no trigger of ours stands
};

/// Reads the state inside the connection's read transaction.
Result<CaptureState> read_capture(sqlite::Connection& database, std::span<const RawTable> tables,
                                  RecordedBy by = RecordedBy::kTriggers);

/// Creates the log and installs what is missing or differs, in one transaction of its own. Whenever anything had to be
/// installed it draws a new generation: nobody knows what was missed, and positions of the old one mean nothing any more.
Status arm_capture(sqlite::Connection& database, std::span<const RawTable> tables,
                   RecordedBy by = RecordedBy::kTriggers);

/// Draws a new mark, keeping `known`, the one that the ledger has seen, as the previous one: until the ledger has the new
/// mark, both are good. False: the file has neither, so it is not as the ledger has seen it last (a restored backup).
/// A database without a log is left alone (true).
Result<bool> renew_mark(sqlite::Connection& database, const std::string& known);

/// Marks records up to `seq` as taken, and removes them in transactions of a few milliseconds, at most `transactions_max`;
/// `pause` is called between two of them, so that a writer who waits gets the lock. True: all are removed.
Result<bool> trim_log(sqlite::Connection& database, std::int64_t seq,
                      int transactions_max = std::numeric_limits<int>::max(),
                      const std::function<void(std::int64_t micros)>& pause = nullptr);

}  // namespace admetrics::source
