// What a fixed workload costs, counted in statements, instructions of SQLite's machine, pages and allocations, never in
// seconds: held against limits.txt beside this file, where each limit has its reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/cost/limits.hpp"
#include "tests/support/must.hpp"
#include "tests/support/world.hpp"

namespace admetrics::cost {
namespace {

using support::kEvents;
using support::kMetaDaily;
using support::kUsers;
using support::must;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kFile = "tests/cost/limits.txt";
constexpr int kFewUsers = 20;
constexpr int kManyUsers = 2'000;

const std::vector<Limit>& limits() {
  static const std::vector<Limit> all = [] {
    std::ostringstream text;
    text << std::ifstream(ADMETRICS_COST_LIMITS).rdbuf();
    return parse_limits(text.str());
  }();
  return all;
}

/// A source like a pipeline's, a daemon's parts beside it, and what the epochs cost. The pipeline's own statements are
/// not counted. One worker: what several allocate depends on who comes first.
class Town {
 public:
  explicit Town(int users, bool fill = true) : world_(options()) {
    world_.source().sql(kUsers, people(users));
    world_.source().sql(kMetaDaily, meta());
    if (fill) must(world_.try_epoch());
  }

  [[nodiscard]] support::World& world() { return world_; }
  EpochReport epoch() {
    const Figures before = figures();
    EpochReport report = world_.epoch();
    cost_ = figures() - before;
    return report;
  }
  [[nodiscard]] const Figures& cost() const { return cost_; }

  /// A refund of the first attributed user, who stands in rows of three levels on two days.
  void one_event(int number) {
    world_.source().sql(kEvents,
                        "INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id, event_time, "
                        "revenue_usd) SELECT 'new" +
                            std::to_string(number) +
                            "', 'RC Cancellation', min(distinct_id), '2025-12-20T10:00:00Z', -1.25 FROM "
                            "mixpanel_user WHERE has_abi_attribution");
  }

 private:
  static support::WorldOptions options() {
    support::WorldOptions options;
    options.machine.workers = 1;
    return options;
  }
  static std::string numbers(int count) {
    return "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(count - 1) +
           ") ";
  }
  static std::string id() { return "printf('%08x-1b1c-4e02-9a57-0f2f3a1d4c5e', i * 2654435761 % 4294967296)"; }
  static std::string people(int users) {
    return "INSERT INTO mixpanel_user (distinct_id, abi_ad_id, abi_ad_set_id, abi_campaign_id, country, region, "
           "has_abi_attribution) " +
           numbers(users) + "SELECT " + id() +
           ", 'ad' || (i % 20), 'adset' || (i % 20 / 5), 'campaign' || (i % 20 / 10), substr('DEFRGBUS', i % 4 * 2 + "
           "1, "
           "2), 'region ' || (i % 7), i % 5 > 0 FROM n;"
           "INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id, event_time, revenue_usd) " +
           numbers(users) + "SELECT printf('e%d-%d', i, k), name, " + id() +
           ", date('2025-12-01', '+' || (i % 30 + k) || ' days') || 'T10:00:00Z', money FROM n, (SELECT 0 AS k, 'App "
           "opened' AS name, NULL AS money UNION ALL SELECT 1, 'RC Trial started', NULL UNION ALL SELECT 2, 'RC Trial "
           "converted', 9.99 UNION ALL SELECT 3, 'RC Initial purchase', 49.5 UNION ALL SELECT 4, 'Screen viewed', "
           "NULL);"
           "INSERT INTO user_product_metrics (distinct_id, product_id, credited_date, store, current_value, "
           "trial_conversion_rate) " +
           numbers(users) + "SELECT " + id() + ", 'yearly', '2025-12-01', 'app_store', 12.5, 0.25 FROM n;";
  }
  static std::string meta() {
    std::string sql;
    for (const char* breakdown : {"", "country", "region", "device"}) {
      const std::string column = breakdown;
      sql += "INSERT INTO ad_performance_daily" + (column.empty() ? "" : "_" + column) + " (ad_id, date, " +
             (column.empty() ? "" : column + ", ") +
             "adset_id, campaign_id, ad_name, adset_name, campaign_name, spend, impressions, clicks, meta_trials, "
             "meta_purchases) " +
             numbers(600) +
             "SELECT 'ad' || (i % 20), date('2025-12-01', '+' || (i / 20) || ' "
             "days'), " +
             (column.empty() ? "" : "'DE', ") +
             "'adset' || (i % 20 / 5), 'campaign' || (i % 20 / 10), 'Ad', 'Set', 'Campaign', 12.34, 1000, 20, 2, 1 "
             "FROM n;";
    }
    return sql;
  }

  support::World world_;
  Figures cost_;
};

class CostTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { watch(); }

  static void hold(std::string_view workload, const Figures& figures) {
    std::string all;
    for (const auto& [name, value] : figures.named()) all += "  " + std::string(name) + ' ' + std::to_string(value);
    std::printf("%.*s:%s\n", static_cast<int>(workload.size()), workload.data(), all.c_str());
    EXPECT_THAT(judge(workload, figures, limits(), kFile), IsEmpty());
  }
};

TEST_F(CostTest, OneEvent) {
  Town town(kFewUsers);
  town.one_event(1);  // the first after the fill reads the schema again
  town.epoch();
  town.one_event(2);
  EXPECT_GT(town.epoch().rows_written(), 0);
  hold("one_event", town.cost());
}

TEST_F(CostTest, OneEventInASourceAHundredTimesAsLarge) {
  Town town(kManyUsers);
  town.one_event(1);
  town.epoch();
  town.one_event(2);
  EXPECT_GT(town.epoch().rows_written(), 0);
  hold("one_event_among_many", town.cost());
}

TEST_F(CostTest, NothingNew) {
  Town town(kManyUsers);
  town.epoch();
  EXPECT_FALSE(town.epoch().committed);
  hold("nothing_new", town.cost());
}

TEST_F(CostTest, FirstFill) {
  Town town(kManyUsers, false);
  EXPECT_GT(town.epoch().rows_written(), 0);
  hold("first_fill", town.cost());
}

TEST_F(CostTest, BackfillWithNothingChanged) {
  Town town(kManyUsers);
  town.epoch();
  town.world().request.reconcile = true;
  town.world().request.audit = true;
  const EpochReport report = town.epoch();
  EXPECT_EQ(report.rows_written(), 0);
  EXPECT_EQ(report.users_read, kManyUsers);
  hold("backfill_unchanged", town.cost());
}

TEST_F(CostTest, EveryEventReloadedAsItWas) {
  Town town(kFewUsers);
  town.one_event(1);
  town.epoch();
  town.world().source().reload_table(kEvents);
  const EpochReport report = town.epoch();
  EXPECT_EQ(report.rows_written(), 0);
  EXPECT_EQ(report.cells_rendered, 0);
  hold("reload_unchanged", town.cost());
}

// The guard itself: work done twice is noticed, and told with figure, limit and place.
TEST_F(CostTest, TwiceTheWorkIsTold) {
  Town town(kFewUsers);
  town.one_event(1);
  town.epoch();
  const Figures before = figures();
  for (const int number : {2, 3}) {
    town.one_event(number);
    town.world().epoch();
  }
  const Figures twice = figures() - before;
  const std::vector<std::string> wrong = judge("one_event", twice, limits(), kFile);
  for (const char* figure :
       {"one_event statements: ", "one_event vm_steps: ", "one_event pages: ", "one_event allocations: "})
    EXPECT_THAT(wrong, Contains(testing::AllOf(testing::StartsWith(figure), HasSubstr("limit "), HasSubstr(kFile))));
}

TEST_F(CostTest, LimitsAreJudgedBothWays) {
  const auto some = parse_limits("# what\na statements 10 | why\na vm_steps 10 | why\na pages 10 | why\n");
  const std::vector<std::string> wrong = judge("a", Figures{11, 10, 4, 1}, some, "file");
  EXPECT_THAT(wrong,
              testing::ElementsAre("a statements: 11, limit 10 (file:2: why)",
                                   "a pages: 4, limit 10 (file:4: why); cheaper than half of it: lower the limit",
                                   "a allocations: 1, and no limit in file"));
  EXPECT_THROW(parse_limits("a statements 10\n"), std::invalid_argument);
}

// A limit that no workload is held against guards nothing.
TEST_F(CostTest, EveryLimitBelongsToAWorkload) {
  for (const Limit& limit : limits()) {
    EXPECT_THAT((std::vector<std::string>{"one_event", "one_event_among_many", "nothing_new", "first_fill",
                                          "backfill_unchanged", "reload_unchanged"}),
                Contains(limit.workload));
  }
}

}  // namespace
}  // namespace admetrics::cost
