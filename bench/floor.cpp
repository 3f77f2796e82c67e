#include <chrono>
#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "core/sqlite/database.hpp"

/// The floors that the whole-system benchmark stands on, with the same SQLite as the daemon:
///
///   bench_floor scan PRODUCT_DB ADS_DB   reads every column that the daemon reads, once, and does nothing with it
///   bench_floor stored SINK_DB           reads every stored column of the result tables, once
///   bench_floor insert FROM_DB TO_DB     inserts FROM_DB's result rows into a new database with the same tables and
///                                        indexes, in WAL mode, in one transaction; only the inserting is timed
///
/// Each prints rows and seconds.
namespace {

using namespace admetrics;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

constexpr const char* kProductSelects[] = {
    "SELECT distinct_id, abi_campaign_id, abi_ad_set_id, abi_ad_id, country, region, has_abi_attribution FROM "
    "mixpanel_user",
    "SELECT event_name, distinct_id, event_uuid, event_time, revenue_usd FROM mixpanel_event",
    "SELECT distinct_id, user_product_id, product_id, credited_date, store, current_value, trial_conversion_rate, "
    "trial_converted_to_refund_rate, initial_purchase_to_refund_rate FROM user_product_metrics",
};
constexpr const char* kMetaTables[][2] = {{"ad_performance_daily", ""},
                                          {"ad_performance_daily_country", ", country"},
                                          {"ad_performance_daily_region", ", region"},
                                          {"ad_performance_daily_device", ", device"}};
constexpr const char* kResultTables[] = {"daily_mixpanel_metrics", "daily_mixpanel_metrics_breakdown",
                                         "id_name_mapping", "id_hierarchy_mapping"};

/// Every cell is fetched as what it is, so that no page of it stays unread.
Result<std::int64_t> read_all(sqlite::Connection& database, const std::string& select, std::int64_t& checksum) {
  ADM_ASSIGN(sqlite::Statement statement, database.prepare(select));
  const int columns = statement.column_count();
  std::int64_t rows = 0;
  for (;;) {
    ADM_ASSIGN(const bool row, statement.step());
    if (!row) return rows;
    ++rows;
    for (int column = 0; column < columns; ++column) {
      switch (statement.type(column)) {
        case sqlite::ColumnType::kNull: break;
        case sqlite::ColumnType::kInteger: checksum += statement.integer(column); break;
        case sqlite::ColumnType::kReal: checksum += statement.real(column) > 0 ? 1 : 0; break;
        case sqlite::ColumnType::kText:
        case sqlite::ColumnType::kBlob: checksum += static_cast<std::int64_t>(statement.text(column).size()); break;
      }
    }
  }
}

Status scan(const std::string& product_path, const std::string& ads_path) {
  constexpr int kBusyTimeoutMs = 5'000;
  ADM_ASSIGN(const auto product, sqlite::Connection::open(product_path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs));
  ADM_ASSIGN(const auto ads, sqlite::Connection::open(ads_path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs));
  std::int64_t checksum = 0;
  std::int64_t rows = 0;
  const auto start = Clock::now();
  for (const char* select : kProductSelects) {
    ADM_ASSIGN(const std::int64_t read, read_all(*product, select, checksum));
    rows += read;
  }
  for (const auto& [table, value] : kMetaTables) {
    ADM_ASSIGN(const std::int64_t read,
               read_all(*ads,
                        std::string("SELECT ad_id, date, campaign_id, adset_id, campaign_name, adset_name, ad_name, "
                                    "spend, impressions, clicks, meta_trials, meta_purchases") +
                            value + " FROM " + table,
                        checksum));
    rows += read;
  }
  std::printf("rows %lld seconds %.3f checksum %lld\n", static_cast<long long>(rows), seconds_since(start),
              static_cast<long long>(checksum));
  return {};
}

Result<std::vector<std::string>> stored_columns(sqlite::Connection& database, const char* table) {
  ADM_ASSIGN(sqlite::Statement select, database.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0"));
  select.bind(1, std::string_view(table));
  std::vector<std::string> columns;
  for (;;) {
    ADM_ASSIGN(const bool row, select.step());
    if (!row) return columns;
    columns.emplace_back(select.text(0));
  }
}

std::string joined(const std::vector<std::string>& columns) {
  std::string names;
  for (const std::string& column : columns) names += (names.empty() ? "" : ", ") + column;
  return names;
}

Status read_stored(const std::string& path) {
  constexpr int kBusyTimeoutMs = 5'000;
  ADM_ASSIGN(const auto sink, sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs));
  std::int64_t checksum = 0;
  std::int64_t rows = 0;
  const auto start = Clock::now();
  for (const char* table : kResultTables) {
    ADM_ASSIGN(const auto columns, stored_columns(*sink, table));
    ADM_ASSIGN(const std::int64_t read, read_all(*sink, "SELECT " + joined(columns) + " FROM " + table, checksum));
    rows += read;
  }
  std::printf("rows %lld seconds %.3f checksum %lld\n", static_cast<long long>(rows), seconds_since(start),
              static_cast<long long>(checksum));
  return {};
}

using Value = std::variant<std::monostate, std::int64_t, double, std::string>;

Value value_of(const sqlite::Statement& statement, int column) {
  switch (statement.type(column)) {
    case sqlite::ColumnType::kInteger: return statement.integer(column);
    case sqlite::ColumnType::kReal: return statement.real(column);
    case sqlite::ColumnType::kText:
    case sqlite::ColumnType::kBlob: return std::string(statement.text(column));
    case sqlite::ColumnType::kNull: return {};
  }
  return {};
}

void bind(sqlite::Statement& statement, int parameter, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    statement.bind(parameter, *integer);
  } else if (const auto* number = std::get_if<double>(&value)) {
    statement.bind(parameter, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    statement.bind(parameter, std::string_view(*text));
  } else {
    statement.bind_null(parameter);
  }
}

/// The tables' statements as the daemon made them, tables before indexes.
Status create_tables(sqlite::Connection& from, sqlite::Connection& to) {
  for (const char* type : {"table", "index"}) {
    for (const char* table : kResultTables) {
      ADM_ASSIGN(sqlite::Statement select,
                 from.prepare("SELECT sql FROM sqlite_schema WHERE type = ?1 AND tbl_name = ?2 AND sql IS NOT NULL"));
      select.bind(1, std::string_view(type));
      select.bind(2, std::string_view(table));
      for (;;) {
        ADM_ASSIGN(const bool row, select.step());
        if (!row) break;
        ADM_TRY(to.execute(std::string(select.text(0))));
      }
    }
  }
  return {};
}

Status insert(const std::string& from_path, const std::string& to_path) {
  constexpr int kBusyTimeoutMs = 5'000;
  constexpr std::size_t kRowsAtOnce = 10'000;
  ADM_ASSIGN(const auto from, sqlite::Connection::open(from_path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs));
  ADM_ASSIGN(const auto to, sqlite::Connection::open(to_path, sqlite::OpenMode::kCreate, kBusyTimeoutMs));
  ADM_ASSIGN(const std::string mode, to->query_text("PRAGMA journal_mode = WAL"));
  ADM_TRY(to->execute("PRAGMA cache_size = -131072"));  // what the daemon takes for a large epoch
  ADM_TRY(create_tables(*from, *to));
  std::int64_t rows = 0;
  double seconds = 0;
  ADM_TRY(to->begin_immediate());
  for (const char* table : kResultTables) {
    ADM_ASSIGN(const auto columns, stored_columns(*from, table));
    const std::string names = joined(columns);
    const std::string parameters = joined(std::vector<std::string>(columns.size(), "?"));
    ADM_ASSIGN(sqlite::Statement select, from->prepare("SELECT " + names + " FROM " + table + " ORDER BY rowid"));
    ADM_ASSIGN(sqlite::Statement put,
               to->prepare(std::string("INSERT INTO ") + table + " (" + names + ") VALUES (" + parameters + ")"));
    for (bool more = true; more;) {
      std::vector<std::vector<Value>> chunk;
      while (chunk.size() < kRowsAtOnce) {
        ADM_ASSIGN(more, select.step());
        if (!more) break;
        auto& row = chunk.emplace_back();
        for (int i = 0; i < static_cast<int>(columns.size()); ++i) row.push_back(value_of(select, i));
      }
      const auto start = Clock::now();
      for (const auto& row : chunk) {
        for (std::size_t i = 0; i < row.size(); ++i) bind(put, static_cast<int>(i) + 1, row[i]);
        ADM_TRY(put.run());
      }
      seconds += seconds_since(start);
      rows += static_cast<std::int64_t>(chunk.size());
    }
  }
  const auto start = Clock::now();
  ADM_TRY(to->commit());
  seconds += seconds_since(start);
  std::printf("rows %lld seconds %.3f mode %s\n", static_cast<long long>(rows), seconds, mode.c_str());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string what = arguments.empty() ? "" : arguments.front();
  Status status;
  if (what == "scan" && arguments.size() == 3) {
    status = scan(arguments[1], arguments[2]);
  } else if (what == "stored" && arguments.size() == 2) {
    status = read_stored(arguments[1]);
  } else if (what == "insert" && arguments.size() == 3) {
    status = insert(arguments[1], arguments[2]);
  } else {
    std::fputs("usage: bench_floor scan PRODUCT_DB ADS_DB | stored SINK_DB | insert FROM_DB TO_DB\n", stderr);
    return 64;
  }
  if (!status.ok()) std::fprintf(stderr, "bench_floor: %s\n", status.error().line().c_str());
  return status.ok() ? 0 : 2;
}
