#include "sources/sqlite/log_retention.hpp"

namespace admetrics::source {

void LogRetention::acknowledge(std::int64_t seq, std::int64_t now_micros, std::int64_t keep_micros) {
  if (keep_micros <= 0) {
    steps_.clear();
    expired_seq_ = seq;
    return;
  }
  constexpr std::int64_t kStepMicros = 1'000'000;
  if (steps_.empty() || now_micros - steps_.back().begun_micros >= kStepMicros) {
    steps_.push_back({seq, now_micros, 0});
  }
  steps_.back().seq = seq;
  steps_.back().until_micros = now_micros + keep_micros;
}

std::int64_t LogRetention::expired(std::int64_t now_micros) {
  while (!steps_.empty() && steps_.front().until_micros <= now_micros) {
    expired_seq_ = steps_.front().seq;
    steps_.pop_front();
  }
  return expired_seq_;
}

}  // namespace admetrics::source
