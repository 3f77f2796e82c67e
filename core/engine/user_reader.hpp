#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/engine/inbox.hpp"
#include "core/engine/mismatch.hpp"
#include "core/engine/ports.hpp"
#include "core/engine/progress.hpp"
#include "core/engine/state.hpp"
#include "core/engine/worker_pool.hpp"
#include "core/metrics/facts.hpp"

namespace admetrics {

/// What one owner's rejects became, for the ledger.
struct RejectChange {
  std::string owner;
  std::uint64_t digest = 0;
  std::vector<Reject> rejects;
};

/// UserReader: from dirty users, or from everything, to applied contributions.
///
/// Threads:    called by the pipeline's thread. Parallel inside: workers read facts at the epoch's snapshot, apply them
///             to the user shards that they hold, and post what follows to row shards.
/// Invariants: every user is applied at most once an epoch.
class UserReader {
 public:
  UserReader(State& state, const Reporting& reporting, WorkerPool& pool);
  ~UserReader();

  /// Looks up and applies each of `users`. Runs here when they are few, or when the source allows one reader only.
  /// `tables`: as `EpochInput::user_tables` says, with `wished` for those that no record names.
  Status apply(Source& source, const std::vector<std::string>& users, const std::vector<std::uint8_t>& tables);

  /// Reads everything and withdraws users that are gone. `meanwhile` runs on this thread while workers scan; it may
  /// use reader 0. Holds about `kScanBytesPerUser` a user, in as many passes as `memory_bytes_max` asks for; `after_pass`
  /// gets the share of users that are through, and may end it. `progress` counts rows and is told on this thread.
  Status reconcile(Source& source, std::int64_t users_estimate, std::int64_t memory_bytes_max,
                   const std::function<Status()>& meanwhile, const std::function<Status(double)>& after_pass,
                   StageProgress& progress);

  /// For the causes of changes: "today", and why users are read whom no record names. Before an epoch's users. Of these,
  /// those that differ are added to `missed`, where there is one.
  void begin_epoch(Day today, Causes wished, Mismatches* missed = nullptr) {
    today_ = today;
    wished_ = wished;
    missed_ = missed;
  }

  [[nodiscard]] std::vector<RejectChange> take_reject_changes();
  [[nodiscard]] std::size_t users_read() const { return users_read_; }
  void end_epoch();

 private:
  struct Worker;
  struct ScanBatch;
  struct ScanShard;
  class LookupVisitor;
  class ScanVisitor;

  using RowPost = std::function<void(std::size_t, std::vector<CellChange>&&)>;

  /// `records`: the tables that name the user; none: not known.
  void apply_user(Worker& worker, std::string_view distinct_id, const UserFacts& facts, std::vector<Reject> rejects,
                  std::optional<std::uint8_t> records);
  Status lookup(Worker& worker, FactReader& reader, std::string_view distinct_id, std::optional<std::uint8_t> records);
  Status scan_pass(Source& source, std::size_t readers, std::size_t pass, std::size_t pass_count,
                   const std::function<Status()>& meanwhile, StageProgress& progress);
  void finish_shard(Worker& worker, std::size_t shard, std::size_t pass, std::size_t pass_count);
  void drain_rows();
  void take_missed();
  Worker& worker(std::size_t index);

  State* state_;
  const Reporting* reporting_;
  WorkerPool* pool_;
  std::vector<std::unique_ptr<Worker>> workers_;  // one for each thread of the pool, then the pipeline's own
  std::vector<std::unique_ptr<Inbox<CellChange>>> row_inboxes_;
  std::vector<std::unique_ptr<ScanShard>> scan_shards_;  // while a full scan runs
  std::size_t users_read_ = 0;
  Day today_ = kNoDay;
  Causes wished_;
  Mismatches* missed_ = nullptr;
};

}  // namespace admetrics
