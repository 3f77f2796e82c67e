#pragma once

#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include "core/engine/ports.hpp"
#include "core/sqlite/database.hpp"
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
};

/// The four tables in an SQLite database that others read, and may write to as well: the write lock is held from
/// `begin` to `commit`, and the log is checkpointed passively only.
class SqliteSink : public Sink {
 public:
  explicit SqliteSink(SqliteSinkOptions options);
  ~SqliteSink() override;

  [[nodiscard]] const std::string& name() const override { return options_.name; }
  Result<SinkState> open() override;
  [[nodiscard]] bool replaced() const override;
  Status visit_keys(const std::function<void(const SinkKey&)>& visit) override;
  Status begin(const CommitHeader& header, bool purge_unrecognized) override;
  Status write_cells(std::span<const CellWrite> cells) override;
  Status write_names(std::span<const NameWrite> names) override;
  Status write_hierarchies(std::span<const HierarchyWrite> hierarchies) override;
  /// As `FollowingSink`: for one that is built on this.
  void amend(const CommitHeader& header) { header_ = header; }
  Result<SinkReceipt> commit() override;
  void rollback() override;

 private:
  struct Statements;
  Status prepare();
  Status create_missing();
  Result<SinkState> read_state();
  Status purge();
  Status check_still_ours();
  Status note_key(SinkKey::Kind kind, Level level, std::string_view entity_id, Day day);
  void note_row(const SinkKey& key, Breakdown breakdown, std::string_view value);

  const SqliteSinkOptions options_;
  std::string file_;  // identity when it was opened
  std::unique_ptr<sqlite::Connection> database_;
  std::optional<RowTable> main_;
  std::optional<RowTable> breakdown_;
  std::unique_ptr<Statements> statements_;
  // The position that this sink holds, as far as we know. No ledger: none.
  std::string known_ledger_;
  EpochId known_epoch_;
  // The open epoch's.
  CommitHeader header_;
  std::string committed_at_;
  std::optional<std::tuple<std::string, std::string, Day>> last_cell_;  // inserted in this epoch
  bool tables_empty_ = false;                                           // nothing to compare with: inserts only
  std::size_t keys_noted_ = 0;
  bool keys_complete_ = true;  // the list names everything that the ledger has not heard of
  std::size_t cells_written_ = 0;
  SinkReceipt receipt_;
};

}  // namespace admetrics::sink
