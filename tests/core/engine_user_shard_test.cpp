#include "core/engine/user_shard.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <set>

#include "core/engine/meta_ledger.hpp"
#include "tests/core/draw_engine.hpp"

namespace admetrics {
namespace {

constexpr std::size_t kShard = 3;
constexpr std::size_t kShards = 7;

/// A shard beside the plainest model of it: a map of contributions, a set of members for each cell.
class UserShardTest : public testing::Test {
 protected:
  using Users = std::map<std::string, UserContribution>;

  /// What the shard told the rows, applied to the model's cells.
  void on_change(const CellChange& change) {
    emitted_rows_.insert(RowKey{change.cell, Breakdown::kNone, {}});
    for (const Breakdown breakdown : kBreakdowns) {
      emitted_rows_.insert(RowKey{change.cell, breakdown, change.values[index_of(breakdown) - 1]});
    }
    if (change.member == CellChange::Member::kEnters) {
      ASSERT_TRUE(cells_[change.cell].insert(change.user).second) << "entered twice";
    } else {
      ASSERT_TRUE(cells_[change.cell].contains(change.user)) << "was not in";
    }
    if (change.member == CellChange::Member::kLeaves) cells_[change.cell].erase(change.user);
  }

  void apply(const std::string& id, const UserContribution& next) {
    expect_rows_of_difference(id, next);
    shard_.apply(id, next, [this](const CellChange& change) { on_change(change); });
    remember(id, next);
  }
  void remember(const std::string& id, const UserContribution& next) {
    const auto known = users_.find(id);
    const UserContribution before = known == users_.end() ? UserContribution{} : known->second;
    if (before == next) return;
    if (next.empty()) {
      users_.erase(id);
      removed_.insert(id);
    } else {
      users_[id] = next;
      changed_.insert(id);
    }
  }
  /// Every row that the user was in or comes into, when anything about it changed; none otherwise.
  void expect_rows_of_difference(const std::string& id, const UserContribution& next) {
    const auto known = users_.find(id);
    const UserContribution before = known == users_.end() ? UserContribution{} : known->second;
    if (before == next) return;
    for (const UserContribution& side : {before, next}) {
      for_each_cell(side, [&](CellKey cell) {
        expected_rows_.insert(RowKey{cell, Breakdown::kNone, {}});
        for (const Breakdown breakdown : kBreakdowns) {
          expected_rows_.insert(RowKey{cell, breakdown, side.value_of(breakdown)});
        }
      });
    }
  }

  void expect_model() {
    ASSERT_EQ(shard_.size(), users_.size());
    // Cells hold references; each is a user of this shard, with the contribution that puts it there.
    std::map<std::string, UserRef> refs;
    std::map<CellKey, std::set<std::string>> members;
    for (const auto& [cell, users] : cells_) {
      for (const UserRef user : users) {
        ASSERT_EQ(user.value % kShards, kShard);
        const std::string id(shard_.distinct_id(user));
        ASSERT_TRUE(users_.contains(id)) << id;
        ASSERT_EQ(shard_.contribution(user), users_.at(id)) << id;
        const auto [known, fresh] = refs.emplace(id, user);
        ASSERT_TRUE(fresh || known->second == user) << id << " has two references";
        members[cell].insert(id);
      }
    }
    std::map<CellKey, std::set<std::string>> expected;
    for (const auto& user : users_)
      for_each_cell(user.second, [&](CellKey cell) { expected[cell].insert(user.first); });
    ASSERT_EQ(members, expected);
    expect_rows();
  }
  void expect_rows() { ASSERT_EQ(emitted_rows_, expected_rows_); }

  void expect_lists() {
    std::vector<std::string> changed;
    for (const UserRef user : shard_.changed()) changed.emplace_back(shard_.distinct_id(user));
    std::sort(changed.begin(), changed.end());
    ASSERT_EQ(changed, std::vector<std::string>(changed_.begin(), changed_.end()));
    std::vector<std::string> removed = shard_.removed();
    std::sort(removed.begin(), removed.end());
    ASSERT_EQ(removed, std::vector<std::string>(removed_.begin(), removed_.end()));
  }

  void end_epoch() {
    shard_.end_epoch();
    ASSERT_TRUE(shard_.changed().empty());
    ASSERT_TRUE(shard_.removed().empty());
    changed_.clear();
    removed_.clear();
    emitted_rows_.clear();
    expected_rows_.clear();
  }

  void sweep(const std::function<bool(std::string_view)>& belongs, const std::set<std::string>& seen) {
    Users gone;
    for (const auto& [id, user] : users_) {
      if (!seen.contains(id) && belongs(id)) gone.emplace(id, user);
    }
    for (const auto& [id, user] : gone) expect_rows_of_difference(id, {});
    shard_.sweep(belongs, [this](const CellChange& change) { on_change(change); });
    for (const auto& [id, user] : gone) remember(id, {});
  }

  /// A contribution to one ad on one day.
  static UserContribution trial(std::int32_t day, std::int64_t revenue = 0) {
    UserContribution user;
    user.ids[index_of(Level::kAd)] = DictionaryId{1};
    user.values = {DictionaryId{1}, DictionaryId{2}, DictionaryId{3}};
    user.trial_day = Day{day};
    user.revenue_micros = revenue;
    return user;
  }
  UserRef ref_of(const std::string& id, std::int32_t day) {
    for (const UserRef user : cells_[CellKey{Entity(Level::kAd, DictionaryId{1}), Day{day}}]) {
      if (shard_.distinct_id(user) == id) return user;
    }
    ADD_FAILURE() << id << " is in no cell";
    return {};
  }
  static std::string long_id(int number) { return "user " + std::to_string(number) + std::string(100, '.'); }

  UserShard shard_{kShard, kShards};
  Users users_;
  std::map<CellKey, std::set<UserRef>> cells_;
  std::set<std::string> changed_;
  std::set<std::string> removed_;
  std::set<RowKey> emitted_rows_;
  std::set<RowKey> expected_rows_;
};

TEST_F(UserShardTest, EqualContributionsChangeNothing) {
  apply("u1", trial(100));
  end_epoch();
  apply("u1", trial(100));
  EXPECT_TRUE(shard_.changed().empty());
  EXPECT_TRUE(emitted_rows_.empty());
}

TEST_F(UserShardTest, WhoGivesNothingIsNotStored) {
  apply("u1", UserContribution{});
  EXPECT_EQ(shard_.size(), 0U);
  expect_model();
  expect_lists();
}

TEST_F(UserShardTest, AChangedBreakdownValueTouchesTheRowsOfBothValues) {
  apply("u1", trial(100));
  end_epoch();
  UserContribution moved = trial(100);
  moved.values[0] = DictionaryId{9};
  apply("u1", moved);
  const CellKey cell{Entity(Level::kAd, DictionaryId{1}), Day{100}};
  EXPECT_TRUE(emitted_rows_.contains({cell, Breakdown::kCountry, DictionaryId{1}}));
  EXPECT_TRUE(emitted_rows_.contains({cell, Breakdown::kCountry, DictionaryId{9}}));
  EXPECT_EQ(emitted_rows_.size(), 5U);
  expect_model();
}

TEST_F(UserShardTest, AMovedTrialLeavesTheOldDayAndEntersTheNew) {
  apply("u1", trial(100));
  end_epoch();
  apply("u1", trial(101));
  expect_model();
  EXPECT_EQ(emitted_rows_.size(), 8U);
}

TEST_F(UserShardTest, FollowsAModelThroughDrawnEpochs) {
  Draw draw(1);
  for (int epoch = 0; epoch < 70; ++epoch) {
    std::set<std::string> touched;  // each user at most once an epoch
    const std::uint64_t world = epoch < 40 ? 6'000 : 300;
    for (std::uint64_t count = draw.below(400); count > 0; --count) {
      const std::string id = "user-" + std::to_string(draw.below(world)) + std::string(draw.below(world) % 40, 'x');
      if (!touched.insert(id).second) continue;
      const auto known = users_.find(id);
      apply(id, known != users_.end() && draw.chance(20) ? known->second : draw_contribution(draw));
    }
    expect_lists();
    expect_rows();
    if (epoch % 10 == 9) expect_model();
    end_epoch();
  }
  EXPECT_GT(users_.size(), 1'000U);
}

TEST_F(UserShardTest, SweepsWhoWasNotSeenOfThoseThatBelong) {
  Draw draw(2);
  for (int epoch = 0; epoch < 30; ++epoch) {
    const std::uint64_t remainder = draw.below(3);
    const auto belongs = [&](std::string_view id) { return hash_of_user(id) % 3 == remainder; };
    shard_.begin_sweep();
    std::set<std::string> seen;
    for (int i = 0; i < 700; ++i) {
      const std::string id = "user-" + std::to_string(draw.below(1'500));
      if (!seen.insert(id).second) continue;
      const auto known = users_.find(id);
      apply(id, known != users_.end() && draw.chance(50) ? known->second : draw_contribution(draw));
    }
    sweep(belongs, seen);
    expect_lists();
    expect_model();
    end_epoch();
  }
}

TEST_F(UserShardTest, SweepsEveryoneOnceThePassesAreThrough) {
  for (int i = 0; i < 2'000; ++i) apply("user-" + std::to_string(i), trial(100 + i % 5));
  end_epoch();
  for (std::uint64_t pass = 0; pass < 4; ++pass) {
    shard_.begin_sweep();
    sweep([&](std::string_view id) { return hash_of_user(id) % 4 == pass; }, {});
  }
  EXPECT_EQ(shard_.size(), 0U);
  expect_lists();
  expect_model();
}

TEST_F(UserShardTest, AFreedReferenceIsGivenAgainOnlyAfterTheEpoch) {
  apply("gone", trial(100));
  const UserRef gone = ref_of("gone", 100);
  end_epoch();
  apply("gone", {});
  for (int i = 0; i < 50; ++i) {
    apply("new " + std::to_string(i), trial(100));
    EXPECT_NE(ref_of("new " + std::to_string(i), 100), gone);
  }
  end_epoch();
  apply("later", trial(100));
  EXPECT_EQ(ref_of("later", 100), gone);
  expect_model();
}

TEST_F(UserShardTest, ReferencesOutliveGrowth) {
  apply("first", trial(100));
  const UserRef first = ref_of("first", 100);
  const char* const text = shard_.distinct_id(first).data();
  for (int i = 0; i < 20'000; ++i) apply("user-" + std::to_string(i), trial(101 + i % 50));
  EXPECT_EQ(shard_.distinct_id(first), "first");
  EXPECT_EQ(shard_.distinct_id(first).data(), text);
  EXPECT_EQ(shard_.contribution(first), trial(100));
  expect_model();
}

TEST_F(UserShardTest, TextsAreCompactedWhenMostOfThemAreGarbage) {
  constexpr int kUsers = 12'000;
  for (int i = 0; i < kUsers; ++i) apply(long_id(i), trial(100 + i % 7));
  end_epoch();
  const std::size_t full = shard_.memory_bytes();
  for (int i = 0; i < kUsers; ++i) {
    if (i % 10 != 0) apply(long_id(i), {});
  }
  end_epoch();
  EXPECT_LT(shard_.memory_bytes() + 900'000, full);  // nine tenths of 1.3 MB of texts, in whole blocks
  expect_model();
  for (int i = 0; i < kUsers; ++i) apply(long_id(i), trial(200 + i % 7));
  expect_model();
  end_epoch();
  EXPECT_LE(shard_.memory_bytes(), full + full / 4);
}

TEST_F(UserShardTest, IdsMayBeOfAnyBytesAndAnySize) {
  const std::vector<std::string> ids{"",
                                     "a",
                                     std::string("a\0", 2),
                                     std::string("a\0b", 3),
                                     std::string(1'000'000, 'z'),
                                     std::string(262'144 - 4, 'y'),
                                     "\xff\xfe",
                                     std::string(7, 'q'),
                                     std::string(8, 'q'),
                                     std::string(9, 'q')};
  for (const std::string& id : ids) apply(id, trial(100));
  expect_model();
  end_epoch();
  for (const std::string& id : ids) apply(id, trial(101, 5));
  expect_lists();
  expect_model();
  end_epoch();
  for (const std::string& id : ids) apply(id, {});
  expect_lists();
  expect_model();
}

TEST_F(UserShardTest, LoadingTellsNobody) {
  std::vector<UserRef> refs;
  for (int i = 0; i < 3'000; ++i) {
    const std::string id = "user-" + std::to_string(i);
    const UserRef ref = shard_.load(id, trial(100, i));
    EXPECT_EQ(shard_.distinct_id(ref), id);
    users_[id] = trial(100, i);
    cells_[CellKey{Entity(Level::kAd, DictionaryId{1}), Day{100}}].insert(ref);
  }
  expect_lists();
  expect_model();
  apply("user-7", trial(100, 7));
  expect_lists();  // as it was loaded: no change
}

TEST_F(UserShardTest, RejectsAreNewOnlyWhenTheyDiffer) {
  EXPECT_FALSE(shard_.note_rejects("u1", 0));
  EXPECT_TRUE(shard_.note_rejects("u1", 77));
  EXPECT_FALSE(shard_.note_rejects("u1", 77));
  EXPECT_TRUE(shard_.note_rejects("u1", 78));
  EXPECT_FALSE(shard_.note_rejects("u2", 0));
  EXPECT_TRUE(shard_.note_rejects("u1", 0));
  EXPECT_FALSE(shard_.note_rejects("u1", 0));
  EXPECT_TRUE(shard_.reject_digests().empty());
  shard_.load_rejects("u3", 5);
  EXPECT_FALSE(shard_.note_rejects("u3", 5));
}

TEST(HashOfUser, TellsNeighboursApartAndSpreadsThem) {
  std::set<std::uint64_t> hashes;
  std::array<int, 16> by_high_bits{};
  std::array<int, 16> by_low_bits{};
  constexpr int kUsers = 32'000;
  for (int i = 0; i < kUsers; ++i) {
    const std::uint64_t hash = hash_of_user("$device:user-" + std::to_string(i));
    hashes.insert(hash);
    ++by_high_bits[(hash >> 40) % 16];
    ++by_low_bits[hash % 16];
  }
  EXPECT_EQ(hashes.size(), static_cast<std::size_t>(kUsers));
  constexpr int kFair = kUsers / 16;
  constexpr int kOff = kFair / 5;
  for (std::size_t i = 0; i < 16; ++i) {
    EXPECT_NEAR(by_high_bits[i], kFair, kOff);
    EXPECT_NEAR(by_low_bits[i], kFair, kOff);
  }
}

// ── Digests of rejects ───────────────────────────────────────────────────────────────────────────────────────────

std::uint64_t digest(std::vector<Reject> rejects) { return digest_of(rejects); }

TEST(RejectDigest, DoesNotDependOnOrderButOnEveryField) {
  const Reject one{"mixpanel_event", "e1", RejectReason::kBadTime, "event_time", "never"};
  const Reject two{"mixpanel_event", "e2", RejectReason::kBadMoney, "revenue_usd", "n/a"};
  EXPECT_EQ(digest({}), 0U);
  EXPECT_EQ(digest({one, two}), digest({two, one}));
  std::set<std::uint64_t> digests{digest({one}), digest({two}), digest({one, two}), digest({one, one})};
  for (const Reject& other : {Reject{"other", "e1", RejectReason::kBadTime, "event_time", "never"},
                              Reject{"mixpanel_event", "e9", RejectReason::kBadTime, "event_time", "never"},
                              Reject{"mixpanel_event", "e1", RejectReason::kBadKey, "event_time", "never"},
                              Reject{"mixpanel_event", "e1", RejectReason::kBadTime, "event_uuid", "never"},
                              Reject{"mixpanel_event", "e1", RejectReason::kBadTime, "event_time", "ever"},
                              Reject{"mixpanel_event", "e1n", RejectReason::kBadTime, "event_time", "ever"}}) {
    digests.insert(digest({other}));
  }
  EXPECT_EQ(digests.size(), 10U);
}

}  // namespace
}  // namespace admetrics
