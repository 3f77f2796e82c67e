#pragma once

#include <vector>

#include "core/engine/engine.hpp"

namespace admetrics {

/// What an epoch writes, in the order of the sinks' keys: (level name, entity id, day), so that inserts go one way.
struct Engine::Plan {
  struct Item {
    std::uint32_t rank = 0;  // of the entity, by text
    CellKey cell;
    bool whole = false;
    std::uint32_t rows_begin = 0;  // into rows
    std::uint32_t rows_end = 0;
  };
  std::vector<Item> cells;
  std::vector<RowKey> rows;
  std::vector<NameWrite> names;
  std::vector<HierarchyWrite> hierarchies;
  bool purge_unrecognized = false;

  [[nodiscard]] bool empty() const {
    return cells.empty() && names.empty() && hierarchies.empty() && !purge_unrecognized;
  }
};

}  // namespace admetrics
