#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/sqlite/database.hpp"
#include "verify/functions.hpp"
#include "verify/verify.hpp"

namespace admetrics::verification {

/// What the sink says about the rows that it holds.
struct SinkState {
  bool recorded = false;  // false: no `_admetrics_sink` row; the rest is then empty
  std::optional<Day> as_of;
  std::optional<std::int64_t> epoch;
  std::string position;           // as it stands there
  std::int64_t product_seq = -1;  // of it: the last records of the change logs; -1: it names none
  std::int64_t ads_seq = -1;
  bool scanned = false;  // capture = "scan": the position names no record
  bool holding = false;  // some users' rows are deliberately behind, while the pipeline reloads a day
};

/// A nameless scratch database with the sources and the sink attached read-only.
///
/// Threads: one.
class Workspace {
 public:
  static Result<std::unique_ptr<Workspace>> open(const VerifyOptions& options, bool with_sink);

  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  [[nodiscard]] sqlite::Connection& connection() { return *connection_; }

  /// The schema names to use in SQL; databases in one file share one name, and so one snapshot.
  [[nodiscard]] const std::string& product() const { return product_; }
  [[nodiscard]] const std::string& ads() const { return ads_; }
  [[nodiscard]] const std::string& sink() const { return sink_; }
  [[nodiscard]] std::string path_of(const std::string& schema) const;

  /// Opens a transaction that reads all databases, the sink where there is one at the sources' very position.
  Result<SinkState> begin_aligned();
  Status end();
  /// Inside a read transaction.
  Result<SinkState> read_sink_state();
  /// The last record that the source's change log ever had; 0 without a log.
  Result<std::int64_t> last_change(const std::string& schema);
  /// Why rows and sources cannot be looked at together; so many records lie between them.
  [[nodiscard]] Error behind(std::int64_t product_pending, std::int64_t ads_pending) const;

  [[nodiscard]] Result<bool> has_table(const std::string& schema, std::string_view table);
  /// Those of `columns` that the table lacks; all of them when there is no such table.
  [[nodiscard]] Result<std::vector<std::string>> missing_columns(const std::string& schema, std::string_view table,
                                                                 const std::vector<std::string>& columns);
  /// kSchema, naming table and column, unless all are there.
  Status require(const std::string& schema, std::string_view table, const std::vector<std::string>& columns,
                 const char* remedy);

  /// Runs one statement; tells how many rows it changed.
  Result<std::uint64_t> run(const std::string& sql);

 private:
  Workspace(const VerifyOptions& options, FunctionContext context) : options_(options), context_(std::move(context)) {}

  Status create_scratch();
  Result<std::string> attach(const std::string& path, const std::string& schema);
  /// How many changes the source holds beyond the sink's position `seq`; negative when it ends before it.
  Result<std::int64_t> pending(const std::string& schema, std::int64_t seq);

  const VerifyOptions& options_;
  FunctionContext context_;  // before the connection, which calls functions with it
  std::unique_ptr<sqlite::Connection> connection_;
  std::vector<std::pair<std::string, std::string>> attached_;  // schema, path
  std::string product_;
  std::string ads_;
  std::string sink_;
};

}  // namespace admetrics::verification
