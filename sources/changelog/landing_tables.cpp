#include "sources/changelog/landing_tables.hpp"

#include <algorithm>

namespace admetrics::source {
namespace {

using enum ColumnKind;

constexpr std::array<LandingColumn, 7> kUser{{{"distinct_id"},
                                              {"abi_ad_id"},
                                              {"abi_campaign_id"},
                                              {"abi_ad_set_id"},
                                              {"country"},
                                              {"region"},
                                              {"has_abi_attribution", kNumber}}};
constexpr std::array<LandingColumn, 5> kEvent{
    {{"event_uuid"}, {"event_name"}, {"distinct_id"}, {"event_time", kTime}, {"revenue_usd", kNumber}}};
constexpr std::array<LandingColumn, 9> kProduct{{{"user_product_id", kNumber},
                                                 {"distinct_id"},
                                                 {"product_id"},
                                                 {"credited_date", kDay},
                                                 {"store"},
                                                 {"current_value", kNumber},
                                                 {"trial_conversion_rate", kNumber},
                                                 {"trial_converted_to_refund_rate", kNumber},
                                                 {"initial_purchase_to_refund_rate", kNumber}}};
constexpr std::array<LandingColumn, 3> kCountryMapping{
    {{"meta_country_name"}, {"mixpanel_country_code"}, {"is_active", kNumber}}};
constexpr std::array<LandingColumn, 3> kDeviceMapping{
    {{"meta_device_type"}, {"mixpanel_store_category"}, {"is_active", kNumber}}};
constexpr std::array<LandingColumn, 2> kProcessedDay{{{"date_day", kDay}, {"status"}}};
constexpr std::array<LandingColumn, 12> kMetaDaily{{{"ad_id"},
                                                    {"date", kDay},
                                                    {"adset_id"},
                                                    {"campaign_id"},
                                                    {"ad_name"},
                                                    {"adset_name"},
                                                    {"campaign_name"},
                                                    {"spend", kNumber},
                                                    {"impressions", kNumber},
                                                    {"clicks", kNumber},
                                                    {"meta_trials", kNumber},
                                                    {"meta_purchases", kNumber}}};

constexpr std::array<LandingColumn, 13> with_breakdown(std::string_view breakdown) {
  std::array<LandingColumn, 13> columns{};
  columns[0] = kMetaDaily[0];
  columns[1] = kMetaDaily[1];
  columns[2] = {breakdown};
  std::copy(kMetaDaily.begin() + 2, kMetaDaily.end(), columns.begin() + 3);
  return columns;
}
constexpr auto kMetaCountry = with_breakdown("country");
constexpr auto kMetaRegion = with_breakdown("region");
constexpr auto kMetaDevice = with_breakdown("device");

constexpr std::size_t kNone = kLandingColumnsMax;
constexpr std::array<LandingTable, 10> kTables{{
    {ChangeKind::kUser, "mixpanel_user", 1, {0, kNone}, kUser},
    {ChangeKind::kEvent, "mixpanel_event", 1, {2, kNone}, kEvent},
    {ChangeKind::kProduct, "user_product_metrics", 1, {1, kNone}, kProduct},
    {ChangeKind::kCountryMapping, "meta_country_mapping", 1, {0, kNone}, kCountryMapping},
    {ChangeKind::kDeviceMapping, "meta_device_mapping", 1, {0, kNone}, kDeviceMapping},
    {ChangeKind::kProcessedDay, "processed_event_days", 1, {0, kNone}, kProcessedDay},
    {ChangeKind::kMetaDaily, "ad_performance_daily", 2, {0, 1}, kMetaDaily},
    {ChangeKind::kMetaCountry, "ad_performance_daily_country", 3, {0, 1}, kMetaCountry},
    {ChangeKind::kMetaRegion, "ad_performance_daily_region", 3, {0, 1}, kMetaRegion},
    {ChangeKind::kMetaDevice, "ad_performance_daily_device", 3, {0, 1}, kMetaDevice},
}};
static_assert(std::all_of(kTables.begin(), kTables.end(), [](const LandingTable& table) {
  return table.columns.size() <= kLandingColumnsMax && table.key_columns <= kLandingKeyMax;
}));

bool same_name(std::string_view wanted, std::string_view name) {
  return std::equal(wanted.begin(), wanted.end(), name.begin(), name.end(),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? static_cast<char>(b - 'A' + 'a') : b); });
}

// What the record that wrote a row last said of itself: `Landing` decides by it which of two records is the newer one.
constexpr std::string_view kVersionColumns =
    ", _admetrics_position, _admetrics_ms INTEGER, _admetrics_digest INTEGER, _admetrics_snapshot INTEGER";

std::string meta_table(std::string_view breakdown) {
  const std::string name = "ad_performance_daily" + (breakdown.empty() ? "" : "_" + std::string(breakdown));
  const std::string column = breakdown.empty() ? "" : std::string(breakdown) + " TEXT NOT NULL, ";
  const std::string key = breakdown.empty() ? "" : ", " + std::string(breakdown);
  return "CREATE TABLE IF NOT EXISTS " + name + " (ad_id TEXT NOT NULL, date DATE NOT NULL, " + column +
         "adset_id TEXT, campaign_id TEXT, ad_name TEXT, adset_name TEXT, campaign_name TEXT, spend DECIMAL(10,2), "
         "impressions INTEGER, clicks INTEGER, meta_trials INTEGER, meta_purchases INTEGER" +
         std::string(kVersionColumns) + ", PRIMARY KEY (ad_id, date" + key + "));\n";
}

}  // namespace

std::span<const LandingTable> landing_tables() { return kTables; }

const LandingTable* find_landing_table(std::string_view name) {
  for (const LandingTable& table : kTables) {
    if (same_name(table.name, name)) return &table;
  }
  return nullptr;
}

std::size_t find_column(const LandingTable& table, std::string_view name) {
  const auto found = std::find_if(table.columns.begin(), table.columns.end(),
                                  [&](const LandingColumn& column) { return same_name(column.name, name); });
  return found == table.columns.end() ? kLandingColumnsMax : static_cast<std::size_t>(found - table.columns.begin());
}

std::size_t index_of(const LandingTable& table) { return static_cast<std::size_t>(&table - kTables.data()); }

std::string landing_schema_sql() {
  const std::string version(kVersionColumns);
  return "CREATE TABLE IF NOT EXISTS mixpanel_user (distinct_id TEXT PRIMARY KEY NOT NULL, abi_ad_id TEXT, "
         "abi_campaign_id TEXT, abi_ad_set_id TEXT, country TEXT, region TEXT, has_abi_attribution BOOLEAN" +
         version +
         ", _admetrics_times BLOB);\n"
         "CREATE TABLE IF NOT EXISTS mixpanel_event (event_uuid TEXT PRIMARY KEY NOT NULL, event_name TEXT, "
         "distinct_id TEXT, event_time DATETIME, revenue_usd DECIMAL(10,2)" +
         version +
         ");\n"
         "CREATE INDEX IF NOT EXISTS idx_event_distinct_id ON mixpanel_event (distinct_id);\n"
         "CREATE TABLE IF NOT EXISTS user_product_metrics (user_product_id INTEGER PRIMARY KEY, distinct_id TEXT, "
         "product_id TEXT, credited_date DATE, store TEXT, current_value DECIMAL(10,2), trial_conversion_rate "
         "DECIMAL(5,4), trial_converted_to_refund_rate DECIMAL(5,4), initial_purchase_to_refund_rate DECIMAL(5,4)" +
         version +
         ", UNIQUE (distinct_id, product_id));\n"
         "CREATE TABLE IF NOT EXISTS meta_country_mapping (meta_country_name TEXT PRIMARY KEY NOT NULL, "
         "mixpanel_country_code TEXT, is_active BOOLEAN" +
         version +
         ");\n"
         "CREATE TABLE IF NOT EXISTS meta_device_mapping (meta_device_type TEXT PRIMARY KEY NOT NULL, "
         "mixpanel_store_category TEXT, is_active BOOLEAN" +
         version +
         ");\n"
         "CREATE TABLE IF NOT EXISTS processed_event_days (date_day DATE PRIMARY KEY NOT NULL, status TEXT" +
         version + ");\n" + meta_table("") + meta_table("country") + meta_table("region") + meta_table("device") +
         // What was deleted, so that an older record that comes later does not bring it back.
         "CREATE TABLE IF NOT EXISTS _admetrics_deleted (tab INTEGER NOT NULL, key TEXT NOT NULL, position, ms "
         "INTEGER, "
         "digest INTEGER, n INTEGER NOT NULL, PRIMARY KEY (tab, key)) WITHOUT ROWID;\n"
         // The last truncation of a table.
         "CREATE TABLE IF NOT EXISTS _admetrics_truncated (tab INTEGER PRIMARY KEY, position, ms INTEGER, digest "
         "INTEGER);\n"
         // Records that were overtaken by others of the same version: should they come again, they are known.
         "CREATE TABLE IF NOT EXISTS _admetrics_overtaken (digest INTEGER PRIMARY KEY, ms INTEGER);\n"
         "CREATE TABLE IF NOT EXISTS _admetrics_log_files (id INTEGER PRIMARY KEY, log TEXT NOT NULL, name TEXT NOT "
         "NULL, identity TEXT NOT "
         "NULL, compressed INTEGER NOT NULL, taken INTEGER NOT NULL, head_size INTEGER NOT NULL, head_digest INTEGER "
         "NOT NULL, tail_size INTEGER NOT NULL, tail_digest INTEGER NOT NULL, done_size "
         "INTEGER NOT NULL, done_nanos INTEGER NOT NULL);\n"
         "CREATE TABLE IF NOT EXISTS _admetrics_transactions (id TEXT PRIMARY KEY, n INTEGER NOT NULL UNIQUE, since "
         "INTEGER NOT NULL, ended INTEGER NOT NULL, expected INTEGER NOT NULL, bad_before INTEGER NOT NULL, place "
         "INTEGER NOT NULL);\n"
         "CREATE TABLE IF NOT EXISTS _admetrics_held (n INTEGER NOT NULL, part INTEGER NOT NULL, lines BLOB NOT NULL, "
         "PRIMARY KEY (n, part));\n"
         "CREATE TABLE IF NOT EXISTS _admetrics_transactions_done (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, "
         "place INTEGER NOT NULL);\n"
         "CREATE TABLE IF NOT EXISTS _admetrics_dead_letters (id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT "
         "NULL, "
         "reason INTEGER NOT NULL, file TEXT NOT NULL, offset INTEGER NOT NULL, size INTEGER NOT NULL, text BLOB NOT "
         "NULL);\n"
         "CREATE TABLE IF NOT EXISTS _admetrics_replayed (n INTEGER PRIMARY KEY AUTOINCREMENT, id INTEGER NOT NULL "
         "UNIQUE);\n"
         "CREATE TABLE IF NOT EXISTS _admetrics_counts (name TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT "
         "ROWID;\n";
}

}  // namespace admetrics::source
