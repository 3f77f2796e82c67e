#pragma once

#include <vector>

#include "core/model/cause.hpp"
#include "core/model/keys.hpp"

namespace admetrics {

struct DirtyRow {
  RowKey key;
  Causes causes;  // why its values may differ; none: it shall only be compared
};

struct DirtyCell {
  CellKey key;
  Causes causes;
};

/// The rows that an epoch has to look at again, and why. Bounded by the number of cells: past `kDirtyRowsListedMax` rows
/// it remembers whole cells instead. One thread at a time.
class DirtyRows {
 public:
  void add(RowKey row, Causes causes = {});
  /// All rows of the cell, whichever it had and has.
  void add_cell(CellKey cell, Causes causes = {});
  void clear();

  [[nodiscard]] const std::vector<DirtyRow>& rows() const { return rows_; }     // with duplicates, in no order
  [[nodiscard]] const std::vector<DirtyCell>& cells() const { return cells_; }  // likewise
  [[nodiscard]] bool empty() const { return rows_.empty() && cells_.empty(); }

 private:
  std::vector<DirtyRow> rows_;
  std::vector<DirtyCell> cells_;
  std::size_t cells_compacted_ = 0;  // how many there were after the last removal of duplicates
};

/// Sorts by key and removes duplicates; one that is left has the causes of all of them.
void merge_duplicates(std::vector<DirtyRow>& rows);
void merge_duplicates(std::vector<DirtyCell>& cells);

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
