#include "sinks/sqlite/schema.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "core/model/row.hpp"

namespace admetrics::sink {
namespace {

struct Table {
  std::string_view name;
  std::vector<std::string> columns;
  std::vector<std::string> key;  // its unique key
};

std::vector<Table> tables() {
  Table main{kMainTable,
             {"metric_id", "date", "entity_type", "entity_id", "computed_at", "trial_user_ids", "purchase_user_ids"},
             {"entity_type", "entity_id", "date"}};
  Table breakdown{kBreakdownTable,
                  {"metric_id", "entity_type", "entity_id", "date", "breakdown_type", "breakdown_value", "computed_at"},
                  {"entity_type", "entity_id", "date", "breakdown_type", "breakdown_value"}};
  for (const NumberColumn& column : number_columns()) {
    main.columns.emplace_back(column.main_name);
    if (!column.breakdown_name.empty()) breakdown.columns.emplace_back(column.breakdown_name);
  }
  for (const ListColumn& column : list_columns()) {
    main.columns.emplace_back(column.main_name);
    breakdown.columns.emplace_back(column.breakdown_name);
  }
  return {std::move(main), std::move(breakdown),
          Table{kNameTable,
                {"entity_type", "entity_id", "canonical_name", "frequency_count", "last_seen_date", "created_at",
                 "updated_at"},
                {"entity_type", "entity_id"}},
          Table{kHierarchyTable,
                {"ad_id", "adset_id", "campaign_id", "relationship_confidence", "first_seen_date", "last_seen_date",
                 "created_at", "updated_at"},
                {"ad_id"}}};
}

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

Status check_shape(sqlite::Connection& database) {
  const auto old_shape = [&](std::string_view table, const std::string& what) {
    return Error{Errc::kSchema, "use the table " + std::string(table), database.path(),
                 what + "; it has an older shape: run `admetricsd schema migrate --config FILE`"};
  };
  for (const Table& table : tables()) {
    std::set<std::string> found;
    ADM_ASSIGN(sqlite::Statement columns, database.prepare("SELECT lower(name) FROM pragma_table_xinfo(?1)"));
    columns.bind(1, table.name);
    ADM_TRY(columns.for_each_row([&] { found.emplace(columns.text(0)); }));
    for (const std::string& column : table.columns) {
      if (!found.contains(column)) return old_shape(table.name, "column " + column + " is missing");
    }
    ADM_ASSIGN(
        sqlite::Statement indexes,
        database.prepare("SELECT il.name, lower(ii.name) FROM pragma_index_list(?1) il, pragma_index_info(il.name) ii "
                         "WHERE il.\"unique\" AND NOT il.partial ORDER BY 1"));
    indexes.bind(1, table.name);
    std::vector<std::pair<std::string, std::set<std::string>>> unique_keys;
    ADM_TRY(indexes.for_each_row([&] {
      const std::string index(indexes.text(0));
      if (unique_keys.empty() || unique_keys.back().first != index) unique_keys.push_back({index, {}});
      unique_keys.back().second.emplace(indexes.text(1));
    }));
    const std::set<std::string> wanted(table.key.begin(), table.key.end());
    const bool keyed =
        std::any_of(unique_keys.begin(), unique_keys.end(), [&](const auto& key) { return key.second == wanted; });
    if (!keyed) return old_shape(table.name, "its unique key is missing");
  }
  return {};
}

}  // namespace admetrics::sink
