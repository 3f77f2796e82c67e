#include "core/engine/row_shard.hpp"
#include "core/base/release.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace admetrics {

RowShard::RowShard() : cells_(64) {}

std::size_t RowShard::find_place(CellKey cell) const {
  const std::size_t mask = cells_.size() - 1;
  std::size_t place = cell.hash() & mask;
  while (cells_[place].day != kNoDay && (cells_[place].entity != cell.entity || cells_[place].day != cell.day)) {
    place = (place + 1) & mask;
  }
  return place;
}

void RowShard::apply(const CellChange& change) {
  switch (change.member) {
    case CellChange::Member::kStays: break;
    case CellChange::Member::kEnters: enter(change.cell, change.user); break;
    case CellChange::Member::kLeaves: leave(change.cell, change.user); break;
  }
  dirty_.add(RowKey{change.cell, Breakdown::kNone, {}}, change.causes);
  for (const Breakdown breakdown : kBreakdowns) {
    dirty_.add(RowKey{change.cell, breakdown, change.values[index_of(breakdown) - 1]}, change.causes);
  }
}

void RowShard::enter(CellKey key, UserRef user) {
  Cell& cell = cells_[find_place(key)];
  if (cell.day == kNoDay) {
    cell = Cell{key.entity, key.day, user.value, kNobody};
    ++cell_count_;
    if (cell_count_ * 4 > cells_.size() * 3) grow();
    return;
  }
  if (cell.second == kInList) {
    lists_[cell.first].push_back(user);
  } else if (cell.second == kNobody) {
    cell.second = user.value;
  } else {
    std::uint32_t list;
    if (!free_lists_.empty()) {
      list = free_lists_.back();
      free_lists_.pop_back();
    } else {
      list = static_cast<std::uint32_t>(lists_.size());
      lists_.emplace_back();
    }
    lists_[list].reserve(4);
    lists_[list] = {UserRef{cell.first}, UserRef{cell.second}, user};
    cell.first = list;
    cell.second = kInList;
  }
}

void RowShard::leave(CellKey key, UserRef user) {
  const std::size_t place = find_place(key);
  Cell& cell = cells_[place];
  ADM_CHECK(cell.day != kNoDay);  // who leaves was in
  if (cell.second == kInList) {
    auto& list = lists_[cell.first];
    const auto found = std::find(list.begin(), list.end(), user);
    ADM_CHECK(found != list.end());
    *found = list.back();
    list.pop_back();
    if (list.size() == 2) {
      const std::uint32_t number = cell.first;
      cell.first = list[0].value;
      cell.second = list[1].value;
      release(lists_[number]);
      free_lists_.push_back(number);
    }
    return;
  }
  if (cell.second == user.value) {
    cell.second = kNobody;
    return;
  }
  ADM_CHECK(cell.first == user.value);
  if (cell.second == kNobody) return erase(place);
  cell.first = cell.second;
  cell.second = kNobody;
}

void RowShard::erase(std::size_t place) {
  const std::size_t mask = cells_.size() - 1;
  std::size_t gap = place;
  for (std::size_t next = (gap + 1) & mask; cells_[next].day != kNoDay; next = (next + 1) & mask) {
    const std::size_t home = CellKey{cells_[next].entity, cells_[next].day}.hash() & mask;
    if (((next - home) & mask) >= ((next - gap) & mask)) {
      cells_[gap] = cells_[next];
      gap = next;
    }
  }
  cells_[gap] = Cell{};
  --cell_count_;
}

void RowShard::grow() {
  std::vector<Cell> old(cells_.size() * 2);
  old.swap(cells_);
  for (const Cell& cell : old) {
    if (cell.day != kNoDay) cells_[find_place(CellKey{cell.entity, cell.day})] = cell;
  }
}

void RowShard::members(CellKey key, std::vector<UserRef>& out) const {
  out.clear();
  const Cell& cell = cells_[find_place(key)];
  if (cell.day == kNoDay) return;
  if (cell.second == kInList) {
    out = lists_[cell.first];
    return;
  }
  out.push_back(UserRef{cell.first});
  if (cell.second != kNobody) out.push_back(UserRef{cell.second});
}

bool RowShard::contains(CellKey cell) const { return cells_[find_place(cell)].day != kNoDay; }

std::size_t RowShard::member_count(CellKey key) const {
  const Cell& cell = cells_[find_place(key)];
  if (cell.day == kNoDay) return 0;
  if (cell.second == kInList) return lists_[cell.first].size();
  return cell.second == kNobody ? 1 : 2;
}

void RowShard::end_epoch() { dirty_.clear(); }

std::size_t RowShard::memory_bytes() const {
  std::size_t bytes = cells_.capacity() * sizeof(Cell) + lists_.capacity() * sizeof(std::vector<UserRef>);
  for (const auto& list : lists_) bytes += list.capacity() * sizeof(UserRef);
  return bytes;
}

}  // namespace admetrics
