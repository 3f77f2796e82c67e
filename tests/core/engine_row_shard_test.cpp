#include "core/engine/row_shard.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "tests/core/draw.hpp"

namespace admetrics {
namespace {

using Model = std::map<CellKey, std::set<UserRef>>;
using Member = CellChange::Member;

constexpr std::array<DictionaryId, 3> kValues{DictionaryId{11}, DictionaryId{12}, DictionaryId{13}};

class RowShardTest : public testing::Test {
 protected:
  static CellKey cell(std::uint32_t id, std::int32_t day) { return {Entity(Level::kAd, DictionaryId{id}), Day{day}}; }

  void change(CellKey key, std::uint32_t user, Member member) {
    shard_.apply(CellChange{key, UserRef{user}, member, kValues, {}});
    if (member == Member::kEnters) model_[key].insert(UserRef{user});
    if (member == Member::kLeaves) {
      model_[key].erase(UserRef{user});
      if (model_[key].empty()) model_.erase(key);
    }
  }
  void enter(CellKey key, std::uint32_t user) { change(key, user, Member::kEnters); }
  void leave(CellKey key, std::uint32_t user) { change(key, user, Member::kLeaves); }

  void expect_model() {
    ASSERT_EQ(shard_.cell_count(), model_.size());
    std::vector<UserRef> members;
    for (const auto& [key, users] : model_) {
      ASSERT_TRUE(shard_.contains(key));
      ASSERT_EQ(shard_.member_count(key), users.size());
      shard_.members(key, members);
      std::sort(members.begin(), members.end());
      ASSERT_TRUE(std::equal(members.begin(), members.end(), users.begin(), users.end()));
    }
    std::set<CellKey> visited;
    shard_.for_each_cell([&](CellKey key) { EXPECT_TRUE(visited.insert(key).second); });
    ASSERT_EQ(visited.size(), model_.size());
    for (const CellKey& key : visited) ASSERT_TRUE(model_.contains(key));
  }

  RowShard shard_;
  Model model_;
};

TEST_F(RowShardTest, ACellWithoutMembersIsNotStored) {
  EXPECT_FALSE(shard_.contains(cell(1, 1)));
  enter(cell(1, 1), 5);
  expect_model();
  leave(cell(1, 1), 5);
  expect_model();
  EXPECT_FALSE(shard_.contains(cell(1, 1)));
  EXPECT_EQ(shard_.member_count(cell(1, 1)), 0U);
  std::vector<UserRef> members{UserRef{9}};
  shard_.members(cell(1, 1), members);
  EXPECT_TRUE(members.empty());
}

/// One member and two stand in the cell, three and more in a list: every way up and down.
TEST_F(RowShardTest, MembersComeAndGoInEveryOrder) {
  std::vector<std::uint32_t> order{0, 1, 2, 3, 4};
  do {
    for (const std::uint32_t user : {0U, 1U, 2U, 3U, 4U}) {
      enter(cell(1, 1), user);
      expect_model();
    }
    for (const std::uint32_t user : order) {
      leave(cell(1, 1), user);
      expect_model();
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(RowShardTest, FollowsAModelThroughDrawnChanges) {
  Draw draw(1);
  for (int round = 0; round < 40; ++round) {
    // Rounds that mostly fill alternate with rounds that mostly empty, so that cells vanish by the hundred.
    const unsigned entering = round % 2 == 0 ? 75 : 20;
    for (int i = 0; i < 2'000; ++i) {
      const CellKey key =
          cell(1 + static_cast<std::uint32_t>(draw.below(40)), static_cast<std::int32_t>(draw.below(50)));
      const auto user = static_cast<std::uint32_t>(draw.below(8));
      const auto known = model_.find(key);
      const bool in = known != model_.end() && known->second.contains(UserRef{user});
      if (draw.chance(entering)) {
        if (!in) enter(key, user);
      } else if (known != model_.end()) {
        leave(key, in ? user : known->second.begin()->value);
      }
    }
    expect_model();
    shard_.end_epoch();
  }
  while (!model_.empty()) leave(model_.begin()->first, model_.begin()->second.begin()->value);
  expect_model();
}

TEST_F(RowShardTest, HoldsACrowdInOneCell) {
  constexpr std::uint32_t kCrowd = 3'000;
  for (std::uint32_t user = 0; user < kCrowd; ++user) enter(cell(1, 1), user);
  expect_model();
  for (std::uint32_t user = 0; user < kCrowd; user += 2) leave(cell(1, 1), user);
  expect_model();
}

TEST_F(RowShardTest, ListsAreUsedAgain) {
  const auto crowd_once = [&] {
    for (std::uint32_t id = 1; id <= 1'000; ++id) {
      for (std::uint32_t user = 0; user < 4; ++user) enter(cell(id, 1), user);
      for (std::uint32_t user = 0; user < 4; ++user) leave(cell(id, 1), user);
    }
  };
  crowd_once();
  const std::size_t memory = shard_.memory_bytes();
  crowd_once();
  EXPECT_EQ(shard_.memory_bytes(), memory);
  expect_model();
}

TEST_F(RowShardTest, AChangeDirtiesTheMainRowAndOneRowOfEachBreakdown) {
  for (const Member member : {Member::kEnters, Member::kStays, Member::kLeaves}) {
    change(cell(1, 1), 5, member);
    std::vector<RowKey> rows;
    for (const DirtyRow& row : shard_.dirty().rows()) rows.push_back(row.key);
    sort_unique(rows);
    EXPECT_EQ(rows, (std::vector<RowKey>{{cell(1, 1), Breakdown::kNone, {}},
                                         {cell(1, 1), Breakdown::kCountry, kValues[0]},
                                         {cell(1, 1), Breakdown::kRegion, kValues[1]},
                                         {cell(1, 1), Breakdown::kDevice, kValues[2]}}));
    shard_.end_epoch();
    EXPECT_TRUE(shard_.dirty().empty());
  }
}

TEST_F(RowShardTest, StayingMovesNobody) {
  enter(cell(1, 1), 5);
  change(cell(1, 1), 5, Member::kStays);
  expect_model();
}

TEST_F(RowShardTest, LoadingDirtiesNothing) {
  shard_.load(cell(1, 1), UserRef{5});
  model_[cell(1, 1)].insert(UserRef{5});
  expect_model();
  EXPECT_TRUE(shard_.dirty().empty());
}

TEST_F(RowShardTest, AMarkedCellIsDirtyAsAWhole) {
  shard_.mark_cell(cell(1, 1));
  ASSERT_EQ(shard_.dirty().cells().size(), 1U);
  EXPECT_EQ(shard_.dirty().cells().front().key, cell(1, 1));
  EXPECT_FALSE(shard_.contains(cell(1, 1)));
}

using RowShardDeathTest = RowShardTest;
TEST_F(RowShardDeathTest, WhoLeavesWasIn) {
  enter(cell(1, 1), 5);
  EXPECT_DEATH(shard_.apply(CellChange{cell(1, 2), UserRef{5}, Member::kLeaves, kValues, {}}), "internal check failed");
  EXPECT_DEATH(shard_.apply(CellChange{cell(1, 1), UserRef{6}, Member::kLeaves, kValues, {}}), "internal check failed");
}

}  // namespace
}  // namespace admetrics
