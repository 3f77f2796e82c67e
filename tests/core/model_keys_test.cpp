#include "core/model/keys.hpp"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "core/model/reject.hpp"

namespace admetrics {
namespace {

TEST(Entity, GivesBackItsLevelAndId) {
  for (const Level level : kLevels) {
    for (const std::uint32_t id : {0U, 1U, 77'777U, (1U << Entity::kIdBits) - 1}) {
      const Entity entity(level, DictionaryId{id});
      EXPECT_EQ(entity.level(), level);
      EXPECT_EQ(entity.id(), DictionaryId{id});
    }
  }
}

TEST(Entity, TheSameIdOfTwoLevelsAreTwoEntities) {
  EXPECT_NE(Entity(Level::kAd, DictionaryId{7}), Entity(Level::kAdset, DictionaryId{7}));
  EXPECT_NE(Entity(Level::kCampaign, DictionaryId{7}), Entity(Level::kAdset, DictionaryId{7}));
}

TEST(Keys, AreNamedAsTheTablesNameThem) {
  EXPECT_EQ(name_of(Level::kCampaign), "campaign");
  EXPECT_EQ(name_of(Level::kAdset), "adset");
  EXPECT_EQ(name_of(Level::kAd), "ad");
  EXPECT_EQ(name_of(Breakdown::kNone), "");
  EXPECT_EQ(name_of(Breakdown::kCountry), "country");
  EXPECT_EQ(name_of(Breakdown::kRegion), "region");
  EXPECT_EQ(name_of(Breakdown::kDevice), "device");
}

TEST(Keys, NumbersOnDiskNeverChange) {
  EXPECT_EQ(index_of(Level::kCampaign), 0U);
  EXPECT_EQ(index_of(Level::kAdset), 1U);
  EXPECT_EQ(index_of(Level::kAd), 2U);
  EXPECT_EQ(index_of(Breakdown::kNone), 0U);
  EXPECT_EQ(index_of(Breakdown::kCountry), 1U);
  EXPECT_EQ(index_of(Breakdown::kRegion), 2U);
  EXPECT_EQ(index_of(Breakdown::kDevice), 3U);
  EXPECT_EQ(static_cast<int>(RejectReason::kBadKey), 1);
  EXPECT_EQ(static_cast<int>(RejectReason::kBadTime), 2);
  EXPECT_EQ(static_cast<int>(RejectReason::kBadMoney), 3);
  EXPECT_EQ(static_cast<int>(RejectReason::kBadRate), 4);
  EXPECT_EQ(static_cast<int>(RejectReason::kBadCount), 5);
}

TEST(Keys, RejectReasonsHaveNamesOfTheirOwn) {
  std::set<std::string_view> names;
  for (int reason = 1; reason <= 5; ++reason) names.insert(name_of(static_cast<RejectReason>(reason)));
  EXPECT_EQ(names.size(), 5U);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(CellKey, NeighbouringCellsSpreadOverShardsAndPlaces) {
  constexpr std::size_t kShards = 16;
  constexpr int kDays = 365;
  constexpr std::uint32_t kEntities = 100;
  std::array<int, kShards> by_high_bits{};
  std::array<int, kShards> by_low_bits{};
  std::set<std::uint64_t> hashes;
  for (std::uint32_t id = 1; id <= kEntities; ++id) {
    for (int day = 0; day < kDays; ++day) {
      const std::uint64_t hash = CellKey{Entity(Level::kAd, DictionaryId{id}), Day{20'000 + day}}.hash();
      hashes.insert(hash);
      ++by_high_bits[(hash >> 40) % kShards];
      ++by_low_bits[hash % kShards];
    }
  }
  EXPECT_EQ(hashes.size(), kEntities * kDays);
  constexpr int kFair = static_cast<int>(kEntities) * kDays / static_cast<int>(kShards);
  constexpr int kOff = kFair / 5;
  for (std::size_t shard = 0; shard < kShards; ++shard) {
    EXPECT_NEAR(by_high_bits[shard], kFair, kOff);
    EXPECT_NEAR(by_low_bits[shard], kFair, kOff);
  }
}

TEST(RowKey, OrdersByCellFirst) {
  const CellKey early{Entity(Level::kAd, DictionaryId{1}), Day{5}};
  const CellKey late{Entity(Level::kAd, DictionaryId{1}), Day{6}};
  EXPECT_LT((RowKey{early, Breakdown::kDevice, DictionaryId{9}}), (RowKey{late, Breakdown::kNone, {}}));
  EXPECT_LT((RowKey{early, Breakdown::kNone, {}}), (RowKey{early, Breakdown::kCountry, {}}));
}

}  // namespace
}  // namespace admetrics
