#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/engine/catch_up.hpp"
#include "core/engine/meta_ledger.hpp"
#include "core/engine/mismatch.hpp"
#include "core/engine/ports.hpp"
#include "core/engine/progress.hpp"
#include "core/engine/state.hpp"
#include "core/engine/worker_pool.hpp"
#include "core/model/reporting.hpp"

namespace admetrics {

class UserReader;
struct RejectChange;

/// What the engine may hold in memory; 0: no bound.
struct MemoryLimits {
  std::int64_t scan_bytes = 0;  // of a full scan, beside the state: more passes where it is small
  std::int64_t state_bytes =
      0;  // of the ledger in memory: a ledger or a scan that needs more is refused (kOutOfMemory)
  std::int64_t render_bytes = 0;  // of rows between rendering and writing
  std::size_t squeeze = 1;        // batches are so many times smaller than usual
};

struct EngineOptions {
  std::size_t workers = 1;
  std::size_t shards = 0;  // 0: kShardCountDefault
  MemoryLimits memory;
};

struct EpochRequest {
  Day as_of;                       // "today" in the reporting zone
  bool reconcile = false;          // read everything, whatever the change log says
  bool audit = false;              // also compare every stored row, and remove rows that should not be
  std::string audit_reason;        // why, where it is no wish of people
  std::optional<Day> audit_since;  // limits the comparison to rows of these days
  std::optional<Day> audit_until;
  // A share of a backfill: keys that are read again whether or not they changed, and rows (cells, names, pairs) that are
  // compared with what the sinks hold.
  std::vector<std::string> users;
  std::vector<AdDayKey> ad_days;
  std::vector<SinkKey> rows;
  bool purge = false;             // also remove rows whose key is none that anybody could have wanted
  Cause wish = Cause::kBackfill;  // what these are looked at for; the journal's cause where something had changed
  bool commit_always = false;     // also where nothing is new
  const std::atomic<bool>* stop = nullptr;  // once true, the epoch is given up (kInterrupted)
  std::function<void(const EpochProgress&)> on_progress;
  /// A sink failed, `attempt` times so far. True: try the commit again (after waiting); false: give the epoch up.
  std::function<bool(const std::string& sink, const Error& error, int attempt)> retry_sink;
};

/// Durations in microseconds.
struct EpochReport {
  EpochId epoch;
  bool committed = false;  // false: nothing was new
  bool reconciled = false;
  bool audited = false;
  std::string reason;   // why it reconciled or audited
  std::string warning;  // something failed that does no harm yet
  std::uint64_t records = 0;
  std::int64_t users_read = 0;
  std::int64_t ad_days_read = 0;
  std::int64_t cells_rendered = 0;
  std::vector<SinkReceipt> receipts;  // by sink
  Mismatches mismatches;              // of a self-audit's share (`EpochRequest::wish` is kAudit)
  std::int64_t read_micros = 0;
  std::int64_t render_micros = 0;  // rendering and writing go side by side
  std::int64_t commit_micros = 0;  // of the sinks
  std::int64_t ledger_micros = 0;
  std::int64_t total_micros = 0;

  [[nodiscard]] std::int64_t rows_written() const;
};

/// Engine: one epoch at a time, from a source snapshot to committed rows.
///
/// Threads:    one thread calls everything; parallel inside.
/// Invariants: (1) sinks commit before the ledger, the ledger before the source is acknowledged; (2) after an error
///             the state in memory is dropped and loaded again from the ledger, so that half an epoch never stays.
class Engine {
 public:
  Engine(const Reporting& reporting, EngineOptions options, const Clock& clock, Source& source, LedgerStore& ledger,
         std::vector<Sink*> sinks);
  ~Engine();

  /// Reads the ledger and asks the sinks where they stand. Called by `run_epoch` when needed.
  /// kOutOfMemory: the users do not fit.
  Status load(const std::function<void(const EpochProgress&)>& on_progress);

  /// Takes everything that the source has recorded, and commits it. Nothing dirty: commits nothing.
  Result<EpochReport> run_epoch(const EpochRequest& request);

  // For sinks that follow, between epochs (`core/engine/catch_up.hpp`).
  /// False before the first epoch, and after one that failed, until the ledger is loaded again.
  [[nodiscard]] bool can_catch_up() const { return state_ != nullptr && header_.epoch.value > 0; }
  /// What a sink lacks that stands at `epoch` of `ledger`.
  Result<CatchUp> begin_catch_up(const std::string& ledger, EpochId epoch);
  /// Renders the next keys, at most `keys_max`, as the ledger's epoch has them.
  Result<CatchUpStep> catch_up(CatchUp& at, std::size_t keys_max, RenderedRows& out);

  /// From the next batch on.
  void set_memory_limits(const MemoryLimits& limits) { options_.memory = limits; }

  // The change journal, between epochs. Everything that may differ between what was stored at epoch E and now is among
  // the keys behind a cursor of {E}, when E is not before `changes_listed_since`; else nobody knows.
  Result<EpochId> changes_listed_since();
  /// At most `limit` keys, as `LedgerStore::scan_changes` gives them. Loaded state is needed.
  Result<std::size_t> scan_changes(JournalCursor& cursor, std::size_t limit,
                                   const std::function<void(const SinkKey&)>& visit);

  [[nodiscard]] const LedgerHeader& header() const { return header_; }
  [[nodiscard]] std::vector<UnmappedValue> unmapped() const;
  [[nodiscard]] std::size_t user_count() const;
  /// Main rows of `day` that hold users; looks at every cell.
  [[nodiscard]] std::int64_t rows_with_users(Day day) const;
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  struct Plan;
  /// What the journal has to know of an epoch as a whole.
  struct JournalNotes {
    bool unlisted = false;  // what it changed is not told by its contributions and the sinks
    Causes how_found;       // belongs to every change
    Causes where_none;      // where no contribution changed, and a row was written all the same
  };

  Status read_source(const EpochRequest& request, EpochReport& report, EpochInput& input);
  Status read_mapping_changes(FactReader& reader, const Mappings& mappings, std::vector<AdDayKey>& ad_days);
  void mark_days_turned(Day from, Day to);
  [[nodiscard]] JournalNotes journal_notes(const EpochReport& report, const EpochRequest& request, bool first,
                                           bool settings_changed) const;
  Status mark_for_audit(bool everything, const EpochRequest& request);
  /// Marks the cells whose stored rows are not known to stand as they should, found without rendering. False: nothing was
  /// marked, and everything has to be.
  Result<bool> mark_what_differs(const EpochRequest& request, const std::function<void(const SinkKey&)>& mark_key);
  Result<Plan> make_plan();
  /// False: `quiet`, and every row stood as it should, so that nothing was committed.
  Result<bool> commit_sink(Sink& sink, const CommitHeader& header, const Plan& plan, const EpochRequest& request,
                           bool quiet, SinkReceipt& receipt, EpochReport& report);
  Status write_plan(Sink& sink, const Plan& plan, const EpochRequest& request);
  Status write_cells_inline(Sink& sink, const Plan& plan, Day as_of);
  Status write_cells_parallel(Sink& sink, const Plan& plan, const EpochRequest& request);
  Status save_ledger(const CommitHeader& header, const Mappings& mappings, const std::vector<RejectChange>& rejects);
  [[nodiscard]] bool is_quiet(const EpochRequest& request, const EpochReport& report, const EpochInput& input,
                              const Plan& plan, const std::vector<RejectChange>& rejects) const;
  void note_foreign_writes(const Plan& plan, const std::vector<SinkReceipt>& receipts, Mismatches& mismatches);
  Status render(const std::vector<JournalKey>& keys, RenderedRows& out);
  Status save_journal(const CommitHeader& header, const Plan& plan, const JournalNotes& notes,
                      std::vector<SinkReceipt>& receipts);
  void drop_state();
  /// kOutOfMemory, with what would be needed, when the state is larger than it may be after `share` of it was made.
  [[nodiscard]] Status check_memory(const State& state, double share) const;

  // Fixed after construction.
  const Reporting* reporting_;
  const std::string fingerprint_;
  const Clock* clock_;
  Source* source_;
  LedgerStore* ledger_;
  const std::vector<Sink*> sinks_;
  // The calling thread's, but shared with the workers while they run.
  EngineOptions options_;
  WorkerPool pool_;
  std::unique_ptr<State> state_;  // none: not loaded
  std::unique_ptr<MetaLedger> meta_;
  std::unique_ptr<UserReader> users_;
  LedgerHeader header_;
  std::uint64_t generation_ = 0;   // of the state: no other has the same
  std::uint32_t texts_saved_ = 1;  // dictionary ids below are in the ledger
  bool audit_needed_ = false;      // some sink holds rows that we cannot vouch for
  std::string audit_reason_;
  bool sink_ahead_ = false;            // a sink has an epoch that the ledger never heard of
  std::vector<SinkKey> keys_to_redo_;  // written by an epoch that the ledger never heard of
  // Rows that were compared without being rendered, by the open epoch's audit: main table, breakdown table.
  std::array<std::int64_t, 2> rows_standing_{};
};

}  // namespace admetrics
