#include "sinks/sqlite/first_fill.hpp"

#include <array>
#include <set>

#include "core/model/row.hpp"
#include "sinks/sqlite/schema.hpp"

namespace admetrics::sink {
namespace {

constexpr std::array<std::string_view, 4> kFilled{kMainTable, kBreakdownTable, kNameTable, kHierarchyTable};

struct Object {
  std::string type;
  std::string name;
  std::string table;
  std::string
      body;  // its declaration from the first parenthesis on: a table that was renamed is spelled otherwise before

  auto operator<=>(const Object&) const = default;
};

/// What stands under the names of the four tables, and what hangs on it.
Result<std::set<Object>> objects_of(sqlite::Connection& database) {
  std::set<Object> objects;
  for (const std::string_view table : kFilled) {
    ADM_ASSIGN(
        sqlite::Statement select,
        database.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE "
                         "AND sql IS NOT NULL"));
    select.bind(1, table);
    ADM_TRY(select.for_each_row([&] {
      const std::string_view sql = select.text(3);
      const std::size_t body = sql.find('(');
      objects.insert({std::string(select.text(0)), std::string(select.text(1)), std::string(select.text(2)),
                      std::string(body == std::string_view::npos ? sql : sql.substr(body))});
    }));
  }
  return objects;
}

Result<std::set<Object>> wanted_objects() {
  ADM_ASSIGN(const auto memory, sqlite::Connection::open(":memory:", sqlite::OpenMode::kCreate, 0));
  ADM_TRY(memory->execute(create_missing_sql()));
  return objects_of(*memory);
}

Result<bool> all_empty(sqlite::Connection& database) {
  std::string any;
  for (const std::string_view table : kFilled)
    any += (any.empty() ? "SELECT EXISTS (SELECT 1 FROM " : " OR EXISTS (SELECT 1 FROM ") + std::string(table) + ')';
  ADM_ASSIGN(const std::int64_t rows, database.query_integer(any));
  return rows == 0;
}

/// Columns that hold values, in the table's order.
Result<std::string> stored_columns(sqlite::Connection& database, std::string_view table) {
  ADM_ASSIGN(sqlite::Statement columns,
             database.prepare("SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_table_xinfo(?1) WHERE "
                              "hidden = 0 ORDER BY cid)"));
  columns.bind(1, table);
  ADM_ASSIGN(const bool row, columns.step());
  return row ? std::string(columns.text(0)) : std::string();
}

}  // namespace

std::string aside_name(std::string_view table) { return std::string(kAsidePrefix) + std::string(table); }

Result<bool> can_be_exchanged(sqlite::Connection& database) {
  ADM_ASSIGN(const bool empty, all_empty(database));
  if (!empty) return false;
  ADM_ASSIGN(const std::set<Object> wanted, wanted_objects());
  ADM_ASSIGN(const std::set<Object> found, objects_of(database));
  return wanted == found;
}

Result<bool> aside_stands(sqlite::Connection& database) {
  ADM_ASSIGN(const std::int64_t tables,
             database.query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB " +
                                    sqlite::quote_text(std::string(kFillTable) + '*')));
  return tables > 0;
}

Result<std::optional<std::int64_t>> aside_items(sqlite::Connection& database, std::string_view token) {
  ADM_ASSIGN(const std::int64_t exists,
             database.query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = " +
                                    sqlite::quote_text(kFillTable)));
  std::optional<std::int64_t> items;
  if (exists == 0) return items;
  ADM_ASSIGN(sqlite::Statement select,
             database.prepare("SELECT items FROM " + std::string(kFillTable) + " WHERE token = ?1"));
  select.bind(1, token);
  ADM_ASSIGN(const bool row, select.step());
  if (row) items = select.integer(0);
  return items;
}

Status create_aside(sqlite::Connection& database, std::string_view token) {
  ADM_ASSIGN(const std::set<Object> objects, objects_of(database));
  for (const Object& object : objects) {
    if (object.type == "table") ADM_TRY(database.execute("CREATE TABLE " + aside_name(object.name) + object.body));
  }
  for (const Object& object : objects) {
    if (object.type != "index") continue;
    ADM_TRY(database.execute("DROP INDEX " + object.name + "; CREATE INDEX " + object.name + " ON " +
                             aside_name(object.table) + object.body));
  }
  for (const std::string_view table : kFilled) {
    // Numbers of rows go on where they were: one that was taken once is not given again.
    const std::string live(table);
    const std::string aside = aside_name(table);
    ADM_TRY(database.execute("INSERT INTO sqlite_sequence (name, seq) SELECT " + sqlite::quote_text(aside) +
                             ", seq FROM sqlite_sequence WHERE name = " + sqlite::quote_text(live)));
    ADM_ASSIGN(const std::string columns, stored_columns(database, table));
    ADM_TRY(database.execute("INSERT INTO " + aside + " (" + columns + ") SELECT " + columns + " FROM " + live +
                             "; DELETE FROM " + live));
  }
  ADM_TRY(database.execute("CREATE TABLE " + std::string(kFillTable) +
                           " (token TEXT NOT NULL PRIMARY KEY, items INTEGER NOT NULL)"));
  return database.execute("INSERT INTO " + std::string(kFillTable) + " VALUES (" + sqlite::quote_text(token) + ", 0)");
}

Result<bool> exchange(sqlite::Connection& database) {
  ADM_ASSIGN(const bool empty, all_empty(database));
  if (!empty) return false;
  ADM_ASSIGN(std::set<Object> wanted, wanted_objects());
  std::erase_if(wanted, [](const Object& object) { return object.type == "index"; });
  ADM_ASSIGN(const std::set<Object> found, objects_of(database));
  if (wanted != found) return false;
  for (const std::string_view table : kFilled) {
    ADM_TRY(database.execute("DROP TABLE " + std::string(table) + "; ALTER TABLE " + aside_name(table) + " RENAME TO " +
                             std::string(table)));
  }
  ADM_TRY(database.execute("DROP TABLE " + std::string(kFillTable)));
  return true;
}

Result<bool> remove_some_of_aside(sqlite::Connection& database, std::int64_t rows_max) {
  for (const std::string_view table : kFilled) {
    const std::string aside = aside_name(table);
    ADM_ASSIGN(const std::int64_t exists,
               database.query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = " +
                                      sqlite::quote_text(aside)));
    if (exists == 0) continue;
    // From the end: what was written together goes together.
    ADM_TRY(database.execute("DELETE FROM " + aside + " WHERE rowid IN (SELECT rowid FROM " + aside +
                             " ORDER BY rowid DESC LIMIT " + std::to_string(rows_max) + ')'));
    if (database.changes() == rows_max) return false;
    ADM_TRY(database.execute("DROP TABLE " + aside));
    return false;
  }
  ADM_TRY(database.execute("DROP TABLE IF EXISTS " + std::string(kFillTable)));
  return true;
}

std::string drop_aside_sql() {
  std::string sql = "DROP TABLE IF EXISTS " + std::string(kFillTable);
  for (const std::string_view table : kFilled) sql += "; DROP TABLE IF EXISTS " + aside_name(table);
  return sql;
}

}  // namespace admetrics::sink
