#pragma once

#include <cstdint>
#include <vector>

#include "core/engine/dirty_rows.hpp"
#include "core/engine/user_shard.hpp"
#include "core/model/keys.hpp"

namespace admetrics {

/// RowShard: which users are in which cell, and which rows an epoch has to look at again.
///
/// Rows keep no totals: a row is rendered from its members' contributions, so nothing can drift, and a row costs
/// four bytes a member instead of a hundred and more of sums.
///
/// Threads:    `apply` by whoever holds the shard, in the epoch's first half; frozen while rows are rendered.
/// Invariants: (1) a cell without members is not stored; (2) a user is in a cell at most once.
class RowShard {
 public:
  RowShard();

  void apply(const CellChange& change);
  /// At start, before any epoch: a user of the ledger stands in this cell. Nothing gets dirty.
  void load(CellKey cell, UserRef user) { enter(cell, user); }

  /// The members of a cell, in no order.
  void members(CellKey cell, std::vector<UserRef>& out) const;
  [[nodiscard]] bool contains(CellKey cell) const;
  [[nodiscard]] std::size_t member_count(CellKey cell) const;
  template <class Visit>
  void for_each_cell(Visit&& visit) const {
    for (const Cell& cell : cells_) {
      if (cell.day != kNoDay) visit(CellKey{cell.entity, cell.day});
    }
  }

  /// What this epoch has to look at again.
  [[nodiscard]] const DirtyRows& dirty() const { return dirty_; }
  void mark_cell(CellKey cell, Causes causes = {}) { dirty_.add_cell(cell, causes); }
  void end_epoch();

  [[nodiscard]] std::size_t cell_count() const { return cell_count_; }
  [[nodiscard]] std::size_t memory_bytes() const;

 private:
  /// Two members stand in the cell itself; more stand in a list of their own.
  struct Cell {
    Entity entity;
    Day day = kNoDay;  // kNoDay: an empty place
    std::uint32_t first = kNobody;
    std::uint32_t second = kNobody;
  };
  static constexpr std::uint32_t kNobody = 0xffffffff;
  static constexpr std::uint32_t kInList = 0xfffffffe;  // in `second`: `first` is the list's number

  [[nodiscard]] std::size_t find_place(CellKey cell) const;
  void enter(CellKey cell, UserRef user);
  void leave(CellKey cell, UserRef user);
  void erase(std::size_t place);
  void grow();

  std::vector<Cell> cells_;  // open addressing
  std::size_t cell_count_ = 0;
  std::vector<std::vector<UserRef>> lists_;
  std::vector<std::uint32_t> free_lists_;
  DirtyRows dirty_;
};

}  // namespace admetrics
