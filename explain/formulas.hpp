#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/metrics/meta.hpp"
#include "core/model/row.hpp"

namespace admetrics::explanation {

/// What a row's numbers are made of, before any rounding.
struct Ingredients {
  struct Rate {
    std::vector<std::string> terms;
    std::int64_t nanos = 0;
    std::int64_t count = 0;
  };
  std::vector<std::string> revenue_terms;
  std::vector<std::string> refund_terms;
  std::vector<std::string> value_terms;
  std::array<Rate, 3> rates;  // trial conversion, refund after it, refund of a purchase
  std::vector<std::string> spend_terms;
  std::int64_t trials = 0;
  std::int64_t purchases = 0;
  std::int64_t post_trials = 0;
  std::int64_t converted = 0;
  std::int64_t trial_refunds = 0;
  std::int64_t purchase_refunds = 0;
  std::int64_t users = 0;
  std::int64_t meta_daily_rows = 0;
};

struct Formula {
  std::string words;
  std::string filled;
};

/// The formula of one number (`docs/metrics.md` section 6), with the row's own numbers in it.
Formula formula_of(Number number, const RowValues& row, const Ingredients& from);

/// `12.5` for 12,500,000 micro-dollars; at least two decimals.
std::string money_text(std::int64_t micros);
std::string rate_text(std::int64_t nanos);

}  // namespace admetrics::explanation
