#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/engine/meta_ledger.hpp"
#include "core/engine/ports.hpp"
#include "core/engine/progress.hpp"
#include "core/engine/state.hpp"
#include "core/engine/worker_pool.hpp"

namespace admetrics {

/// StoredComparison: reads every stored metric row once, in the order in which the rows lie there, and finds the cells
/// whose rows stand exactly as the state says. Nothing is rendered: numbers are made and compared, lists are compared
/// with the members' ids as they come. All other cells are for rendering and writing, which judges by itself; so this
/// may say "differs" of a cell that does not, and never "equal" of one that does.
///
/// Threads:    the pipeline's thread calls; parallel inside, while the state is frozen. The Meta ledger is asked by one
///             worker at a time.
class StoredComparison {
 public:
  StoredComparison(const State& state, MetaLedger& meta, Day today, int trial_length_days);
  ~StoredComparison();

  /// `readers`: one for each worker of the pool. kUnsupported: the rows lie in such disorder that rendering all is
  /// cheaper; nothing is known then. `stop`: once true, ends with kInterrupted; may be none. `progress` counts parts.
  Status run(WorkerPool& pool, std::span<const std::unique_ptr<StoredRowReader>> readers, std::size_t cells_expected,
             const std::atomic<bool>* stop, StageProgress& progress);

  /// After `run`: whether every row of the cell stands as it should, and no other.
  [[nodiscard]] bool stands(CellKey cell) const;
  /// Every cell that has a stored row, in key order.
  template <class Visit>
  void for_each_stored_cell(Visit&& visit) const {
    for (const Seen& seen : seen_) visit(seen.cell);
  }
  /// Stored cells of entities that the state has never heard of; with duplicates.
  [[nodiscard]] const std::vector<SinkKey>& strangers() const { return strangers_; }
  /// Rows of the cells that stand: of the main table, of the breakdown table.
  [[nodiscard]] std::int64_t main_rows(CellKey cell) const;
  [[nodiscard]] std::int64_t breakdown_rows(CellKey cell) const;

 private:
  class Worker;
  /// What was met of a cell, at one or several places. Each row has a number of its own, well mixed: the sums of those
  /// that were met and of those that should be are equal when each was met once.
  struct Seen {
    CellKey cell;
    bool differs = false;
    std::uint32_t main_rows = 0;
    std::uint32_t breakdown_rows = 0;
    std::uint64_t expected = 0;
    std::uint64_t met = 0;
  };
  [[nodiscard]] const Seen* find(CellKey cell) const;

  const State* state_;
  MetaLedger* meta_;
  const Day today_;
  const int trial_length_days_;
  std::mutex meta_mutex_;
  std::atomic<std::size_t> cells_built_{0};
  std::vector<Seen> seen_;  // by cell, each once
  std::vector<SinkKey> strangers_;
};

}  // namespace admetrics
