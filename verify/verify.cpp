#include "verify/verify.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "verify/compare.hpp"
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
  VerifyReport report;
  ADM_ASSIGN(const auto workspace, Workspace::open(options, true));

  if (options.progress) options.progress({"waiting for the daemon", 0, 0});
  ADM_ASSIGN(const verification::SinkState sink, workspace->begin_aligned());
  ADM_ASSIGN(report.as_of, day_for(options, sink));
  report.epoch = sink.epoch;
  if (!sink.recorded) {
    report.notes.emplace_back(
        "the sink does not say at which position its rows stand: they are compared with the sources as they are");
  }
  // Everything that is read is read here, so that no writer's checkpoint has to wait for our computing.
  for (const Table& table : verification::tables()) {
    if (table.mapping && is_partial(options)) continue;
    ADM_TRY(verification::copy_stored(*workspace, options, table));
  }
  ADM_TRY(verification::distil(*workspace, options, report.notes));
  ADM_TRY(workspace->end());

  ADM_TRY(workspace->connection().execute("BEGIN"));
  ADM_TRY(verification::compute(*workspace, options, report.as_of));
  ADM_TRY(workspace->end());

  for (const Table& table : verification::tables()) {
    if (table.mapping && is_partial(options)) continue;
    ADM_TRY(verification::sort_stored(*workspace, options, table));
    ADM_TRY(verification::compare_table(*workspace, options, table, report));
  }
  ADM_ASSIGN(report.rejects, verification::count_rejects(*workspace));
  if (!report.equal()) {
    ADM_ASSIGN(std::string torn, verification::torn_days_note(*workspace));
    if (!torn.empty()) report.notes.push_back(std::move(torn));
  }
  report.seconds = static_cast<double>(steady_micros(options) - start) / 1e6;
  return report;
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
