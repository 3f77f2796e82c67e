#pragma once

#include "core/base/day.hpp"

namespace admetrics {

/// The only way that anything below `daemon` learns the time. Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Instant now() const = 0;                 // UTC
  [[nodiscard]] virtual std::int64_t steady_micros() const = 0;  // for durations only
};

}  // namespace admetrics
