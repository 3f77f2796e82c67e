#include "sinks/sqlite/fill_pace.hpp"

#include <algorithm>

namespace admetrics::sink {
namespace {

constexpr std::int64_t kRows = 2'000;
// In a file of our own nobody waits: long enough that a page is mostly written once, short enough for the log.
constexpr std::int64_t kOwnFileRows = 200'000;
// Whoever waits for the lock asks after 1, 3, 8, 18, 33, … ms (SQLite's busy handler). A pause longer than the longest of the
// first distances, 10 ms, is met by one of them wherever it falls.
constexpr std::int64_t kPauseMicros = 13'000;
// Where nobody has committed anything for a while, a short one: whoever comes gets in after some tries, and is seen then.
constexpr std::int64_t kShortPauseMicros = 1'500;
constexpr std::int64_t kOthersAwayMicros = 2'000'000;

}  // namespace

void FillPace::wait(std::int64_t others_version) {
  if (!pause_ || clock_ == nullptr) return;
  if (others_version != others_version_) others_seen_micros_ = now();
  others_version_ = others_version;
  const bool alone = now() - others_seen_micros_ > kOthersAwayMicros;
  hold_micros_ = alone ? std::max(kHoldMicros, hold_alone_micros_) : kHoldMicros;
  const std::int64_t left = ended_micros_ + (alone ? kShortPauseMicros : kPauseMicros) - now();
  if (left > 0) pause_(left);
}

void FillPace::begin_transaction(std::int64_t rows_total) {
  rows_before_ = rows_total;
  began_micros_ = now();
}

bool FillPace::is_over(std::int64_t rows_total) const {
  const std::int64_t rows = rows_total - rows_before_;
  if (!pause_) return rows >= kOwnFileRows;
  if (now() - began_micros_ >= hold_micros_) return true;
  return rows >= kRows && hold_micros_ == kHoldMicros;
}

void FillPace::end_transaction() { ended_micros_ = now(); }

void FillPace::rest() const {
  if (pause_) pause_(kPauseMicros);
}

}  // namespace admetrics::sink
