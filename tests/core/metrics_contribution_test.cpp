#include "core/metrics/contribution.hpp"

#include <gtest/gtest.h>

#include <set>

namespace admetrics {
namespace {

class ContributionTest : public testing::Test {
 protected:
  void SetUp() override {
    facts_.attribution.present = true;
    facts_.attribution.ids = {id("c1"), id("s1"), id("a1")};
    facts_.attribution.country = id("US");
    facts_.attribution.region = id("California");
    facts_.events.trial_day = Day{100};
  }

  DictionaryId id(std::string_view text) { return dictionary_.intern(text); }
  UserContribution contribution() { return contribution_of(facts_, cache_); }
  std::string_view value(Breakdown breakdown) { return dictionary_.text(contribution().value_of(breakdown)); }
  void store(std::string text) { facts_.products.store = {std::nullopt, std::nullopt, std::move(text)}; }
  std::multiset<std::pair<std::string, int>> cells() {
    std::multiset<std::pair<std::string, int>> found;
    for_each_cell(contribution(), [&](CellKey cell) {
      found.emplace(std::string(name_of(cell.entity.level())) + ' ' + std::string(dictionary_.text(cell.entity.id())),
                    cell.day.value);
    });
    return found;
  }

  Dictionary dictionary_;
  DictionaryCache cache_{dictionary_};
  UserFacts facts_;
};

using Cells = std::multiset<std::pair<std::string, int>>;

TEST_F(ContributionTest, CarriesWhatTheFactsSay) {
  facts_.events.purchase_day = Day{105};
  facts_.events.revenue_micros = 3;
  facts_.events.refunds_micros = 4;
  facts_.products.value_micros = 5;
  facts_.products.rates = {RateSum{6, 1}, RateSum{7, 2}, RateSum{8, 3}};
  const UserContribution given = contribution();
  EXPECT_EQ(given.ids, facts_.attribution.ids);
  EXPECT_EQ(given.trial_day, Day{100});
  EXPECT_EQ(given.purchase_day, Day{105});
  EXPECT_EQ(given.revenue_micros, 3);
  EXPECT_EQ(given.refunds_micros, 4);
  EXPECT_EQ(given.value_micros, 5);
  EXPECT_EQ(given.rate_nanos, (std::array<std::int64_t, 3>{6, 7, 8}));
  EXPECT_EQ(given.rate_counts, (std::array<std::uint32_t, 3>{1, 2, 3}));
}

TEST_F(ContributionTest, WithoutAUserRowNobodyCounts) {
  facts_.attribution = AttributionFacts{};
  facts_.events.revenue_micros = 5;
  EXPECT_EQ(contribution(), UserContribution{});
}

TEST_F(ContributionTest, WithoutAttributionNobodyCounts) {
  facts_.attribution.ids = {};
  facts_.events.revenue_micros = 5;
  EXPECT_EQ(contribution(), UserContribution{});
  EXPECT_TRUE(contribution().empty());
}

TEST_F(ContributionTest, WithoutTrialOrPurchaseNobodyCounts) {
  facts_.events = EventFacts{};
  facts_.events.revenue_micros = 5;
  facts_.events.converted_at = Instant{1, 0};
  EXPECT_EQ(contribution(), UserContribution{});
}

TEST_F(ContributionTest, ATrialOrAPurchaseAloneIsEnough) {
  EXPECT_FALSE(contribution().empty());
  facts_.events.trial_day = kNoDay;
  facts_.events.purchase_day = kFirstDay;
  EXPECT_FALSE(contribution().empty());
}

TEST_F(ContributionTest, BelongsToTheCellsOfEveryLevelAndBothDays) {
  facts_.events.purchase_day = Day{105};
  EXPECT_EQ(cells(), (Cells{{"campaign c1", 100},
                            {"campaign c1", 105},
                            {"adset s1", 100},
                            {"adset s1", 105},
                            {"ad a1", 100},
                            {"ad a1", 105}}));
}

TEST_F(ContributionTest, ATrialAndAPurchaseOnOneDayAreOneCell) {
  facts_.events.purchase_day = facts_.events.trial_day;
  EXPECT_EQ(cells(), (Cells{{"campaign c1", 100}, {"adset s1", 100}, {"ad a1", 100}}));
}

TEST_F(ContributionTest, ACampaignWithoutAnAdCountsAtCampaignLevelOnly) {
  facts_.attribution.ids = {id("c1"), {}, {}};
  EXPECT_EQ(cells(), (Cells{{"campaign c1", 100}}));
}

TEST_F(ContributionTest, NullAndEmptyBreakdownValuesAreUnknown) {
  facts_.attribution.country = facts_.attribution.region = DictionaryId{};
  EXPECT_EQ(value(Breakdown::kCountry), "unknown");
  EXPECT_EQ(value(Breakdown::kRegion), "unknown");
  EXPECT_EQ(value(Breakdown::kDevice), "unknown");
}

TEST_F(ContributionTest, CountryAndRegionAreTakenAsTheyStand) {
  facts_.attribution.country = id("us");
  EXPECT_EQ(value(Breakdown::kCountry), "us");
  EXPECT_EQ(value(Breakdown::kRegion), "California");
}

TEST_F(ContributionTest, TheDeviceIsTheStoreInAsciiUpperCase) {
  store("app_store");
  EXPECT_EQ(value(Breakdown::kDevice), "APP_STORE");
  store("Play Störe z{`");
  EXPECT_EQ(value(Breakdown::kDevice), "PLAY STöRE Z{`");
  store(" ");
  EXPECT_EQ(value(Breakdown::kDevice), " ");
}

TEST_F(ContributionTest, AStoreNamedUnknownIsAnotherValueThanNone) {
  store("unknown");
  EXPECT_EQ(value(Breakdown::kDevice), "UNKNOWN");
}

TEST_F(ContributionTest, ARefundAtOrAfterTheConversionRefundsTheTrial) {
  facts_.events.converted_at = Instant{1'000, 5};
  EXPECT_TRUE(contribution().converted);
  EXPECT_FALSE(contribution().trial_refunded);
  facts_.events.refunded_at = Instant{1'000, 4};
  EXPECT_FALSE(contribution().trial_refunded);
  facts_.events.refunded_at = Instant{1'000, 5};
  EXPECT_TRUE(contribution().trial_refunded);
  facts_.events.converted_at = std::nullopt;
  EXPECT_FALSE(contribution().converted);
  EXPECT_FALSE(contribution().trial_refunded);
}

TEST_F(ContributionTest, ARefundAtOrAfterThePurchaseRefundsThePurchase) {
  facts_.events.refunded_at = Instant{1'000, 0};
  EXPECT_FALSE(contribution().purchase_refunded);
  facts_.events.purchased_at = Instant{1'000, 1};
  EXPECT_FALSE(contribution().purchase_refunded);
  facts_.events.purchased_at = Instant{1'000, 0};
  EXPECT_TRUE(contribution().purchase_refunded);
  EXPECT_FALSE(contribution().trial_refunded);
}

}  // namespace
}  // namespace admetrics
