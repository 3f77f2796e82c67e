#pragma once

#include <vector>

#include "core/model/keys.hpp"

namespace admetrics {

/// The rows that an epoch has to look at again. Bounded by the number of cells: past `kDirtyRowsListedMax` rows it
/// remembers whole cells instead. One thread at a time.
class DirtyRows {
 public:
  void add(RowKey row);
  /// All rows of the cell, whichever it had and has.
  void add_cell(CellKey cell);
  void clear();

  [[nodiscard]] const std::vector<RowKey>& rows() const { return rows_; }     // with duplicates, in no order
  [[nodiscard]] const std::vector<CellKey>& cells() const { return cells_; }  // likewise
  [[nodiscard]] bool empty() const { return rows_.empty() && cells_.empty(); }

 private:
  std::vector<RowKey> rows_;
  std::vector<CellKey> cells_;
  std::size_t cells_compacted_ = 0;  // how many there were after the last removal of duplicates
};

/// Sorts and removes duplicates.
template <class T>
void sort_unique(std::vector<T>& items);

}  // namespace admetrics

#include <algorithm>

template <class T>
void admetrics::sort_unique(std::vector<T>& items) {
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
}
