#include "core/engine/dirty_rows.hpp"
#include "core/base/release.hpp"

#include "core/base/limits.hpp"

namespace admetrics {
namespace {

template <class T>
void merge(std::vector<T>& items) {
  std::sort(items.begin(), items.end(), [](const T& a, const T& b) { return a.key < b.key; });
  std::size_t kept = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (kept > 0 && items[kept - 1].key == items[i].key) {
      items[kept - 1].causes |= items[i].causes;
    } else {
      items[kept++] = items[i];
    }
  }
  items.resize(kept);
}

}  // namespace

void merge_duplicates(std::vector<DirtyRow>& rows) { merge(rows); }
void merge_duplicates(std::vector<DirtyCell>& cells) { merge(cells); }

void DirtyRows::add(RowKey row, Causes causes) {
  rows_.push_back({row, causes});
  if (rows_.size() < kDirtyRowsListedMax) return;
  merge_duplicates(rows_);
  if (rows_.size() < kDirtyRowsListedMax / 2) return;
  for (std::size_t i = 0; i < rows_.size();) {
    const CellKey cell = rows_[i].key.cell;
    Causes all;
    for (; i < rows_.size() && rows_[i].key.cell == cell; ++i) all |= rows_[i].causes;
    add_cell(cell, all);
  }
  rows_.clear();
}

void DirtyRows::add_cell(CellKey cell, Causes causes) {
  cells_.push_back({cell, causes});
  if (cells_.size() < cells_compacted_ * 2 + kDirtyRowsListedMax) return;
  merge_duplicates(cells_);
  cells_compacted_ = cells_.size();
}

void DirtyRows::clear() {
  release(rows_);
  release(cells_);
  cells_compacted_ = 0;
}

}  // namespace admetrics
