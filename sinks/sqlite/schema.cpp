#include "sinks/sqlite/schema.hpp"

#include <algorithm>

#include "core/model/row.hpp"
#include "sinks/sqlite/first_fill.hpp"

namespace admetrics::sink {
namespace {

using sqlite::ColumnShape;
using sqlite::IndexShape;
using sqlite::ShapeDifference;
using sqlite::TableShape;

std::string numbers_sql(bool main) {
  std::string sql;
  for (const NumberColumn& column : number_columns()) {
    const std::string_view name = main ? column.main_name : column.breakdown_name;
    if (!name.empty()) sql += "  " + std::string(name) + ' ' + std::string(column.sql_type) + ",\n";
  }
  return sql;
}

std::string lists_sql(bool main) {
  std::string sql;
  for (const ListColumn& column : list_columns()) {
    sql += "  " + std::string(main ? column.main_name : column.breakdown_name) + " TEXT,\n";
  }
  return sql;
}

}  // namespace

std::string create_reading_indexes_sql() {
  return "CREATE INDEX IF NOT EXISTS idx_daily_level_date ON daily_mixpanel_metrics(entity_type, date, entity_id);\n"
         "CREATE INDEX IF NOT EXISTS idx_hierarchy_campaign ON id_hierarchy_mapping(campaign_id, adset_id);\n"
         "CREATE INDEX IF NOT EXISTS idx_hierarchy_adset ON id_hierarchy_mapping(adset_id, ad_id);\n"
         "CREATE INDEX IF NOT EXISTS idx_breakdown_entity_lookup ON daily_mixpanel_metrics_breakdown(entity_type, "
         "entity_id, date, breakdown_type);\n";
}

std::string create_missing_sql() {
  return "CREATE TABLE IF NOT EXISTS daily_mixpanel_metrics (\n"
         "  metric_id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
         "  date DATE NOT NULL,\n  entity_type TEXT NOT NULL,\n  entity_id TEXT NOT NULL,\n" +
         lists_sql(true) + numbers_sql(true) +
         "  computed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,\n"
         "  trial_user_ids TEXT GENERATED ALWAYS AS (trial_users_list) VIRTUAL,\n"
         "  purchase_user_ids TEXT GENERATED ALWAYS AS (purchase_users_list) VIRTUAL,\n"
         "  UNIQUE (entity_type, entity_id, date)\n);\n"
         "CREATE TABLE IF NOT EXISTS daily_mixpanel_metrics_breakdown (\n"
         "  metric_id INTEGER PRIMARY KEY AUTOINCREMENT,\n"
         "  entity_type TEXT NOT NULL,\n  entity_id TEXT NOT NULL,\n  date DATE NOT NULL,\n"
         "  breakdown_type TEXT NOT NULL,\n  breakdown_value TEXT NOT NULL,\n" +
         lists_sql(false) + numbers_sql(false) +
         "  computed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,\n"
         "  UNIQUE (entity_type, entity_id, date, breakdown_type, breakdown_value)\n);\n"
         "CREATE INDEX IF NOT EXISTS idx_breakdown_type_value ON daily_mixpanel_metrics_breakdown(breakdown_type, "
         "breakdown_value, date);\n"
         "CREATE INDEX IF NOT EXISTS idx_breakdown_date_range ON daily_mixpanel_metrics_breakdown(date);\n"
         "CREATE INDEX IF NOT EXISTS idx_breakdown_computed ON daily_mixpanel_metrics_breakdown(computed_at);\n"
         "CREATE TABLE IF NOT EXISTS id_name_mapping (\n"
         "  entity_type TEXT NOT NULL,\n  entity_id TEXT NOT NULL,\n  canonical_name TEXT NOT NULL,\n"
         "  frequency_count INTEGER NOT NULL DEFAULT 0,\n  last_seen_date DATE,\n"
         "  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,\n  updated_at DATETIME NOT NULL DEFAULT "
         "CURRENT_TIMESTAMP,\n"
         "  PRIMARY KEY (entity_type, entity_id)\n);\n"
         "CREATE TABLE IF NOT EXISTS id_hierarchy_mapping (\n"
         "  ad_id TEXT NOT NULL PRIMARY KEY,\n  adset_id TEXT NOT NULL,\n  campaign_id TEXT NOT NULL,\n"
         "  relationship_confidence DECIMAL(3,2) NOT NULL DEFAULT 1.00,\n  first_seen_date DATE,\n  last_seen_date "
         "DATE,\n"
         "  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,\n  updated_at DATETIME NOT NULL DEFAULT "
         "CURRENT_TIMESTAMP\n);\n"
         "CREATE TABLE IF NOT EXISTS _admetrics_sink (\n"
         "  id INTEGER PRIMARY KEY CHECK (id = 1), ledger TEXT NOT NULL, epoch INTEGER NOT NULL, position TEXT NOT "
         "NULL,\n"
         "  as_of TEXT NOT NULL, committed_at TEXT NOT NULL, keys_known INTEGER NOT NULL\n);\n"
         "CREATE TABLE IF NOT EXISTS _admetrics_sink_keys (kind INTEGER NOT NULL, level INTEGER NOT NULL, entity_id "
         "TEXT NOT NULL, day INTEGER NOT NULL);\n" +
         create_reading_indexes_sql();
}

const std::vector<std::string>& our_tables() {
  static const std::vector<std::string> kTables{std::string(kMainTable),  std::string(kBreakdownTable),
                                                std::string(kNameTable),  std::string(kHierarchyTable),
                                                std::string(kStateTable), std::string(kKeysTable)};
  return kTables;
}

Result<std::vector<TableShape>> wanted_shapes() { return sqlite::shapes_of(create_missing_sql(), our_tables()); }

std::vector<const IndexShape*> too_narrow_keys(const TableShape& wanted, const TableShape& found) {
  std::vector<const IndexShape*> narrow;
  for (const IndexShape& index : found.indexes) {
    if (!index.unique) continue;
    // A key that holds all of one of ours can never refuse a row of ours.
    const bool wide = std::any_of(wanted.indexes.begin(), wanted.indexes.end(), [&](const IndexShape& ours) {
      return ours.unique && std::all_of(ours.columns.begin(), ours.columns.end(), [&](const std::string& column) {
               return std::find(index.columns.begin(), index.columns.end(), column) != index.columns.end();
             });
    });
    const bool row_number = index.columns == std::vector{wanted.row_number_column()};
    if (!wide && !row_number) narrow.push_back(&index);
  }
  return narrow;
}

std::vector<ShapeDifference> differences_between(const TableShape& wanted, const TableShape& found) {
  using Kind = ShapeDifference::Kind;
  std::vector<ShapeDifference> all;
  const auto add = [&](Kind kind, bool required, const std::string& name, std::string what) {
    all.push_back({kind, required, wanted.name, name, std::move(what)});
  };
  if (!found.exists) {
    add(Kind::kTable, true, wanted.name, "is missing");
    return all;
  }
  if (found.is_view) {
    add(Kind::kTable, true, wanted.name, "is a view, should be a table");
    return all;
  }
  for (const ColumnShape& column : wanted.columns) {
    const ColumnShape* there = found.column(column.name);
    if (there == nullptr) {
      add(Kind::kColumn, true, column.name, "is missing");
    } else if (column.generated != there->generated) {
      add(Kind::kColumn, true, column.name,
          column.generated ? "holds values of its own, should repeat its list" : "is generated, should hold values");
    } else if (!sqlite::same_type(column.type, there->type)) {
      add(Kind::kType, !column.generated && !sqlite::keeps_values_alike(column.type, there->type), column.name,
          "is " + (there->type.empty() ? "not declared" : there->type) + ", should be " + column.type);
    }
  }
  for (const ColumnShape& column : found.columns) {
    const bool unfillable =
        column.not_null && !column.default_value && !column.generated && column.name != found.row_number_column();
    if (wanted.column(column.name) == nullptr && unfillable) {
      add(Kind::kColumn, true, column.name, "is none of ours, and is NOT NULL without a default: no row can be added");
    }
  }
  const auto joined = [](const std::vector<std::string>& columns) {
    std::string text;
    for (const std::string& column : columns) text += (text.empty() ? "" : ", ") + column;
    return text;
  };
  if (const std::string number = wanted.row_number_column();
      !number.empty() && found.column(number) != nullptr && found.row_number_column() != number) {
    add(Kind::kKey, true, number, "is missing: it should be INTEGER PRIMARY KEY");
  }
  for (const IndexShape& index : wanted.indexes) {
    if (!index.of_statement) {
      if (!found.has_unique_key(index.columns)) add(Kind::kKey, true, joined(index.columns), "is missing");
      continue;
    }
    const IndexShape* there = found.index(index.name);
    if (there == nullptr) {
      add(Kind::kIndex, true, index.name, "is missing");
    } else if (there->columns != index.columns || there->unique || there->partial) {
      add(Kind::kIndex, true, index.name,
          "is on (" + joined(there->columns) + "), should be on (" + joined(index.columns) + ")");
    }
  }
  for (const IndexShape* narrow : too_narrow_keys(wanted, found)) {
    add(Kind::kKey, true, joined(narrow->columns), "is none of ours, and refuses rows that differ elsewhere");
  }
  return all;
}

Result<std::vector<ShapeDifference>> schema_differences(sqlite::Connection& database) {
  ADM_ASSIGN(const std::vector<TableShape> wanted, wanted_shapes());
  std::vector<ShapeDifference> all;
  for (const TableShape& table : wanted) {
    ADM_ASSIGN(const TableShape found, sqlite::read_shape(database, table.name));
    auto some = differences_between(table, found);
    // While the tables are filled aside, their indexes stand there.
    ADM_ASSIGN(const TableShape aside, sqlite::read_shape(database, aside_name(table.name)));
    std::erase_if(some, [&](const ShapeDifference& difference) {
      return difference.kind == ShapeDifference::Kind::kIndex && aside.index(difference.name) != nullptr;
    });
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

Status check_shape(sqlite::Connection& database) {
  ADM_ASSIGN(const auto differences, schema_differences(database));
  for (const ShapeDifference& difference : differences) {
    if (!difference.required) continue;
    return Error{Errc::kSchema, "use the table " + difference.table, database.path(),
                 difference.text() + "; it has an older shape: run `admetricsd schema migrate --config FILE`"};
  }
  return {};
}

}  // namespace admetrics::sink
