#pragma once

#include <string>

#include "core/base/time_zone.hpp"

namespace admetrics {

/// The names of the product events that carry meaning (`metrics.md` section 3). Matched exactly.
struct EventNames {
  std::string trial_started = "RC Trial started";
  std::string initial_purchase = "RC Initial purchase";
  std::string trial_converted = "RC Trial converted";
  std::string refund_contains = "cancel";  // within the name, ASCII letters of any case

  bool operator==(const EventNames&) const = default;
};

/// What the operator may choose about the numbers' meaning. Constant while an epoch runs.
struct Reporting {
  TimeZone zone;
  int trial_length_days = 7;
  EventNames names;
};

}  // namespace admetrics
