#include "core/engine/dirty_rows.hpp"
#include "core/base/release.hpp"

#include "core/base/limits.hpp"

namespace admetrics {

void DirtyRows::add(RowKey row) {
  rows_.push_back(row);
  if (rows_.size() < kDirtyRowsListedMax) return;
  sort_unique(rows_);
  if (rows_.size() < kDirtyRowsListedMax / 2) return;
  for (const RowKey& listed : rows_) {
    if (cells_.empty() || cells_.back() != listed.cell) add_cell(listed.cell);
  }
  rows_.clear();
}

void DirtyRows::add_cell(CellKey cell) {
  cells_.push_back(cell);
  if (cells_.size() < cells_compacted_ * 2 + kDirtyRowsListedMax) return;
  sort_unique(cells_);
  cells_compacted_ = cells_.size();
}

void DirtyRows::clear() {
  release(rows_);
  release(cells_);
  cells_compacted_ = 0;
}

}  // namespace admetrics
