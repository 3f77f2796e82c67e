// What the rows must hold, worked out by hand.
#include "tests/verify/fixture.hpp"

namespace admetrics {
namespace {

class Recompute : public VerifyTest {
 protected:
  /// Two trials and a purchase on one day. u1 converts and gets its money back, u2 does not convert, u3 buys and is refunded.
  void a_day() {
    for (const char* id : {"u2", "u1", "u3"}) user(id);
    trial("u1", "2026-01-03T10:00:00Z");
    trial("u2", "2026-01-03T11:00:00Z");
    event("u1", "RC Trial converted", "2026-01-10T10:00:00Z", "9.99");
    event("u1", "RC Cancellation", "2026-01-11T10:00:00Z", "-4.995");
    event("u3", "RC Initial purchase", "2026-01-03T12:00:00Z", "50");
    event("u3", "RC CANCELled", "2026-01-04T12:00:00Z", "-50");
    product("u1", "'p1'", "'2026-01-03'", "'app_store'", "30.005", "0.5, 0.2, 0.1");
    product("u2", "'p1'", "'2026-01-03'", "'app_store'", "10", "0.25, NULL, NULL");
    product("u3", "'p1'", "'2026-01-03'", "'play_store'", "20", "0.9, 0.9, 0.3");
  }
};

TEST_F(Recompute, EveryColumnOfTheMainTable) {
  a_day();
  meta("2026-01-03", "12.34, 1000, 40, 4, 1");
  recompute();
  for (const char* id : {"a1", "s1", "c1"}) {
    expect(main_row(id, "2026-01-03"),
           {
               {"trial_users_count", "2"},
               {"trial_users_list", R"(["u1","u2"])"},
               {"trial_user_ids", R"(["u1","u2"])"},
               {"purchase_users_count", "1"},
               {"purchase_users_list", R"(["u3"])"},
               {"purchase_user_ids", R"(["u3"])"},
               {"meta_spend", "12.34"},
               {"meta_impressions", "1000"},
               {"meta_clicks", "40"},
               {"meta_trial_count", "4"},
               {"meta_purchase_count", "1"},
               {"post_trial_user_ids", R"(["u1","u2"])"},
               {"converted_user_ids", R"(["u1"])"},
               {"trial_refund_user_ids", R"(["u1"])"},
               {"purchase_refund_user_ids", R"(["u3"])"},
               {"trial_conversion_rate_estimated", "0.375"},  // (0.5 + 0.25) / 2: u3 is no trial user
               {"trial_conversion_rate_actual", "0.5"},
               {"trial_refund_rate_estimated", "0.2"},
               {"trial_refund_rate_actual", "1"},
               {"purchase_refund_rate_estimated", "0.3"},
               {"purchase_refund_rate_actual", "1"},
               {"actual_revenue_usd", "59.99"},
               {"actual_refunds_usd", "55"},                  // 54.995, half away from zero
               {"net_actual_revenue_usd", "4.99"},            // of the stored columns
               {"estimated_revenue_usd", "60.01"},            // 60.005
               {"adjusted_estimated_revenue_usd", "120.02"},  // 60.01 × 4 / 2
               {"profit_usd", "107.68"},
               {"estimated_roas", "9.7261"},  // 120.02 / 12.34 = 9.72609…
               {"trial_accuracy_ratio", "50"},
               {"purchase_accuracy_ratio", "100"},
               {"mixpanel_cost_per_trial", "6.17"},
               {"mixpanel_cost_per_purchase", "12.34"},
               {"meta_cost_per_trial", "3.09"},  // 3.085
               {"meta_cost_per_purchase", "12.34"},
               {"click_to_trial_rate", "5"},
               {"data_quality_score", "1"},
           });
  }
  EXPECT_EQ(count("daily_mixpanel_metrics"), 3);
}

TEST_F(Recompute, EveryColumnOfTheBreakdownTable) {
  a_day();
  meta_by("device", "'iphone'", "2026-01-03", "3.335, 100, 30, 0, 2");
  meta_by("device", "'ipad'", "2026-01-03", "1, 1, 0, 0, 0");
  recompute();
  expect(breakdown_row("a1", "2026-01-03", "device", "APP_STORE"),
         {
             {"mixpanel_trial_count", "2"},
             {"trial_user_ids", R"(["u1","u2"])"},
             {"mixpanel_purchase_count", "0"},
             {"purchase_user_ids", "[]"},
             {"meta_spend", "4.34"},  // 4.335
             {"meta_impressions", "101"},
             {"meta_clicks", "30"},
             {"meta_trial_count", "0"},
             {"meta_purchase_count", "2"},
             {"post_trial_user_ids", R"(["u1","u2"])"},
             {"converted_user_ids", R"(["u1"])"},
             {"trial_refund_user_ids", R"(["u1"])"},
             {"purchase_refund_user_ids", "[]"},
             {"trial_conversion_rate_estimated", "0.375"},
             {"trial_conversion_rate_actual", "0.5"},
             {"trial_refund_rate_estimated", "0.2"},
             {"trial_refund_rate_actual", "1"},
             {"purchase_refund_rate_estimated", "0"},
             {"purchase_refund_rate_actual", "0"},
             {"actual_revenue_usd", "9.99"},
             {"actual_refunds_usd", "5"},
             {"net_actual_revenue_usd", "4.99"},
             {"estimated_revenue_usd", "40.01"},
             {"adjusted_estimated_revenue_usd", "40.01"},  // Meta counts no trials
             {"profit_usd", "35.67"},
             {"estimated_roas", "9.2189"},  // 40.01 / 4.34 = 9.21889…
             {"trial_accuracy_ratio", "100"},
             {"purchase_accuracy_ratio", "0"},
             {"mixpanel_cost_per_trial", "2.17"},
             {"mixpanel_cost_per_purchase", "0"},
             {"meta_cost_per_trial", "0"},
             {"meta_cost_per_purchase", "2.17"},
             {"click_to_trial_rate", "6.6667"},
         });
  expect(breakdown_row("a1", "2026-01-03", "device", "PLAY_STORE"), {{"mixpanel_purchase_count", "1"},
                                                                     {"purchase_refund_user_ids", R"(["u3"])"},
                                                                     {"adjusted_estimated_revenue_usd", "20"}});
  expect(breakdown_row("c1", "2026-01-03", "country", "US"),
         {{"mixpanel_trial_count", "2"}, {"mixpanel_purchase_count", "1"}});
  expect(breakdown_row("s1", "2026-01-03", "region", "CA"),
         {{"mixpanel_trial_count", "2"}, {"mixpanel_purchase_count", "1"}});
  EXPECT_EQ(count("daily_mixpanel_metrics_breakdown"), 3 * 4);
  // No Meta daily row: the breakdown's Meta row does not count for the main row.
  expect(main_row("a1", "2026-01-03"), {{"meta_spend", "0"}, {"data_quality_score", "0.8"}});
}

TEST_F(Recompute, PurchasesLeadWhenTheyAreMore) {
  user("u1");
  event("u1", "RC Initial purchase", "2026-01-03T12:00Z", "10");
  product("u1", "'p'", "NULL", "NULL", "7");
  meta("2026-01-03", "1, 0, 0, 5, 3");
  recompute();
  expect(main_row("a1", "2026-01-03"), {{"adjusted_estimated_revenue_usd", "21"},
                                        {"trial_accuracy_ratio", "0"},
                                        {"purchase_accuracy_ratio", "33.3333"},
                                        {"data_quality_score", "0.5"}});
}

TEST_F(Recompute, QualityScores) {
  user("u1");
  trial("u1", "2026-01-03T10:00Z");     // no value, no Meta row: 1 − 0.1 − 0.2
  meta("2026-01-04", "1, 0, 0, 0, 2");  // no users although Meta reports some: 1 − 0.2 − 0.2
  meta("2026-01-05", "1, 0, 0, 0, 0");  // 1 − 0.2
  recompute();
  expect(main_row("a1", "2026-01-03"), {{"data_quality_score", "0.7"}, {"trial_accuracy_ratio", "100"}});
  expect(main_row("a1", "2026-01-04"), {{"data_quality_score", "0.6"}});
  expect(main_row("a1", "2026-01-05"), {{"data_quality_score", "0.8"}});
}

TEST_F(Recompute, AUserWithBothOnOneDayIsSummedOnce) {
  user("u1");
  trial("u1", "2026-01-03T10:00Z");
  event("u1", "RC Initial purchase", "2026-01-03T12:00Z", "10");
  product("u1", "'p'", "NULL", "NULL", "7");
  recompute();
  expect(main_row("a1", "2026-01-03"), {{"trial_users_count", "1"},
                                        {"purchase_users_count", "1"},
                                        {"actual_revenue_usd", "10"},
                                        {"estimated_revenue_usd", "7"}});
}

TEST_F(Recompute, TheLatestDayCountsAndOnlyIt) {
  user("u1");
  trial("u1", "2026-01-03T10:00Z");
  trial("u1", "2026-01-05T10:00Z");
  recompute();
  EXPECT_TRUE(main_row("a1", "2026-01-03").empty());
  expect(main_row("a1", "2026-01-05"), {{"trial_users_count", "1"}});
}

TEST_F(Recompute, RefundsBeforeTheConversionAreNone) {
  user("u1");
  trial("u1", "2026-01-03T10:00Z");
  event("u1", "RC Trial converted", "2026-01-10T10:00:00.000000002Z", "9.99");
  event("u1", "RC Cancellation", "2026-01-10T10:00:00.000000001Z", "-9.99");
  recompute();
  expect(main_row("a1", "2026-01-03"), {{"trial_refund_user_ids", "[]"}, {"actual_refunds_usd", "9.99"}});
  event("u1", "RC Cancellation", "2026-01-10T11:00:00.000000002+01:00", "-0.000001");  // the same instant
  recompute();
  expect(main_row("a1", "2026-01-03"), {{"trial_refund_user_ids", R"(["u1"])"}});
}

TEST_F(Recompute, PostTrialBeginsOnTheSeventhDay) {
  user("u1");
  trial("u1", "2026-01-03T10:00Z");
  event("u1", "RC Trial converted", "2026-01-04T10:00Z", "9.99");
  product("u1", "'p'", "NULL", "NULL", "7", "0.5, 0.25, 0.1");
  recompute(options("2026-01-09"));
  expect(main_row("a1", "2026-01-03"), {{"post_trial_user_ids", "[]"},
                                        {"converted_user_ids", "[]"},
                                        {"trial_conversion_rate_estimated", "0.5"},
                                        {"trial_conversion_rate_actual", "0"},
                                        {"trial_refund_rate_estimated", "0"}});
  recompute(options("2026-01-10"));
  expect(main_row("a1", "2026-01-03"), {{"post_trial_user_ids", R"(["u1"])"},
                                        {"converted_user_ids", R"(["u1"])"},
                                        {"trial_conversion_rate_actual", "1"},
                                        {"trial_refund_rate_estimated", "0.25"}});
  VerifyOptions longer = options("2026-01-10");
  longer.reporting.trial_length_days = 14;
  recompute(longer);
  expect(main_row("a1", "2026-01-03"), {{"post_trial_user_ids", "[]"}});
}

TEST_F(Recompute, AttributionStandsAloneAtEachLevel) {
  product_sql(
      "INSERT INTO mixpanel_user VALUES ('u1', NULL, 'c1', '', 'US', NULL, 1), ('u2', 'a1', 'c1', 's1', 'US', NULL, 0),"
      " ('u3', 'a1', 'c1', 's1', 'US', NULL, NULL), ('u4', 'a1', 'c1', 's1', 'US', NULL, 'yes'),"
      " ('u5', 'a1', NULL, NULL, 'US', NULL, 0.5)");
  for (const char* id : {"u1", "u2", "u3", "u4", "u5", "nobody"}) trial(id, "2026-01-03T10:00Z");
  recompute();
  expect(main_row("c1", "2026-01-03"), {{"trial_users_list", R"(["u1"])"}});
  expect(main_row("a1", "2026-01-03"), {{"trial_users_list", R"(["u5"])"}});
  EXPECT_EQ(count("daily_mixpanel_metrics"), 2);
}

TEST_F(Recompute, BreakdownValuesAlwaysAddUp) {
  user("u1", "'a1'", "NULL", "''");
  user("u2", "'a1'", "' '", "'unknown'");
  for (const char* id : {"u1", "u2"}) trial(id, "2026-01-03T10:00Z");
  recompute();
  expect(breakdown_row("a1", "2026-01-03", "country", "unknown"), {{"trial_user_ids", R"(["u1"])"}});
  expect(breakdown_row("a1", "2026-01-03", "country", " "), {{"trial_user_ids", R"(["u2"])"}});
  expect(breakdown_row("a1", "2026-01-03", "region", "unknown"), {{"mixpanel_trial_count", "2"}});
  expect(breakdown_row("a1", "2026-01-03", "device", "unknown"), {{"mixpanel_trial_count", "2"}});
}

TEST_F(Recompute, TheDeviceIsTheStoreOfTheLatestProduct) {
  for (const char* id : {"u1", "u2", "u3", "u4"}) {
    user(id);
    trial(id, "2026-01-03T10:00Z");
  }
  product("u1", "'a'", "'2026-01-02'", "'stripe'", "1");
  product("u1", "'b'", "'2026-01-03'", "''", "1");    // an empty store says nothing
  product("u1", "'c'", "NULL", "'play_store'", "1");  // NULL comes first
  product("u2", "'b'", "'2026-01-02'", "'app_store'", "1");
  product("u2", "'a'", "'2026-01-02'", "'stripe'", "1");  // the same day: the greater product
  product("u3", "'a'", "'2026-01-02'", "' x'", "1");      // blanks are a value
  product("u4", "'a'", "'2026-01-02'", "'stripe'", "1");
  product("u4", "'b'", "'2026-01-03'", "'app_store'", "1", "'bad', NULL, NULL");  // a reject gives no store
  recompute();
  expect(breakdown_row("a1", "2026-01-03", "device", "STRIPE"), {{"trial_user_ids", R"(["u1","u4"])"}});
  expect(breakdown_row("a1", "2026-01-03", "device", "APP_STORE"), {{"trial_user_ids", R"(["u2"])"}});
  expect(breakdown_row("a1", "2026-01-03", "device", " X"), {{"trial_user_ids", R"(["u3"])"}});
}

TEST_F(Recompute, ListsAreCompactJsonInTheOrderOfBytes) {
  for (const char* id : {"é", "z", "Z", "a\"b", "a\\", "10", "9"}) {
    user(id);
    trial(id, "2026-01-03T10:00Z");
  }
  recompute();
  expect(main_row("a1", "2026-01-03"), {{"trial_users_list", R"(["10","9","Z","a\"b","a\\","z","é"])"}});
}

TEST_F(Recompute, TheDayIsTheZonesDay) {
  user("u1");
  trial("u1", "2026-03-29T22:30:00Z");  // summer time began that night: 00:30 on the 30th in Berlin
  user("u2");
  trial("u2", "2026-03-28T22:30:00Z");  // the night before: still 23:30
  user("u3");
  trial("u3", "2026-03-30T00:30:00+02:00");
  recompute(options("2026-04-20", "Europe/Berlin"));
  expect(main_row("a1", "2026-03-30"), {{"trial_users_list", R"(["u1","u3"])"}});
  expect(main_row("a1", "2026-03-28"), {{"trial_users_list", R"(["u2"])"}});
  recompute(options("2026-04-20", "America/New_York"));
  expect(main_row("a1", "2026-03-29"), {{"trial_users_list", R"(["u1","u3"])"}});
}

TEST_F(Recompute, DeviceMappingAbsentEmptyInactiveOrToNothing) {
  const auto devices = [&] {
    recompute();
    return sink_
        ->query_text(
            "SELECT group_concat(breakdown_value || '=' || meta_impressions, ' ') FROM (SELECT * FROM "
            "daily_mixpanel_metrics_breakdown WHERE entity_type = 'ad' ORDER BY breakdown_value)")
        .value();
  };
  int weight = 1;
  for (const char* device : {"'iphone'", "'desktop'", "'unknown'", "NULL", "'fridge'"}) {
    meta_by("device", device, "2026-01-03", "0, " + std::to_string(weight) + ", 0, 0, 0");
    weight *= 10;
  }
  EXPECT_EQ(devices(), "APP_STORE=1 STRIPE=110 fridge=10000 unknown=1000");
  product_sql(
      "CREATE TABLE meta_device_mapping(meta_device_type TEXT PRIMARY KEY, mixpanel_store_category TEXT, is_active "
      "BOOLEAN)");
  EXPECT_EQ(devices(), "APP_STORE=1 STRIPE=110 fridge=10000 unknown=1000");
  product_sql(
      "INSERT INTO meta_device_mapping VALUES ('iphone', 'phone', 0), ('Desktop', 'web', 1), ('fridge', NULL, 1), "
      "('desktop', 'x', NULL)");
  EXPECT_EQ(devices(), "desktop=10 iphone=1 unknown=11100");
  product_sql("UPDATE meta_device_mapping SET is_active = 1");
  EXPECT_EQ(devices(), "phone=1 unknown=11100 x=10");
}

TEST_F(Recompute, CountriesGoThroughTheirMapping) {
  product_sql(
      "CREATE TABLE meta_country_mapping(meta_country_name TEXT PRIMARY KEY, mixpanel_country_code TEXT, is_active "
      "BOOLEAN);"
      "INSERT INTO meta_country_mapping VALUES ('Germany', 'DE', 1), ('France', 'FR', 0), ('Nowhere', '', 1)");
  for (const char* country : {"'Germany'", "'France'", "'Nowhere'", "''"})
    meta_by("country", country, "2026-01-03", "1, 1, 0, 0, 0");
  meta_by("region", "'Germany'", "2026-01-03", "1, 1, 0, 0, 0");
  recompute();
  expect(breakdown_row("a1", "2026-01-03", "country", "DE"), {{"meta_spend", "1"}});
  expect(breakdown_row("a1", "2026-01-03", "country", "France"), {{"meta_spend", "1"}});
  expect(breakdown_row("a1", "2026-01-03", "country", "unknown"), {{"meta_spend", "2"}});
  expect(breakdown_row("a1", "2026-01-03", "region", "Germany"), {{"meta_spend", "1"}});
  EXPECT_EQ(count("daily_mixpanel_metrics"), 3) << "a breakdown row brings its main row";
  expect(main_row("c1", "2026-01-03"), {{"meta_spend", "0"}, {"meta_impressions", "0"}});
}

TEST_F(Recompute, NamesGoByMostRowsThenLatestThenSmallest) {
  const std::string numbers = "1, 1, 1, 0, 0";
  meta("2026-01-01", numbers, "'a1'", "'s1', 'c1', 'often', 'late', 'b'");
  meta("2026-01-02", numbers, "'a1'", "'s1', 'c1', 'often', 'early', 'a'");
  meta_by("country", "'US'", "2026-01-03", numbers, "'s1', 'c1', 'latest', 'late', NULL");
  meta_by("region", "'CA'", "2026-01-02", numbers, "'s1', 'c1', NULL, 'early', 'b'");
  meta_by("device", "'iphone'", "2026-01-02", numbers, "'s1', 'c1', '', NULL, 'a'");
  meta_by("device", "'ipad'", "2026-01-05", "'bad', 1, 1, 0, 0", "'s1', 'c1', 'reject', 'reject', 'reject'");
  recompute();
  expect(
      row("id_name_mapping", "entity_type = 'ad'"),
      {{"entity_id", "a1"}, {"canonical_name", "often"}, {"frequency_count", "2"}, {"last_seen_date", "2026-01-02"}});
  expect(row("id_name_mapping", "entity_type = 'adset'"),
         {{"canonical_name", "late"}, {"frequency_count", "2"}, {"last_seen_date", "2026-01-03"}});
  expect(row("id_name_mapping", "entity_type = 'campaign'"),
         {{"canonical_name", "a"}, {"frequency_count", "2"}, {"last_seen_date", "2026-01-02"}});
  EXPECT_EQ(count("id_name_mapping"), 3);
}

TEST_F(Recompute, NamelessEntitiesHaveNoName) {
  meta("2026-01-01", "1, 1, 1, 0, 0", "'a1'", "NULL, '', NULL, 'orphan', 'orphan'");
  recompute();
  EXPECT_EQ(count("id_name_mapping"), 0);
  EXPECT_EQ(count("id_hierarchy_mapping"), 0);
  EXPECT_EQ(count("daily_mixpanel_metrics"), 1);
}

TEST_F(Recompute, HierarchyGoesByMostRowsThenLatestThenSmallest) {
  const std::string numbers = "1, 1, 1, 0, 0";
  const auto row_of = [&](const std::string& ad, const std::string& day, const std::string& parents) {
    meta(day, numbers, ad, parents + ", NULL, NULL, NULL");
  };
  row_of("'most'", "2026-01-01", "'s1', 'c1'");
  row_of("'most'", "2026-01-02", "'s1', 'c1'");
  row_of("'most'", "2026-01-03", "'s2', 'c1'");
  row_of("'most'", "2026-01-04", "'s2', NULL");
  row_of("'late'", "2026-01-01", "'s1', 'c1'");
  row_of("'late'", "2026-01-02", "'s2', 'c1'");
  ads_sql(
      "INSERT INTO ad_performance_daily VALUES ('tie', '2026-01-01', 's1', 'c2', NULL, NULL, NULL, 1, 1, 1, 1, 1),"
      " ('tie', '2026-01-01', 's1', 'c1', NULL, NULL, NULL, 1, 1, 1, 1, 1), ('tie', '2026-01-01', 's2', 'c0', NULL, "
      "NULL, NULL, 1, 1, 1, 1, 1)");
  meta_by("country", "'US'", "2026-01-01", numbers);  // only the daily table says who belongs to whom
  recompute();
  expect(row("id_hierarchy_mapping", "ad_id = 'most'"), {{"adset_id", "s1"},
                                                         {"campaign_id", "c1"},
                                                         {"relationship_confidence", "0.67"},
                                                         {"first_seen_date", "2026-01-01"},
                                                         {"last_seen_date", "2026-01-02"}});
  expect(row("id_hierarchy_mapping", "ad_id = 'late'"), {{"adset_id", "s2"}, {"relationship_confidence", "0.5"}});
  expect(row("id_hierarchy_mapping", "ad_id = 'tie'"),
         {{"adset_id", "s1"}, {"campaign_id", "c1"}, {"relationship_confidence", "0.33"}});
  EXPECT_EQ(count("id_hierarchy_mapping"), 3);
}

TEST_F(Recompute, RejectsGiveNothing) {
  user("u1");
  trial("u1", "2026-01-03T10:00Z");
  trial("u1", "2026-01-04 24:00");                                 // no time
  event("u1", "RC Trial started", "2026-01-05T10:00Z", "'free'");  // no money: no trial day either
  product_sql(
      "INSERT INTO mixpanel_event VALUES (NULL, 'RC Trial started', 'u1', '2026-01-06T10:00Z', NULL),"
      " (x'6531', 'RC Trial started', 'u1', '2026-01-06T10:00Z', NULL),"
      " ('', 'RC Trial started', 'u1', '2026-01-06T10:00Z', NULL),"
      " ('k1', 'RC Trial started', '', '2026-01-06T10:00Z', NULL),"
      " ('k2', 'RC Trial started', x'7531', '2026-01-06T10:00Z', NULL),"
      " ('k3', 'App open', NULL, 'never', 'text')");  // not relevant, so not judged
  product("u1", "'p1'", "NULL", "'a'", "'n/a'");
  product("u1", "'p2'", "NULL", "'b'", "5", "NULL, 9e99, NULL");
  product("u1", "'p3'", "NULL", "'c'", "5", "NULL, NULL, 0.5");
  meta("2026-01-03", "1, 1.0, 1, 0, 0");
  meta("2026-01-03", "1, 1.5, 1, 0, 0");
  meta("2026-02-30", "1, 1, 1, 0, 0");
  meta("2026-01-03", "'', 1, 1, 0, 0");
  meta("2026-01-03", "1, 1, 1, 0, 0", "NULL");
  meta("2026-01-03", "1, 1, 1, 0, 0", "x'6131'");
  recompute();
  EXPECT_EQ(count("daily_mixpanel_metrics"), 3);
  expect(main_row("a1", "2026-01-03"),
         {{"trial_users_count", "1"}, {"meta_impressions", "1"}, {"estimated_revenue_usd", "5"}});
  EXPECT_EQ(count("daily_mixpanel_metrics_breakdown", "breakdown_type = 'device' AND breakdown_value <> 'C'"), 0);

  std::string rejects;
  for (const RejectCount& reject : verify_now().rejects) {
    rejects += reject.table + " " + reject.reason + " " + std::to_string(reject.rows) + "\n";
  }
  EXPECT_EQ(rejects,
            "ad_performance_daily bad_count 1\n"
            "ad_performance_daily bad_key 3\n"
            "ad_performance_daily bad_money 1\n"
            "mixpanel_event bad_key 5\n"
            "mixpanel_event bad_money 1\n"
            "mixpanel_event bad_time 1\n"
            "user_product_metrics bad_money 1\n"
            "user_product_metrics bad_rate 1\n");
}

TEST_F(Recompute, HugeNumbersNeverTurnToFloatingPoint) {
  for (const char* id : {"u1", "u2"}) {
    user(id);
    trial(id, "2026-01-03T10:00Z");
    product(id, "'p'", "NULL", "NULL", "1000000000");
  }
  meta("2026-01-03", "0.01, 0, 0, 1000000000000000, 0");
  recompute();
  // 2e9 dollars × 1e15 / 2 = 1e24: stops at the end of 64 bits of cents, 92233720368547758.07, and is stored as the nearest double.
  expect(main_row("a1", "2026-01-03"),
         {{"estimated_revenue_usd", "2000000000"}, {"adjusted_estimated_revenue_usd", "92233720368547760"}});
  EXPECT_TRUE(verify_now().equal());
}

TEST_F(Recompute, SumsBeyond64BitsAreExactAndStopWhenTheyAreStored) {
  // 10,000 rows of a billion dollars, 10¹⁹ micro-dollars; and as many clicks as would pass the ends as they are.
  ads_sql(
      "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < 10000) INSERT INTO "
      "ad_performance_daily "
      "SELECT 'a1', '2026-01-03', 's1', 'c1', 'Ad one', 'Set one', 'Campaign one', 1000000000, 0, 1000000000000000, 0, "
      "0 FROM i");
  meta("2026-01-03", "-0.5, 7, 0, 0, 0");
  recompute();
  expect(main_row("a1", "2026-01-03"),
         {{"meta_spend", "9999999999999.5"}, {"meta_impressions", "7"}, {"meta_clicks", "9223372036854775807"}});
  EXPECT_TRUE(verify_now().equal());
}

TEST_F(Recompute, NamesOfEventsAreConfigurable) {
  user("u1");
  event("u1", "start", "2026-01-03T10:00Z");
  event("u1", "Buy", "2026-01-03T10:00Z", "5");
  event("u1", "xMONEY BACKx", "2026-01-04T10:00Z", "-2");
  VerifyOptions other = options();
  other.reporting.names = {"start", "Buy", "go on", "Money back"};
  recompute(other);
  expect(main_row("a1", "2026-01-03"), {{"trial_users_count", "1"},
                                        {"purchase_users_count", "1"},
                                        {"actual_revenue_usd", "5"},
                                        {"actual_refunds_usd", "2"},
                                        {"purchase_refund_user_ids", R"(["u1"])"}});
}

TEST_F(Recompute, CollationsOfTheSourceDoNotMatter) {
  product_sql(
      "DROP TABLE mixpanel_user; DROP TABLE mixpanel_event;"
      "CREATE TABLE mixpanel_user(distinct_id TEXT PRIMARY KEY COLLATE BINARY, abi_ad_id TEXT COLLATE NOCASE, "
      "abi_campaign_id TEXT,"
      "  abi_ad_set_id TEXT, country TEXT COLLATE RTRIM, region TEXT COLLATE NOCASE, has_abi_attribution BOOLEAN);"
      "CREATE TABLE mixpanel_event(event_uuid TEXT PRIMARY KEY, event_name TEXT COLLATE NOCASE, distinct_id TEXT "
      "COLLATE NOCASE,"
      "  event_time DATETIME, revenue_usd DECIMAL(10,2))");
  user("u1", "'a1'", "'  '", "'ca'");
  user("U1", "'A1'", "''", "'CA'");
  trial("u1", "2026-01-03T10:00Z");
  event("U1", "rc trial started", "2026-01-04T10:00Z");
  trial("U1", "2026-01-05T10:00Z");
  recompute();
  expect(main_row("a1", "2026-01-03"), {{"trial_users_list", R"(["u1"])"}});
  expect(main_row("A1", "2026-01-05"), {{"trial_users_list", R"(["U1"])"}});
  expect(breakdown_row("a1", "2026-01-03", "country", "  "), {{"mixpanel_trial_count", "1"}});
  expect(breakdown_row("A1", "2026-01-05", "country", "unknown"), {{"mixpanel_trial_count", "1"}});
}

TEST_F(Recompute, EmptySourcesGiveEmptyTables) {
  recompute();
  for (const char* table :
       {"daily_mixpanel_metrics", "daily_mixpanel_metrics_breakdown", "id_name_mapping", "id_hierarchy_mapping"}) {
    EXPECT_EQ(count(table), 0) << table;
  }
  EXPECT_TRUE(verify_now().equal());
}

TEST_F(Recompute, LeavesNothingBehind) {
  for (int i = 0; i < 20; ++i) recompute();
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    EXPECT_FALSE(entry.path().filename().string().starts_with("admetrics-verify")) << entry.path();
  }
}

}  // namespace
}  // namespace admetrics
