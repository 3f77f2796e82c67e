#include "verify/verify.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "verify/compare.hpp"
#include "verify/live_copy.hpp"
#include "verify/recompute.hpp"
#include "verify/tables.hpp"
#include "verify/workspace.hpp"

namespace admetrics {
namespace {

using verification::Table;
using verification::Workspace;

bool is_partial(const VerifyOptions& options) { return options.since || options.until || options.sample < 1.0; }

Status check(const VerifyOptions& options) {
  if (!(options.sample > 0.0 && options.sample <= 1.0)) {
    return Error{Errc::kUsage, "verify", "sample", "must be above 0 and at most 1"};
  }
  if (options.since && options.until && *options.until < *options.since) {
    return Error{Errc::kUsage, "verify", "until", "lies before since"};
  }
  return {};
}

/// The day that the rows are held against: the one asked for, else the one recorded with the rows.
Result<Day> day_for(const VerifyOptions& options, const verification::SinkState& sink) {
  if (options.as_of) return *options.as_of;
  if (sink.as_of) return *sink.as_of;
  return Error{Errc::kSchema, "verify", options.sink_db,
               sink.recorded ? "the sink does not say for which day its rows were written: give --as-of"
                             : "nothing has been materialized yet: run `admetricsd run --once`"};
}

std::int64_t steady_micros(const VerifyOptions& options) {
  return options.clock == nullptr ? 0 : options.clock->steady_micros();
}

constexpr int kBeginningsMax = 3;  // tables that are dropped and made again make the reading begin anew

/// The tables that are compared: a part of the rows says nothing about the mapping tables.
std::vector<const Table*> tables_for(const VerifyOptions& options) {
  std::vector<const Table*> chosen;
  for (const Table& table : verification::tables()) {
    if (!table.mapping || !is_partial(options)) chosen.push_back(&table);
  }
  return chosen;
}

Status compute_all(Workspace& workspace, const VerifyOptions& options, Day as_of) {
  ADM_TRY(workspace.connection().execute("BEGIN"));
  ADM_TRY(verification::compute(workspace, options, as_of));
  return workspace.end();
}

/// Keeps the keys of rows that differ.
class Candidates : public verification::RowObserver {
 public:
  static std::string name_of(const Table& table) { return "candidate_" + std::string(table.name); }

  static Result<Candidates> begin(Workspace& workspace, const Table& table) {
    std::string columns;
    std::string parameters;
    for (std::size_t i = 0; i < table.keys.size(); ++i) {
      columns += (i == 0 ? "k" : ", k") + std::to_string(i);
      parameters += (i == 0 ? "?" : ", ?") + std::to_string(i + 1);
    }
    ADM_TRY(workspace.connection().execute("CREATE TABLE " + name_of(table) + "(" + columns + ")"));
    ADM_ASSIGN(sqlite::Statement insert,
               workspace.connection().prepare("INSERT INTO main." + name_of(table) + " VALUES (" + parameters + ")"));
    return Candidates(std::move(insert), static_cast<int>(table.keys.size()));
  }

  void on_row(const sqlite::Statement* expected, const sqlite::Statement* stored, bool equal) override {
    if (equal || !failed_.ok()) return;
    const sqlite::Statement& row = expected != nullptr ? *expected : *stored;
    for (int i = 0; i < key_count_; ++i) bind(i, row);
    failed_ = insert_.run();
  }
  [[nodiscard]] const Status& status() const { return failed_; }

 private:
  Candidates(sqlite::Statement insert, int key_count) : insert_(std::move(insert)), key_count_(key_count) {}

  void bind(int i, const sqlite::Statement& row) {
    switch (row.type(i)) {
      case sqlite::ColumnType::kNull: return insert_.bind_null(i + 1);
      case sqlite::ColumnType::kInteger: return insert_.bind(i + 1, row.integer(i));
      case sqlite::ColumnType::kReal: return insert_.bind(i + 1, row.real(i));
      case sqlite::ColumnType::kText: return insert_.bind(i + 1, row.text(i));
      case sqlite::ColumnType::kBlob: return insert_.bind_blob(i + 1, row.blob(i));
    }
  }

  sqlite::Statement insert_;
  int key_count_;
  Status failed_;
};

/// The stored rows that have a candidate's key, as they stand now.
Status copy_candidates(Workspace& workspace, const VerifyOptions& options, const Table& table) {
  ADM_ASSIGN(const verification::StoredCopy copy, verification::prepare_stored(workspace, options, table));
  std::string same;
  for (std::size_t i = 0; i < table.keys.size(); ++i) {
    same += " AND t." + std::string(table.keys[i].name) + " IS c.k" + std::to_string(i);
  }
  ADM_TRY(workspace.run(copy.select("(SELECT DISTINCT * FROM main." + Candidates::name_of(table) + ") c CROSS JOIN " +
                                        workspace.sink() + "." + std::string(table.name) + " t",
                                    same)));
  return {};
}

Status verify_at_once(Workspace& workspace, const VerifyOptions& options, VerifyReport& report) {
  ADM_ASSIGN(const verification::SinkState sink, workspace.begin_aligned());
  ADM_ASSIGN(report.as_of, day_for(options, sink));
  report.epoch = sink.epoch;
  if (!sink.recorded) {
    report.notes.emplace_back(
        "the sink does not say at which position its rows stand: they are compared with the sources as they are");
  }
  // Everything that is read is read here, so that no writer's checkpoint has to wait for our computing.
  for (const Table* table : tables_for(options)) ADM_TRY(verification::copy_stored(workspace, options, *table));
  ADM_TRY(verification::distil(workspace, options, report.notes));
  ADM_TRY(workspace.end());
  ADM_TRY(compute_all(workspace, options, report.as_of));
  for (const Table* table : tables_for(options)) {
    ADM_TRY(verification::sort_stored(workspace, options, *table));
    ADM_TRY(verification::compare_table(workspace, options, *table, report));
  }
  if (sink.scanned && !report.equal()) {
    report.notes.emplace_back(
        "capture = \"scan\": what the sources changed since the last scan shows as differences; look again after the "
        "next");
  }
  return {};
}

/// Compares what comes along while everybody goes on writing; what differs is looked at once more, at one position.
Status verify_live(Workspace& workspace, const VerifyOptions& options, VerifyReport& report) {
  verification::LiveCopy live(workspace, options);
  ADM_TRY(live.begin(report.notes));
  ADM_TRY(live.copy_sources());
  // These last: the less time passes until the position that the raw rows are brought to, the fewer rows change in it.
  for (const Table* table : tables_for(options)) ADM_TRY(live.copy_stored_rows(*table));
  ADM_ASSIGN(const verification::SinkState sink, live.catch_up());
  ADM_ASSIGN(report.as_of, day_for(options, sink));
  report.epoch = sink.epoch;
  ADM_TRY(compute_all(workspace, options, report.as_of));
  for (const Table* table : tables_for(options)) {
    ADM_TRY(verification::sort_stored(workspace, options, *table));
    ADM_ASSIGN(Candidates candidates, Candidates::begin(workspace, *table));
    ADM_TRY(verification::compare_table(workspace, options, *table, report, &candidates));
    ADM_TRY(candidates.status());
  }
  if (report.equal() || live.stood_still()) return {};

  if (options.progress) options.progress({"looking again at what differs", 0, 0});
  ADM_TRY(verification::forget_computed(workspace));
  ADM_ASSIGN(const verification::SinkState then, live.look_exactly([&]() -> Status {
    for (const Table* table : tables_for(options)) ADM_TRY(copy_candidates(workspace, options, *table));
    return {};
  }));
  ADM_ASSIGN(report.as_of, day_for(options, then));
  report.epoch = then.epoch;
  report.differences.clear();
  report.difference_count = 0;
  const std::vector<TableReport> before = std::move(report.tables);
  report.tables.clear();
  ADM_TRY(compute_all(workspace, options, report.as_of));
  for (const Table* table : tables_for(options)) {
    ADM_TRY(verification::sort_stored(workspace, options, *table));
    ADM_TRY(verification::compare_table(workspace, options, *table, report, nullptr, Candidates::name_of(*table)));
    // What was equal at the first look is not looked at again.
    TableReport& now = report.tables.back();
    const std::uint64_t settled = before[report.tables.size() - 1].rows_equal;
    now.rows_expected += settled;
    now.rows_stored += settled;
    now.rows_equal += settled;
  }
  return {};
}

}  // namespace

double TableReport::completeness() const {
  if (rows_missing == 0) return 100;
  const auto expected = static_cast<double>(rows_expected);
  // Never a round 100 while a key is missing.
  return std::min(99.99, std::floor((expected - static_cast<double>(rows_missing)) / expected * 10'000) / 100);
}

Result<VerifyReport> verify(const VerifyOptions& options) {
  const std::int64_t start = steady_micros(options);
  ADM_TRY(check(options));
  for (int beginnings = 1;; ++beginnings) {
    VerifyReport report;
    ADM_ASSIGN(const auto workspace, Workspace::open(options, true));
    if (options.progress) options.progress({"waiting for the daemon", 0, 0});
    ADM_TRY(workspace->connection().execute("BEGIN"));
    ADM_ASSIGN(const bool live, verification::LiveCopy::possible(*workspace));
    ADM_TRY(workspace->end());
    Status done = live && options.align && !options.at_once ? verify_live(*workspace, options, report)
                                                            : verify_at_once(*workspace, options, report);
    if (!done.ok() && done.error().code == Errc::kReplaced && beginnings < kBeginningsMax) continue;
    ADM_TRY(done);
    ADM_ASSIGN(report.rejects, verification::count_rejects(*workspace));
    if (!report.equal()) {
      ADM_ASSIGN(std::string torn, verification::torn_days_note(*workspace));
      if (!torn.empty()) report.notes.push_back(std::move(torn));
    }
    report.seconds = static_cast<double>(steady_micros(options) - start) / 1e6;
    return report;
  }
}

Status recompute_into(const VerifyOptions& options, const std::string& path) {
  ADM_TRY(check(options));
  std::error_code failed;
  if (std::filesystem::exists(path, failed)) {
    return Error{Errc::kUsage, "recompute into a new database", path, "the file exists already"};
  }
  ADM_ASSIGN(const auto workspace, Workspace::open(options, !options.sink_db.empty()));
  sqlite::Connection& connection = workspace->connection();
  {
    ADM_ASSIGN(sqlite::Statement attach, connection.prepare("ATTACH ?1 AS out"));
    // Absolute: a plain path that begins with "file:" would be taken for an address.
    const std::string absolute = std::filesystem::absolute(path, failed).string();
    attach.bind(1, absolute);
    ADM_TRY(attach.run());
  }
  ADM_TRY(connection.execute("PRAGMA out.journal_mode=OFF; PRAGMA out.synchronous=OFF"));

  ADM_ASSIGN(const verification::SinkState sink, workspace->begin_aligned());
  ADM_ASSIGN(const Day as_of, day_for(options, sink));
  std::vector<std::string> notes;
  ADM_TRY(verification::distil(*workspace, options, notes));
  ADM_TRY(workspace->end());

  ADM_TRY(connection.execute("BEGIN"));
  ADM_TRY(verification::compute(*workspace, options, as_of));
  for (const Table& table : verification::tables()) {
    std::string definitions;
    std::string keys;
    std::string values;
    std::string names;
    for (const auto& key : table.keys) {
      definitions += std::string(key.name) + (key.name == "date" ? " DATE NOT NULL, " : " TEXT NOT NULL, ");
      keys += (keys.empty() ? "" : ", ") + std::string(key.name);
    }
    for (const auto& column : table.columns) {
      definitions += std::string(column.name) + " " + std::string(column.sql_type) + ", ";
      names += ", " + std::string(column.name);
      values += column.kind == verification::ColumnKind::kDecimal
                    ? ", adm_decimal(" + std::string(column.name) + ", " + std::to_string(column.digits) + ")"
                    : ", " + std::string(column.name);
    }
    const std::string row_id = table.mapping ? "" : "metric_id INTEGER PRIMARY KEY AUTOINCREMENT, ";
    ADM_TRY(workspace->run("CREATE TABLE out." + std::string(table.name) + "(" + row_id + definitions +
                           std::string(table.extra_definitions) + ", UNIQUE (" + keys + "))"));
    ADM_TRY(workspace->run("INSERT INTO out." + std::string(table.name) + "(" + keys + names + ") WITH row(" + keys +
                           names + ") AS (" + verification::expected_sql(table) + ") SELECT " + keys + values +
                           " FROM row"));
  }
  return workspace->end();
}

}  // namespace admetrics
