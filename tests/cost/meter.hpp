#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace admetrics::cost {

/// What was done between two moments. The same work on the same data gives the same numbers on any machine, however busy.
struct Figures {
  std::int64_t statements = 0;   // of SQLite, run to their end or given up
  std::int64_t vm_steps = 0;     // instructions of SQLite's machine
  std::int64_t pages = 0;        // written to a database's file or its log; checkpoints left out
  std::int64_t allocations = 0;  // by operator new: SQLite has its own

  [[nodiscard]] std::vector<std::pair<std::string_view, std::int64_t>> named() const {
    return {{"statements", statements}, {"vm_steps", vm_steps}, {"pages", pages}, {"allocations", allocations}};
  }
  friend Figures operator-(Figures a, const Figures& b) {
    a.statements -= b.statements;
    a.vm_steps -= b.vm_steps;
    a.pages -= b.pages;
    a.allocations -= b.allocations;
    return a;
  }
};

/// Meter: counts everything that this process does from the first call of `watch` on, on every connection opened after
/// it. Threads: SQLite and operator new may be called by any; `figures` by one, while nothing else runs.
void watch();
Figures figures();

}  // namespace admetrics::cost
