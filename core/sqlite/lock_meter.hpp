#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.hpp"

namespace admetrics::sqlite {

/// How long one kind of work has held a database's write lock so far.
struct LockHolds {
  /// Upper bounds in microseconds; the last bucket has none. 20 ms is what a guest may take at a time.
  static constexpr std::array<std::int64_t, 11> kBoundsMicros{1'000,   2'500,   5'000,     10'000,    20'000,    50'000,
                                                              100'000, 250'000, 1'000'000, 5'000'000, 60'000'000};

  std::string database;  // its role: "product", "ads", "sink"
  std::string work;
  std::array<std::uint64_t, kBoundsMicros.size() + 1> counts{};
  std::int64_t sum_micros = 0;
  std::int64_t max_micros = 0;

  [[nodiscard]] std::uint64_t count() const;
};

/// Measures holds of one kind. Any thread.
class LockMeter {
 public:
  LockMeter(const Clock& clock, std::string database, std::string work);
  [[nodiscard]] std::int64_t now_micros() const { return clock_->steady_micros(); }
  void note(std::int64_t held_micros);
  [[nodiscard]] LockHolds holds() const;

 private:
  const Clock* clock_;
  mutable std::mutex mutex_;  // guards holds_
  LockHolds holds_;
};

/// The meters of a process, each made when it is first asked for and alive as long as this. Any thread.
class LockMeters {
 public:
  explicit LockMeters(const Clock& clock) : clock_(&clock) {}
  LockMeter& of(std::string_view database, std::string_view work);
  [[nodiscard]] std::vector<LockHolds> all() const;

 private:
  const Clock* clock_;
  mutable std::mutex mutex_;  // guards meters_
  std::deque<LockMeter> meters_;
};

}  // namespace admetrics::sqlite
