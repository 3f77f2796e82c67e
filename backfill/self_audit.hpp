#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "backfill/audit_settings.hpp"
#include "backfill/backfill.hpp"

namespace admetrics::backfill {

/// How the self-audit stands.
struct AuditProgress {
  AuditSettings settings;
  Progress cycle;                        // its list; state kNone: no cycle has begun
  double oldest_unverified_seconds = 0;  // no key has been looked at longer ago than this
  std::int64_t verified_total = 0;       // keys and rows that were looked at, since the start
  double cycle_seconds_needed = -1;      // what a cycle takes at this share; below 0: not known yet
  bool share_too_small = false;          // more than `every` leaves for one
};

/// SelfAudit: a backfill without end. One list of everything after another, in shares small enough for idle time.
///
/// A cycle is spread over half of `every`: a key that stands first in one list and last in the next is then still looked at
/// within `every`. After a share (or a plan) that took t, the next comes not before t * (1 / cpu_share - 1), so that a cycle
/// takes longer where the share is too small. Beside the list's next items a share has some that were drawn, and some that
/// changed lately, where errors are likeliest.
///
/// Threads: the pipeline's; `wake` comes from any.
class SelfAudit {
 public:
  /// The list is kept in `path`, so that a restart goes on where it was. `seed`: of the draws.
  SelfAudit(std::string path, Places places, const Clock& clock, std::uint64_t seed, std::function<void()> wake);

  /// Goes on with the cycle that was left.
  Status resume_after_restart() { return list_.resume_after_restart(); }
  /// From now on.
  void set(const AuditSettings& settings) { settings_ = settings; }

  /// When there is something to do next, in microseconds of the steady clock; INT64_MAX: nobody knows.
  std::int64_t ready_at_micros();
  /// Whether there is: then `share` shall be called, when nothing else is to do.
  bool ready() { return ready_at_micros() <= clock_->steady_micros(); }
  /// At most about `items_max` keys and rows. `recent` adds rows that changed lately, at most as many as it is told.
  /// Empty: a cycle has ended, or the next one begins.
  Result<Share> share(std::int64_t items_max, const std::function<Status(std::size_t, Share&)>& recent);
  /// The epoch that took it was through; share and epoch took so long.
  Status taken(const Share& share, std::int64_t micros);
  /// It was not, and is tried again: later, as after work of that length.
  void not_taken(std::int64_t micros) { rest_after(micros); }
  /// Nothing was done: no share for so long.
  void put_off(std::int64_t micros) { rest_until_micros_ = clock_->steady_micros() + micros; }

  [[nodiscard]] AuditProgress progress() const;

 private:
  void rest_after(std::int64_t micros);
  [[nodiscard]] std::int64_t wall_micros() const;
  [[nodiscard]] double cycle_seconds() const;
  Status begin_cycle();

  // Fixed after construction.
  const Clock* clock_;
  // The pipeline's thread.
  AuditSettings settings_;
  Backfill list_;
  std::mt19937_64 random_;
  std::int64_t rest_until_micros_ = 0;
  std::int64_t planning_since_micros_ = 0;  // 0: no plan of this run is being made
  std::int64_t verified_ = 0;
  double busy_micros_ = 0;       // of shares
  std::int64_t items_busy_ = 0;  // items of the list in these
};

}  // namespace admetrics::backfill
