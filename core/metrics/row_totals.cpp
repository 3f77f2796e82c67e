#include "core/metrics/row_totals.hpp"

#include <algorithm>

namespace admetrics {
namespace {

constexpr std::int64_t kMicrosPerCent = 10'000;
constexpr std::int64_t kRatioScale = 10'000;          // ratios are stored with four decimals
constexpr std::int64_t kNanosPerRatioUnit = 100'000;  // 1e-9 units in the fourth decimal

std::int64_t cents_of(Int128 micros) { return saturate(divide_rounded(micros, kMicrosPerCent)); }

/// `factor` × a / b with four decimals; 0 when b is 0.
std::int64_t ratio(std::int64_t a, std::int64_t b, std::int64_t factor = 1) {
  return saturate(divide_rounded(static_cast<Int128>(a) * factor * kRatioScale, b));
}

std::int64_t cost(std::int64_t spend_cents, std::int64_t count) { return saturate(divide_rounded(spend_cents, count)); }

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  const auto needs_escape = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; };
  if (std::none_of(text.begin(), text.end(), needs_escape)) {
    out += text;
  } else {
    for (const char c : text) {
      switch (c) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\b': out += "\\b"; break;
        case '\f': out += "\\f"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        default:
          if (needs_escape(c)) {
            out += "\\u00";
            out += kHex[static_cast<unsigned char>(c) >> 4];
            out += kHex[static_cast<unsigned char>(c) & 0x0f];
          } else {
            out += c;
          }
      }
    }
  }
  out += '"';
}

void RowTotals::UserList::append(std::string_view distinct_id) {
  if (count > 0) json += ',';
  append_json_string(json, distinct_id);
  ++count;
}

std::string RowTotals::UserList::finish() && {
  json += ']';
  return std::move(json);
}

void RowTotals::RateTotal::add(const UserContribution& user, std::size_t rate) {
  nanos += user.rate_nanos[rate];
  count += user.rate_counts[rate];
}

void RowTotals::add_user(std::string_view distinct_id, const UserContribution& user) {
  ++users_;
  revenue_micros_ += user.revenue_micros;
  refunds_micros_ += user.refunds_micros;
  value_micros_ += user.value_micros;
  if (user.trial_day == day_) {
    list(List::kTrial).append(distinct_id);
    rates_[0].add(user, 0);
    if (post_trial_) {
      list(List::kPostTrial).append(distinct_id);
      if (user.converted) {
        list(List::kConverted).append(distinct_id);
        rates_[1].add(user, 1);
        if (user.trial_refunded) list(List::kTrialRefund).append(distinct_id);
      }
    }
  }
  if (user.purchase_day == day_) {
    list(List::kPurchase).append(distinct_id);
    rates_[2].add(user, 2);
    if (user.purchase_refunded) list(List::kPurchaseRefund).append(distinct_id);
  }
}

RowValues RowTotals::render(const MetaSums& meta, std::int64_t meta_daily_rows) && {
  using enum Number;
  const auto mean = [](const RateTotal& rate) {
    return saturate(divide_rounded(rate.nanos, static_cast<Int128>(rate.count) * kNanosPerRatioUnit));
  };
  const std::int64_t post_trials = list(List::kPostTrial).count;
  const std::int64_t converted = list(List::kConverted).count;
  const std::int64_t trial_refunds = list(List::kTrialRefund).count;
  const std::int64_t purchase_refunds = list(List::kPurchaseRefund).count;

  RowValues row;
  row[kMetaSpend] = cents_of(meta.spend_micros);
  row[kMetaImpressions] = saturate(meta.impressions);
  row[kMetaClicks] = saturate(meta.clicks);
  row[kMetaTrials] = saturate(meta.trials);
  row[kMetaPurchases] = saturate(meta.purchases);
  const std::int64_t trials = row[kTrials] = list(List::kTrial).count;
  const std::int64_t purchases = row[kPurchases] = list(List::kPurchase).count;

  row[kTrialConversionRateEstimated] = mean(rates_[0]);
  row[kTrialConversionRateActual] = ratio(converted, post_trials);
  row[kTrialRefundRateEstimated] = mean(rates_[1]);
  row[kTrialRefundRateActual] = ratio(trial_refunds, converted);
  row[kPurchaseRefundRateEstimated] = mean(rates_[2]);
  row[kPurchaseRefundRateActual] = ratio(purchase_refunds, purchases);

  // From here on only stored columns feed the formulas, so that anyone can recompute them from the row.
  row[kActualRevenue] = cents_of(revenue_micros_);
  row[kActualRefunds] = cents_of(refunds_micros_);
  row[kNetActualRevenue] = saturate(static_cast<Int128>(row[kActualRevenue]) - row[kActualRefunds]);
  row[kEstimatedRevenue] = cents_of(value_micros_);
  const bool by_purchases = purchases > trials;
  const std::int64_t ours = by_purchases ? purchases : trials;
  const std::int64_t theirs = by_purchases ? row[kMetaPurchases] : row[kMetaTrials];
  row[kAdjustedEstimatedRevenue] =
      ours > 0 && theirs > 0 ? saturate(divide_rounded(static_cast<Int128>(row[kEstimatedRevenue]) * theirs, ours))
                             : row[kEstimatedRevenue];
  row[kProfit] = saturate(static_cast<Int128>(row[kAdjustedEstimatedRevenue]) - row[kMetaSpend]);
  row[kEstimatedRoas] = ratio(row[kAdjustedEstimatedRevenue], row[kMetaSpend]);
  constexpr std::int64_t kPercent = 100;
  row[kTrialAccuracy] =
      row[kMetaTrials] == 0 ? (trials > 0 ? kPercent * kRatioScale : 0) : ratio(trials, row[kMetaTrials], kPercent);
  row[kPurchaseAccuracy] = ratio(purchases, row[kMetaPurchases], kPercent);
  row[kMixpanelCostPerTrial] = cost(row[kMetaSpend], trials);
  row[kMixpanelCostPerPurchase] = cost(row[kMetaSpend], purchases);
  row[kMetaCostPerTrial] = cost(row[kMetaSpend], row[kMetaTrials]);
  row[kMetaCostPerPurchase] = cost(row[kMetaSpend], row[kMetaPurchases]);
  row[kClickToTrialRate] = ratio(trials, row[kMetaClicks], kPercent);

  std::int64_t score = 100;  // hundredths
  if (trials == 0) score -= 20;
  if (trials > 0 && row[kEstimatedRevenue] == 0) score -= 10;
  if (purchases > trials) score -= 30;
  if (users_ > 0 && meta_daily_rows == 0) score -= 20;
  if (users_ == 0 && (row[kMetaTrials] > 0 || row[kMetaPurchases] > 0)) score -= 20;
  row[kDataQualityScore] = std::max<std::int64_t>(score, 0);

  for (std::size_t i = 0; i < kListCount; ++i) row.lists[i] = std::move(lists_[i]).finish();
  return row;
}

}  // namespace admetrics
