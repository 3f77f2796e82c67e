#include "quality/quality.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/dashboard/stored_rows.hpp"

namespace admetrics::quality {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

auto found(Check check, const char* day, const char* entity) {
  return AllOf(Field(&Finding::check, check), Field(&Finding::day, *parse_day(day)),
               Field(&Finding::entity_id, entity));
}

class QualityTest : public testing::Test {
 protected:
  QualityTest() { stored_.commit(7); }

  /// A campaign's day that nothing is wrong with, and its parts.
  void good_day(const std::string& day, const std::string& id = "c1") {
    stored_.main_row("campaign", id, day,
                     "meta_spend = 30, meta_impressions = 100, meta_clicks = 10, meta_trial_count = 2, "
                     "meta_purchase_count = 1, trial_users_count = 2, purchase_users_count = 1");
    for (const char* type : {"country", "region", "device"}) {
      stored_.breakdown_row("campaign", id, day, type, "a",
                            "meta_spend = 20, meta_impressions = 60, meta_clicks = 10, meta_trial_count = 2, "
                            "mixpanel_trial_count = 2");
      stored_.breakdown_row(
          "campaign", id, day, type, "b",
          "meta_spend = 10, meta_impressions = 40, meta_purchase_count = 1, mixpanel_purchase_count = 1");
    }
  }
  void change(const std::string& table, const std::string& set, const std::string& where) {
    stored_.run("UPDATE daily_mixpanel_metrics" + table + " SET " + set + " WHERE " + where);
  }
  Report look() {
    options_.sink_db = stored_.path();
    auto report = quality::look(options_);
    if (!report) throw std::runtime_error(report.error().line());
    return std::move(report).value();
  }

  dashboard::StoredRows stored_;
  Options options_;
};

TEST_F(QualityTest, WhereEverythingAddsUpNothingIsFound) {
  good_day("2025-07-01");
  good_day("2025-07-02");
  const Report report = look();
  EXPECT_EQ(report.count(), 0);
  EXPECT_THAT(report.findings, IsEmpty());
  EXPECT_EQ(report.rows, 2);
  EXPECT_EQ(report.epoch, 7);
  ASSERT_THAT(report.days, SizeIs(2));
  EXPECT_EQ(report.days[0].spend_cents, 3'000);
  EXPECT_EQ(report.days[0].users, 3);
}

TEST_F(QualityTest, BreakdownsThatDoNotAddUpAreNamedWithBothNumbers) {
  good_day("2025-07-01");
  change("_breakdown", "meta_spend = 15.5", "breakdown_type = 'region' AND breakdown_value = 'a'");
  const Report report = look();
  ASSERT_THAT(report.findings, ElementsAre(found(Check::kBreakdownTotals, "2025-07-01", "c1")));
  EXPECT_EQ(report.findings[0].breakdown, Breakdown::kRegion);
  EXPECT_EQ(report.findings[0].spend_cents, 450);
  EXPECT_EQ(report.findings[0].text, "meta_spend is 30.00, its region rows add up to 25.50");
}

TEST_F(QualityTest, ABreakdownThatMetaDidNotReportIsOneThatDoesNotAddUp) {
  good_day("2025-07-01");
  stored_.run("DELETE FROM daily_mixpanel_metrics_breakdown WHERE breakdown_type = 'device'");
  const Report report = look();
  ASSERT_THAT(report.findings, SizeIs(1));
  EXPECT_THAT(report.findings[0].gaps, SizeIs(7));
  EXPECT_THAT(report.findings[0].text, HasSubstr("meta_impressions is 100, its device rows add up to 0"));
}

TEST_F(QualityTest, MetaMayBeOffByTheToleranceOurOwnCountsMayNot) {
  good_day("2025-07-01");
  change("_breakdown", "meta_impressions = 39", "breakdown_type = 'country' AND breakdown_value = 'b'");
  EXPECT_EQ(look().count(), 0);  // 1 of 100
  options_.tolerance_percent = 0.5;
  EXPECT_EQ(look().count(), 1);
  options_.tolerance_percent = 90;
  EXPECT_EQ(look().count(), 0);
  change("_breakdown", "mixpanel_trial_count = 1", "breakdown_type = 'country' AND breakdown_value = 'a'");
  EXPECT_EQ(look().count(Check::kBreakdownTotals), 1);
}

TEST_F(QualityTest, CentsThatWereRoundedInEachRowAreNoGap) {
  good_day("2025-07-01");
  options_.tolerance_percent = 0;
  change("_breakdown", "meta_spend = 20.01", "breakdown_type = 'country' AND breakdown_value = 'a'");
  EXPECT_EQ(look().count(), 0);
  change("_breakdown", "meta_spend = 20.03", "breakdown_type = 'country' AND breakdown_value = 'a'");
  EXPECT_EQ(look().count(), 1);
}

TEST_F(QualityTest, ConversionsWithoutAUserAreAGapOfAttribution) {
  stored_.main_row("ad", "a1", "2025-07-01", "meta_trial_count = 3, meta_purchase_count = 1");
  const Report report = look();
  EXPECT_EQ(report.counts[index_of(Check::kAttributionGap)][admetrics::index_of(Level::kAd)], 1);
  EXPECT_THAT(to_text(report), HasSubstr("Meta reports 3 trials and 1 purchases; no user is attributed"));
}

TEST_F(QualityTest, UsersWithoutMetasSideAreAGapOfTracking) {
  stored_.main_row("adset", "s1", "2025-07-01", "trial_users_count = 2");
  const Report report = look();
  EXPECT_EQ(report.count(Check::kTrackingGap), 1);
}

TEST_F(QualityTest, MoneyWithoutAResultIsFoundLargestFirst) {
  stored_.main_row("ad", "small", "2025-07-01", "meta_spend = 1");
  stored_.main_row("ad", "large", "2025-07-02", "meta_spend = 900, meta_impressions = 5");
  const Report all = look();
  std::vector<std::string> spent;
  for (const Finding& finding : all.findings) {
    if (finding.check == Check::kSpendWithoutData) spent.push_back(finding.entity_id);
  }
  EXPECT_THAT(spent, ElementsAre("large", "small"));
  options_.findings_max = 1;
  const Report one = look();
  EXPECT_THAT(one.findings, ElementsAre(found(Check::kBreakdownTotals, "2025-07-02", "large"),
                                        found(Check::kSpendWithoutData, "2025-07-02", "large")));
  EXPECT_EQ(one.count(), all.count());
}

TEST_F(QualityTest, AShortGapBetweenDaysWithDataIsFoundAPauseIsNot) {
  options_.findings_max = 100;
  good_day("2025-07-01");
  good_day("2025-07-03");
  good_day("2025-07-10");
  for (const char* day : {"2025-07-02", "2025-07-05", "2025-07-07"}) good_day(day, "other");
  const Report report = look();
  std::vector<std::pair<std::string, std::string>> missing;
  for (const Finding& finding : report.findings) missing.emplace_back(finding.entity_id, format_day(finding.day));
  EXPECT_THAT(missing, testing::UnorderedElementsAre(std::pair("c1", "2025-07-02"), std::pair("other", "2025-07-03"),
                                                     std::pair("other", "2025-07-04"), std::pair("other", "2025-07-06"),
                                                     // All campaigns: no spend, and no user.
                                                     std::pair("", "2025-07-04"), std::pair("", "2025-07-04"),
                                                     std::pair("", "2025-07-06"), std::pair("", "2025-07-06"),
                                                     std::pair("", "2025-07-08"), std::pair("", "2025-07-08"),
                                                     std::pair("", "2025-07-09"), std::pair("", "2025-07-09")));
}

TEST_F(QualityTest, AStrayDayFarAwayIsNoGapOfCenturies) {
  good_day("2025-07-01");
  good_day("9999-12-31");
  const Report report = look();
  EXPECT_EQ(report.count(), 0);
  EXPECT_THAT(report.days, SizeIs(2));
}

TEST_F(QualityTest, OnlyTheRangeIsLookedAt) {
  for (const char* day : {"2025-07-01", "2025-07-02", "2025-07-03"})
    stored_.main_row("ad", "a1", day, "meta_spend = 1");
  options_.since = parse_day("2025-07-02");
  options_.until = parse_day("2025-07-02");
  EXPECT_EQ(look().count(Check::kSpendWithoutData), 1);
  options_.since = parse_day("2026-01-01");
  options_.until = parse_day("2026-01-02");
  EXPECT_EQ(look().count(), 0);
}

TEST_F(QualityTest, TheReportAsJsonHoldsEveryNumber) {
  good_day("2025-07-01");
  change("_breakdown", "meta_spend = 15.5", "breakdown_type = 'region' AND breakdown_value = 'a'");
  const auto json = boost::json::parse(to_json(look()));
  EXPECT_EQ(json.at("findings_total").as_int64(), 1);
  EXPECT_EQ(json.at("checks").at("breakdown_totals").at("campaign").as_int64(), 1);
  EXPECT_EQ(json.at("days").at(0).at("findings").at("breakdown_totals").as_int64(), 1);
  const auto& gap = json.at("findings").at(0).at("gaps").at(0);
  EXPECT_EQ(gap.at("main_row").as_double(), 30);
  EXPECT_EQ(gap.at("breakdown_total").as_double(), 25.5);
}

TEST_F(QualityTest, AnEmptyTableHasNoFindingsAndAMissingOneIsSaid) {
  EXPECT_EQ(look().count(), 0);
  options_.sink_db = stored_.path() + ".missing";
  const auto report = quality::look(options_);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code, Errc::kNotFound);
}

}  // namespace
}  // namespace admetrics::quality
