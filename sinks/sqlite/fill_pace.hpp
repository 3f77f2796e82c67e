#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "core/base/clock.hpp"

namespace admetrics::sink {

/// FillPace: how long a transaction of a fill lasts, and the pause before it, so that whoever else writes to the file waits
/// for none of it long. Without `pause` the file is our own, and rows alone are counted.
class FillPace {
 public:
  /// `hold_alone_micros`: how long a transaction may write rows where nobody else has committed for some seconds.
  FillPace(const Clock* clock, std::function<void(std::int64_t micros)> pause, std::int64_t hold_alone_micros)
      : clock_(clock), pause_(std::move(pause)), hold_alone_micros_(hold_alone_micros) {}

  /// A fill begins as if somebody else had just committed.
  void begin() { others_version_ = -1; }
  /// Before a transaction. `others_version` rises by the commits of others (`PRAGMA data_version`).
  void wait(std::int64_t others_version);
  void begin_transaction(std::int64_t rows_total);
  /// Whether the transaction shall end now, with as many rows written since the fill began.
  [[nodiscard]] bool is_over(std::int64_t rows_total) const;
  void end_transaction();
  /// As long as one before any transaction; nothing without `pause`.
  void rest() const;

 private:
  // A transaction ends by whichever comes first. Writing its pages takes about as long again as its rows did, and all of it
  // shall stay below the 20 ms that a guest may take.
  static constexpr std::int64_t kHoldMicros = 8'000;

  [[nodiscard]] std::int64_t now() const { return clock_ != nullptr ? clock_->steady_micros() : 0; }

  const Clock* clock_;
  std::function<void(std::int64_t micros)> pause_;
  std::int64_t hold_alone_micros_;
  std::int64_t hold_micros_ = kHoldMicros;
  std::int64_t rows_before_ = 0;
  std::int64_t began_micros_ = 0;
  std::int64_t ended_micros_ = 0;
  std::int64_t others_version_ = -1;
  std::int64_t others_seen_micros_ = 0;  // when somebody else's commit was last noticed
};

}  // namespace admetrics::sink
