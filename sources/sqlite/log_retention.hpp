#pragma once

#include <cstdint>
#include <deque>

namespace admetrics::source {

/// LogRetention: which acknowledged change records of one log may be removed. They stay for a while, for those who follow
/// the log beside us (`verify`). A value; times are monotonic, in microseconds.
class LogRetention {
 public:
  /// Records up to `seq` were acknowledged, and stay for at least `keep_micros` more, at most a second longer; 0: not at
  /// all. `seq` never goes back.
  void acknowledge(std::int64_t seq, std::int64_t now_micros, std::int64_t keep_micros);
  /// The last record that may be removed by now; 0: none yet.
  std::int64_t expired(std::int64_t now_micros);

 private:
  /// Acknowledged within one second, and kept as long as the last of them: a thousand epochs a second are one step.
  struct Step {
    std::int64_t seq = 0;  // the last of them
    std::int64_t begun_micros = 0;
    std::int64_t until_micros = 0;
  };
  std::deque<Step> steps_;  // oldest first
  std::int64_t expired_seq_ = 0;
};

}  // namespace admetrics::source
