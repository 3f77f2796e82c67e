#include "core/engine/renderer.hpp"

#include <gtest/gtest.h>

#include <map>

/// Which rows exist (`metrics.md` section 5), and what they are rendered from.
namespace admetrics {
namespace {

constexpr Day kDay{20'456};

class RendererTest : public testing::Test {
 protected:
  DictionaryId id(std::string_view text) { return state_.dictionary.intern(text); }
  CellKey cell(Day day = kDay) { return {Entity(Level::kAd, id("a1")), day}; }

  UserContribution trial(std::string_view country) {
    UserContribution user;
    user.ids[index_of(Level::kAd)] = id("a1");
    user.values = {id(country), id("California"), id("APP_STORE")};
    user.trial_day = kDay;
    user.revenue_micros = 1'000'000;
    return user;
  }
  void user(std::string_view distinct_id, const UserContribution& given) {
    UserShard& shard = state_.users[state_.user_shard_of(hash_of_user(distinct_id))];
    const UserRef ref = shard.load(distinct_id, given);
    for_each_cell(given, [&](CellKey key) { state_.row_shard(key).load(key, ref); });
  }
  void meta(Breakdown breakdown, std::string_view value, std::int64_t spend_micros) {
    MetaPart part;
    part.breakdown = breakdown;
    part.value = id(value);
    part.sums = MetaSums{spend_micros, 0, 0, 0, 0, 1};
    meta_.apply(part, Level::kAd, +1);
  }

  CellWrite whole(Day today = kDay) { return Renderer(state_, today, 7).render(RenderCell{cell(), true, {}, meta_}); }
  CellWrite rows(std::vector<std::pair<Breakdown, DictionaryId>> rows) {
    return Renderer(state_, kDay, 7).render(RenderCell{cell(), false, std::move(rows), meta_});
  }
  /// "country US" → its values; absent when the write says that the row shall not exist.
  static std::map<std::string, std::optional<RowValues>> breakdowns(const CellWrite& write) {
    std::map<std::string, std::optional<RowValues>> found;
    for (const BreakdownWrite& row : write.breakdowns) {
      found[std::string(name_of(row.breakdown)) + ' ' + std::string(row.value)] = row.values;
    }
    EXPECT_EQ(found.size(), write.breakdowns.size());
    return found;
  }

  State state_{4};
  MetaCell meta_;
};

TEST_F(RendererTest, ARowExistsForItsUsers) {
  user("u2", trial("US"));
  user("u1", trial("DE"));
  const CellWrite write = whole();
  EXPECT_EQ(write.entity_id, "a1");
  EXPECT_EQ(write.level, Level::kAd);
  EXPECT_EQ(write.day, kDay);
  ASSERT_TRUE(write.main);
  EXPECT_EQ((*write.main)[List::kTrial], R"(["u1","u2"])");  // ascending, whatever the shards' order
  const auto found = breakdowns(write);
  ASSERT_EQ(found.size(), 4U);
  EXPECT_EQ(found.at("country US")->operator[](List::kTrial), R"(["u2"])");
  EXPECT_EQ(found.at("country DE")->operator[](List::kTrial), R"(["u1"])");
  EXPECT_EQ(found.at("region California")->operator[](Number::kTrials), 2);
  EXPECT_EQ(found.at("device APP_STORE")->operator[](Number::kActualRevenue), 200);
}

TEST_F(RendererTest, UsersAreAscendingByBytesNotByLength) {
  for (const char* name : {"b", "B", "\xc3\xa4", "a10", "a9", "a"}) user(name, trial("US"));
  EXPECT_EQ((*whole().main)[List::kTrial], "[\"B\",\"a\",\"a10\",\"a9\",\"b\",\"\xc3\xa4\"]");
}

TEST_F(RendererTest, AMainRowExistsForAMetaDailyRow) {
  meta(Breakdown::kNone, "", 2'000'000);
  const CellWrite write = whole();
  ASSERT_TRUE(write.main);
  EXPECT_EQ((*write.main)[Number::kMetaSpend], 200);
  EXPECT_TRUE(write.breakdowns.empty());
}

TEST_F(RendererTest, AMainRowExistsForABreakdownRowButTakesNothingFromIt) {
  meta(Breakdown::kCountry, "US", 2'000'000);
  const CellWrite write = whole();
  ASSERT_TRUE(write.main);
  EXPECT_EQ((*write.main)[Number::kMetaSpend], 0);
  const auto found = breakdowns(write);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.at("country US")->operator[](Number::kMetaSpend), 200);
}

TEST_F(RendererTest, NoRowExistsForAnyOtherReason) {
  const CellWrite write = whole();
  EXPECT_FALSE(write.main);
  EXPECT_TRUE(write.breakdowns.empty());
}

TEST_F(RendererTest, ALostRowIsNamedSoThatItGoes) {
  user("u1", trial("US"));
  const auto found = breakdowns(rows({{Breakdown::kCountry, id("US")}, {Breakdown::kCountry, id("FR")}}));
  ASSERT_EQ(found.size(), 2U);
  EXPECT_TRUE(found.at("country US"));
  EXPECT_FALSE(found.at("country FR"));
}

TEST_F(RendererTest, SomeRowsAreRenderedAsTheyAreInTheWhole) {
  user("u1", trial("US"));
  user("u2", trial("DE"));
  meta(Breakdown::kNone, "", 5'000'000);
  meta(Breakdown::kCountry, "US", 2'000'000);
  const CellWrite all = whole();
  const CellWrite some = rows({{Breakdown::kCountry, id("US")}, {Breakdown::kDevice, id("APP_STORE")}});
  EXPECT_EQ(some.main, all.main);
  const auto expected = breakdowns(all);
  const auto found = breakdowns(some);
  ASSERT_EQ(found.size(), 2U);
  for (const auto& [name, values] : found) EXPECT_EQ(values, expected.at(name)) << name;
}

TEST_F(RendererTest, BreakdownRowsAscendByTypeThenValue) {
  user("u1", trial("b"));
  user("u2", trial("a"));
  meta(Breakdown::kRegion, "A", 1);
  std::vector<std::string> order;
  const CellWrite write = whole();
  for (const BreakdownWrite& row : write.breakdowns) {
    order.push_back(std::string(name_of(row.breakdown)) + ' ' + std::string(row.value));
  }
  EXPECT_EQ(order,
            (std::vector<std::string>{"country a", "country b", "device APP_STORE", "region A", "region California"}));
}

TEST_F(RendererTest, TrialsArePostTrialWhenTheDatePlusSevenDaysIsNotAfterToday) {
  user("u1", trial("US"));
  EXPECT_EQ((*whole(Day{kDay.value + 6}).main)[List::kPostTrial], "[]");
  EXPECT_EQ((*whole(Day{kDay.value + 7}).main)[List::kPostTrial], R"(["u1"])");
  EXPECT_EQ((*whole(Day{kDay.value - 1}).main)[List::kPostTrial], "[]");
  EXPECT_EQ((*whole(Day{kDay.value + 7}).main)[List::kTrial], R"(["u1"])");
}

TEST_F(RendererTest, BreakdownCountsAddUpToTheMainRow) {
  for (int i = 0; i < 60; ++i) {
    UserContribution given = trial(i % 3 == 0 ? "US" : "DE");
    if (i % 2 == 0) given.purchase_day = kDay;
    user("user " + std::to_string(i), given);
  }
  const CellWrite write = whole();
  std::int64_t trials = 0;
  std::int64_t purchases = 0;
  for (const BreakdownWrite& row : write.breakdowns) {
    if (row.breakdown != Breakdown::kCountry) continue;
    trials += (*row.values)[Number::kTrials];
    purchases += (*row.values)[Number::kPurchases];
  }
  EXPECT_EQ(trials, 60);
  EXPECT_EQ(trials, (*write.main)[Number::kTrials]);
  EXPECT_EQ(purchases, (*write.main)[Number::kPurchases]);
}

}  // namespace
}  // namespace admetrics
