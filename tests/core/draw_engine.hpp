#pragma once

#include "core/metrics/contribution.hpp"
#include "core/metrics/meta.hpp"
#include "tests/core/draw.hpp"

namespace admetrics {

inline DictionaryId draw_id(Draw& draw, std::uint64_t count) {
  return DictionaryId{static_cast<std::uint32_t>(draw.below(count))};
}

/// A contribution that could be real: from a small world, so that changes often meet; at times empty.
inline UserContribution draw_contribution(Draw& draw) {
  UserContribution drawn;
  if (draw.chance(15)) return drawn;
  if (draw.chance(70)) drawn.trial_day = Day{static_cast<std::int32_t>(draw.between(20'000, 20'030))};
  if (draw.chance(50)) drawn.purchase_day = Day{static_cast<std::int32_t>(draw.between(20'000, 20'030))};
  if (drawn.empty()) return drawn;
  for (DictionaryId& id : drawn.ids) id = draw_id(draw, 6);  // 0: not attributed on this level
  if (drawn.ids == std::array<DictionaryId, 3>{}) drawn.ids[2] = DictionaryId{1};
  for (DictionaryId& value : drawn.values) value = DictionaryId{1 + static_cast<std::uint32_t>(draw.below(5))};
  drawn.revenue_micros = draw.between(0, 3) * 1'000'000;
  drawn.converted = draw.chance(30);
  return drawn;
}

}  // namespace admetrics
