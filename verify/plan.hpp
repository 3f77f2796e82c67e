#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "verify/verify.hpp"

namespace admetrics {

/// What a backfill would do to the rows of one table and level, on one day or on all.
struct PlannedRows {
  std::uint64_t inserted = 0;
  std::uint64_t updated = 0;
  std::uint64_t deleted = 0;
  std::uint64_t unchanged = 0;
  std::map<std::string, std::pair<double, double>> money;  // by column: the sum over these rows before, and after

  [[nodiscard]] bool changes() const { return inserted + updated + deleted > 0; }
};

struct PlanReport {
  Day as_of;
  struct Level {
    std::string table;
    std::string level;  // entity_type; of a mapping table too
    PlannedRows rows;
    std::map<std::string, PlannedRows> days;  // only days on which something changes
  };
  std::vector<Level> levels;
  std::vector<std::string> notes;
  PlannedRows total;
};

/// Says what `run --backfill` would write, and writes nothing: the rows are computed as by `verify`, from the raw tables as
/// they are, and held against what stands, whatever shape it has. `options.as_of` must be given.
Result<PlanReport> plan_backfill(const VerifyOptions& options);

std::string to_text(const PlanReport& report);
std::string to_json(const PlanReport& report);

}  // namespace admetrics
