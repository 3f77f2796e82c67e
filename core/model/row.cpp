#include "core/model/row.hpp"

namespace admetrics {
namespace {

constexpr std::string_view kDecimal10_2 = "DECIMAL(10,2) NOT NULL DEFAULT 0.00";
constexpr std::string_view kDecimal5_4 = "DECIMAL(5,4) NOT NULL DEFAULT 0.0000";
constexpr std::string_view kDecimal8_4 = "DECIMAL(8,4) NOT NULL DEFAULT 0.0000";
constexpr std::string_view kDecimal3_2 = "DECIMAL(3,2) NOT NULL DEFAULT 1.00";
constexpr std::string_view kInteger = "INTEGER NOT NULL DEFAULT 0";

constexpr NumberColumn same(Number number, std::string_view name, NumberKind kind, std::string_view type) {
  return {number, name, name, kind, type};
}

using enum Number;
using enum NumberKind;

constexpr std::array<NumberColumn, kNumberCount> kNumberColumns{
    same(kMetaSpend, "meta_spend", kMoney, kDecimal10_2),
    same(kMetaImpressions, "meta_impressions", kCount, kInteger),
    same(kMetaClicks, "meta_clicks", kCount, kInteger),
    same(kMetaTrials, "meta_trial_count", kCount, kInteger),
    same(kMetaPurchases, "meta_purchase_count", kCount, kInteger),
    NumberColumn{kTrials, "trial_users_count", "mixpanel_trial_count", kCount, kInteger},
    NumberColumn{kPurchases, "purchase_users_count", "mixpanel_purchase_count", kCount, kInteger},
    same(kTrialConversionRateEstimated, "trial_conversion_rate_estimated", kRatio, kDecimal5_4),
    same(kTrialConversionRateActual, "trial_conversion_rate_actual", kRatio, kDecimal5_4),
    same(kTrialRefundRateEstimated, "trial_refund_rate_estimated", kRatio, kDecimal5_4),
    same(kTrialRefundRateActual, "trial_refund_rate_actual", kRatio, kDecimal5_4),
    same(kPurchaseRefundRateEstimated, "purchase_refund_rate_estimated", kRatio, kDecimal5_4),
    same(kPurchaseRefundRateActual, "purchase_refund_rate_actual", kRatio, kDecimal5_4),
    same(kActualRevenue, "actual_revenue_usd", kMoney, kDecimal10_2),
    same(kActualRefunds, "actual_refunds_usd", kMoney, kDecimal10_2),
    same(kNetActualRevenue, "net_actual_revenue_usd", kMoney, kDecimal10_2),
    same(kEstimatedRevenue, "estimated_revenue_usd", kMoney, kDecimal10_2),
    same(kAdjustedEstimatedRevenue, "adjusted_estimated_revenue_usd", kMoney, kDecimal10_2),
    same(kProfit, "profit_usd", kMoney, kDecimal10_2),
    same(kEstimatedRoas, "estimated_roas", kRatio, kDecimal8_4),
    same(kTrialAccuracy, "trial_accuracy_ratio", kRatio, kDecimal8_4),
    same(kPurchaseAccuracy, "purchase_accuracy_ratio", kRatio, kDecimal8_4),
    same(kMixpanelCostPerTrial, "mixpanel_cost_per_trial", kMoney, kDecimal10_2),
    same(kMixpanelCostPerPurchase, "mixpanel_cost_per_purchase", kMoney, kDecimal10_2),
    same(kMetaCostPerTrial, "meta_cost_per_trial", kMoney, kDecimal10_2),
    same(kMetaCostPerPurchase, "meta_cost_per_purchase", kMoney, kDecimal10_2),
    same(kClickToTrialRate, "click_to_trial_rate", kRatio, kDecimal8_4),
    NumberColumn{kDataQualityScore, "data_quality_score", "", kScore, kDecimal3_2},
};

constexpr std::array<ListColumn, kListCount> kListColumns{{
    {List::kTrial, "trial_users_list", "trial_user_ids"},
    {List::kPostTrial, "post_trial_user_ids", "post_trial_user_ids"},
    {List::kConverted, "converted_user_ids", "converted_user_ids"},
    {List::kTrialRefund, "trial_refund_user_ids", "trial_refund_user_ids"},
    {List::kPurchase, "purchase_users_list", "purchase_user_ids"},
    {List::kPurchaseRefund, "purchase_refund_user_ids", "purchase_refund_user_ids"},
}};

constexpr bool in_enum_order() {
  for (std::size_t i = 0; i < kNumberCount; ++i) {
    if (static_cast<std::size_t>(kNumberColumns[i].number) != i) return false;
  }
  for (std::size_t i = 0; i < kListCount; ++i) {
    if (static_cast<std::size_t>(kListColumns[i].list) != i) return false;
  }
  return true;
}
static_assert(in_enum_order(), "columns are looked up by their enum's value");

}  // namespace

std::span<const NumberColumn, kNumberCount> number_columns() { return kNumberColumns; }
std::span<const ListColumn, kListCount> list_columns() { return kListColumns; }

}  // namespace admetrics
