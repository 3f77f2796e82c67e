#pragma once

#include "core/model/raw.hpp"
#include "core/sqlite/database.hpp"

/// How a row of a SELECT becomes a raw row. Views live until the statement's next step.
namespace admetrics::source {

// What has to be selected, in this order.
inline constexpr const char* kUserColumns =
    "distinct_id, abi_campaign_id, abi_ad_set_id, abi_ad_id, country, region, has_abi_attribution";
inline constexpr const char* kEventColumns = "event_name, distinct_id, event_uuid, event_time, revenue_usd";
inline constexpr const char* kProductColumns =
    "distinct_id, user_product_id, product_id, credited_date, store, current_value, trial_conversion_rate, "
    "trial_converted_to_refund_rate, initial_purchase_to_refund_rate";
inline constexpr const char* kMetaColumns =
    "ad_id, date, campaign_id, adset_id, campaign_name, adset_name, ad_name, spend, impressions, clicks, meta_trials, "
    "meta_purchases";

RawValue value_at(const sqlite::Statement& statement, int column);
RawUser user_at(const sqlite::Statement& row);
RawEvent event_at(const sqlite::Statement& row);
RawProduct product_at(const sqlite::Statement& row);
/// After `kMetaColumns` the breakdown's own column, but for the daily table.
RawMeta meta_at(const sqlite::Statement& row, Breakdown breakdown);

}  // namespace admetrics::source
