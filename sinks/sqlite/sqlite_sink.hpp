#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/engine/ports.hpp"
#include "core/sqlite/database.hpp"
#include "core/sqlite/lock_meter.hpp"
#include "sinks/sqlite/fill_pace.hpp"
#include "sinks/sqlite/foreign_watch.hpp"
#include "sinks/sqlite/row_table.hpp"

namespace admetrics::sink {

struct SqliteSinkOptions {
  std::string path;
  std::string name = "sqlite";
  int busy_timeout_ms = 5'000;                               // how long one attempt waits for another's write lock
  std::int64_t large_cache_bytes = std::int64_t{128} << 20;  // of pages, while a large epoch is written
  // What somebody builds on these tables: called once they stand, and last in each epoch's transaction.
  std::function<Status(sqlite::Connection&)> on_open = nullptr;
  std::function<Status(sqlite::Connection&, const CommitHeader&)> before_commit = nullptr;
  const Clock* clock = nullptr;         // measures how long a transaction of a fill takes; none: rows are counted only
  sqlite::LockMeters* locks = nullptr;  // measure how long the write lock is held
  /// Waits between two transactions of a fill, so that whoever waits for the write lock gets it; none: no wait.
  std::function<void(std::int64_t micros)> pause = nullptr;
  /// With `pause`: how long a transaction of a fill may write rows where nobody else has committed for some seconds.
  /// Whoever comes then waits that long, once.
  std::int64_t hold_alone_micros = 0;
  const std::atomic<bool>* stop = nullptr;             // once true, what takes long ends with kInterrupted
  std::atomic<std::uint64_t>* rows_removed = nullptr;  // rises with the rows of an unfinished fill that are removed
};

/// The four tables in an SQLite database that others read, and may write to as well.
///
/// An epoch is one transaction; the log is checkpointed passively only. A small one holds the write lock from its first row to
/// `commit`. A large one compares first, without the lock, and takes it for the rows that differ, or when these are too many
/// to keep. A large one that finds the tables empty is written aside in many short transactions instead, and `commit` puts those
/// tables in place (`first_fill.hpp`). One that fails on the way, as by a lock that is held for minutes, goes on where it was
/// when the same epoch is begun again; what another process left behind is removed by `open`.
class SqliteSink : public Sink {
 public:
  explicit SqliteSink(SqliteSinkOptions options);
  ~SqliteSink() override;

  [[nodiscard]] const std::string& name() const override { return options_.name; }
  Result<SinkState> open() override;
  [[nodiscard]] bool replaced() const override;
  Status visit_keys(const std::function<void(const SinkKey&)>& visit) override;
  Result<std::unique_ptr<StoredRowReader>> read_rows() override;
  Status begin(const CommitHeader& header, bool purge_unrecognized) override;
  Status write_cells(std::span<const CellWrite> cells) override;
  Status write_names(std::span<const NameWrite> names) override;
  Status write_hierarchies(std::span<const HierarchyWrite> hierarchies) override;
  [[nodiscard]] std::int64_t rows_written() const override;
  /// As `FollowingSink`: for one that is built on this.
  void amend(const CommitHeader& header) { header_ = header; }
  Result<SinkReceipt> commit() override;
  void rollback() override;

  /// Looks (`ForeignWatch`), and gives what was found since it was asked last, also by the look that each epoch begins
  /// with. Between epochs.
  ForeignWork take_foreign_work();
  /// Whether nobody else holds the write lock right now. Between epochs.
  bool is_free();

 private:
  struct Statements;
  /// The four tables, or those aside.
  struct Tables {
    RowTable main;
    RowTable breakdown;
    std::unique_ptr<Statements> statements;
  };
  Result<Tables> prepare(std::string_view prefix);
  [[nodiscard]] Tables& tables() { return aside_ ? *aside_ : *live_; }
  Status create_missing();
  Result<SinkState> read_state();
  Result<bool> anything_to_purge();
  Status purge();
  Status check_still_ours();
  Status note_key(SinkKey::Kind kind, Level level, std::string_view entity_id, Day day);
  enum Filled : std::size_t { kMain, kBreakdown, kNames, kHierarchies };
  [[nodiscard]] SinkReceipt total() const;
  /// The epoch's transaction, with what goes before its rows.
  Status begin_epoch();
  Status look_whether_empty();
  /// Without the lock: counts the rows that stand, and keeps the cells that differ.
  Status compare(std::span<const CellWrite> cells);
  /// Takes the lock, and writes what was kept.
  Status begin_writing();
  Status write_cell(const CellWrite& cell);
  Status write_name(const NameWrite& name);
  Status write_hierarchy(const HierarchyWrite& hierarchy);
  Status begin_immediate(std::string_view work);
  // Of a fill.
  Status begin_fill();
  Status prepare_fill();
  Result<bool> resume_fill();
  Status end_fill();
  Status remove_unfinished_fill();
  /// Before an item is written: true where it stands already, by a transaction before this one's failure.
  Result<bool> begin_item();
  Status end_item();
  Status end_fill_transaction();
  void note_row(const SinkKey& key, Breakdown breakdown, std::string_view value);

  const SqliteSinkOptions options_;
  std::string file_;  // identity when it was opened
  std::unique_ptr<sqlite::Connection> database_;
  std::optional<Tables> live_;
  std::optional<Tables> aside_;  // while a fill goes on
  std::optional<ForeignWatch> watch_;
  // The position that this sink holds, as far as we know. No ledger: none.
  std::string known_ledger_;
  EpochId known_epoch_;
  // The open epoch's.
  CommitHeader header_;
  std::string committed_at_;
  std::optional<WritePlace> last_cell_;  // inserted in this epoch
  bool tables_empty_ = false;            // nothing to compare with: inserts only
  std::size_t keys_noted_ = 0;
  bool keys_complete_ = true;  // the list names everything that the ledger has not heard of
  std::size_t cells_written_ = 0;
  bool audit_ = false;
  bool purge_ = false;                // there are rows whose key is none of ours
  bool begun_ = false;                // the transaction is open
  bool comparing_ = false;            // and shall not be yet
  std::vector<CellWrite> differing_;  // what is to be written when it is
  std::int64_t differing_bytes_ = 0;
  bool can_fill_ = false;              // the tables may be exchanged for others, should this epoch turn out to be large
  SinkReceipt receipt_;                // but its numbers, until the commit
  std::array<SinkReceipt, 4> counts_;  // by table: numbers only
  // A fill's: items are cells, names and pairs, in the order in which they come.
  std::string fill_token_;    // of the epoch that is being filled; "": none
  bool fill_failed_ = false;  // it may go on where it was, if it is what comes next
  std::int64_t items_ = 0;
  std::int64_t items_standing_ = 0;
  FillPace pace_;
};

}  // namespace admetrics::sink
