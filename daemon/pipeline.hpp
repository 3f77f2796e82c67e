#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "backfill/backfill.hpp"
#include "backfill/self_audit.hpp"
#include "core/base/clock.hpp"
#include "core/engine/engine.hpp"
#include "core/sqlite/lock_meter.hpp"
#include "daemon/auditor.hpp"
#include "daemon/board.hpp"
#include "daemon/config.hpp"
#include "daemon/memory_guard.hpp"
#include "daemon/orders.hpp"
#include "daemon/status.hpp"
#include "follow/follower.hpp"
#include "sinks/sqlite/sqlite_sink.hpp"
#include "sources/changelog/changelog_source.hpp"
#include "sources/sqlite/sqlite_source.hpp"
#include "state/ledger_store.hpp"

namespace admetrics {

struct RunOptions {
  bool once = false;
  bool quiet = false;     // with `once`: no summary on standard output
  bool reloaded = false;  // it ran before, under another configuration: what fails now may pass
  bool backfill = false;
  std::optional<Day> since;
  std::optional<Day> until;
  std::optional<Day> as_of;
};

/// Pipeline: runs epochs until it is told to stop, and alone decides what to do about errors.
///
/// Threads: `run` belongs to one thread, the rest may be called from any.
class Pipeline {
 public:
  /// `on_open` is called on the pipeline's thread once everything is opened and the state folder is ours.
  Pipeline(const Config& config, const RunOptions& options, const Clock& clock, Board& board, Orders& orders,
           std::function<void()> on_open);
  ~Pipeline();

  /// Opens everything and runs epochs: to the end of what is recorded with `once`, else until `stop`.
  /// An error is final: nothing that waiting would mend, or (with `once`) a wait that took too long.
  Status run();

  /// The source may have changed: look. A hint; without it the pipeline looks every kPollMs.
  void notify();
  /// Whether the first epoch is through: a backfill, where one was asked for.
  [[nodiscard]] bool caught_up() const { return caught_up_.load(); }
  /// From now on, without a break.
  void set_tunables(const Tunables& tunables);
  /// Rises while the pipeline lives: while it waits, and with each step of a long epoch.
  [[nodiscard]] std::uint64_t heartbeats() const {
    return heartbeats_.load(std::memory_order_relaxed) + rows_read_.load(std::memory_order_relaxed);
  }
  /// Exists from `on_open` on.
  [[nodiscard]] backfill::Backfill* backfill() const { return backfill_.get(); }
  /// Ends `run` soon: a long epoch is given up, which loses nothing.
  void stop();

 private:
  Status open();
  /// One epoch with its retries; false when asked to stop.
  Result<bool> run_epoch(bool first);
  /// Whether the source has something new, as far as can be seen cheaply.
  bool source_changed();
  [[nodiscard]] EpochRequest request_for(bool first);
  /// Waits until `notify`, `stop`, or `milliseconds` passed, or a while: callers look at the clock themselves.
  void wait(std::int64_t milliseconds);
  void wait_for_work();
  /// With `once`: until every sink that follows stands where the ledger stands.
  Status wait_for_followers();
  /// Waits while paused; false when asked to stop.
  bool wait_while_paused();
  [[nodiscard]] Tunables tunables() const;
  // A counter that nothing else is ordered by.
  void beat() { heartbeats_.fetch_add(1, std::memory_order_relaxed); }
  bool wait_to_retry(const Error& error, int attempt);
  [[nodiscard]] Day today() const;
  void note_epoch(const EpochReport& report);
  /// Sets how much the engine may hold, by the memory in use now.
  void mind_memory();
  void note_held_days();
  Status open_changelog();
  /// Says what the change log's reader has to say.
  void note_changelog();
  /// Sends a heartbeat on its way when nothing else went for a while. True: the next epoch carries it.
  bool send_heartbeat_when_due();
  void note_passage();
  /// Between epochs: says what changes by itself next. Its rows are counted once a minute.
  void look_ahead(std::int64_t now_micros);
  /// Waits, and only a stop ends it early.
  void pause(std::int64_t micros);
  void begin_backfill(const EpochReport& first_epoch);
  void take_backfill_share(EpochRequest& request);
  /// Keys and rows of one share, of a backfill or the self-audit.
  [[nodiscard]] std::int64_t share_items() const;
  /// When the self-audit may take its next share, in microseconds of the steady clock; INT64_MAX: not while it is so.
  std::int64_t audit_ready_at_micros();
  [[nodiscard]] bool audit_ready() { return audit_ready_at_micros() <= clock_->steady_micros(); }
  void write_status(const char* phase, bool now);
  void tell_progress(const EpochProgress& progress);

  // Fixed after construction.
  const Config* config_;
  const RunOptions options_;
  const Clock* clock_;
  Board* board_;
  Orders* orders_;
  const std::function<void()> on_open_;
  const bool terminal_;       // standard error is one: progress is a line that moves
  sqlite::LockMeters locks_;  // before those whose connections it measures
  // The pipeline's thread.
  std::unique_ptr<SqliteLedger> ledger_;
  std::unique_ptr<source::SqliteSource> source_;
  std::unique_ptr<source::ChangelogSource> changelog_;  // feeds the tables that source_ reads; none: somebody else does
  std::unique_ptr<sink::SqliteSink> sink_;
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<follow::Followers> followers_;
  std::unique_ptr<backfill::Backfill> backfill_;
  backfill::Share share_;  // of the epoch that runs
  std::unique_ptr<backfill::SelfAudit> audit_;
  std::unique_ptr<Auditor> auditor_;
  bool audit_due_ = false;  // the next epoch is begun for it
  DaemonStatus status_;
  std::int64_t status_written_micros_ = 0;
  std::int64_t verification_read_micros_ = 0;
  std::int64_t looked_ahead_micros_ = 0;
  std::int64_t progress_told_micros_ = 0;
  MemoryGuard memory_;
  std::int64_t memory_minded_micros_ = 0;  // while an epoch runs
  std::string_view stage_;                 // of the epoch that runs
  std::int64_t noticed_micros_ = 0;        // when the change that waits was seen; 0: none waits
  std::int64_t epoch_started_micros_ = 0;
  std::int64_t passed_micros_ = 0;          // when something last came through the whole way, or we began
  std::int64_t heartbeat_sent_micros_ = 0;  // 0: none is on its way
  std::int64_t retry_until_micros_ = 0;
  bool progress_line_open_ = false;
  // Any thread.
  mutable std::mutex mutex_;  // guards notified_ and tunables_
  std::condition_variable woken_;
  bool notified_ = false;
  Tunables tunables_;
  std::atomic<std::uint64_t> heartbeats_{0};
  std::atomic<std::uint64_t> rows_read_{0};
  std::atomic<bool> stop_{false};
  std::atomic<bool> caught_up_{false};
};

}  // namespace admetrics
