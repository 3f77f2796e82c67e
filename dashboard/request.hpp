#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.hpp"
#include "core/base/day.hpp"
#include "core/model/keys.hpp"

namespace admetrics::dashboard {

/// Calendar days, both ends included.
struct Range {
  Day start;
  Day end;

  [[nodiscard]] std::int64_t days() const { return std::int64_t{end.value} - start.value + 1; }
  [[nodiscard]] bool holds(Day day) const { return start <= day && day <= end; }
  bool operator==(const Range&) const = default;
};

/// `analytics/data`: every entity of a level, or some, with their children.
struct DataRequest {
  Range range;
  Breakdown breakdown = Breakdown::kNone;
  Level group_by = Level::kAd;
  bool include_mixpanel = true;
  bool include_children = true;
  bool include_users = true;
  // At most one of them.
  std::optional<std::string> entity_id;  // this entity only
  std::optional<std::string> parent_id;  // only what is below this entity of the level above
};

/// `analytics/chart-data`: one entity, day by day.
struct ChartRequest {
  Range range;
  Level level = Level::kCampaign;
  std::string entity_id;
  Breakdown breakdown = Breakdown::kNone;
  std::optional<std::string> breakdown_value;  // absent: the breakdown's values together
};

/// `analytics/overview-roas-chart`: a whole level, day by day.
struct OverviewRequest {
  Range range;
  Breakdown breakdown = Breakdown::kNone;
  Level group_by = Level::kCampaign;
};

/// What a request may cost.
struct Limits {
  std::int64_t range_days_max = 400;
  std::int64_t rows_max = 500'000;  // stored rows read for one answer
};

/// What an answer needs to know besides the request and the tables.
struct Context {
  Limits limits;
  bool hide_user_ids = false;
  std::string_view method = "precomputed";
  const Clock* clock = nullptr;
  std::int64_t deadline_micros = INT64_MAX;  // on the steady clock; beyond it the answer is given up
};

}  // namespace admetrics::dashboard
