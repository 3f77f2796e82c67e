#pragma once

#include <chrono>

#include "core/base/clock.hpp"

namespace admetrics {

/// The only real clock.
class SystemClock : public Clock {
 public:
  [[nodiscard]] Instant now() const override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    return {seconds.count(), static_cast<std::int32_t>(std::chrono::nanoseconds(since - seconds).count())};
  }
  [[nodiscard]] std::int64_t steady_micros() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace admetrics
