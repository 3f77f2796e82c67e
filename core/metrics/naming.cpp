#include "core/metrics/naming.hpp"

#include <algorithm>

#include "core/base/fixed.hpp"

namespace admetrics {

void CarriedCounter::add(DictionaryId first, DictionaryId second, std::int64_t rows, Day day) {
  total_rows_ += rows;
  const auto found = std::find_if(carried_.begin(), carried_.end(),
                                  [&](const Carried& c) { return c.first == first && c.second == second; });
  if (found == carried_.end()) {
    carried_.push_back(Carried{first, second, rows, day, day});
    return;
  }
  found->rows += rows;
  found->first_day = std::min(found->first_day, day);
  found->last_day = std::max(found->last_day, day);
}

std::optional<Carried> CarriedCounter::choose(const Dictionary& dictionary) const {
  const auto better = [&](const Carried& a, const Carried& b) {
    if (a.rows != b.rows) return a.rows > b.rows;
    if (a.last_day != b.last_day) return a.last_day > b.last_day;
    const auto first_order = dictionary.text(a.first).compare(dictionary.text(b.first));
    if (first_order != 0) return first_order < 0;
    return dictionary.text(a.second) < dictionary.text(b.second);
  };
  const auto best = std::min_element(carried_.begin(), carried_.end(), better);
  if (best == carried_.end()) return std::nullopt;
  return *best;
}

std::int64_t share_hundredths(std::int64_t share, std::int64_t total) {
  return static_cast<std::int64_t>(divide_rounded(static_cast<Int128>(share) * 100, total));
}

}  // namespace admetrics
