#include "core/engine/dirty_rows.hpp"

#include <gtest/gtest.h>

#include <set>

#include "core/base/limits.hpp"
#include "tests/core/draw.hpp"

namespace admetrics {
namespace {

CellKey cell_of(std::size_t number) {
  return {Entity(Level::kAd, DictionaryId{static_cast<std::uint32_t>(number / 1'000 + 1)}),
          Day{static_cast<std::int32_t>(number % 1'000)}};
}
RowKey row_of(std::size_t cell, std::uint32_t value) {
  return {cell_of(cell), Breakdown::kCountry, DictionaryId{value}};
}

std::vector<RowKey> keys_of(const std::vector<DirtyRow>& rows) {
  std::vector<RowKey> keys;
  keys.reserve(rows.size());
  for (const DirtyRow& row : rows) keys.push_back(row.key);
  return keys;
}
std::vector<CellKey> keys_of(const std::vector<DirtyCell>& cells) {
  std::vector<CellKey> keys;
  keys.reserve(cells.size());
  for (const DirtyCell& cell : cells) keys.push_back(cell.key);
  return keys;
}

/// Every row is listed, or its whole cell is.
bool covers(const DirtyRows& dirty, const std::set<RowKey>& wanted) {
  const auto row_list = keys_of(dirty.rows());
  const auto cell_list = keys_of(dirty.cells());
  const std::set<RowKey> rows(row_list.begin(), row_list.end());
  const std::set<CellKey> cells(cell_list.begin(), cell_list.end());
  for (const RowKey& row : wanted) {
    if (!rows.contains(row) && !cells.contains(row.cell)) return false;
  }
  return true;
}

TEST(DirtyRows, ListsTheRowsThatItWasGiven) {
  DirtyRows dirty;
  EXPECT_TRUE(dirty.empty());
  dirty.add(row_of(1, 1));
  dirty.add(row_of(1, 2));
  dirty.add(row_of(2, 1));
  std::vector<RowKey> rows = keys_of(dirty.rows());
  sort_unique(rows);
  EXPECT_EQ(rows, (std::vector<RowKey>{row_of(1, 1), row_of(1, 2), row_of(2, 1)}));
  EXPECT_TRUE(dirty.cells().empty());
  EXPECT_FALSE(dirty.empty());
}

TEST(DirtyRows, AWholeCellIsEnough) {
  DirtyRows dirty;
  dirty.add_cell(cell_of(1));
  EXPECT_FALSE(dirty.empty());
  EXPECT_EQ(keys_of(dirty.cells()), std::vector<CellKey>{cell_of(1)});
  EXPECT_TRUE(dirty.rows().empty());
}

TEST(DirtyRows, FewRowsRepeatedOftenStayRows) {
  DirtyRows dirty;
  for (std::size_t i = 0; i < kDirtyRowsListedMax * 3; ++i) {
    dirty.add(row_of(i % 100, 1));
    ASSERT_LE(dirty.rows().size(), kDirtyRowsListedMax);
  }
  EXPECT_TRUE(dirty.cells().empty());
  std::vector<RowKey> rows = keys_of(dirty.rows());
  sort_unique(rows);
  EXPECT_EQ(rows.size(), 100U);
}

TEST(DirtyRows, FallsBackOnWholeCellsWhenThereAreTooMany) {
  constexpr std::size_t kCells = 300;
  constexpr std::uint32_t kValues = 1'000;  // 300,000 rows
  DirtyRows dirty;
  std::set<RowKey> wanted;
  for (std::uint32_t value = 1; value <= kValues; ++value) {
    for (std::size_t cell = 0; cell < kCells; ++cell) {
      dirty.add(row_of(cell, value));
      wanted.insert(row_of(cell, value));
    }
    ASSERT_LE(dirty.rows().size(), kDirtyRowsListedMax);
  }
  EXPECT_FALSE(dirty.cells().empty());
  EXPECT_TRUE(covers(dirty, wanted));
  std::vector<CellKey> cells = keys_of(dirty.cells());
  sort_unique(cells);
  EXPECT_LE(cells.size(), kCells);
}

TEST(DirtyRows, NeverLosesARow) {
  Draw draw(1);
  DirtyRows dirty;
  std::set<RowKey> wanted;
  for (int i = 0; i < 250'000; ++i) {
    // Few cells at first, more and more later; some rows often.
    const RowKey row =
        row_of(draw.below(static_cast<std::uint64_t>(i) / 100 + 1), static_cast<std::uint32_t>(draw.below(40)));
    dirty.add(row);
    wanted.insert(row);
    if (draw.chance(1)) {
      const CellKey cell = cell_of(draw.below(5'000));
      dirty.add_cell(cell);
      wanted.insert(RowKey{cell, Breakdown::kRegion, DictionaryId{1}});
    }
  }
  EXPECT_TRUE(covers(dirty, wanted));
}

TEST(DirtyRows, IsBoundedByTheNumberOfCells) {
  constexpr std::size_t kCells = 1'000;
  DirtyRows dirty;
  for (std::size_t i = 0; i < kDirtyRowsListedMax * 10; ++i) {
    dirty.add_cell(cell_of(i % kCells));
    ASSERT_LE(dirty.cells().size(), kDirtyRowsListedMax + 2 * kCells);
  }
  std::vector<CellKey> cells = keys_of(dirty.cells());
  sort_unique(cells);
  EXPECT_EQ(cells.size(), kCells);
}

TEST(DirtyRows, ForgetsEverythingWhenCleared) {
  DirtyRows dirty;
  dirty.add(row_of(1, 1));
  dirty.add_cell(cell_of(2));
  dirty.clear();
  EXPECT_TRUE(dirty.empty());
  dirty.add(row_of(3, 1));
  EXPECT_EQ(keys_of(dirty.rows()), std::vector<RowKey>{row_of(3, 1)});
}

}  // namespace
}  // namespace admetrics
