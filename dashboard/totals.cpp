#include "dashboard/totals.hpp"

#include "dashboard/user_list.hpp"

namespace admetrics::dashboard {
namespace {

constexpr std::int64_t kRatioScale = 10'000;
constexpr std::int64_t kRoasCap = 4;

}  // namespace

void Totals::add(const Row& row) {
  const std::int64_t converted_here = count_ids(row.converted_ids);
  // Mostly the post-trial users are all trial users, or none.
  post_trial += row.post_trial_ids == row.trial_ids && row.trials > 0 ? row.trials : count_ids(row.post_trial_ids);
  converted += converted_here;
  trial_refunds += count_ids(row.trial_refund_ids);
  purchase_refunds += count_ids(row.purchase_refund_ids);
  spend += row.spend;
  impressions += row.impressions;
  clicks += row.clicks;
  meta_trials += row.meta_trials;
  meta_purchases += row.meta_purchases;
  trials += row.trials;
  purchases += row.purchases;
  actual_revenue += row.actual_revenue;
  actual_refunds += row.actual_refunds;
  net_revenue += row.net_revenue;
  estimated_revenue += row.estimated_revenue;
  adjusted_revenue += row.adjusted_revenue;
  profit += row.profit;
  trial_conversion_weighed += Int128{row.trial_conversion_rate} * row.trials;
  trial_refund_weighed += Int128{row.trial_refund_rate} * converted_here;
  purchase_refund_weighed += Int128{row.purchase_refund_rate} * row.purchases;
  ++rows;
}

std::int64_t Totals::ratio(Int128 part, Int128 whole) { return saturate(divide_rounded(part * kRatioScale, whole)); }

std::int64_t Totals::trial_accuracy() const {
  if (meta_trials == 0) return trials > 0 ? kRatioScale : 0;
  return ratio(trials, meta_trials);
}

std::int64_t Totals::performance_impact() const {
  if (spend == 0) return 0;
  const Int128 capped = kRoasCap * spend;
  const bool beyond = spend > 0 ? adjusted_revenue >= capped : adjusted_revenue <= capped;
  if (beyond) return saturate(kRoasCap * capped);
  const Int128 revenue = saturate(adjusted_revenue);
  return saturate(divide_rounded(revenue * revenue, spend));
}

}  // namespace admetrics::dashboard
