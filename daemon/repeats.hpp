#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace admetrics {

/// Repeats: lets a message that comes over and over through ever more rarely, and says how often it came meanwhile.
///
/// Threads:    one at a time.
/// Invariants: (1) what did not come for a while comes through at once; (2) it remembers a bounded number of messages.
class Repeats {
 public:
  static constexpr std::int64_t kFirstDistanceMicros = 1'000'000;
  static constexpr std::int64_t kLastDistanceMicros = 600'000'000;
  static constexpr std::int64_t kForgottenMicros = 2 * kLastDistanceMicros;  // silent for so long: a new story
  static constexpr std::size_t kMessagesMax = 256;

  /// How often it came since it was last let through, this time included; nothing: it shall not be heard now.
  std::optional<std::uint64_t> admit(const std::string& message, std::int64_t now_micros);

 private:
  struct Seen {
    std::int64_t shown_micros = 0;
    std::int64_t last_micros = 0;
    std::int64_t distance_micros = kFirstDistanceMicros;
    std::uint64_t since = 0;
  };
  void forget_oldest();

  std::unordered_map<std::string, Seen> seen_;
};

}  // namespace admetrics
