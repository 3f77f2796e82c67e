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
  Result<SinkState> read_sink_state();
  /// How many changes the sources hold beyond the sink's position; negative when they end before it.
  Result<std::int64_t> pending(const std::string& schema, const char* source);

  const VerifyOptions& options_;
  FunctionContext context_;  // before the connection, which calls functions with it
  std::unique_ptr<sqlite::Connection> connection_;
  std::vector<std::pair<std::string, std::string>> attached_;  // schema, path
  std::string product_;
  std::string ads_;
  std::string sink_;
};

}  // namespace admetrics::verification
