#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "backfill/self_audit.hpp"
#include "core/base/clock.hpp"
#include "core/engine/engine.hpp"
#include "sinks/sqlite/sqlite_sink.hpp"

namespace admetrics {

/// What the self-audit has looked at and found, since the pipeline started.
struct SelfAuditStatus {
  struct Found {
    std::string at;
    Mismatch mismatch;
  };
  backfill::AuditProgress progress;
  std::array<std::int64_t, Mismatch::kKinds> mismatches_total{};
  std::vector<Found> last_mismatches;  // the latest first
};

/// Auditor: gives epochs what the self-audit wants looked at, a share of its list in idle time or what somebody else seems
/// to have written to our tables, and tells people what they found.
///
/// Threads: the pipeline's.
class Auditor {
 public:
  Auditor(backfill::SelfAudit& list, Engine& engine, sink::SqliteSink& sink, const Clock& clock)
      : list_(&list), engine_(&engine), sink_(&sink), clock_(&clock) {}

  /// Whether somebody else seems to have written to our tables, and it is time to compare.
  bool foreign_work_due();
  /// Makes the next epoch compare it, and nothing else.
  void compare_foreign_work(EpochRequest& request);
  /// Adds the list's next share, of about `items_max` keys and rows, to the next epoch.
  void take_share(EpochRequest& request, std::int64_t items_max);
  /// The epoch that was asked last is through; null: it failed.
  void end_epoch(const EpochReport* report);

  /// Looks how the list stands, and warns of what has changed for the worse.
  const SelfAuditStatus& status();

 private:
  void note_mismatches(const Mismatches& mismatches);

  // Fixed after construction.
  backfill::SelfAudit* list_;
  Engine* engine_;
  sink::SqliteSink* sink_;
  const Clock* clock_;

  SelfAuditStatus status_;
  JournalCursor seen_changes_;
  // Of the epoch that runs:
  backfill::Share share_;
  std::int64_t share_began_micros_ = 0;
  bool comparing_ = false;              // it compares `foreign_`
  sink::ForeignWork foreign_;           // not compared yet
  std::int64_t compare_at_micros_ = 0;  // all rows, not before
  std::int64_t told_since_micros_ = 0;  // the log names so many mismatches in a minute
  std::size_t told_ = 0;
};

}  // namespace admetrics
