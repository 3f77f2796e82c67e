#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/engine/ports.hpp"
#include "core/sqlite/database.hpp"
#include "sinks/sqlite/row_table.hpp"

namespace admetrics::sink {

struct SqliteSinkOptions {
  std::string path;
  int busy_timeout_ms = 5'000;                               // how long one attempt waits for another's write lock
  std::int64_t large_cache_bytes = std::int64_t{128} << 20;  // of pages, while a large epoch is written
};

/// What somebody else did to the tables, as far as can be seen without reading them.
struct ForeignWork {
  std::string everything;       // why every row has to be compared; "": it need not be
  std::vector<SinkKey> added;   // keys of rows that somebody added
  bool strange_keys = false;    // and some whose key is none that anybody could have wanted

  [[nodiscard]] bool any() const { return !everything.empty() || !added.empty() || strange_keys; }
};

/// The four tables in an SQLite database that others read, and may write to as well: the write lock is held from
/// `begin` to `commit`, and the log is checkpointed passively only.
class SqliteSink : public Sink {
 public:
  explicit SqliteSink(SqliteSinkOptions options);
  ~SqliteSink() override;

  [[nodiscard]] const std::string& name() const override { return name_; }
  Result<SinkState> open() override;
  [[nodiscard]] bool replaced() const override;
  Status visit_keys(const std::function<void(const SinkKey&)>& visit) override;
  Status begin(const CommitHeader& header, bool purge_unrecognized) override;
  Status write_cells(std::span<const CellWrite> cells) override;
  Status write_names(std::span<const NameWrite> names) override;
  Status write_hierarchies(std::span<const HierarchyWrite> hierarchies) override;
  [[nodiscard]] std::int64_t rows_written() const override { return receipt_.written(); }
  Result<SinkReceipt> commit() override;
  void rollback() override;

  /// Looks, where somebody else has committed since the last look, whether a table became empty, and whether its first or
  /// last row is another one. Between epochs; some microseconds. Gives what was found since it was asked last, also by
  /// a look that each epoch begins with.
  ForeignWork take_foreign_work();
  /// Whether nobody else holds the write lock right now. Between epochs.
  bool is_free();

 private:
  /// Of each table: its first and last row number where that is its key, else whether it has rows.
  using Edges = std::array<std::pair<std::int64_t, std::int64_t>, 4>;

  struct Statements;
  Status prepare();
  Status create_missing();
  Result<SinkState> read_state();
  Status purge();
  Status check_still_ours();
  Result<Edges> read_edges();
  Status look_for_foreign_work();
  Status note_key(SinkKey::Kind kind, Level level, std::string_view entity_id, Day day);
  void note_row(const SinkKey& key, Breakdown breakdown, std::string_view value);

  const std::string name_ = "sqlite";
  const SqliteSinkOptions options_;
  std::string file_;  // identity when it was opened
  std::unique_ptr<sqlite::Connection> database_;
  std::optional<RowTable> main_;
  std::optional<RowTable> breakdown_;
  std::unique_ptr<Statements> statements_;
  // How the tables were left by the last commit, or found when they were opened.
  std::optional<Edges> edges_;
  std::int64_t seen_data_version_ = -1;
  ForeignWork foreign_work_;
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
