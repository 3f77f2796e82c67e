#include "dashboard/parameters.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace admetrics::dashboard {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Limits kLimits{31, 1'000};

Parameters with(Parameters more) {
  Parameters all{{"start_date", "2025-07-01"}, {"end_date", "2025-07-31"}};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

TEST(ParametersTest, WhatIsLeftOutHasItsDefault) {
  const auto parsed = parse_data_request(with({}), kLimits);
  EXPECT_THAT(parsed.mistakes, IsEmpty());
  EXPECT_EQ(parsed.request.range.days(), 31);
  EXPECT_EQ(parsed.request.breakdown, Breakdown::kNone);
  EXPECT_EQ(parsed.request.group_by, Level::kAd);
  EXPECT_TRUE(parsed.request.include_mixpanel);
  EXPECT_TRUE(parsed.request.include_children);
  EXPECT_TRUE(parsed.request.include_users);
  EXPECT_FALSE(parsed.request.entity_id);
  EXPECT_FALSE(parsed.request.parent_id);
  EXPECT_EQ(parse_overview_request(with({}), kLimits).request.group_by, Level::kCampaign);
  EXPECT_EQ(parse_mode({}).request, Mode::kPrecomputed);
}

TEST(ParametersTest, EverythingIsTaken) {
  const auto parsed = parse_data_request(
      with({{"breakdown", "device"}, {"group_by", "adset"}, {"include_mixpanel", "FALSE"}, {"_", "17"}}), kLimits);
  EXPECT_THAT(parsed.mistakes, IsEmpty());
  EXPECT_EQ(parsed.request.breakdown, Breakdown::kDevice);
  EXPECT_EQ(parsed.request.group_by, Level::kAdset);
  EXPECT_FALSE(parsed.request.include_mixpanel);
  const auto chart = parse_chart_request(
      with({{"entity_type", "ad"}, {"entity_id", "1 2"}, {"breakdown", "country"}, {"breakdown_value", "US"}}),
      kLimits);
  EXPECT_THAT(chart.mistakes, IsEmpty());
  EXPECT_EQ(chart.request.entity_id, "1 2");
  EXPECT_EQ(chart.request.breakdown_value, "US");
  EXPECT_EQ(parse_mode({{"mode", "recompute"}}).request, Mode::kRecompute);
}

TEST(ParametersTest, EveryMistakeIsNamed) {
  EXPECT_THAT(parse_data_request({}, kLimits).mistakes,
              ElementsAre(HasSubstr("start_date: is missing"), HasSubstr("end_date: is missing")));
  EXPECT_THAT(parse_data_request({{"start_date", "2025-02-30"},
                                  {"end_date", ""},
                                  {"breakdown", "all,country"},
                                  {"group_by", "Campaign"},
                                  {"include_mixpanel", "maybe"}},
                                 kLimits)
                  .mistakes,
              ElementsAre(HasSubstr("start_date: must be a day"), HasSubstr("end_date: must be a day"),
                          HasSubstr("breakdown: must be all"), HasSubstr("group_by: must be campaign"),
                          HasSubstr("include_mixpanel: must be true")));
  EXPECT_THAT(parse_chart_request(with({{"breakdown_value", "US"}}), kLimits).mistakes,
              ElementsAre(HasSubstr("entity_type: is missing"), HasSubstr("entity_id: is missing"),
                          HasSubstr("breakdown_value: needs a breakdown")));
  EXPECT_THAT(parse_mode({{"mode", ""}}).mistakes, ElementsAre(HasSubstr("mode: must be")));
}

TEST(ParametersTest, RangesHaveAnOrderAndALimit) {
  EXPECT_THAT(parse_data_request({{"start_date", "2025-07-02"}, {"end_date", "2025-07-01"}}, kLimits).mistakes,
              ElementsAre("start_date: lies after end_date"));
  EXPECT_THAT(parse_data_request({{"start_date", "2025-07-01"}, {"end_date", "2025-08-01"}}, kLimits).mistakes,
              ElementsAre(HasSubstr("32 days; at most 31")));
  EXPECT_THAT(parse_data_request({{"start_date", "0000-01-01"}, {"end_date", "9999-12-31"}}, kLimits).mistakes,
              ElementsAre(HasSubstr("3652425 days")));
}

TEST(ParametersTest, AValueGivenTwiceIsAMistake) {
  EXPECT_THAT(parse_data_request(with({{"start_date", "2025-07-01"}}), kLimits).mistakes,
              ElementsAre("start_date: is given more than once"));
}

TEST(ParametersTest, PartsOfTheDataAreTaken) {
  const auto parsed = parse_data_request(
      with({{"group_by", "adset"}, {"parent_id", "c1"}, {"include_children", "false"}, {"include_users", "0"}}),
      kLimits);
  EXPECT_THAT(parsed.mistakes, IsEmpty());
  EXPECT_EQ(parsed.request.parent_id, "c1");
  EXPECT_FALSE(parsed.request.include_children);
  EXPECT_FALSE(parsed.request.include_users);
  EXPECT_THAT(
      parse_data_request(with({{"group_by", "campaign"}, {"parent_id", "c1"}, {"entity_id", ""}}), kLimits).mistakes,
      ElementsAre(HasSubstr("entity_id: must not be empty"), HasSubstr("parent_id: cannot be together"),
                  HasSubstr("parent_id: needs group_by")));
}

TEST(ParametersTest, LongValuesAreShownShort) {
  const auto parsed = parse_data_request(with({{"group_by", std::string(10'000, 'x')}}), kLimits);
  ASSERT_EQ(parsed.mistakes.size(), 1U);
  EXPECT_LT(parsed.mistakes[0].size(), 200U);
}

TEST(ParametersTest, NoTwoRequestsShareACanonicalText) {
  ChartRequest one;
  one.entity_id = "a=b";
  ChartRequest other;
  other.entity_id = "a";
  other.breakdown_value = "b";
  EXPECT_NE(canonical(one), canonical(other));
  DataRequest data;
  DataRequest meta;
  meta.include_mixpanel = false;
  EXPECT_NE(canonical(data), canonical(meta));
  DataRequest alone;
  alone.include_children = false;
  DataRequest unnamed;
  unnamed.include_users = false;
  DataRequest of_one;
  of_one.entity_id = "c";
  DataRequest below;
  below.parent_id = "c";
  std::set<std::string> texts;
  for (const DataRequest& request : {data, meta, alone, unnamed, of_one, below}) texts.insert(canonical(request));
  EXPECT_EQ(texts.size(), 6U);
}

}  // namespace
}  // namespace admetrics::dashboard
