#pragma once

#include <string_view>

#include "core/model/raw.hpp"

/// Source cells and rows as a reader would hand them over, for tests of what they mean.
namespace admetrics {

constexpr RawValue null_value() { return {}; }
constexpr RawValue text_value(std::string_view text) { return {RawValue::Kind::kText, 0, 0, text}; }
constexpr RawValue blob_value(std::string_view bytes) { return {RawValue::Kind::kBlob, 0, 0, bytes}; }
constexpr RawValue real_value(double number) { return {RawValue::Kind::kReal, 0, number, {}}; }
constexpr RawValue integer_value(std::int64_t number) { return {RawValue::Kind::kInteger, number, 0, {}}; }

/// A readable user, attributed on all levels.
inline RawUser user_row(std::string_view id) {
  RawUser row;
  row.distinct_id = text_value(id);
  row.ids[index_of(Level::kCampaign)] = "c1";
  row.ids[index_of(Level::kAdset)] = "s1";
  row.ids[index_of(Level::kAd)] = "a1";
  row.country = "US";
  row.region = "California";
  row.has_attribution = integer_value(1);
  return row;
}

inline RawEvent event_row(std::string_view name, std::string_view time, RawValue revenue = {}) {
  RawEvent row;
  row.distinct_id = text_value("u1");
  row.event_uuid = text_value("e1");
  row.name = name;
  row.time = text_value(time);
  row.revenue_usd = revenue;
  return row;
}

/// A readable product row without rates.
inline RawProduct product_row(RawValue value = {}) {
  RawProduct row;
  row.distinct_id = text_value("u1");
  row.user_product_id = text_value("1");
  row.product_id = text_value("p1");
  row.credited_date = text_value("2026-01-01");
  row.store = "APP_STORE";
  row.current_value = value;
  return row;
}

/// A readable row of the daily table, or of a breakdown table.
inline RawMeta meta_row(Breakdown breakdown = Breakdown::kNone, std::string_view value = {}) {
  RawMeta row;
  row.breakdown = breakdown;
  row.ad_id = text_value("a1");
  row.date = text_value("2026-01-03");
  row.ids[index_of(Level::kCampaign)] = "c1";
  row.ids[index_of(Level::kAdset)] = "s1";
  row.names[index_of(Level::kCampaign)] = "Campaign";
  row.names[index_of(Level::kAdset)] = "Ad set";
  row.names[index_of(Level::kAd)] = "Ad";
  row.value = value;
  row.spend = real_value(1.5);
  row.counts[0] = integer_value(100);
  row.counts[1] = integer_value(10);
  row.counts[2] = integer_value(3);
  row.counts[3] = integer_value(2);
  return row;
}

}  // namespace admetrics
