#include "tests/support/source_builder.hpp"

#include <array>
#include <charconv>
#include <span>
#include <stdexcept>

#include "tests/support/must.hpp"

namespace admetrics::support {
namespace {

constexpr int kBusyTimeoutMs = 5'000;

struct SourceTable {
  std::string_view name;
  bool ads;
  std::string_view columns;  // as in metrics.md section 1, and some that nobody reads
  std::string_view index;    // a column; "" for none
};

#define META_COLUMNS(breakdown, key)                                                                       \
  "(ad_id TEXT, date DATE, " breakdown                                                                     \
  "adset_id TEXT, campaign_id TEXT, ad_name TEXT, adset_name TEXT, campaign_name TEXT, spend "             \
  "DECIMAL(10,2), impressions INTEGER, clicks INTEGER, meta_trials INTEGER, meta_purchases INTEGER, reach" \
  " INTEGER, PRIMARY KEY (" key "))"

constexpr std::array<SourceTable, 9> kTables{{
    {kUsers, false,
     "(distinct_id TEXT PRIMARY KEY, profile_json TEXT, abi_ad_id TEXT, abi_campaign_id TEXT, abi_ad_set_id TEXT, "
     "country TEXT, region TEXT, has_abi_attribution BOOLEAN)",
     ""},
    {kEvents, false,
     "(event_uuid TEXT PRIMARY KEY, event_name TEXT, event_json TEXT, distinct_id TEXT, event_time DATETIME, "
     "revenue_usd DECIMAL(10,2))",
     "distinct_id"},
    {kProducts, false,
     "(user_product_id INTEGER PRIMARY KEY, distinct_id TEXT, product_id TEXT, credited_date DATE, store TEXT, "
     "current_value DECIMAL(10,2), trial_conversion_rate DECIMAL(5,4), trial_converted_to_refund_rate DECIMAL(5,4), "
     "initial_purchase_to_refund_rate DECIMAL(5,4), UNIQUE (distinct_id, product_id))",
     ""},
    {kCountryMapping, false,
     "(meta_country_name TEXT PRIMARY KEY, mixpanel_country_code TEXT, is_active BOOLEAN DEFAULT 1)", ""},
    {kDeviceMapping, false,
     "(meta_device_type TEXT PRIMARY KEY, mixpanel_store_category TEXT, is_active BOOLEAN DEFAULT 1)", ""},
    {kMetaDaily, true, META_COLUMNS("", "ad_id, date"), ""},
    {kMetaCountry, true, META_COLUMNS("country TEXT, ", "ad_id, date, country"), ""},
    {kMetaRegion, true, META_COLUMNS("region TEXT, ", "ad_id, date, region"), ""},
    {kMetaDevice, true, META_COLUMNS("device TEXT, ", "ad_id, date, device"), ""},
}};

#undef META_COLUMNS

const SourceTable& table_of(std::string_view name) {
  for (const SourceTable& table : kTables) {
    if (table.name == name) return table;
  }
  throw std::invalid_argument("no source table is called " + std::string(name));
}

void bind(sqlite::Statement& statement, int index, const Cell& cell) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) {
    statement.bind(index, *integer);
  } else if (const auto* number = std::get_if<double>(&cell)) {
    statement.bind(index, *number);
  } else if (const auto* string = std::get_if<std::string>(&cell)) {
    statement.bind(index, std::string_view(*string));
  } else if (const auto* blob = std::get_if<Blob>(&cell)) {
    statement.bind_blob(index, std::as_bytes(std::span(blob->bytes)));
  } else {
    statement.bind_null(index);
  }
}

Cell cell_at(const sqlite::Statement& row, int column) {
  switch (row.type(column)) {
    case sqlite::ColumnType::kInteger: return whole(row.integer(column));
    case sqlite::ColumnType::kReal: return real(row.real(column));
    case sqlite::ColumnType::kText: return text(std::string(row.text(column)));
    case sqlite::ColumnType::kBlob: return Blob{std::string(row.text(column))};
    case sqlite::ColumnType::kNull: return kNull;
  }
  return kNull;
}

std::string quoted(std::string_view name) { return sqlite::quote_identifier(name); }

std::string_view keyword(Conflict conflict) {
  switch (conflict) {
    case Conflict::kAbort: return "";
    case Conflict::kIgnore: return "OR IGNORE ";
    case Conflict::kReplace: return "OR REPLACE ";
  }
  return "";
}

/// `a IS ? AND b IS ?`: NULL is found as well.
std::string condition(const Columns& where) {
  if (where.empty()) return "";
  std::string sql;
  for (const auto& [name, value] : where) sql += (sql.empty() ? " WHERE " : " AND ") + quoted(name) + " IS ?";
  return sql;
}

std::vector<Cell> values_of(const Columns& columns) {
  std::vector<Cell> values;
  for (const auto& [name, value] : columns) values.push_back(value);
  return values;
}

}  // namespace

std::string sql_text(const Cell& cell) {
  if (const auto* integer = std::get_if<std::int64_t>(&cell)) return std::to_string(*integer);
  if (const auto* number = std::get_if<double>(&cell)) {
    std::array<char, 64> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), *number).ptr;
    return {buffer.data(), end};
  }
  const auto* string = std::get_if<std::string>(&cell);
  if (string != nullptr) {
    const bool plain = string->find_first_of(std::string_view("\0\r\n\t\x01", 5)) == std::string::npos;
    if (plain) return sqlite::quote_text(*string);
  }
  const auto* blob = std::get_if<Blob>(&cell);
  if (string == nullptr && blob == nullptr) return "NULL";
  std::string hex = string != nullptr ? "CAST(x'" : "x'";
  for (const char c : string != nullptr ? *string : blob->bytes) {
    constexpr std::string_view kHex = "0123456789abcdef";
    hex += kHex[static_cast<unsigned char>(c) >> 4];
    hex += kHex[static_cast<unsigned char>(c) & 0xf];
  }
  return hex + (string != nullptr ? "' AS TEXT)" : "'");
}

SourceBuilder::SourceBuilder(std::string product_db, std::string ads_db, Options options)
    : product_db_(std::move(product_db)), ads_db_(std::move(ads_db)), options_(options) {
  open();
  for (const SourceTable& table : kTables) {
    if (table.name != kCountryMapping && table.name != kDeviceMapping) create_table(table.name);
  }
}

void SourceBuilder::close() {
  product_.reset();
  ads_.reset();
  in_transaction_ = false;
}

void SourceBuilder::open() {
  const auto connect = [&](const std::string& path, bool wal) {
    auto connection = must(sqlite::Connection::open(path, sqlite::OpenMode::kCreate, kBusyTimeoutMs));
    must(connection->execute(
        std::string("PRAGMA journal_mode = ") + (wal ? "WAL" : "DELETE") +
        "; PRAGMA synchronous = OFF; PRAGMA recursive_triggers = " + (options_.recursive_triggers ? "ON" : "OFF")));
    return connection;
  };
  product_ = connect(product_db_, options_.product_wal);
  ads_ = connect(ads_db_, options_.ads_wal);
}

sqlite::Connection& SourceBuilder::database_of(std::string_view table) {
  return table_of(table).ads ? *ads_ : *product_;
}

void SourceBuilder::begin() {
  if (in_transaction_) throw std::logic_error("a transaction is open already");
  must(product_->begin_immediate());
  must(ads_->begin_immediate());
  in_transaction_ = true;
  if (trace) trace("BEGIN");
}

void SourceBuilder::commit() {
  must(product_->commit());
  must(ads_->commit());
  in_transaction_ = false;
  if (trace) trace("COMMIT");
}

void SourceBuilder::rollback() {
  product_->rollback();
  ads_->rollback();
  in_transaction_ = false;
  if (trace) trace("ROLLBACK");
}

void SourceBuilder::together(const std::function<void()>& body) {
  if (in_transaction_) return body();
  begin();
  body();
  commit();
}

std::int64_t SourceBuilder::run(std::string_view table, const std::string& sql, const std::vector<Cell>& values) {
  if (trace) {
    std::string told;
    std::size_t next = 0;
    for (const char c : sql) {
      if (c == '?' && next < values.size()) {
        told += sql_text(values[next++]);
      } else {
        told += c;
      }
    }
    trace(told);
  }
  sqlite::Connection& database = database_of(table);
  sqlite::Statement statement = must(database.prepare(sql));
  for (std::size_t i = 0; i < values.size(); ++i) bind(statement, static_cast<int>(i) + 1, values[i]);
  must(statement.run());
  return database.changes();
}

void SourceBuilder::insert(std::string_view table, const Columns& row, Conflict conflict) {
  std::string names;
  std::string places;
  for (const auto& [name, value] : row) {
    names += (names.empty() ? "" : ", ") + quoted(name);
    places += places.empty() ? "?" : ", ?";
  }
  run(table,
      "INSERT " + std::string(keyword(conflict)) + "INTO " + quoted(table) + " (" + names + ") VALUES (" + places + ")",
      values_of(row));
}

std::int64_t SourceBuilder::update(std::string_view table, const Columns& set, const Columns& where,
                                   Conflict conflict) {
  std::string assignments;
  for (const auto& [name, value] : set) assignments += (assignments.empty() ? "" : ", ") + quoted(name) + " = ?";
  std::vector<Cell> values = values_of(set);
  for (const auto& [name, value] : where) values.push_back(value);
  return run(table,
             "UPDATE " + std::string(keyword(conflict)) + quoted(table) + " SET " + assignments + condition(where),
             values);
}

std::int64_t SourceBuilder::erase(std::string_view table, const Columns& where) {
  return run(table, "DELETE FROM " + quoted(table) + condition(where), values_of(where));
}

std::vector<Columns> SourceBuilder::rows(std::string_view table, const std::string& where) {
  sqlite::Connection& database = database_of(table);
  sqlite::Statement names = must(database.prepare("SELECT name FROM pragma_table_info(?1)"));
  names.bind(1, table);
  std::vector<std::string> columns;
  while (must(names.step())) columns.emplace_back(names.text(0));
  sqlite::Statement select =
      must(database.prepare("SELECT * FROM " + quoted(table) + " WHERE " + where + " ORDER BY rowid"));
  std::vector<Columns> rows;
  while (must(select.step())) {
    Columns row;
    for (std::size_t i = 0; i < columns.size(); ++i) row.emplace_back(columns[i], cell_at(select, static_cast<int>(i)));
    rows.push_back(std::move(row));
  }
  return rows;
}

std::int64_t SourceBuilder::count(std::string_view table) {
  return must(database_of(table).query_integer("SELECT count(*) FROM " + quoted(table)));
}

bool SourceBuilder::exists(std::string_view table) {
  return must(database_of(table).query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = " +
                                               sqlite::quote_text(table))) != 0;
}

std::vector<Columns> SourceBuilder::unload_day(const std::string& day) {
  const std::string condition = "substr(event_time, 1, 10) = " + sqlite::quote_text(day);
  std::vector<Columns> unloaded = rows(kEvents, condition);
  run(kEvents, "DELETE FROM mixpanel_event WHERE " + condition, {});
  return unloaded;
}

void SourceBuilder::load(std::string_view table, const std::vector<Columns>& rows) {
  together([&] {
    if (trace) trace("load " + std::to_string(rows.size()) + " rows again into " + std::string(table));
    const auto quiet = std::exchange(trace, nullptr);
    for (const Columns& row : rows) insert(table, row, Conflict::kIgnore);
    trace = quiet;
  });
}

void SourceBuilder::reload_table(std::string_view table) {
  const std::vector<Columns> all = rows(table);
  together([&] {
    erase(table, {});
    load(table, all);
  });
}

void SourceBuilder::create(std::string_view table, const std::string& name) {
  const SourceTable& spec = table_of(table);
  run(table, "CREATE TABLE " + quoted(name) + ' ' + std::string(spec.columns), {});
  if (spec.index.empty()) return;
  run(table, "DROP INDEX IF EXISTS " + quoted("by_" + std::string(spec.index)), {});
  run(table,
      "CREATE INDEX " + quoted("by_" + std::string(spec.index)) + " ON " + quoted(name) + " (" +
          std::string(spec.index) + ")",
      {});
}

void SourceBuilder::create_table(std::string_view table) { create(table, std::string(table)); }

void SourceBuilder::drop_table(std::string_view table) { run(table, "DROP TABLE " + quoted(table), {}); }

void SourceBuilder::drop_and_recreate(std::string_view table) {
  const std::vector<Columns> all = rows(table);
  together([&] {
    drop_table(table);
    create_table(table);
    load(table, all);
  });
}

void SourceBuilder::rename_swap(std::string_view table, const std::function<void(const std::string&)>& change) {
  const std::string fresh = std::string(table) + "_new";
  const std::string old = std::string(table) + "_old";
  together([&] {
    create(table, fresh);
    run(table, "INSERT INTO " + quoted(fresh) + " SELECT * FROM " + quoted(table), {});
    if (change) change(fresh);
    run(table, "ALTER TABLE " + quoted(table) + " RENAME TO " + quoted(old), {});
    run(table, "ALTER TABLE " + quoted(fresh) + " RENAME TO " + quoted(table), {});
    run(table, "DROP TABLE " + quoted(old), {});
  });
}

void SourceBuilder::vacuum() {
  must(product_->execute("VACUUM"));
  must(ads_->execute("VACUUM"));
  if (trace) trace("VACUUM");
}

void SourceBuilder::sql(std::string_view table, const std::string& statements) {
  if (trace) trace(statements);
  must(database_of(table).execute(statements));
}

}  // namespace admetrics::support
