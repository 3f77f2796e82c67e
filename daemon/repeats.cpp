#include "daemon/repeats.hpp"

#include <algorithm>

namespace admetrics {

std::optional<std::uint64_t> Repeats::admit(const std::string& message, std::int64_t now_micros) {
  const auto [place, is_new] = seen_.try_emplace(message);
  Seen& seen = place->second;
  const bool anew = is_new || now_micros - seen.last_micros > kForgottenMicros;
  seen.last_micros = now_micros;
  if (anew) {
    const std::uint64_t times = seen.since + 1;
    seen = {now_micros, now_micros, kFirstDistanceMicros, 0};
    if (seen_.size() > kMessagesMax) forget_oldest();
    return times;
  }
  ++seen.since;
  if (now_micros - seen.shown_micros < seen.distance_micros) return std::nullopt;
  const std::uint64_t times = seen.since;
  seen.shown_micros = now_micros;
  seen.distance_micros = std::min(2 * seen.distance_micros, kLastDistanceMicros);
  seen.since = 0;
  return times;
}

void Repeats::forget_oldest() {
  const auto oldest = std::min_element(seen_.begin(), seen_.end(), [](const auto& a, const auto& b) {
    return a.second.last_micros < b.second.last_micros;
  });
  seen_.erase(oldest);
}

}  // namespace admetrics
