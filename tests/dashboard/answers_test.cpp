#include "dashboard/answers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/dashboard/stored_rows.hpp"

namespace admetrics::dashboard {
namespace {

using boost::json::parse;
using boost::json::value;
using testing::HasSubstr;

class StillClock : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return {1'753'956'000, 123'000'000}; }  // 2025-07-31 10:00:00.123
  [[nodiscard]] std::int64_t steady_micros() const override { return micros; }
  std::int64_t micros = 0;
};

/// The numbers of an object, as doubles, so that 1 equals 1.0.
double number(const value& object, const char* name) { return object.at(name).to_number<double>(); }

class AnswersTest : public testing::Test {
 protected:
  AnswersTest() { context_.clock = &clock_; }

  value ask(const DataRequest& request) {
    return answer([&](const Snapshot&) { return answer_data(tables_, &helper_, request, context_); });
  }
  value ask(const ChartRequest& request) {
    return answer([&](const Snapshot& at) { return answer_chart(tables_, at, request, context_); });
  }
  value ask(const OverviewRequest& request) {
    return answer([&](const Snapshot& at) { return answer_overview(tables_, at, request, context_); });
  }

  template <class Make>
  value answer(Make&& make) {
    stored_.commit(3);
    const auto snapshot = tables_.begin();
    EXPECT_TRUE(snapshot.ok());
    auto text = make(*snapshot);
    tables_.end();
    EXPECT_TRUE(text.ok()) << text.error().line();
    return parse(*text);
  }

  static Range range(const char* start, const char* end) { return {*parse_day(start), *parse_day(end)}; }

  /// Two days of a campaign, one ad set and two ads, whose sums are easily made by hand.
  void tell_a_story() {
    stored_.name("campaign", "c1", "Summer \"24\"");
    stored_.name("ad", "a1", "First");
    stored_.hierarchy("a1", "s1", "c1");
    stored_.hierarchy("a2", "s1", "c1");
    stored_.hierarchy("a3", "s2", "c2");
    stored_.main_row("campaign", "c1", "2025-07-01",
                     "meta_spend = 120, meta_impressions = 10000, meta_clicks = 250, meta_trial_count = 4, "
                     "meta_purchase_count = 1, trial_users_count = 3, purchase_users_count = 1, "
                     "trial_users_list = '[\"u1\",\"u2\",\"u3\"]', post_trial_user_ids = '[\"u1\",\"u2\",\"u3\"]', "
                     "converted_user_ids = '[\"u1\",\"u2\"]', trial_refund_user_ids = '[\"u1\"]', "
                     "purchase_users_list = '[\"u4\"]', trial_conversion_rate_estimated = 0.45, "
                     "trial_refund_rate_estimated = 0.15, purchase_refund_rate_estimated = 0.05, "
                     "actual_revenue_usd = 69.97, actual_refunds_usd = 9.99, net_actual_revenue_usd = 59.98, "
                     "estimated_revenue_usd = 82.5, adjusted_estimated_revenue_usd = 110, profit_usd = -10");
    stored_.main_row(
        "campaign", "c1", "2025-07-03",
        "meta_spend = 30.55, meta_impressions = 500, meta_clicks = 13, meta_trial_count = 2, "
        "meta_purchase_count = 0, trial_users_count = 1, purchase_users_count = 2, "
        "trial_users_list = '[\"u0\"]', converted_user_ids = '[]', "
        "purchase_users_list = '[\"u5\",\"u6\"]', purchase_refund_user_ids = '[\"u6\"]', "
        "trial_conversion_rate_estimated = 0.05, trial_refund_rate_estimated = 0.9, "
        "purchase_refund_rate_estimated = 0.2, actual_revenue_usd = 20.03, net_actual_revenue_usd = 20.03, "
        "estimated_revenue_usd = 17.5, adjusted_estimated_revenue_usd = 17.5, profit_usd = -13.05");
    stored_.main_row("adset", "s1", "2025-07-01", "meta_spend = 120, trial_users_count = 2");
    stored_.main_row("ad", "a1", "2025-07-01", "meta_spend = 20");
    stored_.main_row("ad", "a2", "2025-07-01", "meta_spend = 100");
    stored_.main_row("ad", "a3", "2025-06-20", "meta_spend = 5");  // before the range, within the sparkline
    stored_.main_row("campaign", "c2", "2025-07-02", "meta_spend = 500.01, trial_users_count = 1");
  }

  StoredRows stored_;
  Tables tables_{TablesOptions{stored_.path()}};
  Tables helper_{TablesOptions{stored_.path()}};
  StillClock clock_;
  Context context_;
};

TEST_F(AnswersTest, ManyEntitiesAreTheSameWhoeverWritesThem) {
  for (int i = 0; i < 150; ++i) {
    const std::string n = std::to_string(i);
    stored_.main_row("campaign", "c" + n, "2025-07-01", "meta_spend = " + std::to_string(i % 40));
    stored_.main_row("adset", "s" + n, "2025-07-01", "meta_spend = 1, trial_users_count = " + n);
    stored_.hierarchy("a" + n, "s" + n, "c" + std::to_string(i / 2));
  }
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-02");
  request.group_by = Level::kCampaign;
  const value together = ask(request);
  const value alone = answer([&](const Snapshot&) { return answer_data(tables_, nullptr, request, context_); });
  EXPECT_EQ(together, alone);
  EXPECT_EQ(together.at("data").as_array().size(), 150U);
  EXPECT_EQ(together.at("data").at(0).at("spend"), 39);
}

TEST_F(AnswersTest, EveryFieldOfAnEntity) {
  tell_a_story();
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-03");
  request.group_by = Level::kCampaign;
  const value answer = ask(request);
  EXPECT_TRUE(answer.at("success").as_bool());
  EXPECT_EQ(answer.at("total_records").as_int64(), 2);
  EXPECT_EQ(answer.at("breakdown"), "all");
  EXPECT_EQ(answer.at("method"), "precomputed");
  EXPECT_EQ(answer.at("data").at(0).at("id"), "campaign_c2");  // more spend
  EXPECT_EQ(answer.at("data").at(0).at("name"), "Unknown campaign");
  EXPECT_EQ(answer.at("data").at(0).at("trial_accuracy_ratio").to_number<double>(), 1.0);
  const value& c1 = answer.at("data").at(1);
  EXPECT_EQ(c1.at("id"), "campaign_c1");
  EXPECT_EQ(c1.at("entity_id"), "c1");
  EXPECT_EQ(c1.at("entity_type"), "campaign");
  EXPECT_EQ(c1.at("name"), "Summer \"24\"");
  EXPECT_FALSE(c1.as_object().contains("breakdown_key"));
  const std::vector<std::pair<const char*, double>> expected{
      {"mixpanel_trials_started", 4},
      {"meta_trials_started", 6},
      {"mixpanel_purchases", 3},
      {"meta_purchases", 1},
      {"spend", 150.55},
      {"impressions", 10'500},
      {"clicks", 263},
      {"trial_accuracy_ratio", 0.6667},
      {"purchase_accuracy_ratio", 3},
      {"trial_conversion_rate", 0.6667},          // 2 of 3
      {"trial_conversion_rate_estimated", 0.35},  // (3 × 0.45 + 1 × 0.05) / 4
      {"avg_trial_refund_rate", 0.5},             // 1 of 2
      {"trial_refund_rate_estimated", 0.15},      // nobody converted on the second day
      {"purchase_refund_rate", 0.3333},           // 1 of 3
      {"purchase_refund_rate_estimated", 0.15},   // (1 × 0.05 + 2 × 0.2) / 3
      {"click_to_trial_rate", 0.0152},            // 4 / 263
      {"estimated_revenue_usd", 100},
      {"estimated_revenue_adjusted", 127.5},
      {"actual_revenue_usd", 90},
      {"actual_refunds_usd", 9.99},
      {"net_actual_revenue_usd", 80.01},
      {"profit", -23.05},
      {"estimated_roas", 0.8469},
      {"performance_impact_score", 107.98},  // 127.5² / 150.55
      {"trial_users_count", 4},
      {"post_trial_users_count", 3},
      {"converted_users_count", 2},
      {"purchase_users_count", 3},
  };
  for (const auto& [name, want] : expected) EXPECT_DOUBLE_EQ(number(c1, name), want) << name;
  EXPECT_EQ(c1.at("user_details"), parse(R"({"trial_users":["u0","u1","u2","u3"],"converted_users":["u1","u2"],
                      "trial_refund_user_ids":["u1"],"purchase_refund_user_ids":["u6"]})"));
}

TEST_F(AnswersTest, TheSparklineIsTheLastFourteenDays) {
  tell_a_story();
  DataRequest request;
  request.range = range("2025-07-02", "2025-07-03");
  request.group_by = Level::kCampaign;
  const auto points = ask(request).at("data").at(1).at("sparkline_data").as_array();
  ASSERT_EQ(points.size(), 14U);
  EXPECT_EQ(points[0].at("date"), "2025-06-20");
  EXPECT_EQ(points[0], parse(R"({"date":"2025-06-20","rolling_1d_roas":0,"rolling_1d_spend":0,"rolling_1d_revenue":0,
      "rolling_1d_conversions":0,"rolling_1d_trials":0,"rolling_1d_meta_trials":0,"rolling_window_days":1,"has_data":false})"));
  // Before the range, but within the fourteen days.
  EXPECT_EQ(points[11].at("date"), "2025-07-01");
  EXPECT_TRUE(points[11].at("has_data").as_bool());
  EXPECT_DOUBLE_EQ(number(points[11], "rolling_1d_spend"), 120);
  EXPECT_DOUBLE_EQ(number(points[13], "rolling_1d_roas"), 0.5728);
  EXPECT_DOUBLE_EQ(number(points[13], "rolling_1d_revenue"), 17.5);
  EXPECT_DOUBLE_EQ(number(points[13], "rolling_1d_conversions"), 2);
  EXPECT_DOUBLE_EQ(number(points[13], "rolling_1d_trials"), 1);
  EXPECT_DOUBLE_EQ(number(points[13], "rolling_1d_meta_trials"), 2);
}

TEST_F(AnswersTest, ChildrenFollowTheHierarchy) {
  tell_a_story();
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-03");
  request.group_by = Level::kCampaign;
  const value answer = ask(request);
  EXPECT_TRUE(answer.at("data").at(0).at("children").as_array().empty());  // its ad set has no row in the range
  const auto& adsets = answer.at("data").at(1).at("children").as_array();
  ASSERT_EQ(adsets.size(), 1U);
  EXPECT_EQ(adsets[0].at("id"), "adset_s1");
  const auto& ads = adsets[0].at("children").as_array();
  ASSERT_EQ(ads.size(), 2U);
  EXPECT_EQ(ads[0].at("id"), "ad_a2");  // more spend
  EXPECT_EQ(ads[1].at("name"), "First");
  EXPECT_TRUE(ads[1].at("children").as_array().empty());
}

TEST_F(AnswersTest, PartsAreThePartsOfTheWhole) {
  tell_a_story();
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-03");
  request.group_by = Level::kCampaign;
  const value whole = ask(request);
  request.entity_id = std::string(whole.at("data").at(1).at("entity_id").as_string());
  EXPECT_EQ(ask(request).at("data").as_array(), (boost::json::array{whole.at("data").at(1)}));
  request.include_children = false;
  request.include_users = false;
  const value alone = ask(request).at("data").at(0);
  EXPECT_FALSE(alone.as_object().contains("children"));
  EXPECT_FALSE(alone.as_object().contains("user_details"));
  EXPECT_EQ(alone.at("sparkline_data"), whole.at("data").at(1).at("sparkline_data"));
  DataRequest below;
  below.range = request.range;
  below.group_by = Level::kAdset;
  below.parent_id = *request.entity_id;
  EXPECT_EQ(ask(below).at("data").as_array(), whole.at("data").at(1).at("children").as_array());
}

TEST_F(AnswersTest, OneReaderSaysTheSameAsTwo) {
  tell_a_story();
  DataRequest request;
  request.range = range("2025-06-01", "2025-07-03");
  request.group_by = Level::kCampaign;
  const value with_helper = ask(request);
  EXPECT_EQ(with_helper, answer([&](const Snapshot&) { return answer_data(tables_, nullptr, request, context_); }));
}

TEST_F(AnswersTest, WhereASnapshotCannotBeSharedOneReaderDoesItAll) {
  StoredRows plain(false);
  plain.main_row("campaign", "c", "2025-07-01", "meta_spend = 5");
  plain.main_row("ad", "a", "2025-07-01", "meta_spend = 5");
  plain.commit(1);
  Tables tables(TablesOptions{plain.path()});
  Tables helper(TablesOptions{plain.path()});
  ASSERT_TRUE(tables.begin().ok());
  EXPECT_EQ(helper.begin_beside(tables).error().code, Errc::kUnsupported);
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-01");
  request.group_by = Level::kCampaign;
  const auto text = answer_data(tables, &helper, request, context_);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(parse(*text).at("total_records").as_int64(), 1);
}

TEST_F(AnswersTest, AnEntityNeedsARowInTheRange) {
  tell_a_story();
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-03");
  const auto ads = ask(request).at("data").as_array();
  ASSERT_EQ(ads.size(), 2U);  // not a3, whose row is of June
  request.range = range("2025-06-01", "2025-06-30");
  EXPECT_EQ(ask(request).at("data").as_array().size(), 1U);
}

TEST_F(AnswersTest, WithoutMixpanelItsSideIsLeftOut) {
  tell_a_story();
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-03");
  request.group_by = Level::kCampaign;
  request.include_mixpanel = false;
  const value c1 = ask(request).at("data").at(1);
  for (const char* gone :
       {"mixpanel_trials_started", "estimated_roas", "profit", "user_details", "trial_users_count"}) {
    EXPECT_FALSE(c1.as_object().contains(gone)) << gone;
  }
  EXPECT_DOUBLE_EQ(number(c1, "spend"), 150.55);
  EXPECT_FALSE(c1.at("sparkline_data").at(0).as_object().contains("rolling_1d_roas"));
}

TEST_F(AnswersTest, UserIdsCanBeHidden) {
  tell_a_story();
  context_.hide_user_ids = true;
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-03");
  request.group_by = Level::kCampaign;
  const value c1 = ask(request).at("data").at(1);
  EXPECT_FALSE(c1.as_object().contains("user_details"));
  EXPECT_EQ(c1.at("converted_users_count").as_int64(), 2);
}

TEST_F(AnswersTest, ABreakdownGivesAnEntityForEachValue) {
  stored_.hierarchy("a1", "s1", "c1");
  for (const char* date : {"2025-07-01", "2025-07-02"}) {
    stored_.main_row("campaign", "c1", date, "meta_spend = 1000");
    stored_.breakdown_row("campaign", "c1", date, "country", "US", "meta_spend = 10, mixpanel_trial_count = 2");
    stored_.breakdown_row("campaign", "c1", date, "country", "DE", "meta_spend = 20");
    stored_.breakdown_row("campaign", "c1", date, "device", "STRIPE", "meta_spend = 70");
  }
  stored_.main_row("adset", "s1", "2025-07-01", "");
  stored_.breakdown_row("adset", "s1", "2025-07-01", "country", "US", "meta_spend = 4");
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-03");
  request.group_by = Level::kCampaign;
  request.breakdown = Breakdown::kCountry;
  const value answer = ask(request);
  EXPECT_EQ(answer.at("breakdown"), "country");
  ASSERT_EQ(answer.at("total_records").as_int64(), 2);
  const value& germany = answer.at("data").at(0);
  EXPECT_EQ(germany.at("id"), "campaign_c1");
  EXPECT_EQ(germany.at("breakdown_key"), "DE");
  EXPECT_EQ(germany.at("breakdown_type"), "country");
  EXPECT_DOUBLE_EQ(number(germany, "spend"), 40);
  EXPECT_TRUE(germany.at("children").as_array().empty());
  const value& america = answer.at("data").at(1);
  EXPECT_EQ(number(america, "mixpanel_trials_started"), 4);
  ASSERT_EQ(america.at("children").as_array().size(), 1U);
  EXPECT_EQ(america.at("children").at(0).at("breakdown_key"), "US");
  EXPECT_DOUBLE_EQ(number(america.at("children").at(0), "spend"), 4);
}

TEST_F(AnswersTest, EveryFieldOfADay) {
  tell_a_story();
  ChartRequest request;
  request.range = range("2025-07-01", "2025-07-02");
  request.entity_id = "c1";
  const value answer = ask(request);
  const auto& days = answer.at("chart_data").as_array();
  ASSERT_EQ(days.size(), 2U);
  EXPECT_EQ(days[0], parse(R"({"date":"2025-07-01","daily_spend":120,"daily_impressions":10000,"daily_clicks":250,
      "daily_meta_trials":4,"daily_meta_purchases":1,"daily_mixpanel_trials":3,"daily_mixpanel_purchases":1,
      "daily_mixpanel_conversions":2,"daily_mixpanel_revenue":69.97,"daily_mixpanel_refunds":9.99,
      "daily_estimated_revenue":82.5,"daily_adjusted_revenue":110,"daily_roas":0.9167,"daily_profit":-10,
      "daily_trial_accuracy":0.75,"daily_purchase_accuracy":1,"is_inactive":false})"));
  EXPECT_TRUE(days[1].at("is_inactive").as_bool());
  EXPECT_EQ(number(days[1], "daily_spend"), 0);
  EXPECT_EQ(answer.at("metadata"),
            parse(R"({"entity_type":"campaign","entity_id":"c1","entity_name":"Summer \"24\"","start_date":"2025-07-01",
      "end_date":"2025-07-02","breakdown":"all","breakdown_value":null,"data_points":2,"method":"precomputed","epoch":3,
      "as_of":"2025-07-31"})"));
}

TEST_F(AnswersTest, AChartOfABreakdown) {
  stored_.main_row("ad", "a", "2025-07-01", "meta_spend = 1000");
  stored_.breakdown_row("ad", "a", "2025-07-01", "country", "US", "meta_spend = 10");
  stored_.breakdown_row("ad", "a", "2025-07-01", "country", "DE", "meta_spend = 20");
  stored_.breakdown_row("ad", "a", "2025-07-01", "device", "STRIPE", "meta_spend = 500");
  ChartRequest request;
  request.range = range("2025-07-01", "2025-07-01");
  request.level = Level::kAd;
  request.entity_id = "a";
  request.breakdown = Breakdown::kCountry;
  EXPECT_DOUBLE_EQ(number(ask(request).at("chart_data").at(0), "daily_spend"), 30);
  request.breakdown_value = "US";
  EXPECT_DOUBLE_EQ(number(ask(request).at("chart_data").at(0), "daily_spend"), 10);
  request.breakdown_value = "FR";
  EXPECT_TRUE(ask(request).at("chart_data").at(0).at("is_inactive").as_bool());
}

TEST_F(AnswersTest, TheOverviewSumsOneLevel) {
  tell_a_story();
  OverviewRequest request;
  request.range = range("2025-07-01", "2025-07-04");
  const value answer = ask(request);
  const auto& days = answer.at("chart_data").as_array();
  ASSERT_EQ(days.size(), 4U);
  EXPECT_EQ(days[0], parse(R"({"date":"2025-07-01","spend":120,"revenue":110,"roas":0.9167,"profit":-10,"trials":3,
      "purchases":1,"impressions":10000,"clicks":250,"is_inactive":false})"));
  EXPECT_TRUE(days[3].at("is_inactive").as_bool());
  EXPECT_EQ(answer.at("summary"), parse(R"({"total_spend":650.56,"total_revenue":127.5,"overall_roas":0.196,
      "total_trials":5,"total_purchases":3,"conversion_rate":0.6,
      "date_range":{"start":"2025-07-01","end":"2025-07-04","days":4}})"));
}

TEST_F(AnswersTest, LimitsAreSaid) {
  tell_a_story();
  stored_.commit(3);
  context_.limits.rows_max = 3;
  DataRequest request;
  request.range = range("2025-06-01", "2025-07-03");
  request.group_by = Level::kCampaign;
  ASSERT_TRUE(tables_.begin().ok());
  const auto refused = answer_data(tables_, &helper_, request, context_);
  EXPECT_EQ(refused.error().code, Errc::kUsage);
  EXPECT_THAT(refused.error().detail, HasSubstr("more than 3 stored rows"));
}

TEST_F(AnswersTest, ADeadlineEndsALongAnswer) {
  for (int i = 0; i < 600; ++i) stored_.main_row("ad", "a" + std::to_string(i), "2025-07-01", "");
  stored_.commit(3);
  clock_.micros = 100;
  context_.deadline_micros = 99;
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-03");
  ASSERT_TRUE(tables_.begin().ok());
  EXPECT_EQ(answer_data(tables_, &helper_, request, context_).error().code, Errc::kInterrupted);
}

TEST_F(AnswersTest, DatesAndTimes) {
  tell_a_story();
  const value answer = this->answer([&](const Snapshot&) { return answer_date_range(tables_, context_); });
  EXPECT_EQ(answer, parse(R"({"success":true,"data":{"earliest_date":"2025-06-20","latest_date":"2025-07-03"},
      "timestamp":"2025-07-31T10:00:00.123Z"})"));
}

TEST_F(AnswersTest, NoRowsGiveNoDates) {
  const value answer = this->answer([&](const Snapshot&) { return answer_date_range(tables_, context_); });
  EXPECT_TRUE(answer.at("data").at("earliest_date").is_null());
}

TEST_F(AnswersTest, TheFirstDayOfTheCalendarHasASparkline) {
  stored_.main_row("ad", "a", "0000-01-01", "meta_spend = 1");
  DataRequest request;
  request.range = range("0000-01-01", "0000-01-02");
  const auto points = ask(request).at("data").at(0).at("sparkline_data").as_array();
  ASSERT_EQ(points.size(), 14U);
  EXPECT_TRUE(points[12].at("has_data").as_bool());
}

TEST_F(AnswersTest, ConfigurationsNameWhatAnEntityHas) {
  const value document = parse(answer_configurations());
  const auto& all = document.at("configurations").at("analytics_all");
  EXPECT_TRUE(all.at("is_default").as_bool());
  EXPECT_EQ(all.at("group_by"), "ad");
  EXPECT_EQ(document.at("configurations").at("analytics_campaign").at("group_by"), "campaign");
  tell_a_story();
  DataRequest request;
  request.range = range("2025-07-01", "2025-07-03");
  boost::json::array names;
  const value answer = ask(request);
  for (const auto& member : answer.at("data").at(0).as_object()) names.emplace_back(member.key());
  EXPECT_EQ(all.at("fields").as_array(), names);
}

}  // namespace
}  // namespace admetrics::dashboard
