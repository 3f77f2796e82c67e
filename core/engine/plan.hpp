#pragma once

#include <vector>

#include "core/engine/dirty_rows.hpp"
#include "core/engine/engine.hpp"

namespace admetrics {

/// A mark among causes that is never stored: an epoch that the ledger has not heard of may have changed it, so the journal
/// lists it in any case.
inline constexpr Causes kMayHaveChanged = Causes::from_bits(1U << 15U);

/// What an epoch writes, in the order in which sinks get it (`write_week_of`).
struct Engine::Plan {
  struct Item {
    std::uint32_t rank = 0;  // of the entity, by level name and text
    CellKey cell;
    bool whole = false;
    std::uint32_t rows_begin = 0;  // into rows
    std::uint32_t rows_end = 0;
    Causes whole_causes;  // of all its rows, beside what `rows` says of each; none and no row: it is only compared
  };
  std::vector<Item> cells;
  std::vector<DirtyRow> rows;  // ascending; those of cells that are written whole, too
  std::vector<NameWrite> names;
  std::vector<HierarchyWrite> hierarchies;
  bool purge_unrecognized = false;

  [[nodiscard]] bool empty() const {
    return cells.empty() && names.empty() && hierarchies.empty() && !purge_unrecognized;
  }
  [[nodiscard]] std::span<const DirtyRow> rows_of(const Item& item) const {
    return std::span(rows).subspan(item.rows_begin, item.rows_end - item.rows_begin);
  }
};

}  // namespace admetrics
