#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/base/clock.hpp"
#include "core/engine/ports.hpp"
#include "core/sqlite/database.hpp"
#include "core/sqlite/lock_meter.hpp"
#include "sources/sqlite/capture.hpp"
#include "sources/sqlite/fact_reader.hpp"
#include "sources/sqlite/log_retention.hpp"
#include "sources/sqlite/position.hpp"

namespace admetrics::source {

struct SqliteSourceOptions {
  std::string product_db;
  std::string ads_db;
  bool triggers = true;  // false: "scan", which never writes to the source
  /// The only writer is ours, and appends to the change log itself: no trigger is needed. Both databases may be one file.
  bool recorded_by_writer = false;
  int busy_timeout_ms = 5'000;
  const std::atomic<bool>* stop = nullptr;          // once true, long reads end with kInterrupted
  std::atomic<std::uint64_t>* rows_read = nullptr;  // rises with the rows of long reads
  /// How long users whose events are being reloaded may be held back; 0, or no clock: not at all.
  std::int64_t hold_torn_days_max_seconds = 0;
  const Clock* clock = nullptr;
  sqlite::LockMeters* locks = nullptr;  // measure how long our writes hold the write locks
  /// How long records stay after they were acknowledged, for those who follow the log beside us (`verify`). 0, or no clock:
  /// no longer than until `trim_some`.
  std::int64_t keep_acknowledged_micros = 0;
  /// Waits between two write transactions of one piece of work; none: no wait.
  std::function<void(std::int64_t micros)> pause = nullptr;
};

/// What the last epoch held back.
struct HeldBack {
  std::vector<HeldDay> days;
  std::int64_t users = 0;  // whose changes wait
  bool everyone = false;   // nobody's rows are read while the days are torn: who changed is not known, or too many did
  std::vector<Day> given_up;  // waited too long: what is there counts
};

/// What the change logs hold that was not removed yet.
struct LogSize {
  std::int64_t records = 0;
  std::int64_t bytes = 0;
};

/// The pipeline's two databases as an engine's source.
///
/// Threads: the pipeline's thread calls everything; readers are used by one worker each.
/// Invariants: (1) triggers stand before the first snapshot is taken; (2) a position covers exactly the change records
///             that its snapshot shows; (3) when triggers, a table, the log or the file were not what they should be,
///             everything is read again; (4) while a day is torn, the users that a change of events made dirty keep
///             their rows as they were, and their change records stay in the log.
class SqliteSource : public Source {
 public:
  explicit SqliteSource(SqliteSourceOptions options);
  ~SqliteSource() override;

  Result<EpochInput> begin_epoch(const std::string& position, const EpochWish& wish) override;
  Result<FactReader*> reader(std::size_t index) override;
  void end_snapshot() override;
  /// Remembers the position; the log is trimmed once enough has gathered, or by `trim`.
  Status acknowledge(const std::string& position) override;

  /// From the next epoch on.
  void set_hold_torn_days_max(std::int64_t seconds) { options_.hold_torn_days_max_seconds = seconds; }

  /// Removes every acknowledged record from the logs.
  Status trim();
  /// Removes some that were acknowledged a while ago, in a moment. True: there are no more to come.
  Result<bool> trim_some();
  /// Records and bytes of the logs as they stand; bytes by the pages in use, an estimate of what records take.
  Result<LogSize> log_size();
  /// Writes a record that names no key: it goes the whole way, and changes nothing. Not with capture = "scan".
  Status write_heartbeat();
  /// Cheap: whether an epoch would find something. An error is a reason to look, too.
  Result<bool> has_changes();
  /// Change records that no epoch has taken yet.
  Result<std::int64_t> pending_records();
  [[nodiscard]] const HeldBack& held_back() const { return held_back_; }

 private:
  struct Database;

  [[nodiscard]] const std::string& path_of(Side side) const;
  /// Both sides are one file, with one change log.
  [[nodiscard]] bool is_one_file() const { return options_.product_db == options_.ads_db; }
  [[nodiscard]] RecordedBy recorded_by() const {
    return options_.recorded_by_writer ? RecordedBy::kWriter : RecordedBy::kTriggers;
  }
  [[nodiscard]] std::span<const RawTable> tables_of(Side side) const;
  /// Opens what is not open, and everything again when the file under us is another one.
  Status ensure_open();
  void close();
  Status mark_databases(const std::optional<Position>& before);
  Status begin_snapshot();
  Result<bool> ensure_armed(std::array<CaptureState, 2>& states);
  Result<CaptureState> capture_state(Side side);
  /// Which days are torn in this snapshot, and from which record on event changes are held.
  Status look_for_torn_days(const std::optional<Position>& before, bool days_changed, Position& now);
  /// The users whose event changes are held; too many: everyone is.
  Status read_held_users(Position& now, std::int64_t users_max);
  Status read_user_changes(const Position& before, Position& now, EpochInput& input);
  void add_wish(const EpochWish& wish, const Position& now, EpochInput& input) const;
  Status read_ad_day_changes(const SidePosition& before, const SidePosition& now, EpochInput& input);
  Result<Mappings> read_mappings();
  /// The connection that may write, measured under `work`.
  sqlite::Connection& writer(Side side, std::string_view work);
  Result<bool> trim_side(Side side, std::int64_t seq, int transactions_max);
  /// The last record that was acknowledged long enough ago.
  std::int64_t expired_seq(Side side);

  SqliteSourceOptions options_;
  std::array<std::unique_ptr<Database>, 2> databases_;
  std::vector<std::unique_ptr<SqliteFactReader>> readers_;
  std::array<sqlite::Snapshot, 2> snapshots_;
  bool snapshot_open_ = false;
  std::vector<std::size_t> joined_readers_;
  std::optional<Mappings> mappings_;  // as of the last epoch begun; none: not read since the source was opened
  bool rearmed_ = false;              // capture was repaired since the last epoch that was taken
  std::string rearmed_reason_;
  // Torn days.
  std::optional<std::vector<Day>>
      whole_days_;  // as of the last epoch begun; none: not read since the source was opened
  std::unordered_set<std::string> held_users_;  // by the records after held_from_seq_ up to held_read_seq_
  std::int64_t held_from_seq_ = -1;
  std::int64_t held_read_seq_ = -1;
  std::int64_t hold_deadline_seconds_ = INT64_MAX;
  HeldBack held_back_;
};

}  // namespace admetrics::source
