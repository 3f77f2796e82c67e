#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/day.hpp"
#include "core/base/fixed.hpp"

namespace admetrics::dashboard {

/// One stored row, as far as answers need it. Money in cents, rates in 1/10,000; texts live until the next row.
struct Row {
  Day day;
  std::string_view entity_id;
  std::string_view breakdown_value;  // empty in the main table
  std::int64_t spend = 0;
  std::int64_t impressions = 0;
  std::int64_t clicks = 0;
  std::int64_t meta_trials = 0;
  std::int64_t meta_purchases = 0;
  std::int64_t trials = 0;
  std::int64_t purchases = 0;
  std::int64_t trial_conversion_rate = 0;  // the three estimates
  std::int64_t trial_refund_rate = 0;
  std::int64_t purchase_refund_rate = 0;
  std::int64_t actual_revenue = 0;
  std::int64_t actual_refunds = 0;
  std::int64_t net_revenue = 0;
  std::int64_t estimated_revenue = 0;
  std::int64_t adjusted_revenue = 0;
  std::int64_t profit = 0;
  // The stored lists, where they were asked for.
  std::string_view trial_ids;
  std::string_view post_trial_ids;
  std::string_view converted_ids;
  std::string_view trial_refund_ids;
  std::string_view purchase_refund_ids;
};

/// Totals: sums over rows, exact, whatever their order.
///
/// Sums are 128 bits wide, so that no table can overflow them; what leaves stops at the ends of 64 bits.
struct Totals {
  Int128 spend = 0;
  Int128 impressions = 0;
  Int128 clicks = 0;
  Int128 meta_trials = 0;
  Int128 meta_purchases = 0;
  Int128 trials = 0;
  Int128 purchases = 0;
  Int128 actual_revenue = 0;
  Int128 actual_refunds = 0;
  Int128 net_revenue = 0;
  Int128 estimated_revenue = 0;
  Int128 adjusted_revenue = 0;
  Int128 profit = 0;
  // Users, counted in the lists.
  Int128 post_trial = 0;
  Int128 converted = 0;
  Int128 trial_refunds = 0;
  Int128 purchase_refunds = 0;
  // Estimated rates, each times the number of users that it is the mean of.
  Int128 trial_conversion_weighed = 0;
  Int128 trial_refund_weighed = 0;
  Int128 purchase_refund_weighed = 0;

  std::int64_t rows = 0;

  void add(const Row& row);

  // Ratios in 1/10,000, rounded half away from zero; a division by zero is 0.
  [[nodiscard]] std::int64_t trial_accuracy() const;  // 1 where Meta knows of no trial, and we do
  [[nodiscard]] std::int64_t purchase_accuracy() const { return ratio(purchases, meta_purchases); }
  [[nodiscard]] std::int64_t trial_conversion_rate() const { return ratio(converted, post_trial); }
  [[nodiscard]] std::int64_t trial_conversion_rate_estimated() const { return mean(trial_conversion_weighed, trials); }
  [[nodiscard]] std::int64_t trial_refund_rate() const { return ratio(trial_refunds, converted); }
  [[nodiscard]] std::int64_t trial_refund_rate_estimated() const { return mean(trial_refund_weighed, converted); }
  [[nodiscard]] std::int64_t purchase_refund_rate() const { return ratio(purchase_refunds, purchases); }
  [[nodiscard]] std::int64_t purchase_refund_rate_estimated() const { return mean(purchase_refund_weighed, purchases); }
  [[nodiscard]] std::int64_t click_to_trial_rate() const { return ratio(trials, clicks); }
  [[nodiscard]] std::int64_t roas() const { return ratio(adjusted_revenue, spend); }
  [[nodiscard]] std::int64_t purchases_per_trial() const { return ratio(purchases, trials); }

  /// spend × min(ROAS, 4)², in cents, from the unrounded ROAS.
  [[nodiscard]] std::int64_t performance_impact() const;

 private:
  static std::int64_t ratio(Int128 part, Int128 whole);
  static std::int64_t mean(Int128 weighed, Int128 weight) { return saturate(divide_rounded(weighed, weight)); }
};

}  // namespace admetrics::dashboard
