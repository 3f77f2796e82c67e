#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/day.hpp"
#include "core/model/keys.hpp"

namespace admetrics {

/// How a number is held and stored: a count as an integer, the others as integers scaled by 10^digits.
enum class NumberKind : std::uint8_t { kCount, kMoney, kRatio, kScore };

constexpr int digits_of(NumberKind kind) {
  switch (kind) {
    case NumberKind::kCount: return 0;
    case NumberKind::kMoney:
    case NumberKind::kScore: return 2;
    case NumberKind::kRatio: return 4;
  }
  return 0;
}

/// The numbers of a row, in the tables' column order (`metrics.md` section 5).
enum class Number : std::uint8_t {
  kMetaSpend,
  kMetaImpressions,
  kMetaClicks,
  kMetaTrials,
  kMetaPurchases,
  kTrials,
  kPurchases,
  kTrialConversionRateEstimated,
  kTrialConversionRateActual,
  kTrialRefundRateEstimated,
  kTrialRefundRateActual,
  kPurchaseRefundRateEstimated,
  kPurchaseRefundRateActual,
  kActualRevenue,
  kActualRefunds,
  kNetActualRevenue,
  kEstimatedRevenue,
  kAdjustedEstimatedRevenue,
  kProfit,
  kEstimatedRoas,
  kTrialAccuracy,
  kPurchaseAccuracy,
  kMixpanelCostPerTrial,
  kMixpanelCostPerPurchase,
  kMetaCostPerTrial,
  kMetaCostPerPurchase,
  kClickToTrialRate,
  kDataQualityScore,  // main table only
};
inline constexpr std::size_t kNumberCount = 28;

/// The user lists of a row.
enum class List : std::uint8_t { kTrial, kPostTrial, kConverted, kTrialRefund, kPurchase, kPurchaseRefund };
inline constexpr std::size_t kListCount = 6;

struct NumberColumn {
  Number number;
  std::string_view main_name;       // in daily_mixpanel_metrics
  std::string_view breakdown_name;  // in daily_mixpanel_metrics_breakdown; "" when it has none
  NumberKind kind;
  std::string_view sql_type;
};

struct ListColumn {
  List list;
  std::string_view main_name;
  std::string_view breakdown_name;
};

/// In enum order; what every sink declares, binds and compares.
std::span<const NumberColumn, kNumberCount> number_columns();
std::span<const ListColumn, kListCount> list_columns();

inline constexpr std::string_view kMainTable = "daily_mixpanel_metrics";
inline constexpr std::string_view kBreakdownTable = "daily_mixpanel_metrics_breakdown";
inline constexpr std::string_view kNameTable = "id_name_mapping";
inline constexpr std::string_view kHierarchyTable = "id_hierarchy_mapping";

/// A row's values as they are stored: scaled integers and compact JSON arrays.
struct RowValues {
  std::array<std::int64_t, kNumberCount> numbers{};
  std::array<std::string, kListCount> lists;

  [[nodiscard]] std::int64_t operator[](Number number) const { return numbers[static_cast<std::size_t>(number)]; }
  std::int64_t& operator[](Number number) { return numbers[static_cast<std::size_t>(number)]; }
  std::string& operator[](List list) { return lists[static_cast<std::size_t>(list)]; }
  [[nodiscard]] const std::string& operator[](List list) const { return lists[static_cast<std::size_t>(list)]; }
  bool operator==(const RowValues&) const = default;
};

/// One breakdown row that a sink shall have, or (no values) shall not have.
struct BreakdownWrite {
  Breakdown breakdown = Breakdown::kCountry;
  std::string_view value;
  std::optional<RowValues> values;
};

/// Sinks get cells by (level name, week, entity id, day). Whoever reads some weeks finds their rows near each other; an index
/// that begins with the entity and one that begins with the day are both written to in runs.
constexpr std::int32_t write_week_of(Day day) {
  constexpr std::int32_t kDays = 7;
  return (day.value - kFirstDay.value) / kDays;
}

/// What a sink shall have of one cell. Idempotent: writing it twice writes nothing the second time.
struct CellWrite {
  Level level = Level::kCampaign;
  std::string_view entity_id;  // lives as long as the dictionary
  Day day;
  bool whole = false;                      // breakdown rows that are not listed shall not exist
  std::optional<RowValues> main;           // none: the main row shall not exist
  std::vector<BreakdownWrite> breakdowns;  // ascending by (breakdown name, value bytes)
};

/// Where a cell stands in that order.
struct WritePlace {
  std::string_view level;
  std::int32_t week = 0;
  std::string entity_id;
  Day day;

  auto operator<=>(const WritePlace&) const = default;
};
inline WritePlace write_place_of(const CellWrite& cell) {
  return {name_of(cell.level), write_week_of(cell.day), std::string(cell.entity_id), cell.day};
}

/// A row of `id_name_mapping` (`metrics.md` section 6); no name means that no row shall exist.
struct NameWrite {
  Level level = Level::kCampaign;
  std::string_view entity_id;
  std::optional<std::string> canonical_name;
  std::int64_t frequency_count = 0;
  Day last_seen;
};

/// A row of `id_hierarchy_mapping`; `present` false means that no row shall exist.
struct HierarchyWrite {
  std::string_view ad_id;
  bool present = false;
  std::string_view adset_id;
  std::string_view campaign_id;
  std::int64_t confidence_hundredths = 0;
  Day first_seen;
  Day last_seen;
};

}  // namespace admetrics
