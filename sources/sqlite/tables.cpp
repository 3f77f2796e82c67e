#include "sources/sqlite/tables.hpp"

#include <algorithm>
#include <string>

namespace admetrics::source {
namespace {

using Columns = std::string_view;

constexpr std::array<Columns, 1> kUserKey{"distinct_id"};
constexpr std::array<Columns, 7> kUserColumns{"distinct_id", "abi_campaign_id", "abi_ad_set_id",      "abi_ad_id",
                                              "country",     "region",          "has_abi_attribution"};
constexpr std::array<Columns, 5> kEventColumns{"event_uuid", "event_name", "distinct_id", "event_time", "revenue_usd"};
constexpr std::array<Columns, 9> kProductColumns{"user_product_id",
                                                 "distinct_id",
                                                 "product_id",
                                                 "credited_date",
                                                 "store",
                                                 "current_value",
                                                 "trial_conversion_rate",
                                                 "trial_converted_to_refund_rate",
                                                 "initial_purchase_to_refund_rate"};
constexpr std::array<Columns, 1> kCountryKey{"meta_country_name"};
constexpr std::array<Columns, 3> kCountryColumns{"meta_country_name", "mixpanel_country_code", "is_active"};
constexpr std::array<Columns, 1> kDeviceKey{"meta_device_type"};
constexpr std::array<Columns, 3> kDeviceColumns{"meta_device_type", "mixpanel_store_category", "is_active"};
constexpr std::array<Columns, 1> kDayKey{"date_day"};
constexpr std::array<Columns, 2> kDayColumns{"date_day", "status"};

constexpr std::array<RawTable, 6> kProductTables{{
    {ChangeKind::kUser, "mixpanel_user", true, kUserKey, kUserColumns},
    {ChangeKind::kEvent, "mixpanel_event", true, kUserKey, kEventColumns},
    {ChangeKind::kProduct, "user_product_metrics", true, kUserKey, kProductColumns},
    {ChangeKind::kCountryMapping, "meta_country_mapping", false, kCountryKey, kCountryColumns},
    {ChangeKind::kDeviceMapping, "meta_device_mapping", false, kDeviceKey, kDeviceColumns},
    {ChangeKind::kProcessedDay, "processed_event_days", false, kDayKey, kDayColumns},
}};

constexpr std::array<Columns, 2> kAdDayKey{"ad_id", "date"};
constexpr std::array<Columns, 12> kDailyColumns{"ad_id",       "date",       "adset_id",      "campaign_id",
                                                "ad_name",     "adset_name", "campaign_name", "spend",
                                                "impressions", "clicks",     "meta_trials",   "meta_purchases"};

constexpr std::array<Columns, 13> with(Columns breakdown) {
  std::array<Columns, 13> columns{};
  std::copy(kDailyColumns.begin(), kDailyColumns.end(), columns.begin());
  columns.back() = breakdown;
  return columns;
}
constexpr auto kMetaCountryColumns = with("country");
constexpr auto kMetaRegionColumns = with("region");
constexpr auto kMetaDeviceColumns = with("device");

constexpr std::array<RawTable, 4> kAdsTables{{
    {ChangeKind::kMetaDaily, "ad_performance_daily", true, kAdDayKey, kDailyColumns},
    {ChangeKind::kMetaCountry, "ad_performance_daily_country", true, kAdDayKey, kMetaCountryColumns},
    {ChangeKind::kMetaRegion, "ad_performance_daily_region", true, kAdDayKey, kMetaRegionColumns},
    {ChangeKind::kMetaDevice, "ad_performance_daily_device", true, kAdDayKey, kMetaDeviceColumns},
}};

}  // namespace

std::span<const RawTable> product_tables() { return kProductTables; }
std::span<const RawTable> ads_tables() { return kAdsTables; }

Result<std::vector<const RawTable*>> present_tables(sqlite::Connection& database, std::span<const RawTable> tables) {
  ADM_ASSIGN(sqlite::Statement columns, database.prepare("SELECT name FROM pragma_table_xinfo(?1)"));
  std::vector<const RawTable*> present;
  for (const RawTable& table : tables) {
    std::vector<std::string> found;
    columns.bind(1, table.name);
    ADM_TRY(columns.for_each_row([&] { found.emplace_back(columns.text(0)); }));
    if (found.empty()) {
      if (!table.required) continue;
      return Error{Errc::kSchema, "read the source", database.path(),
                   "table " + std::string(table.name) + " is missing; let the pipeline create it"};
    }
    for (const std::string_view column : table.columns) {
      const auto same = [&](const std::string& name) {
        return std::equal(name.begin(), name.end(), column.begin(), column.end(), [](char a, char b) {
          return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;  // SQL names ignore case
        });
      };
      if (std::any_of(found.begin(), found.end(), same)) continue;
      return Error{Errc::kSchema, "read the source", database.path(),
                   "column " + std::string(table.name) + '.' + std::string(column) + " is missing"};
    }
    present.push_back(&table);
  }
  return present;
}

}  // namespace admetrics::source
