#include "sinks/sqlite/migration.hpp"

#include <algorithm>
#include <set>

#include "core/sqlite/shape.hpp"
#include "sinks/sqlite/first_fill.hpp"
#include "sinks/sqlite/schema.hpp"

namespace admetrics::sink {
namespace {

using sqlite::ColumnShape;
using sqlite::IndexShape;
using sqlite::ShapeDifference;
using sqlite::TableShape;

std::string quoted(const std::string& name) { return sqlite::quote_identifier(name); }

std::string joined(const std::vector<std::string>& parts, std::string_view between = ", ") {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : std::string(between)) + part;
  return text;
}

/// `meta_spend DECIMAL(10,2) NOT NULL DEFAULT 0.00`
std::string definition_of(const ColumnShape& column) {
  return quoted(column.name) + " " + column.type + (column.not_null ? " NOT NULL" : "") +
         (column.default_value ? " DEFAULT " + *column.default_value : "");
}

/// SQLite does not tell a generated column's expression; the wanted table's own statement has it, one column a line.
std::string generated_definition(const TableShape& wanted, const std::string& name) {
  const std::size_t begin = wanted.sql.find("\n  " + name + " ") + 1;
  return wanted.sql.substr(begin, wanted.sql.find(",\n", begin) - begin);
}

/// Whether ALTER TABLE … ADD COLUMN can add it to a table that has rows.
bool addable(const ColumnShape& column) {
  if (column.primary_key != 0) return false;
  if (column.generated || !column.not_null) return true;
  return column.default_value && *column.default_value != "CURRENT_TIMESTAMP";
}

/// The columns of the table's unique key.
std::vector<std::string> key_of(const TableShape& wanted) {
  for (const IndexShape& index : wanted.indexes) {
    if (index.unique && !index.of_statement) return index.columns;
  }
  return {};
}

/// Plans one table that stands there.
class TablePlan {
 public:
  TablePlan(sqlite::Connection& database, const TableShape& wanted, const TableShape& found, MigrationPlan& plan)
      : database_(database), wanted_(wanted), found_(found), plan_(plan) {}

  Status make() {
    const std::vector<ShapeDifference> differences = differences_between(wanted_, found_);
    const bool required =
        std::any_of(differences.begin(), differences.end(), [](const auto& each) { return each.required; });
    ADM_ASSIGN(rows_, database_.query_integer("SELECT count(*) FROM " + wanted_.name));
    if (!required) return {};
    if (found_.is_view) return refuse("it is a view; rename it");
    ADM_TRY(check_key());
    if (must_rebuild()) return rebuild();

    for (const ColumnShape& column : wanted_.columns) {
      if (found_.column(column.name) != nullptr) continue;
      const std::string definition =
          column.generated ? generated_definition(wanted_, column.name) : definition_of(column);
      add("add the column " + wanted_.name + "." + column.name,
          {"ALTER TABLE " + wanted_.name + " ADD COLUMN " + definition});
    }
    for (const IndexShape* narrow : too_narrow_keys(wanted_, found_)) {
      add("remove the unique index " + narrow->name + ", which refuses rows that differ elsewhere",
          {"DROP INDEX " + quoted(narrow->name)});
    }
    const std::vector<std::string> key = key_of(wanted_);
    if (!key.empty() && !found_.has_unique_key(key)) {
      add("add the key " + wanted_.name + " (" + joined(key) + ")",
          {"CREATE UNIQUE INDEX " + quoted("key_of_" + wanted_.name) + " ON " + wanted_.name + "(" + joined(key) +
           ")"});
    }
    plan_indexes();
    return {};
  }

  [[nodiscard]] std::int64_t rows() const { return rows_; }

 private:
  Error refuse(const std::string& why) const {
    return Error{Errc::kSchema, "migrate " + wanted_.name, database_.path(), why + "; nothing was changed"};
  }

  void add(std::string text, std::vector<std::string> sql) { plan_.steps.push_back({std::move(text), std::move(sql)}); }

  /// A row without its key, or two rows with one, cannot become rows of ours, and which to keep is not ours to say.
  Status check_key() const {
    if (rows_ == 0) return {};
    const std::vector<std::string> key = key_of(wanted_);
    for (const std::string& column : key) {
      if (found_.column(column) == nullptr) {
        return refuse("its " + std::to_string(rows_) + " rows have no " + column +
                      ", so it is not a table of ours: rename it, or delete its rows");
      }
      ADM_ASSIGN(const std::int64_t missing, database_.query_integer("SELECT count(*) FROM " + wanted_.name +
                                                                     " WHERE " + quoted(column) + " IS NULL"));
      if (missing != 0) return refuse(std::to_string(missing) + " of its rows have no " + column + ": delete them");
    }
    if (key.empty() || found_.has_unique_key(key)) return {};
    ADM_ASSIGN(const std::string twice,
               database_.query_text("SELECT " + joined(key, " || ' ' || ") + " || ' (' || count(*) || ' rows)' FROM " +
                                    wanted_.name + " GROUP BY " + joined(key) + " HAVING count(*) > 1 LIMIT 1"));
    if (!twice.empty()) return refuse("several rows have one key, as " + twice + ": delete those that are wrong");
    return {};
  }

  [[nodiscard]] bool must_rebuild() const {
    for (const ColumnShape& column : wanted_.columns) {
      const ColumnShape* there = found_.column(column.name);
      if (there == nullptr) {
        if (!addable(column)) return true;
      } else if (there->generated != column.generated ||
                 (!column.generated && !sqlite::keeps_values_alike(column.type, there->type))) {
        return true;
      }
    }
    if (found_.row_number_column() != wanted_.row_number_column()) return true;
    for (const IndexShape* narrow : too_narrow_keys(wanted_, found_)) {
      if (!narrow->of_statement) return true;
    }
    return std::any_of(found_.columns.begin(), found_.columns.end(), [&](const ColumnShape& column) {
      return wanted_.column(column.name) == nullptr && column.not_null && !column.default_value && !column.generated;
    });
  }

  /// What a column of the new table takes from the old one.
  [[nodiscard]] std::string value_of(const ColumnShape& column) const {
    const auto holds = [&](std::string_view name) {
      const ColumnShape* there = found_.column(name);
      return there != nullptr && !there->generated;
    };
    std::vector<std::string> from;
    if (holds(column.name)) from.push_back(quoted(column.name));
    // The main table's lists had other names once.
    if (column.name == "trial_users_list" && holds("trial_user_ids")) from.emplace_back("trial_user_ids");
    if (column.name == "purchase_users_list" && holds("purchase_user_ids")) from.emplace_back("purchase_user_ids");
    if (column.not_null) from.push_back(column.default_value.value_or("''"));
    if (from.empty()) return "";
    return from.size() == 1 ? from.front() : "coalesce(" + joined(from) + ")";
  }

  Status rebuild() {
    const std::string fresh = "_admetrics_new_" + wanted_.name;
    std::vector<std::string> sql{"CREATE TABLE " + fresh + " " + wanted_.sql.substr(wanted_.sql.find('('))};
    std::vector<std::string> names;
    std::vector<std::string> values;
    for (const ColumnShape& column : wanted_.columns) {
      if (column.generated) continue;
      if (column.name == wanted_.row_number_column()) {
        ADM_ASSIGN(const bool numbered, keeps_row_numbers(column.name));
        if (!numbered) continue;
        names.push_back(column.name);
        values.push_back(quoted(column.name));
      } else if (const std::string value = value_of(column); !value.empty()) {
        names.push_back(column.name);
        values.push_back(value);
      }
    }
    for (const ColumnShape& column : found_.columns) {
      // Somebody else's column: kept, but it may stay empty in rows of ours.
      if (wanted_.column(column.name) != nullptr || column.generated) continue;
      sql.push_back("ALTER TABLE " + fresh + " ADD COLUMN " + quoted(column.name) + " " + column.type);
      names.push_back(quoted(column.name));
      values.push_back(quoted(column.name));
    }
    const std::string order = found_.without_rowid ? "" : " ORDER BY rowid";
    sql.push_back("INSERT INTO " + fresh + " (" + joined(names) + ") SELECT " + joined(values) + " FROM " +
                  wanted_.name + order);
    if (!wanted_.row_number_column().empty()) {
      // A number that was given once is not given again.
      sql.push_back(
          "UPDATE sqlite_sequence SET seq = max(seq, coalesce((SELECT seq FROM sqlite_sequence WHERE name = " +
          sqlite::quote_text(wanted_.name) + "), 0)) WHERE name = " + sqlite::quote_text(fresh));
    }
    ADM_ASSIGN(sqlite::Statement hanging,
               database_.prepare("SELECT sql, type, name FROM sqlite_schema WHERE lower(tbl_name) = ?1 AND type <> "
                                 "'table' AND sql IS NOT NULL ORDER BY type, rowid"));
    hanging.bind(1, wanted_.name);
    std::vector<std::string> again;
    ADM_TRY(hanging.for_each_row([&] {
      const std::string name(hanging.text(2));
      const bool ours = wanted_.index(name) != nullptr;
      const auto narrow = too_narrow_keys(wanted_, found_);
      const bool refuses =
          std::any_of(narrow.begin(), narrow.end(), [&](const IndexShape* index) { return index->name == name; });
      if (!ours && !refuses) again.emplace_back(hanging.text(0));
    }));
    sql.push_back("DROP TABLE " + wanted_.name);
    sql.push_back("ALTER TABLE " + fresh + " RENAME TO " + wanted_.name);
    sql.insert(sql.end(), again.begin(), again.end());
    add("rebuild " + wanted_.name + " with its " + std::to_string(rows_) + " rows: " + reasons(), std::move(sql));
    return {};
  }

  [[nodiscard]] std::string reasons() const {
    std::vector<std::string> texts;
    for (const ShapeDifference& difference : differences_between(wanted_, found_)) {
      if (difference.required && difference.kind != ShapeDifference::Kind::kIndex) texts.push_back(difference.text());
    }
    return joined(texts, "; ");
  }

  Result<bool> keeps_row_numbers(const std::string& column) const {
    const ColumnShape* there = found_.column(column);
    if (there == nullptr || there->generated) return false;
    ADM_ASSIGN(const std::int64_t good,
               database_.query_integer("SELECT count(*) = count(DISTINCT " + column + ") AND total(typeof(" + column +
                                       ") <> 'integer') = 0 FROM " + wanted_.name));
    return good != 0;
  }

  void plan_indexes() {
    for (const IndexShape& index : wanted_.indexes) {
      const IndexShape* there = found_.index(index.name);
      if (!index.of_statement || there == nullptr) continue;
      if (there->columns == index.columns && !there->unique && !there->partial) continue;
      add("make the index " + index.name + " anew", {"DROP INDEX " + quoted(index.name)});
    }
  }

  sqlite::Connection& database_;
  const TableShape& wanted_;
  const TableShape& found_;
  MigrationPlan& plan_;
  std::int64_t rows_ = 0;
};

bool is_bookkeeping(const std::string& table) { return table == kStateTable || table == kKeysTable; }

}  // namespace

Result<MigrationPlan> plan_migration(sqlite::Connection& database) {
  MigrationPlan plan;
  ADM_ASSIGN(const std::string encoding, database.query_text("PRAGMA encoding"));
  if (encoding != "UTF-8") {
    return Error{Errc::kUnsupported, "migrate", database.path(),
                 "its text encoding is " + encoding + "; only UTF-8 is supported"};
  }
  ADM_ASSIGN(const std::vector<TableShape> wanted, wanted_shapes());
  std::set<std::string> missing;
  bool rows_lack_something = false;
  ADM_ASSIGN(const bool unfinished, aside_stands(database));
  if (unfinished) plan.steps.push_back({"remove what an unfinished first fill left behind", {drop_aside_sql()}});
  for (const TableShape& table : wanted) {
    ADM_ASSIGN(const TableShape found, sqlite::read_shape(database, table.name));
    if (!found.exists) {
      missing.insert(table.name);
      continue;
    }
    const std::size_t steps_before = plan.steps.size();
    if (is_bookkeeping(table.name)) {
      // Holds no result: only where the rows stand, which the next run finds out anew.
      if (!differences_between(table, found).empty()) {
        plan.steps.push_back(
            {"make " + table.name + " anew: it holds our bookkeeping only", {"DROP TABLE " + table.name}});
      }
    } else {
      TablePlan one(database, table, found, plan);
      ADM_TRY(one.make());
      plan.kept.push_back({table.name, one.rows()});
    }
    rows_lack_something = rows_lack_something || plan.steps.size() != steps_before;
  }
  bool indexes_missing = false;
  for (const TableShape& table : wanted) {
    if (missing.contains(table.name)) {
      plan.steps.push_back({"create the table " + table.name, {}});
      continue;
    }
    for (const IndexShape& index : table.indexes) {
      ADM_ASSIGN(const TableShape found, sqlite::read_shape(database, table.name));
      if (!index.of_statement || found.index(index.name) != nullptr) continue;
      plan.steps.push_back({"create the index " + index.name, {}});
      indexes_missing = true;
    }
  }
  rows_lack_something = rows_lack_something || !missing.empty();
  if (plan.steps.empty()) return plan;
  if (rows_lack_something || indexes_missing) plan.steps.back().sql.push_back(create_missing_sql());
  if (rows_lack_something) {
    // What stands is not what the position says: the next run compares every row.
    plan.steps.back().sql.push_back("DELETE FROM " + std::string(kStateTable) + "; DELETE FROM " +
                                    std::string(kKeysTable));
  }
  return plan;
}

Result<MigrationReport> migrate(const MigrationOptions& options) {
  MigrationReport report;
  const bool made = sqlite::file_identity(options.database).empty();
  ADM_ASSIGN(const auto database,
             sqlite::Connection::open(options.database, sqlite::OpenMode::kCreate, options.busy_timeout_ms));
  if (made) ADM_TRY(database->execute("PRAGMA journal_mode = WAL"));
  {
    ADM_TRY(database->begin_read());
    sqlite::Transaction look(*database);
    ADM_ASSIGN(report.plan, plan_migration(*database));
  }
  if (report.plan.steps.empty()) return report;
  for (const TableRows& table : report.plan.kept) {
    ADM_ASSIGN(const std::string sound, database->query_text("PRAGMA quick_check('" + table.table + "')"));
    if (sound != "ok") {
      return Error{Errc::kCorrupt, "migrate " + table.table, options.database, sound + "; nothing was changed"};
    }
  }
  // A rebuilt table comes back under its name: nothing that names it shall be rewritten meanwhile.
  ADM_TRY(database->execute("PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON"));

  // The backup is taken beside writers; had somebody written meanwhile, once more behind the write lock.
  ADM_ASSIGN(const std::int64_t version, database->query_integer("PRAGMA data_version"));
  const auto back_up = [&]() -> Status {
    ADM_ASSIGN(report.backup,
               take_backup(options.database, options.backup_folder, options.now, options.busy_timeout_ms));
    return {};
  };
  ADM_TRY(back_up());
  ADM_TRY(database->begin_immediate());
  sqlite::Transaction transaction(*database);
  ADM_ASSIGN(const std::int64_t version_now, database->query_integer("PRAGMA data_version"));
  if (version_now != version) {
    ADM_TRY(back_up());
    ADM_ASSIGN(report.plan, plan_migration(*database));
  }
  for (const MigrationStep& step : report.plan.steps) {
    for (const std::string& sql : step.sql) ADM_TRY(database->execute(sql));
  }
  for (const TableRows& table : report.plan.kept) {
    ADM_ASSIGN(const std::int64_t rows, database->query_integer("SELECT count(*) FROM " + table.table));
    if (rows != table.rows) {
      return Error{Errc::kInternal, "migrate " + table.table, options.database,
                   "it would have " + std::to_string(rows) + " rows, not " + std::to_string(table.rows) +
                       "; nothing was changed"};
    }
  }
  if (Status shaped = check_shape(*database); !shaped.ok()) return shaped.error();
  ADM_TRY(transaction.commit());
  return report;
}

}  // namespace admetrics::sink
