#include "verify/workspace.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

namespace admetrics::verification {
namespace {

constexpr int kAlignPauseMs = 50;

// The scratch database's page cache, which is also how much a sort may hold before it spills.
constexpr int kCacheKib = 64 * 1024;
constexpr int kSourceCacheKib = 8 * 1024;

constexpr const char* kSinkTable = "_admetrics_sink";
constexpr const char* kChangesTable = "_admetrics_changes";

bool same_file(const std::string& a, const std::string& b) {
  std::error_code failed;
  return std::filesystem::equivalent(a, b, failed) && !failed;
}

}  // namespace

Result<std::unique_ptr<Workspace>> Workspace::open(const VerifyOptions& options, bool with_sink) {
  FunctionContext context{options.reporting.names, options.reporting.zone, {}, options.sample};
  std::unique_ptr<Workspace> workspace(new Workspace(options, std::move(context)));
  ADM_TRY(workspace->create_scratch());
  ADM_TRY(register_functions(*workspace->connection_, workspace->context_));
  ADM_ASSIGN(workspace->product_, workspace->attach(options.product_db, "product"));
  ADM_ASSIGN(workspace->ads_, workspace->attach(options.ads_db, "ads"));
  if (with_sink) {
    ADM_ASSIGN(workspace->sink_, workspace->attach(options.sink_db, "sink"));
  }
  return workspace;
}

Status Workspace::create_scratch() {
  std::error_code failed;
  const std::filesystem::path folder = options_.temp_dir.empty() ? std::filesystem::temp_directory_path(failed)
                                                                 : std::filesystem::path(options_.temp_dir);
  std::string path = (folder / "admetrics-verify-XXXXXX").string();
  const int created = mkstemp(path.data());
  if (created < 0) {
    return Error{Errc::kIo, "create the scratch database", folder.string(), std::strerror(errno)};
  }
  close(created);

  auto opened = sqlite::Connection::open(path, sqlite::OpenMode::kCreate, options_.busy_timeout_ms);
  if (!opened) {
    Error error = std::move(opened).error();
    error.operation = "create the scratch database";
    return error;
  }
  connection_ = std::move(opened).value();
  // Nobody else ever opens this file, and it need not survive us: without its name it is gone when we are.
  std::filesystem::remove(path, failed);
  // Each names the scratch database, for without a name a PRAGMA would reach the attached ones too.
  return connection_->execute(
      "PRAGMA main.locking_mode=EXCLUSIVE; PRAGMA main.journal_mode=OFF; PRAGMA main.synchronous=OFF;"
      "PRAGMA main.secure_delete=OFF; PRAGMA main.page_size=8192; PRAGMA temp_store=FILE; PRAGMA main.cache_size=-" +
      std::to_string(kCacheKib));
}

Result<std::string> Workspace::attach(const std::string& path, const std::string& schema) {
  for (const auto& [known, known_path] : attached_) {
    if (same_file(path, known_path)) return known;
  }
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) {
    return Error{Errc::kNotFound, "open the database", path, "no such file"};
  }
  ADM_ASSIGN(sqlite::Statement statement, connection_->prepare("ATTACH ?1 AS " + schema));
  const std::string address = sqlite::read_only_address(std::filesystem::absolute(path, failed).string());
  statement.bind(1, address);
  if (auto done = statement.run(); !done) {
    Error error = done.error();
    error.operation = "open the database";
    error.where = path;
    return error;
  }
  attached_.emplace_back(schema, path);
  ADM_TRY(connection_->execute("PRAGMA " + schema + ".cache_size=-" + std::to_string(kSourceCacheKib)));
  return schema;
}

std::string Workspace::path_of(const std::string& schema) const {
  for (const auto& [known, path] : attached_) {
    if (known == schema) return path;
  }
  return schema;
}

Result<SinkState> Workspace::begin_aligned() {
  for (int waited_ms = 0;; waited_ms += kAlignPauseMs) {
    ADM_TRY(connection_->execute("BEGIN"));
    // The sink's snapshot first: what commits in between then shows as pending, never as a wrong row.
    for (const std::string& schema : {sink_, product_, ads_}) {
      if (schema.empty()) continue;
      if (auto first = connection_->query_integer("SELECT count(*) FROM " + schema + ".sqlite_schema"); !first) {
        connection_->rollback();
        return std::move(first).error();
      }
    }
    if (sink_.empty()) return SinkState{};
    ADM_ASSIGN(SinkState state, read_sink_state());
    if (!state.recorded || !options_.align) return state;

    ADM_ASSIGN(const std::int64_t product_pending, pending(product_, state.product_seq));
    ADM_ASSIGN(const std::int64_t ads_pending, pending(ads_, state.ads_seq));
    if (product_pending == 0 && ads_pending == 0 && !state.holding) return state;

    ADM_TRY(end());
    if (waited_ms >= options_.align_timeout_ms) return behind(product_pending, ads_pending);
    std::this_thread::sleep_for(std::chrono::milliseconds(kAlignPauseMs));
  }
}

Error Workspace::behind(std::int64_t product_pending, std::int64_t ads_pending) const {
  if (product_pending < 0 || ads_pending < 0) {
    return Error{Errc::kBusy, "verify", options_.sink_db,
                 "the source's change log ends before the position of the rows: the source was replaced or restored; "
                 "run `admetricsd run --once` or try again"};
  }
  if (product_pending + ads_pending == 0) {
    return Error{Errc::kBusy, "verify", options_.sink_db,
                 "a day is torn (its row in processed_event_days is missing): the users whose events changed are held "
                 "back; try again when the pipeline has loaded it whole"};
  }
  return Error{Errc::kBusy, "verify", options_.sink_db,
               "the daemon has not caught up: " + std::to_string(product_pending + ads_pending) +
                   " changes pending; run `admetricsd run --once` or try again"};
}

Status Workspace::end() { return connection_->commit(); }

Result<SinkState> Workspace::read_sink_state() {
  SinkState state;
  ADM_ASSIGN(const auto missing, missing_columns(sink_, kSinkTable, {"position", "as_of", "epoch"}));
  if (!missing.empty()) return state;
  ADM_ASSIGN(sqlite::Statement row,
             connection_->prepare("SELECT as_of, epoch, json_valid(position), CASE WHEN json_valid(position) THEN "
                                  "json_type(position, '$.holding') IS NOT NULL ELSE 0 END, position, CASE WHEN "
                                  "json_valid(position) AND json_extract(position, '$.capture') IS NOT 'scan' THEN "
                                  "json_extract(position, '$.product.seq') END, CASE WHEN json_valid(position) AND "
                                  "json_extract(position, '$.capture') IS NOT 'scan' THEN "
                                  "json_extract(position, '$.ads.seq') END, CASE WHEN json_valid(position) THEN "
                                  "json_extract(position, '$.capture') IS 'scan' ELSE 0 END FROM " +
                                  sink_ + "." + kSinkTable));
  ADM_ASSIGN(const bool found, row.step());
  if (!found) return state;
  if (row.integer(2) == 0) {
    return Error{Errc::kSchema, "verify", options_.sink_db, "the position in _admetrics_sink cannot be read"};
  }
  state.recorded = true;
  if (const auto day = parse_day(row.text(0))) state.as_of = *day;
  if (row.type(1) == sqlite::ColumnType::kInteger) state.epoch = row.integer(1);
  state.holding = row.integer(3) != 0;
  state.position = row.text(4);
  state.scanned = row.integer(7) != 0;
  if (row.type(5) == sqlite::ColumnType::kInteger) state.product_seq = row.integer(5);
  if (row.type(6) == sqlite::ColumnType::kInteger) state.ads_seq = row.integer(6);
  return state;
}

Result<std::int64_t> Workspace::last_change(const std::string& schema) {
  ADM_ASSIGN(const bool logged, has_table(schema, kChangesTable));
  if (!logged) return 0;
  // An AUTOINCREMENT table exists, so sqlite_sequence does; it has no row for a table that never had one. A statement that
  // fails half-way under OR FAIL leaves its records, but not the sequence.
  const std::string log = schema + "." + kChangesTable;
  return connection_->query_integer("SELECT max(coalesce((SELECT seq FROM " + schema +
                                    ".sqlite_sequence WHERE name = '" + kChangesTable +
                                    "'), 0), coalesce((SELECT max(seq) FROM " + log + "), 0))");
}

Result<std::int64_t> Workspace::pending(const std::string& schema, std::int64_t seq) {
  ADM_ASSIGN(const bool logged, has_table(schema, kChangesTable));
  if (!logged || seq < 0) return 0;
  ADM_ASSIGN(const std::int64_t last, last_change(schema));
  return last - seq;
}

Result<bool> Workspace::has_table(const std::string& schema, std::string_view table) {
  ADM_ASSIGN(const std::int64_t count, connection_->query_integer("SELECT count(*) FROM " + schema +
                                                                  ".sqlite_schema WHERE type IN ('table', 'view') "
                                                                  "AND lower(name) = " +
                                                                  sqlite::quote_text(table)));
  return count > 0;
}

Result<std::vector<std::string>> Workspace::missing_columns(const std::string& schema, std::string_view table,
                                                            const std::vector<std::string>& columns) {
  ADM_ASSIGN(sqlite::Statement rows, connection_->prepare("SELECT lower(name) FROM pragma_table_xinfo(?1, ?2)"));
  rows.bind(1, table);
  rows.bind(2, schema);
  std::vector<std::string> missing = columns;
  for (;;) {
    ADM_ASSIGN(const bool row, rows.step());
    if (!row) return missing;
    std::erase(missing, rows.text(0));
  }
}

Status Workspace::require(const std::string& schema, std::string_view table, const std::vector<std::string>& columns,
                          const char* remedy) {
  ADM_ASSIGN(const auto missing, missing_columns(schema, table, columns));
  if (missing.empty()) return {};
  const std::string detail = missing.size() == columns.size()
                                 ? "no table " + std::string(table)
                                 : "table " + std::string(table) + " has no column " + missing.front();
  return Error{Errc::kSchema, "verify", path_of(schema), detail + remedy};
}

Result<std::uint64_t> Workspace::run(const std::string& sql) {
  ADM_ASSIGN(sqlite::Statement statement, connection_->prepare(sql));
  ADM_TRY(statement.run());
  return static_cast<std::uint64_t>(connection_->changes());
}

}  // namespace admetrics::verification
