#include "sources/sqlite/schema.hpp"

#include <algorithm>

namespace admetrics::source {
namespace {

using sqlite::ColumnShape;
using sqlite::IndexShape;
using sqlite::ShapeDifference;
using sqlite::TableShape;

std::string joined(const std::vector<std::string>& columns) {
  std::string text;
  for (const std::string& column : columns) text += (text.empty() ? "" : ", ") + column;
  return text;
}

/// Whether looking up by `columns` is quick: some index or the table's own order begins with them.
bool looks_up_by(const TableShape& found, const std::vector<std::string>& columns) {
  if (columns.size() == 1 && found.row_number_column() == columns.front()) return true;
  return std::any_of(found.indexes.begin(), found.indexes.end(), [&](const IndexShape& index) {
    return !index.partial && index.columns.size() >= columns.size() &&
           std::is_permutation(columns.begin(), columns.end(), index.columns.begin(),
                               index.columns.begin() + static_cast<std::ptrdiff_t>(columns.size()));
  });
}

void compare(const RawTable& table, const TableShape& wanted, const TableShape& found,
             std::vector<ShapeDifference>& all) {
  using Kind = ShapeDifference::Kind;
  const auto add = [&](Kind kind, bool required, const std::string& name, std::string what) {
    all.push_back({kind, required, wanted.name, name, std::move(what)});
  };
  if (!found.exists) return add(Kind::kTable, table.required, wanted.name, "is missing");
  if (found.is_view)
    return add(Kind::kTable, true, wanted.name, "is a view, should be a table: triggers cannot watch it");
  for (const ColumnShape& column : wanted.columns) {
    const ColumnShape* there = found.column(column.name);
    if (there == nullptr) {
      add(Kind::kColumn, true, column.name, "is missing");
    } else if (!sqlite::same_type(column.type, there->type)) {
      // Only a number that such a column turns into a text is misread; texts are read whatever they were turned into.
      const bool misread =
          !sqlite::same_type(column.type, "TEXT") && !sqlite::keeps_values_alike(column.type, there->type);
      add(Kind::kType, misread, column.name,
          "is " + (there->type.empty() ? "not declared" : there->type) + ", should be " + column.type);
    }
  }
  for (const IndexShape& index : wanted.indexes) {
    const bool readable = std::all_of(index.columns.begin(), index.columns.end(),
                                      [&](const std::string& column) { return found.column(column) != nullptr; });
    if (!readable) continue;
    if (index.of_statement) {
      if (!looks_up_by(found, index.columns)) {
        add(Kind::kIndex, false, "(" + joined(index.columns) + ")", "is missing: each look-up reads the whole table");
      }
    } else if (!found.has_unique_key(index.columns)) {
      add(Kind::kKey, false, joined(index.columns), "is missing: rows that are there twice count twice");
    }
  }
  const std::string number = wanted.row_number_column();
  if (!number.empty() && found.column(number) != nullptr && !found.has_unique_key({number})) {
    add(Kind::kKey, false, number, "is missing");
  }
}

Result<std::vector<ShapeDifference>> differences(sqlite::Connection& database, const char* wanted_sql,
                                                 std::span<const RawTable> tables) {
  std::vector<std::string> names;
  for (const RawTable& table : tables) names.emplace_back(table.name);
  ADM_ASSIGN(const std::vector<TableShape> wanted, sqlite::shapes_of(wanted_sql, names));
  std::vector<ShapeDifference> all;
  for (std::size_t i = 0; i < tables.size(); ++i) {
    ADM_ASSIGN(const TableShape found, sqlite::read_shape(database, tables[i].name));
    compare(tables[i], wanted[i], found, all);
  }
  return all;
}

}  // namespace

const char* wanted_product_sql() {
  return R"sql(
CREATE TABLE mixpanel_user (distinct_id TEXT PRIMARY KEY, abi_campaign_id TEXT, abi_ad_set_id TEXT, abi_ad_id TEXT,
  country TEXT, region TEXT, has_abi_attribution BOOLEAN);
CREATE TABLE mixpanel_event (event_uuid TEXT PRIMARY KEY, event_name TEXT, distinct_id TEXT, event_time DATETIME,
  revenue_usd DECIMAL(10,2));
CREATE INDEX event_by_user ON mixpanel_event (distinct_id);
CREATE TABLE user_product_metrics (user_product_id INTEGER PRIMARY KEY, distinct_id TEXT, product_id TEXT,
  credited_date DATE, store TEXT, current_value DECIMAL(10,2), trial_conversion_rate DECIMAL(5,4),
  trial_converted_to_refund_rate DECIMAL(5,4), initial_purchase_to_refund_rate DECIMAL(5,4),
  UNIQUE (distinct_id, product_id));
CREATE INDEX product_by_user ON user_product_metrics (distinct_id);
CREATE TABLE meta_country_mapping (meta_country_name TEXT PRIMARY KEY, mixpanel_country_code TEXT, is_active BOOLEAN);
CREATE TABLE meta_device_mapping (meta_device_type TEXT PRIMARY KEY, mixpanel_store_category TEXT, is_active BOOLEAN);
CREATE TABLE processed_event_days (date_day DATE PRIMARY KEY, status TEXT);
)sql";
}

const char* wanted_ads_sql() {
  return R"sql(
CREATE TABLE ad_performance_daily (ad_id TEXT, date DATE, adset_id TEXT, campaign_id TEXT, ad_name TEXT,
  adset_name TEXT, campaign_name TEXT, spend DECIMAL(10,2), impressions INTEGER, clicks INTEGER, meta_trials INTEGER,
  meta_purchases INTEGER, PRIMARY KEY (ad_id, date));
CREATE INDEX daily_by_day ON ad_performance_daily (ad_id, date);
CREATE TABLE ad_performance_daily_country (ad_id TEXT, date DATE, country TEXT, adset_id TEXT, campaign_id TEXT,
  ad_name TEXT, adset_name TEXT, campaign_name TEXT, spend DECIMAL(10,2), impressions INTEGER, clicks INTEGER,
  meta_trials INTEGER, meta_purchases INTEGER, PRIMARY KEY (ad_id, date, country));
CREATE INDEX country_by_day ON ad_performance_daily_country (ad_id, date);
CREATE TABLE ad_performance_daily_region (ad_id TEXT, date DATE, region TEXT, adset_id TEXT, campaign_id TEXT,
  ad_name TEXT, adset_name TEXT, campaign_name TEXT, spend DECIMAL(10,2), impressions INTEGER, clicks INTEGER,
  meta_trials INTEGER, meta_purchases INTEGER, PRIMARY KEY (ad_id, date, region));
CREATE INDEX region_by_day ON ad_performance_daily_region (ad_id, date);
CREATE TABLE ad_performance_daily_device (ad_id TEXT, date DATE, device TEXT, adset_id TEXT, campaign_id TEXT,
  ad_name TEXT, adset_name TEXT, campaign_name TEXT, spend DECIMAL(10,2), impressions INTEGER, clicks INTEGER,
  meta_trials INTEGER, meta_purchases INTEGER, PRIMARY KEY (ad_id, date, device));
CREATE INDEX device_by_day ON ad_performance_daily_device (ad_id, date);
)sql";
}

Result<std::vector<ShapeDifference>> product_differences(sqlite::Connection& database) {
  return differences(database, wanted_product_sql(), product_tables());
}

Result<std::vector<ShapeDifference>> ads_differences(sqlite::Connection& database) {
  return differences(database, wanted_ads_sql(), ads_tables());
}

}  // namespace admetrics::source
