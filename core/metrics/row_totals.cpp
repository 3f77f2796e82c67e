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

/// Numbers by name.
struct Named {
  std::array<std::int64_t, kNumberCount>& numbers;
  std::int64_t& operator[](Number number) const { return numbers[static_cast<std::size_t>(number)]; }
};

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

void RowSums::RateTotal::add(const UserContribution& user, std::size_t rate) {
  nanos += user.rate_nanos[rate];
  count += user.rate_counts[rate];
}

ListBits RowSums::add_user(const UserContribution& user) {
  ++users_;
  revenue_micros_ += user.revenue_micros;
  refunds_micros_ += user.refunds_micros;
  value_micros_ += user.value_micros;
  ListBits lists = 0;
  const auto enter = [&](List list) {
    ++counts_[static_cast<std::size_t>(list)];
    lists |= static_cast<ListBits>(1U << static_cast<unsigned>(list));
  };
  if (user.trial_day == day_) {
    enter(List::kTrial);
    rates_[0].add(user, 0);
    if (post_trial_) {
      enter(List::kPostTrial);
      if (user.converted) {
        enter(List::kConverted);
        rates_[1].add(user, 1);
        if (user.trial_refunded) enter(List::kTrialRefund);
      }
    }
  }
  if (user.purchase_day == day_) {
    enter(List::kPurchase);
    rates_[2].add(user, 2);
    if (user.purchase_refunded) enter(List::kPurchaseRefund);
  }
  return lists;
}

void RowTotals::add_user(std::string_view distinct_id, const UserContribution& user) {
  const ListBits lists = sums_.add_user(user);
  for (std::size_t list = 0; list < kListCount; ++list) {
    if (!has_list(lists, list)) continue;
    if (lists_[list].size() > 1) lists_[list] += ',';
    append_json_string(lists_[list], distinct_id);
  }
}

RowValues RowTotals::render(const MetaSums& meta, std::int64_t meta_daily_rows) && {
  RowValues row;
  row.numbers = sums_.numbers(meta, meta_daily_rows);
  for (std::size_t list = 0; list < kListCount; ++list) {
    lists_[list] += ']';
    row.lists[list] = std::move(lists_[list]);
  }
  return row;
}

std::array<std::int64_t, kNumberCount> RowSums::numbers(const MetaSums& meta, std::int64_t meta_daily_rows) const {
  using enum Number;
  const auto mean = [](const RateTotal& rate) {
    return saturate(divide_rounded(rate.nanos, static_cast<Int128>(rate.count) * kNanosPerRatioUnit));
  };
  const std::int64_t post_trials = count_of(List::kPostTrial);
  const std::int64_t converted = count_of(List::kConverted);
  const std::int64_t trial_refunds = count_of(List::kTrialRefund);
  const std::int64_t purchase_refunds = count_of(List::kPurchaseRefund);

  std::array<std::int64_t, kNumberCount> numbers{};
  const auto row = Named{numbers};
  row[kMetaSpend] = cents_of(meta.spend_micros);
  row[kMetaImpressions] = saturate(meta.impressions);
  row[kMetaClicks] = saturate(meta.clicks);
  row[kMetaTrials] = saturate(meta.trials);
  row[kMetaPurchases] = saturate(meta.purchases);
  const std::int64_t trials = row[kTrials] = count_of(List::kTrial);
  const std::int64_t purchases = row[kPurchases] = count_of(List::kPurchase);

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
  return numbers;
}

}  // namespace admetrics
