#include "core/sqlite/lock_meter.hpp"

#include <algorithm>
#include <numeric>

namespace admetrics::sqlite {

std::uint64_t LockHolds::count() const { return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}); }

LockMeter::LockMeter(const Clock& clock, std::string database, std::string work) : clock_(&clock) {
  holds_.database = std::move(database);
  holds_.work = std::move(work);
}

void LockMeter::note(std::int64_t held_micros) {
  const auto bound = std::lower_bound(LockHolds::kBoundsMicros.begin(), LockHolds::kBoundsMicros.end(), held_micros);
  const std::lock_guard lock(mutex_);
  ++holds_.counts[static_cast<std::size_t>(bound - LockHolds::kBoundsMicros.begin())];
  holds_.sum_micros += held_micros;
  holds_.max_micros = std::max(holds_.max_micros, held_micros);
}

LockHolds LockMeter::holds() const {
  const std::lock_guard lock(mutex_);
  return holds_;
}

LockMeter& LockMeters::of(std::string_view database, std::string_view work) {
  const std::lock_guard lock(mutex_);
  for (LockMeter& meter : meters_) {
    const LockHolds holds = meter.holds();
    if (holds.database == database && holds.work == work) return meter;
  }
  return meters_.emplace_back(*clock_, std::string(database), std::string(work));
}

std::vector<LockHolds> LockMeters::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<LockHolds> all;
  for (const LockMeter& meter : meters_) all.push_back(meter.holds());
  return all;
}

}  // namespace admetrics::sqlite
