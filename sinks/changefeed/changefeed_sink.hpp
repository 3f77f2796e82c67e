#pragma once

#include <string>

#include "core/engine/following_sink.hpp"
#include "sinks/changefeed/feed_files.hpp"
#include "sinks/sqlite/sqlite_sink.hpp"

namespace admetrics::sink {

struct ChangefeedSinkOptions {
  std::string state_path;  // a database of its own: the rows as they were last told, and what is to be told
  int busy_timeout_ms = 5'000;
  FeedFileOptions files;
};

/// Every change of a row as a line of JSON, for whoever comes after us (docs/sinks.md says what a line holds).
///
/// The rows as they were last told are kept in a database of ours; triggers there write down what an epoch changes, in the
/// epoch's own transaction. Lines leave for the file after that commit, and what was delivered is taken out of the database
/// together with the place in the file: a crash between cuts the file back to that place, so each line is in the files once.
///
/// A commit whose lines could not be delivered fails, though its rows stand; `open` delivers them first of all.
class ChangefeedSink : public FollowingSink {
 public:
  explicit ChangefeedSink(ChangefeedSinkOptions options);
  ~ChangefeedSink() override;

  [[nodiscard]] const std::string& name() const override { return rows_.name(); }
  Result<SinkState> open() override;
  [[nodiscard]] bool replaced() const override { return rows_.replaced(); }
  Status visit_keys(const std::function<void(const SinkKey&)>& visit) override { return rows_.visit_keys(visit); }
  Status begin(const CommitHeader& header, bool purge_unrecognized) override {
    return rows_.begin(header, purge_unrecognized);
  }
  Status write_cells(std::span<const CellWrite> cells) override { return rows_.write_cells(cells); }
  Status write_names(std::span<const NameWrite> names) override { return rows_.write_names(names); }
  Status write_hierarchies(std::span<const HierarchyWrite> hierarchies) override {
    return rows_.write_hierarchies(hierarchies);
  }
  void amend(const CommitHeader& header) override { rows_.amend(header); }
  Result<SinkReceipt> commit() override;
  void rollback() override { rows_.rollback(); }

 private:
  Status prepare(sqlite::Connection& database);
  Status deliver();

  SqliteSink rows_;
  FeedFiles files_;
  sqlite::Connection* database_ = nullptr;  // of `rows_`, while that is open
};

}  // namespace admetrics::sink
