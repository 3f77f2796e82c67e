#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/clock.hpp"
#include "core/engine/ports.hpp"
#include "sources/changelog/record_parser.hpp"
#include "sources/sqlite/sqlite_source.hpp"

namespace admetrics::source {

struct ChangelogOptions {
  std::string path;  // a file, a folder, or "-": standard input
  LogFormat format = LogFormat::kAuto;
  MixpanelMapping mixpanel;
  std::string landing_db;
  std::string dead_letters;   // a file
  std::string replay_folder;  // where `admetricsd replay` puts what shall be read again; what was read is removed
  std::int64_t dead_letters_max_bytes = std::int64_t{256} << 20;  // of the file; there is one before it
  std::int64_t tombstones_max = 10'000'000;
  std::int64_t hold_transactions_max_seconds = 3'600;
  std::int64_t hold_transactions_max_bytes = std::int64_t{1} << 30;
  bool once = false;  // what the log has now is all of it
  const Clock* clock = nullptr;
  const std::atomic<bool>* stop = nullptr;          // once true, catching up ends with kInterrupted
  std::atomic<std::uint64_t>* rows_read = nullptr;  // rises with the records
};

/// What the change log's reader tells about itself.
struct ChangelogState {
  std::string where;  // FILE:OFFSET that was read last
  std::int64_t bytes_waiting = 0;
  std::int64_t records_total = 0;
  std::int64_t other_tables_total = 0;                             // records of tables that are none of ours
  std::vector<std::pair<std::string, std::int64_t>> dead_letters;  // by reason, those that are not 0
  std::int64_t dead_letters_dropped_total = 0;                     // gone for want of room
  std::int64_t tombstones = 0;                                     // deletions that are remembered
  std::int64_t tombstones_forgotten_total = 0;
  std::int64_t transactions_open = 0;
  std::int64_t oldest_transaction_seconds = 0;  // how long it has been open
  bool ended = false;                           // standard input has
  std::int64_t bytes_total = 0;                 // that were read since the start
  std::int64_t bytes_records = 0;               // … and the records in them
};
/// About how many records wait in files that are not compressed.
std::int64_t records_estimate(const ChangelogState& state);

/// ChangelogSource: change records from files become rows of a landing database; from there on they are a source like any other.
///
/// Threads:    the pipeline's thread.
/// Invariants: (1) rows and the position in the log are one transaction: a record counts once, wherever a crash falls;
///             (2) the rows of a transaction in the log become visible together, or its records wait;
///             (3) a line that is not understood holds nothing up.
class ChangelogSource : public Source {
 public:
  /// `tables` reads the landing database (`SqliteSourceOptions::recorded_by_writer`), and lives longer.
  ChangelogSource(ChangelogOptions options, SqliteSource& tables);
  ~ChangelogSource() override;

  /// Creates the landing database where it is missing.
  Status open();

  Result<EpochInput> begin_epoch(const std::string& position, const EpochWish& wish) override;
  Result<FactReader*> reader(std::size_t index) override { return tables_->reader(index); }
  void end_snapshot() override { tables_->end_snapshot(); }
  Status acknowledge(const std::string& position) override { return tables_->acknowledge(position); }

  /// Whether the log has something new, as far as can be seen cheaply.
  Result<bool> has_changes();
  [[nodiscard]] ChangelogState state() const;
  /// What people should hear, since the last call.
  std::vector<std::string> take_warnings();

 private:
  struct Impl;
  SqliteSource* tables_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace admetrics::source
