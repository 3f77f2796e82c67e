#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/metrics/meta.hpp"

namespace admetrics {

/// How often a text was carried, and when last and first.
struct Carried {
  DictionaryId first;   // the name; or the ad set
  DictionaryId second;  // the campaign
  std::int64_t rows = 0;
  Day first_day;
  Day last_day;
};

/// Adds up what was carried over an entity's days (`metrics.md` section 6).
class CarriedCounter {
 public:
  void add(DictionaryId first, DictionaryId second, std::int64_t rows, Day day);
  /// Most rows; ties by latest day, then by smallest bytes. Nothing when nothing was carried.
  [[nodiscard]] std::optional<Carried> choose(const Dictionary& dictionary) const;
  [[nodiscard]] std::int64_t total_rows() const { return total_rows_; }

 private:
  std::vector<Carried> carried_;
  std::int64_t total_rows_ = 0;
};

/// `share` of `total`, in hundredths, rounded half away from zero.
std::int64_t share_hundredths(std::int64_t share, std::int64_t total);

}  // namespace admetrics
