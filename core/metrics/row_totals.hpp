#pragma once

#include <string_view>

#include "core/base/fixed.hpp"
#include "core/metrics/contribution.hpp"
#include "core/metrics/meta.hpp"
#include "core/model/row.hpp"

namespace admetrics {

/// The lists that a user of a row stands in, as bits by `List`.
using ListBits = std::uint8_t;
static_assert(kListCount <= 8);
constexpr bool has_list(ListBits bits, std::size_t list) { return ((unsigned{bits} >> list) & 1U) != 0; }

/// Adds up one row but for the users' names, and makes its numbers (`metrics.md` section 5). The only place where anything
/// is divided. Allocates nothing.
class RowSums {
 public:
  /// `post_trial`: whether the row's date lies at least the trial's length before today.
  RowSums(Day day, bool post_trial) : day_(day), post_trial_(post_trial) {}

  /// Says in which lists the user stands.
  ListBits add_user(const UserContribution& user);
  [[nodiscard]] bool has_users() const { return users_ > 0; }

  /// `meta`: the sums over the Meta rows that count for this row. `meta_daily_rows`: how many rows of the daily table
  /// do; of interest for the main row only.
  [[nodiscard]] std::array<std::int64_t, kNumberCount> numbers(const MetaSums& meta,
                                                               std::int64_t meta_daily_rows) const;

 private:
  struct RateTotal {
    Int128 nanos = 0;
    std::int64_t count = 0;
    void add(const UserContribution& user, std::size_t rate);
  };
  [[nodiscard]] std::int64_t count_of(List list) const { return counts_[static_cast<std::size_t>(list)]; }

  Day day_;
  bool post_trial_;
  std::int64_t users_ = 0;
  std::array<std::int64_t, kListCount> counts_{};  // of users, by list
  Int128 revenue_micros_ = 0;
  Int128 refunds_micros_ = 0;
  Int128 value_micros_ = 0;
  std::array<RateTotal, 3> rates_;
};

/// Adds up one row and renders it whole. Users must come ascending by the bytes of their id.
class RowTotals {
 public:
  RowTotals(Day day, bool post_trial) : sums_(day, post_trial) { lists_.fill("["); }

  void add_user(std::string_view distinct_id, const UserContribution& user);
  [[nodiscard]] bool has_users() const { return sums_.has_users(); }

  /// As `RowSums::numbers`.
  [[nodiscard]] RowValues render(const MetaSums& meta, std::int64_t meta_daily_rows) &&;

 private:
  RowSums sums_;
  std::array<std::string, kListCount> lists_;
};

/// Appends `text` as a JSON string, escaped byte for byte as SQLite's `json_quote` does: a contract of the stored lists.
void append_json_string(std::string& out, std::string_view text);

}  // namespace admetrics
