#include "tests/support/stored_tables.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <stdexcept>

#include "core/model/row.hpp"
#include "core/sqlite/database.hpp"
#include "tests/support/must.hpp"

namespace admetrics::support {
namespace {

struct Shape {
  std::string_view name;
  std::vector<std::string> keys;
};

const std::array<Shape, 4>& shapes() {
  static const std::array<Shape, 4> kShapes{{
      {kMainTable, {"entity_type", "entity_id", "date"}},
      {kBreakdownTable, {"entity_type", "entity_id", "date", "breakdown_type", "breakdown_value"}},
      {kNameTable, {"entity_type", "entity_id"}},
      {kHierarchyTable, {"ad_id"}},
  }};
  return kShapes;
}

std::string typed(const sqlite::Statement& row, int column) {
  switch (row.type(column)) {
    case sqlite::ColumnType::kNull: return "NULL";
    case sqlite::ColumnType::kInteger: return std::to_string(row.integer(column));
    case sqlite::ColumnType::kText: return sqlite::quote_text(row.text(column));
    case sqlite::ColumnType::kBlob: return "blob " + std::string(row.text(column));
    case sqlite::ColumnType::kReal: break;
  }
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), row.real(column)).ptr;
  return {buffer.data(), end};
}

StoredTable read_table(sqlite::Connection& database, const Shape& shape) {
  StoredTable table;
  table.name = shape.name;
  std::string select;
  std::vector<std::string> names;
  sqlite::Statement columns = must(database.prepare("SELECT name FROM pragma_table_xinfo(?1) ORDER BY name"));
  columns.bind(1, shape.name);
  while (must(columns.step())) {
    names.emplace_back(columns.text(0));
    select += (select.empty() ? "SELECT " : ", ") + sqlite::quote_identifier(columns.text(0));
  }
  const std::set<std::string> bookkeeping{"metric_id", "computed_at", "created_at", "updated_at"};
  const std::set<std::string> keys(shape.keys.begin(), shape.keys.end());
  std::vector<std::size_t> key_places;
  for (const std::string& key : shape.keys) {
    key_places.push_back(static_cast<std::size_t>(std::find(names.begin(), names.end(), key) - names.begin()));
  }
  for (const std::string& name : names) {
    if (!bookkeeping.contains(name) && !keys.contains(name)) table.columns.push_back(name);
  }
  sqlite::Statement rows = must(database.prepare(select + " FROM " + std::string(shape.name)));
  while (must(rows.step())) {
    StoredRow row;
    row.values.reserve(table.columns.size());
    std::string key;
    for (const std::size_t place : key_places) {
      key += (key.empty() ? "" : "|") + std::string(rows.text(static_cast<int>(place)));
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      const int column = static_cast<int>(i);
      if (keys.contains(names[i])) continue;
      if (names[i] == "metric_id") {
        row.metric_id = rows.integer(column);
      } else if (names[i] == "created_at") {
        row.created_at = rows.text(column);
      } else if (bookkeeping.contains(names[i])) {
        row.written_at = rows.text(column);
      } else {
        row.values.push_back(typed(rows, column));
      }
    }
    if (!table.rows.emplace(key, std::move(row)).second) {
      throw std::runtime_error(table.name + " has two rows for " + key);
    }
  }
  return table;
}

}  // namespace

std::size_t StoredTables::row_count() const {
  std::size_t count = 0;
  for (const StoredTable& one : tables) count += one.rows.size();
  return count;
}

const StoredTable& StoredTables::table(std::string_view name) const {
  for (const StoredTable& one : tables) {
    if (one.name == name) return one;
  }
  throw std::invalid_argument("no such table: " + std::string(name));
}

StoredTables read_tables(const std::string& path) {
  constexpr int kBusyTimeoutMs = 5'000;
  const auto database = must(sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs));
  must(database->begin_read());
  StoredTables all;
  for (std::size_t i = 0; i < all.tables.size(); ++i) all.tables[i] = read_table(*database, shapes()[i]);
  database->rollback();
  return all;
}

}  // namespace admetrics::support
