// What a backfill would write, counted without writing.
#include <gmock/gmock.h>

#include "tests/verify/fixture.hpp"
#include "verify/plan.hpp"

namespace admetrics {
namespace {

class Plan : public VerifyTest {
 protected:
  void SetUp() override {
    VerifyTest::SetUp();
    user("u1");
    trial("u1", "2026-01-03T10:00Z");
    meta("2026-01-03", "12.34, 1000, 40, 4, 1");
    meta("2026-01-04", "1, 1, 1, 1, 1");
  }
  PlanReport planned() {
    auto report = plan_backfill(options());
    EXPECT_TRUE(report.ok()) << report.error().line();
    return report.ok() ? std::move(report).value() : PlanReport{};
  }
  static const PlanReport::Level& level(const PlanReport& report, const std::string& table, const std::string& name) {
    for (const auto& each : report.levels) {
      if (each.table == table && each.level == name) return each;
    }
    throw std::runtime_error("no level " + name);
  }
};

TEST_F(Plan, WithoutASinkEverythingIsInserted) {
  const PlanReport report = planned();
  EXPECT_EQ(report.total.updated + report.total.deleted + report.total.unchanged, 0U);
  const auto& ads = level(report, "daily_mixpanel_metrics", "ad");
  EXPECT_EQ(ads.rows.inserted, 2U);
  EXPECT_EQ(ads.days.at("2026-01-04").inserted, 1U);
  EXPECT_EQ(ads.rows.money.at("meta_spend"), std::pair(0.0, 13.34));
}

TEST_F(Plan, OnlyWhatDiffersIsCounted) {
  recompute();
  EXPECT_FALSE(planned().total.changes());
  run(
      *sink_,
      "UPDATE daily_mixpanel_metrics SET meta_spend = 2 WHERE entity_type = 'ad' AND date = '2026-01-04'; "
      "DELETE FROM daily_mixpanel_metrics_breakdown WHERE entity_type = 'campaign' AND breakdown_type = 'country'; "
      "INSERT INTO daily_mixpanel_metrics SELECT NULL, 'ad', 'ghost', date, trial_users_count, trial_users_list, "
      "purchase_users_count, purchase_users_list" +
          [&] {
            std::string rest;
            auto names = sink_->prepare("SELECT name FROM pragma_table_info('daily_mixpanel_metrics') WHERE cid > 7");
            while (names->step().value()) rest += ", " + std::string(names->text(0));
            return rest;
          }() +
          " FROM daily_mixpanel_metrics WHERE entity_type = 'adset'");
  const PlanReport report = planned();
  EXPECT_EQ(report.total.updated, 1U);
  EXPECT_EQ(report.total.inserted, 1U);
  EXPECT_EQ(report.total.deleted, 2U);
  const auto& ads = level(report, "daily_mixpanel_metrics", "ad");
  EXPECT_EQ(ads.days.at("2026-01-04").updated, 1U);
  EXPECT_EQ(ads.days.at("2026-01-04").money.at("meta_spend"), std::pair(3.0, 1.0));
  EXPECT_THAT(to_text(report), testing::HasSubstr("2026-01-04  insert 0, update 1, delete 1; "));
}

}  // namespace
}  // namespace admetrics
