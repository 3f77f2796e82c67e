#include "dashboard/totals.hpp"

#include <gtest/gtest.h>

namespace admetrics::dashboard {
namespace {

TEST(TotalsTest, NothingDividedByNothingIsZero) {
  const Totals none;
  EXPECT_EQ(none.trial_accuracy(), 0);
  EXPECT_EQ(none.purchase_accuracy(), 0);
  EXPECT_EQ(none.trial_conversion_rate(), 0);
  EXPECT_EQ(none.trial_conversion_rate_estimated(), 0);
  EXPECT_EQ(none.roas(), 0);
  EXPECT_EQ(none.performance_impact(), 0);
}

TEST(TotalsTest, TrialsThatMetaDoesNotKnowAreWhole) {
  Totals totals;
  totals.trials = 3;
  EXPECT_EQ(totals.trial_accuracy(), 10'000);
  totals.meta_trials = 4;
  EXPECT_EQ(totals.trial_accuracy(), 7'500);
}

TEST(TotalsTest, MeansAreWeighedByTheirUsers) {
  Totals totals;
  Row row;
  row.trials = 1;
  row.trial_conversion_rate = 1'000;
  totals.add(row);
  row.trials = 3;
  row.trial_conversion_rate = 5'000;
  totals.add(row);
  EXPECT_EQ(totals.trial_conversion_rate_estimated(), 4'000);
  // A day without trials has no say.
  row.trials = 0;
  row.trial_conversion_rate = 9'999;
  totals.add(row);
  EXPECT_EQ(totals.trial_conversion_rate_estimated(), 4'000);
  EXPECT_EQ(totals.rows, 3);
}

TEST(TotalsTest, RatiosAreRoundedHalfAwayFromZero) {
  Totals totals;
  totals.trials = 1;
  totals.clicks = 20'000;  // 0.00005
  EXPECT_EQ(totals.click_to_trial_rate(), 1);
  totals.trials = -1;
  EXPECT_EQ(totals.click_to_trial_rate(), -1);
  totals.clicks = 20'001;
  EXPECT_EQ(totals.click_to_trial_rate(), 0);
}

TEST(TotalsTest, ImpactIsSpendTimesCappedRoasSquared) {
  const auto impact = [](std::int64_t spend_cents, std::int64_t revenue_cents) {
    Totals totals;
    totals.spend = spend_cents;
    totals.adjusted_revenue = revenue_cents;
    return totals.performance_impact();
  };
  EXPECT_EQ(impact(10'000, 10'000), 10'000);
  EXPECT_EQ(impact(10'000, 20'000), 40'000);
  EXPECT_EQ(impact(10'000, 40'000), 160'000);
  EXPECT_EQ(impact(10'000, 50'000), 160'000);  // a ROAS of 5 counts as 4
  EXPECT_EQ(impact(10'000, 15'000), 22'500);
  EXPECT_EQ(impact(300, 100), 33);  // 3 × (1/3)², unrounded before
  EXPECT_EQ(impact(0, 100), 0);
  EXPECT_EQ(impact(-100, 200), -400);     // a correction: a ROAS of -2
  EXPECT_EQ(impact(-100, -800), -1'600);  // a ROAS of 8
}

TEST(TotalsTest, NoTableOverflowsASum) {
  Totals totals;
  Row row;
  row.spend = row.adjusted_revenue = row.trials = row.clicks = row.trial_conversion_rate = 1'000'000'000'000'000'000;
  for (int i = 0; i < 1'000; ++i) totals.add(row);
  EXPECT_EQ(saturate(totals.spend), INT64_MAX);
  EXPECT_EQ(totals.roas(), 10'000);
  EXPECT_EQ(totals.click_to_trial_rate(), 10'000);
  EXPECT_EQ(totals.performance_impact(), 85'070'591'730'234'616);  // stops at the end, without a trap
}

}  // namespace
}  // namespace admetrics::dashboard
