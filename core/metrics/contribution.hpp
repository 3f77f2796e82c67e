#pragma once

#include <array>
#include <cstdint>

#include "core/metrics/facts.hpp"
#include "core/model/dictionary.hpp"
#include "core/model/keys.hpp"

namespace admetrics {

/// The value that NULL and empty breakdown values count under (`metrics.md` section 3).
inline constexpr std::string_view kUnknownValue = "unknown";

/// What a user gives to the rows, and to which: the ledger's unit. Empty when the user is in no row, so that
/// two users who give nothing compare equal. `metrics.md` section 3.
struct UserContribution {
  std::array<DictionaryId, 3> ids;     // by Level; 0: not attributed there
  std::array<DictionaryId, 3> values;  // country, region, device
  Day trial_day = kNoDay;
  Day purchase_day = kNoDay;
  std::int64_t revenue_micros = 0;
  std::int64_t refunds_micros = 0;
  std::int64_t value_micros = 0;
  std::array<std::int64_t, 3> rate_nanos{};
  std::array<std::uint32_t, 3> rate_counts{};
  bool converted = false;
  bool trial_refunded = false;
  bool purchase_refunded = false;

  [[nodiscard]] bool empty() const { return trial_day == kNoDay && purchase_day == kNoDay; }
  [[nodiscard]] DictionaryId value_of(Breakdown breakdown) const { return values[index_of(breakdown) - 1]; }
  bool operator==(const UserContribution&) const = default;
};

/// Pure but for the dictionary; knows no row.
UserContribution contribution_of(const UserFacts& facts, DictionaryCache& dictionary);

/// Calls `visit(CellKey)` for each cell that the contribution belongs to, each once.
template <class Visit>
void for_each_cell(const UserContribution& contribution, Visit&& visit) {
  if (contribution.empty()) return;
  for (const Level level : kLevels) {
    const DictionaryId id = contribution.ids[index_of(level)];
    if (id.value == 0) continue;
    const Entity entity(level, id);
    if (contribution.trial_day != kNoDay) visit(CellKey{entity, contribution.trial_day});
    if (contribution.purchase_day != kNoDay && contribution.purchase_day != contribution.trial_day) {
      visit(CellKey{entity, contribution.purchase_day});
    }
  }
}

}  // namespace admetrics
