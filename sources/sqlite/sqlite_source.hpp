#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/engine/ports.hpp"
#include "core/sqlite/database.hpp"
#include "sources/sqlite/capture.hpp"
#include "sources/sqlite/fact_reader.hpp"

namespace admetrics::source {

struct SqliteSourceOptions {
  std::string product_db;
  std::string ads_db;
  bool triggers = true;  // false: "scan", which never writes to the source
  int busy_timeout_ms = 5'000;
  const std::atomic<bool>* stop = nullptr;  // once true, long reads end with kInterrupted
};

/// The pipeline's two databases as an engine's source.
///
/// Threads: the pipeline's thread calls everything; readers are used by one worker each.
/// Invariants: (1) triggers stand before the first snapshot is taken; (2) a position covers exactly the change records
///             that its snapshot shows; (3) when triggers, a table, the log or the file were not what they should be,
///             everything is read again.
class SqliteSource : public Source {
 public:
  explicit SqliteSource(SqliteSourceOptions options);
  ~SqliteSource() override;

  Result<EpochInput> begin_epoch(const std::string& position, bool reconcile) override;
  Result<FactReader*> reader(std::size_t index) override;
  void end_snapshot() override;
  /// Remembers the position; the log is trimmed once enough has gathered, or by `trim`.
  Status acknowledge(const std::string& position) override;

  /// Removes every acknowledged record from the logs.
  Status trim();
  /// Cheap: whether an epoch would find something. An error is a reason to look, too.
  Result<bool> has_changes();
  /// Change records that no epoch has taken yet.
  Result<std::int64_t> pending_records();

 private:
  enum Side : std::size_t { kProduct = 0, kAds = 1 };
  struct Database;
  struct SidePosition;

  [[nodiscard]] const std::string& path_of(Side side) const;
  [[nodiscard]] std::span<const RawTable> tables_of(Side side) const;
  /// Opens what is not open, and everything again when the file under us is another one.
  Status ensure_open();
  void close();
  Status mark_databases(const std::optional<std::array<SidePosition, 2>>& before);
  Status begin_snapshot();
  Result<bool> ensure_armed(std::array<CaptureState, 2>& states);
  Result<CaptureState> capture_state(Side side);
  Status read_changes(Side side, std::int64_t from_seq, std::int64_t to_seq, EpochInput& input);
  Result<Mappings> read_mappings();

  const SqliteSourceOptions options_;
  std::array<std::unique_ptr<Database>, 2> databases_;
  std::vector<std::unique_ptr<SqliteFactReader>> readers_;
  std::array<sqlite::Snapshot, 2> snapshots_;
  bool snapshot_open_ = false;
  std::vector<std::size_t> joined_readers_;
  std::optional<Mappings> mappings_;  // as of the last epoch begun; none: not read since the source was opened
  bool rearmed_ = false;              // capture was repaired since the last epoch that was taken
  std::string rearmed_reason_;
};

}  // namespace admetrics::source
