#pragma once

#include <string_view>

#include "core/base/fixed.hpp"
#include "core/metrics/contribution.hpp"
#include "core/metrics/meta.hpp"
#include "core/model/row.hpp"

namespace admetrics {

/// Adds up one row and renders it (`metrics.md` section 5). Users must come ascending by the bytes of their id.
/// The only place where anything is divided.
class RowTotals {
 public:
  /// `post_trial`: whether the row's date lies at least the trial's length before today.
  RowTotals(Day day, bool post_trial) : day_(day), post_trial_(post_trial) {}

  void add_user(std::string_view distinct_id, const UserContribution& user);
  [[nodiscard]] bool has_users() const { return users_ > 0; }

  /// `meta`: the sums over the Meta rows that count for this row. `meta_daily_rows`: how many rows of the daily table
  /// do; of interest for the main row only.
  [[nodiscard]] RowValues render(const MetaSums& meta, std::int64_t meta_daily_rows) &&;

 private:
  struct UserList {
    std::string json = "[";
    std::int64_t count = 0;
    void append(std::string_view distinct_id);
    std::string finish() &&;
  };
  struct RateTotal {
    Int128 nanos = 0;
    std::int64_t count = 0;
    void add(const UserContribution& user, std::size_t rate);
  };
  UserList& list(List which) { return lists_[static_cast<std::size_t>(which)]; }

  Day day_;
  bool post_trial_;
  std::int64_t users_ = 0;
  std::array<UserList, kListCount> lists_;
  Int128 revenue_micros_ = 0;
  Int128 refunds_micros_ = 0;
  Int128 value_micros_ = 0;
  std::array<RateTotal, 3> rates_;
};

/// Appends `text` as a JSON string, escaped byte for byte as SQLite's `json_quote` does: a contract of the stored lists.
void append_json_string(std::string& out, std::string_view text);

}  // namespace admetrics
