#pragma once

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "core/engine/following_sink.hpp"
#include "sinks/postgres/schema.hpp"
#include "sinks/postgres/settings.hpp"

namespace admetrics::sink {

/// The four tables in a PostgreSQL database (15 or later), UTF-8.
///
/// An epoch is one transaction: rows are copied into temporary tables, and merged from there with as many statements as there
/// are tables; rows that stand already are not touched. One epoch at a time: our bookkeeping table is locked meanwhile,
/// the rows' tables are not, so readers never wait and vacuum works.
///
/// After a lost connection everything fails with kIo until `open` connects again. A commit whose answer was lost is found
/// out by `open`. A number that a DECIMAL cannot hold widens its column, scale kept.
class PostgresSink : public FollowingSink {
 public:
  explicit PostgresSink(PostgresSinkOptions options);
  ~PostgresSink() override;

  [[nodiscard]] const std::string& name() const override { return name_; }
  Result<SinkState> open() override;
  /// The server went away, as far as it has told.
  [[nodiscard]] bool replaced() const override;
  Status visit_keys(const std::function<void(const SinkKey&)>& visit) override;
  Status begin(const CommitHeader& header, bool purge_unrecognized) override;
  Status write_cells(std::span<const CellWrite> cells) override;
  Status write_names(std::span<const NameWrite> names) override;
  Status write_hierarchies(std::span<const HierarchyWrite> hierarchies) override;
  void amend(const CommitHeader& header) override { header_ = header; }
  Result<SinkReceipt> commit() override;
  void rollback() override;

 private:
  /// Lines for one temporary table that were not sent yet.
  struct Stage {
    std::string table;
    std::string columns;
    std::string lines;
    std::size_t rows = 0;  // staged since the last merge, sent or not
  };

  Result<SinkState> read_state();
  Status create_stages();
  Status begin_transaction(bool purge_unrecognized);
  Status purge();
  Status send(Stage& stage);
  Status send_if_large(Stage& stage);
  /// Makes the tables what the staged rows say.
  Status merge_cells();
  Status merge_rows(bool main);
  Status delete_rows();
  Status widen_columns(bool main);
  Status count(const std::string& sql);
  void append_values(const RowValues& values, bool main, std::string& line);
  /// The id as it stands in the tables.
  Result<std::string> stored_id(std::string_view id);
  Result<std::string> original_id(const std::string& stored);

  const std::string name_ = "postgres";
  const PostgresSinkOptions options_;
  std::unique_ptr<postgres::Connection> connection_;
  postgres::Standing standing_;  // the open transaction's
  postgres::Standing standing_committed_;
  std::unordered_map<std::string, std::string> long_ids_;  // stored in this epoch, by id
  // The position that this sink holds, as far as we know. No ledger: none.
  std::string known_ledger_;
  EpochId known_epoch_;
  // The open epoch's.
  CommitHeader header_;
  std::string committed_at_;
  bool open_ = false;                    // a transaction is
  bool tables_empty_ = false;            // nothing to compare with: inserts only
  bool keys_complete_ = true;            // the list names everything that the ledger has not heard of
  std::optional<WritePlace> last_cell_;  // staged
  Stage main_;
  Stage breakdown_;
  Stage cells_;  // what has to be deleted: main rows, breakdown rows that are not listed
  Stage gone_;   // breakdown rows that have to be deleted
  std::array<std::uint64_t, kNumberCount> largest_{};  // of the staged numbers, scaled, without their signs
  std::int64_t offered_ = 0;
  std::string line_;  // reused
  SinkReceipt receipt_;
};

}  // namespace admetrics::sink
