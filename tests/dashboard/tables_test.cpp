#include "dashboard/tables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/dashboard/stored_rows.hpp"

namespace admetrics::dashboard {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Range kAlways{*parse_day("2025-01-01"), *parse_day("2025-12-31")};

class TablesTest : public testing::Test {
 protected:
  std::vector<std::string> plan_of(const std::string& sql) {
    auto statement = stored_.database().prepare("EXPLAIN QUERY PLAN " + sql);
    EXPECT_TRUE(statement.ok()) << sql;
    std::vector<std::string> lines;
    EXPECT_TRUE(statement->for_each_row([&] { lines.emplace_back(statement->text(3)); }).ok());
    return lines;
  }

  StoredRows stored_;
  Tables tables_{TablesOptions{stored_.path()}};
};

TEST_F(TablesTest, EveryStatementFindsItsRowsByAnIndexAndSortsNoRow) {
  for (const std::string& sql : Tables::sql()) {
    for (const std::string& line : plan_of(sql)) {
      // "e" is the list of entities that the range has; nothing of history is in it.
      if (line == "CO-ROUTINE e" || line == "SCAN e" || line == "USE TEMP B-TREE FOR DISTINCT") continue;
      EXPECT_THAT(line, HasSubstr("SEARCH")) << sql;
      EXPECT_THAT(line, HasSubstr("INDEX")) << sql;
    }
  }
}

TEST_F(TablesTest, ADayRangeIsPartOfEverySearch) {
  for (const std::string& sql : Tables::sql()) {
    if (sql.find("BETWEEN") == std::string::npos) continue;
    for (const std::string& line : plan_of(sql)) {
      if (!line.starts_with("SEARCH")) continue;
      EXPECT_THAT(line, HasSubstr("date>? AND date<?")) << sql;
    }
  }
}

TEST_F(TablesTest, NotReadyWithoutACommit) {
  EXPECT_EQ(tables_.begin().error().code, Errc::kNotFound);
  stored_.commit(7);
  const auto snapshot = tables_.begin();
  ASSERT_TRUE(snapshot.ok());
  EXPECT_EQ(snapshot->epoch, 7);
  EXPECT_EQ(snapshot->as_of, "2025-07-31");
}

TEST_F(TablesTest, NotReadyWithoutAFileOrTables) {
  Tables nowhere(TablesOptions{stored_.path() + "-absent"});
  EXPECT_EQ(nowhere.begin().error().code, Errc::kNotFound);
  stored_.commit(1);
  ASSERT_TRUE(tables_.begin().ok());
  tables_.end();
  stored_.run("DROP TABLE _admetrics_sink");
  EXPECT_FALSE(tables_.begin().ok());
  stored_.run("DROP TABLE daily_mixpanel_metrics");
  EXPECT_EQ(tables_.begin().error().code, Errc::kNotFound);
  stored_.run(sink::create_missing_sql());
  stored_.commit(2);
  EXPECT_TRUE(tables_.begin().ok());
}

TEST_F(TablesTest, ASnapshotStandsWhileOthersCommit) {
  stored_.commit(1);
  stored_.main_row("ad", "a", "2025-07-01", "meta_spend = 1");
  ASSERT_TRUE(tables_.begin().ok());
  stored_.main_row("ad", "a", "2025-07-02", "meta_spend = 2");
  stored_.commit(2);
  std::int64_t spend = 0;
  const auto add = [&](const Row& row) {
    spend += row.spend;
    return Status();
  };
  ASSERT_TRUE(tables_.visit_level(Level::kAd, Breakdown::kNone, kAlways, Tables::Lists::kNone, add).ok());
  EXPECT_EQ(spend, 100);
  EXPECT_EQ(tables_.begin()->epoch, 2);
  ASSERT_TRUE(tables_.visit_level(Level::kAd, Breakdown::kNone, kAlways, Tables::Lists::kNone, add).ok());
  EXPECT_EQ(spend, 400);
}

TEST_F(TablesTest, AReplacedFileIsOpenedAgain) {
  stored_.commit(1);
  ASSERT_TRUE(tables_.begin().ok());
  tables_.end();
  StoredRows other;
  other.commit(9);
  other.run("PRAGMA wal_checkpoint(TRUNCATE)");
  std::filesystem::copy_file(other.path(), stored_.path() + ".new");
  for (const char* suffix : {"-wal", "-shm"}) std::filesystem::remove(stored_.path() + suffix);
  std::filesystem::rename(stored_.path() + ".new", stored_.path());
  EXPECT_EQ(tables_.begin()->epoch, 9);
}

TEST_F(TablesTest, StoredNumbersAreReadToTheCent) {
  stored_.commit(1);
  stored_.main_row("ad", "a", "2025-07-01",
                   "meta_spend = 0.07, meta_impressions = 3, actual_revenue_usd = 12, profit_usd = -1.15, "
                   "estimated_revenue_usd = 123456789012.34, trial_conversion_rate_estimated = 0.3333, "
                   "actual_refunds_usd = 'n/a', meta_clicks = 9e300");
  ASSERT_TRUE(tables_.begin().ok());
  const auto check = [&](const Row& row) {
    EXPECT_EQ(row.spend, 7);
    EXPECT_EQ(row.impressions, 3);
    EXPECT_EQ(row.actual_revenue, 1'200);
    EXPECT_EQ(row.profit, -115);
    EXPECT_EQ(row.estimated_revenue, 12'345'678'901'234);
    EXPECT_EQ(row.trial_conversion_rate, 3'333);
    EXPECT_EQ(row.actual_refunds, 0);
    EXPECT_EQ(row.clicks, 1'000'000'000'000'000'000);
    return Status();
  };
  EXPECT_TRUE(tables_.visit_entity(Level::kAd, "a", Breakdown::kNone, {}, kAlways, check).ok());
}

TEST_F(TablesTest, DaysAreThoseOfAnyLevel) {
  stored_.commit(1);
  ASSERT_TRUE(tables_.begin().ok());
  EXPECT_FALSE((*tables_.days()).has_value());
  tables_.end();
  stored_.main_row("ad", "a", "2025-03-01", "");
  stored_.main_row("campaign", "c", "2025-05-01", "");
  stored_.main_row("adset", "s", "2025-04-01", "");
  ASSERT_TRUE(tables_.begin().ok());
  EXPECT_EQ(*tables_.days(), (Range{*parse_day("2025-03-01"), *parse_day("2025-05-01")}));
}

TEST_F(TablesTest, ChildrenAreThoseOfTheHierarchy) {
  stored_.commit(1);
  stored_.hierarchy("a1", "s1", "c1");
  stored_.hierarchy("a2", "s1", "c1");
  stored_.hierarchy("a3", "s2", "c1");
  stored_.hierarchy("a4", "s3", "c2");
  ASSERT_TRUE(tables_.begin().ok());
  std::vector<std::string> found;
  const auto note = [&](std::string_view id) { found.emplace_back(id); };
  ASSERT_TRUE(tables_.visit_children(Level::kCampaign, "c1", note).ok());
  EXPECT_THAT(found, ElementsAre("s1", "s2"));
  found.clear();
  ASSERT_TRUE(tables_.visit_children(Level::kAdset, "s1", note).ok());
  EXPECT_THAT(found, ElementsAre("a1", "a2"));
  found.clear();
  ASSERT_TRUE(tables_.visit_children(Level::kAd, "a1", note).ok());
  EXPECT_THAT(found, testing::IsEmpty());
}

}  // namespace
}  // namespace admetrics::dashboard
