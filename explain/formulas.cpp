#include "explain/formulas.hpp"

#include "verify/reading.hpp"

namespace admetrics::explanation {
namespace {

using verification::decimal_text;

constexpr int kMoneyDigits = 6;
constexpr int kRateDigits = 9;
constexpr std::size_t kTermsShown = 12;

std::string without_zeros(std::string text, std::size_t decimals_kept) {
  const std::size_t point = text.find('.');
  while (text.size() > point + 1 + decimals_kept && text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string sum_of(const std::vector<std::string>& terms) {
  if (terms.empty()) return "0";
  std::string text;
  for (std::size_t i = 0; i < terms.size() && i < kTermsShown; ++i) {
    const bool negative = terms[i].front() == '-';
    text += i == 0 ? terms[i] : negative ? " - " + terms[i].substr(1) : " + " + terms[i];
  }
  if (terms.size() > kTermsShown) text += " + … (" + std::to_string(terms.size()) + " rows)";
  return text;
}

std::string quotient(const std::string& a, const std::string& b) { return a + " / " + b; }

std::string score_text(const RowValues& row, const Ingredients& from) {
  using enum Number;
  std::string text = "1.00";
  if (row[kTrials] == 0) text += " - 0.20 (no trial users)";
  if (row[kTrials] > 0 && row[kEstimatedRevenue] == 0) text += " - 0.10 (trial users, but no estimated revenue)";
  if (row[kPurchases] > row[kTrials]) text += " - 0.30 (more purchases than trials)";
  if (from.users > 0 && from.meta_daily_rows == 0) text += " - 0.20 (users, but no Meta daily row)";
  if (from.users == 0 && (row[kMetaTrials] > 0 || row[kMetaPurchases] > 0)) {
    text += " - 0.20 (Meta reports trials or purchases, but there are no users)";
  }
  return text;
}

}  // namespace

std::string money_text(std::int64_t micros) { return without_zeros(decimal_text(micros, kMoneyDigits), 2); }
std::string rate_text(std::int64_t nanos) { return without_zeros(decimal_text(nanos, kRateDigits), 0); }

Formula formula_of(Number number, const RowValues& row, const Ingredients& from) {
  using enum Number;
  const auto count = [&](Number which) { return std::to_string(row[which]); };
  const auto cents = [&](Number which) { return decimal_text(row[which], 2); };
  const auto mean = [&](std::size_t which) {
    const Ingredients::Rate& rate = from.rates[which];
    return rate.count == 0 ? std::string("no rates: 0")
                           : "(" + sum_of(rate.terms) + ") / " + std::to_string(rate.count);
  };
  const std::string post_trials = std::to_string(from.post_trials);
  const std::string converted = std::to_string(from.converted);
  const bool by_purchases = row[kPurchases] > row[kTrials];
  switch (number) {
    case kMetaSpend: return {"sum of spend over the Meta rows", sum_of(from.spend_terms)};
    case kMetaImpressions: return {"sum of impressions over the Meta rows", count(number)};
    case kMetaClicks: return {"sum of clicks over the Meta rows", count(number)};
    case kMetaTrials: return {"sum of meta_trials over the Meta rows", count(number)};
    case kMetaPurchases: return {"sum of meta_purchases over the Meta rows", count(number)};
    case kTrials: return {"number of trial users", count(number)};
    case kPurchases: return {"number of purchase users", count(number)};
    case kTrialConversionRateEstimated:
      return {"mean of trial_conversion_rate over the trial users' product rows", mean(0)};
    case kTrialConversionRateActual: return {"converted / post-trial", quotient(converted, post_trials)};
    case kTrialRefundRateEstimated:
      return {"mean of trial_converted_to_refund_rate over the converted users' product rows", mean(1)};
    case kTrialRefundRateActual:
      return {"trial refunds / converted", quotient(std::to_string(from.trial_refunds), converted)};
    case kPurchaseRefundRateEstimated:
      return {"mean of initial_purchase_to_refund_rate over the purchase users' product rows", mean(2)};
    case kPurchaseRefundRateActual:
      return {"purchase refunds / purchase users", quotient(std::to_string(from.purchase_refunds), count(kPurchases))};
    case kActualRevenue: return {"sum of revenue over trial and purchase users", sum_of(from.revenue_terms)};
    case kActualRefunds: return {"sum of refunds over trial and purchase users", sum_of(from.refund_terms)};
    case kNetActualRevenue:
      return {"actual_revenue_usd - actual_refunds_usd", cents(kActualRevenue) + " - " + cents(kActualRefunds)};
    case kEstimatedRevenue: return {"sum of current_value over trial and purchase users", sum_of(from.value_terms)};
    case kAdjustedEstimatedRevenue: {
      const std::int64_t ours = by_purchases ? row[kPurchases] : row[kTrials];
      const std::int64_t theirs = by_purchases ? row[kMetaPurchases] : row[kMetaTrials];
      const std::string what = by_purchases ? "purchases" : "trials";
      if (ours > 0 && theirs > 0) {
        return {"estimated_revenue_usd × Meta's " + what + " / our " + what,
                cents(kEstimatedRevenue) + " × " + std::to_string(theirs) + " / " + std::to_string(ours)};
      }
      return {"estimated_revenue_usd, as ours or Meta's " + what + " are 0", cents(kEstimatedRevenue)};
    }
    case kProfit:
      return {"adjusted_estimated_revenue_usd - meta_spend",
              cents(kAdjustedEstimatedRevenue) + " - " + cents(kMetaSpend)};
    case kEstimatedRoas:
      return {"adjusted_estimated_revenue_usd / meta_spend",
              quotient(cents(kAdjustedEstimatedRevenue), cents(kMetaSpend))};
    case kTrialAccuracy:
      if (row[kMetaTrials] == 0 && row[kTrials] > 0)
        return {"100, as Meta reports no trials but there are some", "100"};
      return {"100 × trials / meta_trial_count", "100 × " + quotient(count(kTrials), count(kMetaTrials))};
    case kPurchaseAccuracy:
      return {"100 × purchases / meta_purchase_count", "100 × " + quotient(count(kPurchases), count(kMetaPurchases))};
    case kMixpanelCostPerTrial: return {"meta_spend / trials", quotient(cents(kMetaSpend), count(kTrials))};
    case kMixpanelCostPerPurchase: return {"meta_spend / purchases", quotient(cents(kMetaSpend), count(kPurchases))};
    case kMetaCostPerTrial: return {"meta_spend / meta_trial_count", quotient(cents(kMetaSpend), count(kMetaTrials))};
    case kMetaCostPerPurchase:
      return {"meta_spend / meta_purchase_count", quotient(cents(kMetaSpend), count(kMetaPurchases))};
    case kClickToTrialRate:
      return {"100 × trials / meta_clicks", "100 × " + quotient(count(kTrials), count(kMetaClicks))};
    case kDataQualityScore: return {"1.00 less what is wrong, at least 0", score_text(row, from)};
  }
  return {};
}

}  // namespace admetrics::explanation
