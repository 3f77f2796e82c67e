#include "sinks/sqlite/backup.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/sqlite/shape.hpp"
#include "sinks/sqlite/first_fill.hpp"
#include "sinks/sqlite/schema.hpp"

namespace admetrics::sink {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "schema-";
constexpr std::string_view kSuffix = ".backup.db";
constexpr std::string_view kUnfinished = ".unfinished";

/// Stored in the backup. One of another format is refused, not guessed at.
constexpr std::int64_t kFormat = 1;

constexpr const char* kManifest = R"sql(
CREATE TABLE main._admetrics_backup (format INTEGER NOT NULL, source TEXT NOT NULL, created_at TEXT NOT NULL);
CREATE TABLE main._admetrics_backup_object (position INTEGER PRIMARY KEY, type TEXT NOT NULL, name TEXT NOT NULL,
  sql TEXT NOT NULL, rows INTEGER);
CREATE TABLE main._admetrics_backup_sequence (name TEXT NOT NULL, seq INTEGER NOT NULL);
)sql";

std::string absolute(const std::string& path) {
  std::error_code failed;
  const fs::path found = fs::weakly_canonical(path, failed);
  return failed ? path : found.string();
}

/// `'daily_mixpanel_metrics', …`
std::string names_list() {
  std::string list;
  for (const std::string& table : our_tables()) list += (list.empty() ? "" : ", ") + sqlite::quote_text(table);
  return list;
}

Status attach(sqlite::Connection& connection, const std::string& path, const std::string& schema) {
  ADM_ASSIGN(sqlite::Statement statement, connection.prepare("ATTACH ?1 AS " + schema));
  statement.bind(1, path);
  return statement.run();
}

/// Columns that hold values, quoted, in the table's order.
Result<std::string> stored_columns(sqlite::Connection& connection, const std::string& schema,
                                   const std::string& table) {
  ADM_ASSIGN(sqlite::Statement columns,
             connection.prepare("SELECT name FROM pragma_table_xinfo(?1, ?2) WHERE hidden = 0 ORDER BY cid"));
  columns.bind(1, table);
  columns.bind(2, schema);
  std::string list;
  ADM_TRY(
      columns.for_each_row([&] { list += (list.empty() ? "" : ", ") + sqlite::quote_identifier(columns.text(0)); }));
  return list;
}

Result<std::int64_t> copy_rows(sqlite::Connection& connection, const std::string& from, const std::string& to,
                               const std::string& table) {
  ADM_ASSIGN(const std::string columns, stored_columns(connection, from, table));
  const std::string name = sqlite::quote_identifier(table);
  ADM_ASSIGN(sqlite::Statement copy, connection.prepare("INSERT INTO " + to + "." + name + " (" + columns +
                                                        ") SELECT " + columns + " FROM " + from + "." + name));
  ADM_TRY(copy.run());
  return connection.changes();
}

/// `CREATE TABLE x (…` → `CREATE TABLE main.x (…`
std::string create_in_main(std::string_view sql, std::string_view name) {
  return "CREATE TABLE main." + sqlite::quote_identifier(name) + " " + std::string(sql.substr(sql.find('(')));
}

Status sync_path(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC);
  if (file < 0) return Error{Errc::kIo, "make the backup durable", path, std::strerror(errno)};
  const int failed = ::fsync(file) != 0 ? errno : 0;
  ::close(file);
  if (failed != 0) return Error{Errc::kIo, "make the backup durable", path, std::strerror(failed)};
  return {};
}

/// Fills the new file `main` from the database `live`, at one moment of it.
Status fill(sqlite::Connection& connection, const std::string& source, const std::string& created_at) {
  ADM_TRY(connection.execute("BEGIN"));
  sqlite::Transaction transaction(connection);
  ADM_TRY(connection.execute(kManifest));
  ADM_TRY(connection.execute("INSERT INTO main._admetrics_backup VALUES (" + std::to_string(kFormat) + ", " +
                             sqlite::quote_text(source) + ", " + sqlite::quote_text(created_at) + ")"));
  // Tables first, then what hangs on them.
  ADM_ASSIGN(sqlite::Statement objects,
             connection.prepare("SELECT type, name, sql FROM live.sqlite_schema WHERE lower(tbl_name) IN (" +
                                names_list() + ") AND sql IS NOT NULL ORDER BY type <> 'table', rowid"));
  ADM_ASSIGN(sqlite::Statement put,
             connection.prepare("INSERT INTO main._admetrics_backup_object (type, name, sql, rows) VALUES (?1, ?2, "
                                "?3, ?4)"));
  for (;;) {
    ADM_ASSIGN(const bool row, objects.step());
    if (!row) break;
    const std::string type(objects.text(0));
    const std::string name(objects.text(1));
    const std::string sql(objects.text(2));
    if (type == "view") return Error{Errc::kSchema, "back up", source, name + " is a view, should be a table"};
    put.bind(1, type);
    put.bind(2, name);
    put.bind(3, sql);
    put.bind_null(4);
    if (type == "table") {
      ADM_TRY(connection.execute(create_in_main(sql, name)));
      ADM_ASSIGN(const std::int64_t rows, copy_rows(connection, "live", "main", name));
      put.bind(4, rows);
    }
    ADM_TRY(put.run());
  }
  ADM_ASSIGN(const std::int64_t counted,
             connection.query_integer("SELECT count(*) FROM live.sqlite_schema WHERE name = 'sqlite_sequence'"));
  if (counted != 0) {
    ADM_TRY(
        connection.execute("INSERT INTO main._admetrics_backup_sequence SELECT name, seq FROM "
                           "live.sqlite_sequence WHERE lower(name) IN (" +
                           names_list() + ")"));
  }
  return transaction.commit();
}

void remove_unfinished(const std::string& folder) {
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    const std::string name = entry.path().filename().string();
    // SQLite's own journal of one begins with its name.
    if (name.starts_with(kPrefix) && name.find(kUnfinished) != std::string::npos) fs::remove(entry.path(), failed);
  }
}

}  // namespace

Result<Backup> take_backup(const std::string& database, const std::string& folder, Instant now, int busy_timeout_ms) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  if (failed) return Error{Errc::kReadOnly, "create the folder for backups", folder, failed.message()};
  remove_unfinished(folder);

  std::string created_at = format_timestamp(now);
  std::string stamp = created_at;
  std::erase_if(stamp, [](char c) { return c == '-' || c == ':' || c == '.'; });
  std::replace(stamp.begin(), stamp.end(), ' ', '-');
  std::string path = folder + "/" + std::string(kPrefix) + stamp + std::string(kSuffix);
  for (int again = 2; fs::exists(path, failed); ++again) {
    path = folder + "/" + std::string(kPrefix) + stamp + "_" + std::to_string(again) + std::string(kSuffix);
  }
  const std::string unfinished = path + std::string(kUnfinished);
  {
    ADM_ASSIGN(const auto connection, sqlite::Connection::open(unfinished, sqlite::OpenMode::kCreate, busy_timeout_ms));
    ADM_TRY(connection->execute("PRAGMA main.synchronous = FULL"));
    ADM_TRY(attach(*connection, absolute(database), "live"));
    ADM_TRY(fill(*connection, absolute(database), created_at));
  }
  // The file is SQLite's no longer, so opening it ourselves drops nobody's locks.
  ADM_TRY(sync_path(unfinished, O_RDONLY));
  ADM_ASSIGN(Backup backup, check_backup(unfinished));
  fs::rename(unfinished, path, failed);
  if (failed) return Error{Errc::kIo, "name the backup", path, failed.message()};
  ADM_TRY(sync_path(folder, O_RDONLY | O_DIRECTORY));
  backup.path = path;
  return backup;
}

Result<Backup> check_backup(const std::string& path) {
  const auto unreliable = [&](const std::string& why) {
    return Error{Errc::kCorrupt, "check the backup", path, why + "; nothing was changed"};
  };
  auto opened = sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, 0);
  if (!opened) return opened.error().code == Errc::kNotFound ? opened.error() : unreliable(opened.error().detail);
  sqlite::Connection& connection = **opened;
  auto sound = connection.query_text("PRAGMA integrity_check(1)");
  if (!sound) return unreliable(sound.error().detail);
  if (*sound != "ok") return unreliable(*sound);

  Backup backup;
  backup.path = path;
  {
    auto header = connection.prepare("SELECT format, source, created_at FROM _admetrics_backup");
    if (!header) return unreliable("it is no backup of ours");
    ADM_ASSIGN(const bool row, header->step());
    if (!row) return unreliable("it is no backup of ours");
    if (header->integer(0) != kFormat) return unreliable("it is of another format");
    backup.source = header->text(1);
    backup.created_at = header->text(2);
  }
  ADM_ASSIGN(sqlite::Statement tables, connection.prepare("SELECT name, rows FROM _admetrics_backup_object WHERE type "
                                                          "= 'table' ORDER BY position"));
  ADM_TRY(tables.for_each_row([&] { backup.tables.push_back({std::string(tables.text(0)), tables.integer(1)}); }));
  for (const TableRows& table : backup.tables) {
    auto rows = connection.query_integer("SELECT count(*) FROM " + sqlite::quote_identifier(table.table));
    if (!rows) return unreliable(rows.error().detail);
    if (*rows == table.rows) continue;
    return unreliable(table.table + " has " + std::to_string(*rows) + " rows, not " + std::to_string(table.rows));
  }
  return backup;
}

Result<Backup> newest_backup(const std::string& database, const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kPrefix) && name.ends_with(kSuffix)) paths.push_back(entry.path().string());
  }
  std::sort(paths.rbegin(), paths.rend());
  const std::string source = absolute(database);
  for (const std::string& path : paths) {
    auto backup = check_backup(path);
    // A damaged one could be the newest of this database: going further back has to be asked for.
    if (!backup) return std::move(backup).error();
    if (backup->source == source) return std::move(backup).value();
  }
  return Error{Errc::kNotFound, "find a backup of " + database, folder,
               "there is none: nothing was migrated from here; --backup FILE names one"};
}

Result<RestoreReport> restore_backup(const std::string& database, const Backup& backup, int busy_timeout_ms) {
  RestoreReport report;
  report.backup = backup;
  ADM_ASSIGN(const auto connection, sqlite::Connection::open(database, sqlite::OpenMode::kReadWrite, busy_timeout_ms));
  ADM_TRY(attach(*connection, absolute(backup.path), "backup"));
  // Rows of other tables may point here; they stay, and will point to the restored rows.
  ADM_TRY(connection->execute("PRAGMA foreign_keys = OFF"));
  ADM_TRY(connection->begin_immediate());
  sqlite::Transaction transaction(*connection);
  // An unfinished first fill has the names of the indexes that are about to come back.
  ADM_TRY(connection->execute(drop_aside_sql()));

  for (const std::string& table : our_tables()) {
    ADM_ASSIGN(const sqlite::TableShape found, sqlite::read_shape(*connection, table));
    if (!found.exists) continue;
    if (found.is_view) return Error{Errc::kSchema, "restore the backup", database, table + " is a view"};
    ADM_ASSIGN(const std::int64_t rows, connection->query_integer("SELECT count(*) FROM main." + table));
    report.before.push_back({table, rows});
    ADM_TRY(connection->execute("DROP TABLE main." + table));
  }
  struct Object {
    std::string type;
    std::string name;
    std::string sql;
    std::int64_t rows;
  };
  std::vector<Object> objects;
  {
    ADM_ASSIGN(sqlite::Statement select, connection->prepare("SELECT type, name, sql, rows FROM "
                                                             "backup._admetrics_backup_object ORDER BY position"));
    ADM_TRY(select.for_each_row([&] {
      objects.push_back(
          {std::string(select.text(0)), std::string(select.text(1)), std::string(select.text(2)), select.integer(3)});
    }));
  }
  for (const Object& object : objects) {
    ADM_TRY(connection->execute(object.sql));
    if (object.type != "table") continue;
    ADM_ASSIGN(const std::int64_t rows, copy_rows(*connection, "backup", "main", object.name));
    if (rows != object.rows) {
      return Error{Errc::kCorrupt, "restore the backup", backup.path,
                   object.name + " gave " + std::to_string(rows) + " rows, not " + std::to_string(object.rows)};
    }
  }
  ADM_ASSIGN(const std::int64_t sequenced,
             connection->query_integer("SELECT count(*) FROM backup._admetrics_backup_sequence"));
  if (sequenced != 0) {
    ADM_TRY(connection->execute("DELETE FROM main.sqlite_sequence WHERE lower(name) IN (" + names_list() +
                                "); INSERT INTO main.sqlite_sequence (name, seq) SELECT name, seq FROM "
                                "backup._admetrics_backup_sequence"));
  }
  ADM_TRY(transaction.commit());
  return report;
}

}  // namespace admetrics::sink
