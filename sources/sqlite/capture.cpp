#include "sources/sqlite/capture.hpp"

#include <algorithm>
#include <map>

namespace admetrics::source {
namespace {

constexpr std::string_view kTriggerPrefix = "_admetrics_";
constexpr int kTrimRecordsPerTransaction = 2'000;  // some two milliseconds: a writer waits no longer
// Longer than a writer that waits lets pass between asking for the lock again, at first (SQLite's busy handler).
constexpr std::int64_t kTrimPauseMicros = 13'000;

constexpr const char* kLogSchema = R"sql(
CREATE TABLE IF NOT EXISTS _admetrics_changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, key1, key2);
CREATE TABLE IF NOT EXISTS _admetrics_capture (id INTEGER PRIMARY KEY CHECK (id = 1), generation TEXT NOT NULL, acknowledged INTEGER NOT NULL, mark TEXT NOT NULL, previous_mark TEXT NOT NULL);
INSERT INTO _admetrics_capture SELECT 1, lower(hex(randomblob(16))), 0, '', '' WHERE NOT EXISTS (SELECT 1 FROM _admetrics_capture);
)sql";

struct Trigger {
  std::string name;
  std::string sql;
};

/// `INSERT INTO log … VALUES (kind, row.k1, row.k2)`.
std::string record(const RawTable& table, std::string_view row) {
  std::string sql = "INSERT INTO " + std::string(kLogTable) + " (kind, key1, key2) VALUES (" +
                    std::to_string(static_cast<int>(table.kind));
  for (std::size_t i = 0; i < 2; ++i) {
    sql += ", ";
    sql += i < table.key.size() ? std::string(row) + '.' + sqlite::quote_identifier(table.key[i]) : "NULL";
  }
  return sql + "); ";
}

/// True where any of `columns` changes. Compared as bytes, whatever collation the column has.
std::string any_changed(std::span<const std::string_view> columns) {
  std::string sql;
  for (const std::string_view column : columns) {
    if (!sql.empty()) sql += " OR ";
    const std::string name = sqlite::quote_identifier(column);
    sql += "NEW." + name + " COLLATE BINARY IS NOT OLD." + name;
  }
  return sql;
}

/// A column of a unique key; an index may compare it by another collation than the column has.
struct UniqueColumn {
  std::string name;  // "": an expression
  std::string collation;
  bool operator==(const UniqueColumn&) const = default;
};
using UniqueKey = std::vector<UniqueColumn>;

/// Records the row that holds a unique key which NEW is about to take: `OR REPLACE` removes it without a trigger.
std::string record_holder(const RawTable& table, const UniqueKey& key) {
  std::string sql = "INSERT INTO " + std::string(kLogTable) + " (kind, key1, key2) SELECT " +
                    std::to_string(static_cast<int>(table.kind));
  for (std::size_t i = 0; i < 2; ++i) {
    sql += ", ";
    sql += i < table.key.size() ? sqlite::quote_identifier(table.key[i]) : "NULL";
  }
  sql += " FROM " + sqlite::quote_identifier(table.name) + " WHERE ";
  std::string conditions;
  for (const UniqueColumn& column : key) {
    if (column.name.empty()) continue;  // without the expression the condition finds a superset
    const std::string name = sqlite::quote_identifier(column.name);
    conditions += (conditions.empty() ? "" : " AND ") + name + " = NEW." + name + " COLLATE " +
                  sqlite::quote_identifier(column.collation);
  }
  return sql + conditions + "; ";
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// The unique keys whose holder may belong to another owner than the new row does.
Result<std::vector<UniqueKey>> foreign_unique_keys(sqlite::Connection& database, const RawTable& table) {
  std::vector<UniqueKey> keys;
  ADM_ASSIGN(
      sqlite::Statement indexes,
      database.prepare("SELECT il.name, ii.name, ii.coll FROM pragma_index_list(?1) il, pragma_index_xinfo(il.name) ii "
                       "WHERE il.\"unique\" AND ii.key ORDER BY il.name, ii.seqno"));
  indexes.bind(1, table.name);
  std::map<std::string, UniqueKey> by_index;
  ADM_TRY(indexes.for_each_row([&] {
    const std::string column = indexes.is_null(1) ? std::string() : std::string(indexes.text(1));
    by_index[std::string(indexes.text(0))].push_back({column, std::string(indexes.text(2))});
  }));
  for (auto& [name, key] : by_index) {
    if (std::all_of(key.begin(), key.end(), [](const UniqueColumn& column) { return column.name.empty(); })) {
      return Error{Errc::kUnsupported, "capture " + std::string(table.name), database.path(),
                   "unique index " + name +
                       " is over an expression: what OR REPLACE removes through it cannot be followed; "
                       "use capture = \"scan\""};
    }
    keys.push_back(std::move(key));
  }

  // An INTEGER PRIMARY KEY has no index, but replaces just the same.
  ADM_ASSIGN(sqlite::Statement primary, database.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0"));
  primary.bind(1, table.name);
  std::vector<std::string> primary_key;
  ADM_TRY(primary.for_each_row([&] { primary_key.emplace_back(primary.text(0)); }));
  const bool indexed = std::any_of(keys.begin(), keys.end(), [&](const UniqueKey& key) {
    return key.size() == 1 && !primary_key.empty() && key[0].name == primary_key[0];
  });
  if (primary_key.size() == 1 && !indexed) keys.push_back({{primary_key[0], "BINARY"}});

  // A key that holds the owner's own key, byte for byte, is held by the same owner.
  std::erase_if(keys, [&](const UniqueKey& columns) {
    return std::all_of(table.key.begin(), table.key.end(), [&](std::string_view key) {
      return std::any_of(columns.begin(), columns.end(), [&](const UniqueColumn& column) {
        return lower(column.name) == key && lower(column.collation) == "binary";
      });
    });
  });
  return keys;
}

Result<std::vector<Trigger>> triggers_for(sqlite::Connection& database, const RawTable& table) {
  std::vector<Trigger> triggers;
  const std::string on = " ON " + sqlite::quote_identifier(table.name) + " FOR EACH ROW ";
  const auto add = [&](std::string_view suffix, std::string_view when, const std::string& condition,
                       const std::string& body) {
    Trigger trigger;
    trigger.name = std::string(kTriggerPrefix) + std::string(table.name) + '_' + std::string(suffix);
    trigger.sql = "CREATE TRIGGER " + sqlite::quote_identifier(trigger.name) + ' ' + std::string(when) + on +
                  (condition.empty() ? "" : "WHEN " + condition + ' ') + "BEGIN " + body + "END";
    triggers.push_back(std::move(trigger));
  };
  add("insert", "AFTER INSERT", "", record(table, "NEW"));
  add("delete", "AFTER DELETE", "", record(table, "OLD"));
  std::string moved = record(table, "NEW");
  moved.replace(moved.find("VALUES ("), 8, "SELECT ");
  moved.replace(moved.rfind("); "), 3, " WHERE " + any_changed(table.key) + "; ");
  add("update", "AFTER UPDATE", any_changed(table.columns), record(table, "OLD") + moved);

  ADM_ASSIGN(const auto unique_keys, foreign_unique_keys(database, table));
  if (!unique_keys.empty()) {
    std::string holders;
    std::string changed;
    for (const UniqueKey& key : unique_keys) {
      holders += record_holder(table, key);
      std::vector<std::string_view> names;
      for (const UniqueColumn& column : key) {
        if (!column.name.empty()) names.push_back(column.name);
      }
      changed += (changed.empty() ? "" : " OR ") + any_changed(names);
    }
    add("replace", "BEFORE INSERT", "", holders);
    add("update_replace", "BEFORE UPDATE", changed, holders);
  }
  return triggers;
}

Result<std::map<std::string, std::string>> installed_triggers(sqlite::Connection& database) {
  std::map<std::string, std::string> installed;
  ADM_ASSIGN(
      sqlite::Statement select,
      database.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND name GLOB '_admetrics_*'"));
  ADM_TRY(select.for_each_row([&] { installed.emplace(select.text(0), select.text(1)); }));
  return installed;
}

/// Whether the log's tables are there, with the columns that they should have.
Result<bool> log_stands(sqlite::Connection& database) {
  ADM_ASSIGN(
      const std::string columns,
      database.query_text("SELECT (SELECT group_concat(name) FROM pragma_table_info('_admetrics_changes')) || ';' || "
                          "(SELECT group_concat(name) FROM pragma_table_info('_admetrics_capture'))"));
  return columns == "seq,kind,key1,key2;id,generation,acknowledged,mark,previous_mark";
}

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return (hash ^ 0xff) * 0x100000001b3ULL;
}

/// Changes when a raw table or a trigger of ours was dropped, recreated, renamed or altered: then nobody knows what
/// was missed meanwhile. A VACUUM changes it too, which costs a reconciliation and nothing else.
Result<std::string> signature_of(sqlite::Connection& database, const std::vector<const RawTable*>& tables) {
  ADM_ASSIGN(sqlite::Statement select,
             database.prepare(
                 "SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE (type = 'table' AND name = ?1 "
                 "COLLATE NOCASE) OR (type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE AND name GLOB '_admetrics_*') "
                 "ORDER BY type, name"));
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const RawTable* table : tables) {
    select.bind(1, table->name);
    ADM_TRY(select.for_each_row([&] {
      for (int column = 0; column < 5; ++column) hash = mix(hash, select.text(column));
    }));
  }
  return std::to_string(hash);
}

}  // namespace

Result<CaptureState> read_capture(sqlite::Connection& database, std::span<const RawTable> tables, RecordedBy by) {
  CaptureState state;
  ADM_ASSIGN(const auto present, present_tables(database, tables));
  ADM_ASSIGN(const bool log_good, log_stands(database));
  if (log_good) {
    ADM_ASSIGN(state.generation, database.query_text("SELECT generation FROM _admetrics_capture"));
    ADM_ASSIGN(state.acknowledged, database.query_integer("SELECT acknowledged FROM _admetrics_capture"));
    ADM_ASSIGN(state.mark, database.query_text("SELECT mark FROM _admetrics_capture"));
    ADM_ASSIGN(state.last_seq, database.query_integer("SELECT " + std::string(kLastSeqSql)));
  }
  state.armed = !state.generation.empty();
  ADM_ASSIGN(const auto installed, installed_triggers(database));
  std::size_t expected = 0;
  for (const RawTable* table : present) {
    if (by == RecordedBy::kWriter) break;
    ADM_ASSIGN(const auto triggers, triggers_for(database, *table));
    expected += triggers.size();
    for (const Trigger& trigger : triggers) {
      const auto found = installed.find(trigger.name);
      if (found == installed.end() || found->second != trigger.sql) state.armed = false;
    }
  }
  if (installed.size() != expected) state.armed = false;
  ADM_ASSIGN(state.signature, signature_of(database, present));
  return state;
}

Status arm_capture(sqlite::Connection& database, std::span<const RawTable> tables, RecordedBy by) {
  ADM_TRY(database.begin_immediate());
  sqlite::Transaction transaction(database);
  ADM_ASSIGN(const auto present, present_tables(database, tables));
  ADM_ASSIGN(const bool log_good, log_stands(database));
  if (!log_good) {
    // Of another version, or half of it: what it recorded cannot be trusted. A new one has a new generation.
    ADM_TRY(database.execute("DROP TABLE IF EXISTS _admetrics_changes; DROP TABLE IF EXISTS _admetrics_capture;"));
  }
  ADM_TRY(database.execute(kLogSchema));
  ADM_ASSIGN(auto installed, installed_triggers(database));
  std::vector<Trigger> missing;
  for (const RawTable* table : present) {
    if (by == RecordedBy::kWriter) break;
    ADM_ASSIGN(auto triggers, triggers_for(database, *table));
    for (Trigger& trigger : triggers) {
      const auto found = installed.find(trigger.name);
      const bool stands = found != installed.end() && found->second == trigger.sql;
      if (stands) {
        installed.erase(found);
      } else {
        missing.push_back(std::move(trigger));
      }
    }
  }
  if (!missing.empty() || !installed.empty()) {
    ADM_TRY(database.execute("UPDATE _admetrics_capture SET generation = lower(hex(randomblob(16)))"));
  }
  for (const auto& [name, sql] : installed) ADM_TRY(database.execute("DROP TRIGGER " + sqlite::quote_identifier(name)));
  for (const Trigger& trigger : missing) ADM_TRY(database.execute(trigger.sql));
  return transaction.commit();
}

Result<bool> renew_mark(sqlite::Connection& database, const std::string& known) {
  ADM_ASSIGN(const bool log_good, log_stands(database));
  if (!log_good) return true;
  ADM_TRY(database.begin_immediate());
  sqlite::Transaction transaction(database);
  ADM_ASSIGN(sqlite::Statement select,
             database.prepare("SELECT count(*) FROM _admetrics_capture WHERE ?1 IN (mark, previous_mark)"));
  select.bind(1, std::string_view(known));
  ADM_ASSIGN(const bool row, select.step());
  const bool good = row && select.integer(0) > 0;
  select.reset();
  ADM_ASSIGN(sqlite::Statement renew,
             database.prepare("UPDATE _admetrics_capture SET mark = lower(hex(randomblob(16))), previous_mark = ?1"));
  renew.bind(1, std::string_view(known));
  ADM_TRY(renew.run());
  ADM_TRY(transaction.commit());
  return good;
}

Result<bool> trim_log(sqlite::Connection& database, std::int64_t seq, int transactions_max,
                      const std::function<void(std::int64_t)>& pause) {
  ADM_ASSIGN(sqlite::Statement note,
             database.prepare("UPDATE _admetrics_capture SET acknowledged = ?1 WHERE acknowledged < ?1"));
  ADM_ASSIGN(sqlite::Statement remove,
             database.prepare(
                 "DELETE FROM _admetrics_changes WHERE seq IN (SELECT seq FROM _admetrics_changes WHERE seq <= ?1 "
                 "ORDER BY seq LIMIT ?2)"));
  for (int transactions = 0; transactions < transactions_max; ++transactions) {
    if (transactions > 0 && pause) pause(kTrimPauseMicros);
    ADM_TRY(database.begin_immediate());
    sqlite::Transaction transaction(database);
    note.bind(1, seq);
    ADM_TRY(note.run());
    remove.bind(1, seq);
    remove.bind(2, static_cast<std::int64_t>(kTrimRecordsPerTransaction));
    ADM_TRY(remove.run());
    const std::int64_t removed = database.changes();
    ADM_TRY(transaction.commit());
    if (removed < kTrimRecordsPerTransaction) return true;
  }
  return false;
}

}  // namespace admetrics::source
