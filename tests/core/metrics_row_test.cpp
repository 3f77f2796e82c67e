#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "core/metrics/row_totals.hpp"

/// `metrics.md` section 5, a column a test. Expected values are computed by hand, in the units that are stored: whole
/// cents for money, ten-thousandths for ratios, hundredths for the score.
namespace admetrics {
namespace {

using enum Number;

constexpr Day kDay{20'456};
constexpr Day kOtherDay{20'400};
constexpr std::int64_t kCent = 10'000;  // micro-dollars

/// What a user gives, said in verbs.
class User {
 public:
  static User trial() { return User().on(kDay, kNoDay); }
  static User purchase() { return User().on(kNoDay, kDay); }
  static User trial_and_purchase() { return User().on(kDay, kDay); }

  User& on(Day trial, Day purchase) {
    given_.trial_day = trial;
    given_.purchase_day = purchase;
    return *this;
  }
  User& converted() {
    given_.converted = true;
    return *this;
  }
  User& trial_refunded() {
    given_.trial_refunded = true;
    return *this;
  }
  User& purchase_refunded() {
    given_.purchase_refunded = true;
    return *this;
  }
  User& revenue(std::int64_t micros) {
    given_.revenue_micros = micros;
    return *this;
  }
  User& refunds(std::int64_t micros) {
    given_.refunds_micros = micros;
    return *this;
  }
  User& value(std::int64_t micros) {
    given_.value_micros = micros;
    return *this;
  }
  /// The sum over `count` product rows, in 1e-9 units.
  User& rate(std::size_t which, std::int64_t nanos, std::uint32_t count) {
    given_.rate_nanos[which] = nanos;
    given_.rate_counts[which] = count;
    return *this;
  }
  operator const UserContribution&() const { return given_; }  // NOLINT: a user is what it gives

 private:
  UserContribution given_;
};

constexpr std::size_t kConversionRate = 0;
constexpr std::size_t kTrialRefundRate = 1;
constexpr std::size_t kPurchaseRefundRate = 2;

class RowTest : public testing::Test {
 protected:
  void add(const std::string& id, const UserContribution& user) { users_[id] = user; }
  void trials(int count) { repeat(count, User::trial()); }
  void purchases(int count) { repeat(count, User::purchase()); }

  [[nodiscard]] RowValues row() const {
    RowTotals totals(kDay, post_trial_);
    for (const auto& [id, user] : users_) totals.add_user(id, user);
    return std::move(totals).render(meta_, meta_daily_rows_);
  }
  [[nodiscard]] std::int64_t number(Number column) const { return row()[column]; }
  [[nodiscard]] std::string list(List column) const { return row()[column]; }

  void repeat(int count, const UserContribution& user) {
    for (int i = 0; i < count; ++i) add("x" + std::to_string(users_.size() + 1'000), user);
  }

  bool post_trial_ = true;
  MetaSums meta_;
  std::int64_t meta_daily_rows_ = 1;
  std::map<std::string, UserContribution> users_;
};

// ── Meta's numbers ───────────────────────────────────────────────────────────────────────────────────────────────

TEST_F(RowTest, MetaNumbersAreTheSumsAndSpendIsRoundedOnce) {
  meta_ = MetaSums{12'345'000, 1'000, 100, 7, 3, 2};
  EXPECT_EQ(number(kMetaSpend), 1'235);  // 12.345
  EXPECT_EQ(number(kMetaImpressions), 1'000);
  EXPECT_EQ(number(kMetaClicks), 100);
  EXPECT_EQ(number(kMetaTrials), 7);
  EXPECT_EQ(number(kMetaPurchases), 3);
}

TEST_F(RowTest, MoneyRoundsHalvesAwayFromZero) {
  const std::map<std::int64_t, std::int64_t> cents_of_micros{{4'999, 0},  {5'000, 1},   {14'999, 1},  {15'000, 2},
                                                             {-4'999, 0}, {-5'000, -1}, {-15'000, -2}};
  for (const auto& [micros, cents] : cents_of_micros) {
    meta_.spend_micros = micros;
    EXPECT_EQ(number(kMetaSpend), cents) << micros;
  }
}

// ── Counts and lists ─────────────────────────────────────────────────────────────────────────────────────────────

TEST_F(RowTest, TrialUsersAreThoseWithTheRowsTrialDay) {
  add("u1", User::trial());
  add("u2", User::trial().on(kOtherDay, kDay));
  add("u3", User::trial_and_purchase());
  EXPECT_EQ(number(kTrials), 2);
  EXPECT_EQ(list(List::kTrial), R"(["u1","u3"])");
}

TEST_F(RowTest, PurchaseUsersAreThoseWithTheRowsPurchaseDay) {
  add("u1", User::purchase());
  add("u2", User::purchase().on(kDay, kOtherDay));
  add("u3", User::trial_and_purchase());
  EXPECT_EQ(number(kPurchases), 2);
  EXPECT_EQ(list(List::kPurchase), R"(["u1","u3"])");
}

TEST_F(RowTest, PostTrialUsersAreTheTrialUsersOfARowThatIsOldEnough) {
  add("u1", User::trial());
  add("u2", User::purchase());
  EXPECT_EQ(list(List::kPostTrial), R"(["u1"])");
  post_trial_ = false;
  EXPECT_EQ(list(List::kPostTrial), "[]");
  EXPECT_EQ(list(List::kTrial), R"(["u1"])");
}

TEST_F(RowTest, ConvertedUsersAreThePostTrialUsersWithAConversion) {
  add("u1", User::trial());
  add("u2", User::trial().converted());
  add("u3", User::purchase().converted());
  EXPECT_EQ(list(List::kConverted), R"(["u2"])");
  post_trial_ = false;
  EXPECT_EQ(list(List::kConverted), "[]");
}

TEST_F(RowTest, TrialRefundsAreAmongTheConvertedUsers) {
  add("u1", User::trial().converted().trial_refunded());
  add("u2", User::trial().converted());
  add("u3", User::trial().purchase_refunded());
  EXPECT_EQ(list(List::kTrialRefund), R"(["u1"])");
  post_trial_ = false;
  EXPECT_EQ(list(List::kTrialRefund), "[]");
}

TEST_F(RowTest, PurchaseRefundsAreAmongThePurchaseUsersWhateverTheRowsAge) {
  post_trial_ = false;
  add("u1", User::purchase().purchase_refunded());
  add("u2", User::purchase().trial_refunded());
  add("u3", User::trial().purchase_refunded());
  EXPECT_EQ(list(List::kPurchaseRefund), R"(["u1"])");
}

TEST_F(RowTest, EmptyListsAreEmptyArrays) {
  for (const ListColumn& column : list_columns()) EXPECT_EQ(list(column.list), "[]") << column.main_name;
}

TEST_F(RowTest, ListsAreCompactJson) {
  add("a\"b", User::trial());
  add("c d", User::trial());
  EXPECT_EQ(list(List::kTrial), R"(["a\"b","c d"])");
}

// ── The six rates: fractions ─────────────────────────────────────────────────────────────────────────────────────

TEST_F(RowTest, TrialConversionRateEstimatedIsTheMeanOverTheProductRowsOfTrialUsers) {
  post_trial_ = false;                                               // trial users, whatever their age
  add("u1", User::trial().rate(kConversionRate, 1'000'000'000, 2));  // 0.4 and 0.6
  add("u2", User::trial().rate(kConversionRate, 250'000'000, 1));
  add("u3", User::trial());  // without product rows
  add("u4", User::purchase().rate(kConversionRate, 900'000'000, 1));
  EXPECT_EQ(number(kTrialConversionRateEstimated), 4'167);  // 1.25 / 3 = 0.41666…
}

TEST_F(RowTest, TrialConversionRateActualIsConvertedPerPostTrial) {
  trials(2);
  add("u1", User::trial().converted());
  EXPECT_EQ(number(kTrialConversionRateActual), 3'333);
  post_trial_ = false;
  EXPECT_EQ(number(kTrialConversionRateActual), 0);
}

TEST_F(RowTest, TrialRefundRateEstimatedIsTheMeanOverTheProductRowsOfConvertedUsers) {
  add("u1", User::trial().converted().rate(kTrialRefundRate, 100'000'000, 1));
  add("u2", User::trial().converted().rate(kTrialRefundRate, 150'050'000, 1));
  add("u3", User::trial().rate(kTrialRefundRate, 900'000'000, 1));
  EXPECT_EQ(number(kTrialRefundRateEstimated), 1'250);  // 0.250050 / 2 = 0.125025
  post_trial_ = false;
  EXPECT_EQ(number(kTrialRefundRateEstimated), 0);
}

TEST_F(RowTest, TrialRefundRateActualIsTrialRefundsPerConverted) {
  trials(5);
  repeat(2, User::trial().converted());
  add("u1", User::trial().converted().trial_refunded());
  EXPECT_EQ(number(kTrialRefundRateActual), 3'333);
}

TEST_F(RowTest, PurchaseRefundRateEstimatedIsTheMeanOverTheProductRowsOfPurchaseUsers) {
  add("u1", User::purchase().rate(kPurchaseRefundRate, 100'000'000, 1));
  add("u2", User::trial_and_purchase().rate(kPurchaseRefundRate, 200'000'000, 3));
  add("u3", User::trial().rate(kPurchaseRefundRate, 900'000'000, 1));
  EXPECT_EQ(number(kPurchaseRefundRateEstimated), 750);  // 0.3 / 4
}

TEST_F(RowTest, PurchaseRefundRateActualIsPurchaseRefundsPerPurchaseUser) {
  purchases(7);
  add("u1", User::purchase().purchase_refunded());
  EXPECT_EQ(number(kPurchaseRefundRateActual), 1'250);
}

TEST_F(RowTest, RatesRoundHalvesAwayFromZeroOnce) {
  add("u1", User::trial().rate(kConversionRate, 50'000, 1));  // 0.00005
  EXPECT_EQ(number(kTrialConversionRateEstimated), 1);
  add("u1", User::trial().rate(kConversionRate, 49'999, 1));
  EXPECT_EQ(number(kTrialConversionRateEstimated), 0);
  add("u1", User::trial().rate(kConversionRate, -50'000, 1));
  EXPECT_EQ(number(kTrialConversionRateEstimated), -1);
  add("u1", User::trial().rate(kConversionRate, 149'999, 3));  // 0.0000499996: not rounded on the way
  EXPECT_EQ(number(kTrialConversionRateEstimated), 0);
}

// ── Revenue ──────────────────────────────────────────────────────────────────────────────────────────────────────

TEST_F(RowTest, RevenueAndRefundsAreSumsOverTrialAndPurchaseUsersEachOnce) {
  add("u1", User::trial().revenue(1'004'000).refunds(1'000));
  add("u2", User::purchase().revenue(1'004'000).refunds(1'000));
  add("u3", User::trial_and_purchase().revenue(1'007'000).refunds(3'000));
  EXPECT_EQ(number(kActualRevenue), 302);  // 3.015
  EXPECT_EQ(number(kActualRefunds), 1);    // 0.005
}

TEST_F(RowTest, NetRevenueIsTheDifferenceOfTheStoredColumns) {
  add("u1", User::trial().revenue(1'005'000).refunds(4'000));
  EXPECT_EQ(number(kNetActualRevenue), 101);  // 1.01 - 0.00; of the unrounded it would be 1.00
  add("u1", User::trial().refunds(200 * kCent));
  EXPECT_EQ(number(kNetActualRevenue), -200);
}

TEST_F(RowTest, EstimatedRevenueIsTheSumOfValuesEachUserOnce) {
  add("u1", User::trial().value(50 * kCent));
  add("u2", User::trial_and_purchase().value(25 * kCent));
  add("u3", User::purchase().value(-5 * kCent));
  EXPECT_EQ(number(kEstimatedRevenue), 70);
}

// ── Accuracy: percentages ────────────────────────────────────────────────────────────────────────────────────────

TEST_F(RowTest, TrialAccuracyIsTrialsPerHundredOfMetasTrials) {
  trials(2);
  meta_.trials = 3;
  EXPECT_EQ(number(kTrialAccuracy), 666'667);
  meta_.trials = 1;
  EXPECT_EQ(number(kTrialAccuracy), 2'000'000);
}

TEST_F(RowTest, TrialAccuracyIsHundredWhenOnlyMetaSawNone) {
  EXPECT_EQ(number(kTrialAccuracy), 0);
  trials(2);
  EXPECT_EQ(number(kTrialAccuracy), 1'000'000);
}

TEST_F(RowTest, PurchaseAccuracyIsPurchasesPerHundredOfMetasPurchases) {
  purchases(1);
  meta_.purchases = 8;
  EXPECT_EQ(number(kPurchaseAccuracy), 125'000);
}

TEST_F(RowTest, PurchaseAccuracyIsZeroWhenMetaSawNone) {
  purchases(5);
  EXPECT_EQ(number(kPurchaseAccuracy), 0);
}

// ── Adjusted revenue and what follows from it ────────────────────────────────────────────────────────────────────

TEST_F(RowTest, AdjustedRevenueScalesByTrials) {
  trials(3);
  add("u1", User::trial().value(100 * kCent));
  meta_.trials = 6;
  EXPECT_EQ(number(kAdjustedEstimatedRevenue), 150);  // 1.00 × 6 / 4
}

TEST_F(RowTest, AdjustedRevenueScalesByPurchasesWhenTheyAreMore) {
  purchases(2);
  add("u1", User::trial().value(100 * kCent));
  meta_.trials = 50;
  meta_.purchases = 3;
  EXPECT_EQ(number(kAdjustedEstimatedRevenue), 150);
}

TEST_F(RowTest, AdjustedRevenueTakesTrialsWhenBothAreEqual) {
  add("u1", User::trial_and_purchase().value(100 * kCent));
  meta_.trials = 2;
  meta_.purchases = 9;
  EXPECT_EQ(number(kAdjustedEstimatedRevenue), 200);
}

TEST_F(RowTest, AdjustedRevenueIsTheEstimateWhenMetaSawNone) {
  add("u1", User::trial().value(100 * kCent));
  meta_.purchases = 7;  // of no interest: trials decide
  EXPECT_EQ(number(kAdjustedEstimatedRevenue), 100);
  purchases(2);
  meta_.purchases = 0;
  meta_.trials = 7;  // likewise
  EXPECT_EQ(number(kAdjustedEstimatedRevenue), 100);
}

TEST_F(RowTest, AdjustedRevenueIsNotFlippedByANegativeCount) {
  add("u1", User::trial().value(100 * kCent));
  meta_.trials = -2;
  EXPECT_EQ(number(kAdjustedEstimatedRevenue), 100);
}

TEST_F(RowTest, AdjustedRevenueStartsFromTheStoredEstimate) {
  add("u1", User::trial().value(5'000));  // stored as 0.01
  meta_.trials = 100;
  EXPECT_EQ(number(kAdjustedEstimatedRevenue), 100);
}

TEST_F(RowTest, ProfitIsAdjustedRevenueMinusStoredSpend) {
  add("u1", User::trial().value(100 * kCent));
  meta_.trials = 2;
  meta_.spend_micros = 2'505'000;
  EXPECT_EQ(number(kProfit), 200 - 251);
}

TEST_F(RowTest, RoasIsAdjustedRevenuePerSpend) {
  add("u1", User::trial().value(100 * kCent));
  meta_.trials = 2;
  meta_.spend_micros = Int128{300} * kCent;
  EXPECT_EQ(number(kEstimatedRoas), 6'667);
  meta_.spend_micros = 4'999;  // stored as 0.00
  EXPECT_EQ(number(kEstimatedRoas), 0);
}

// ── Costs and clicks ─────────────────────────────────────────────────────────────────────────────────────────────

TEST_F(RowTest, CostPerTrialIsSpendPerTrialUser) {
  meta_.spend_micros = Int128{1'000} * kCent;
  EXPECT_EQ(number(kMixpanelCostPerTrial), 0);
  trials(3);
  EXPECT_EQ(number(kMixpanelCostPerTrial), 333);
  EXPECT_EQ(number(kMixpanelCostPerPurchase), 0);
}

TEST_F(RowTest, CostPerPurchaseIsSpendPerPurchaseUser) {
  meta_.spend_micros = Int128{25} * kCent;
  purchases(2);
  EXPECT_EQ(number(kMixpanelCostPerPurchase), 13);  // 0.125
  EXPECT_EQ(number(kMixpanelCostPerTrial), 0);
}

TEST_F(RowTest, MetasCostsAreSpendPerMetasCounts) {
  meta_ = MetaSums{Int128{1'000} * kCent, 0, 0, 6, 8, 1};
  EXPECT_EQ(number(kMetaCostPerTrial), 167);
  EXPECT_EQ(number(kMetaCostPerPurchase), 125);
  meta_.trials = meta_.purchases = 0;
  EXPECT_EQ(number(kMetaCostPerTrial), 0);
  EXPECT_EQ(number(kMetaCostPerPurchase), 0);
}

TEST_F(RowTest, ClickToTrialRateIsTrialsPerHundredClicks) {
  trials(2);
  EXPECT_EQ(number(kClickToTrialRate), 0);
  meta_.clicks = 7;
  EXPECT_EQ(number(kClickToTrialRate), 285'714);  // 28.5714 %
}

TEST_F(RowTest, NothingDividedByZeroIsZero) {
  const RowValues empty = row();
  for (const NumberColumn& column : number_columns()) {
    if (column.number == kDataQualityScore) continue;
    EXPECT_EQ(empty[column.number], 0) << column.main_name;
  }
}

TEST_F(RowTest, AbsurdSizesStopAtTheEndsInsteadOfOverflowing) {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  add("u1", User::trial().value(kHuge).revenue(kHuge));
  add("u2", User::trial().value(kHuge).revenue(kHuge).refunds(std::numeric_limits<std::int64_t>::min()));
  meta_ = MetaSums{std::numeric_limits<std::int64_t>::min(), kHuge, 1, kHuge, kHuge, 1};
  EXPECT_EQ(number(kAdjustedEstimatedRevenue), kHuge);
  EXPECT_EQ(number(kProfit), kHuge);
  EXPECT_EQ(number(kActualRevenue), kHuge / kCent * 2 + 1);  // 2 × 922337203685477.5807 dollars, in cents
}

// ── Quality score: hundredths ────────────────────────────────────────────────────────────────────────────────────

TEST_F(RowTest, AFullRowScoresOne) {
  add("u1", User::trial().value(kCent));
  EXPECT_EQ(number(kDataQualityScore), 100);
}

TEST_F(RowTest, NoTrialUsersCostTwenty) { EXPECT_EQ(number(kDataQualityScore), 80); }

TEST_F(RowTest, TrialUsersWithoutEstimatedCentsCostTen) {
  add("u1", User::trial());
  EXPECT_EQ(number(kDataQualityScore), 90);
  add("u1", User::trial().value(4'999));
  EXPECT_EQ(number(kDataQualityScore), 90);
  add("u1", User::trial().value(5'000));
  EXPECT_EQ(number(kDataQualityScore), 100);
}

TEST_F(RowTest, MorePurchasesThanTrialsCostThirty) {
  add("u1", User::trial().value(kCent));
  purchases(1);
  EXPECT_EQ(number(kDataQualityScore), 100);
  purchases(1);
  EXPECT_EQ(number(kDataQualityScore), 70);
}

TEST_F(RowTest, UsersWithoutAMetaDailyRowCostTwenty) {
  meta_daily_rows_ = 0;
  EXPECT_EQ(number(kDataQualityScore), 80);  // no users: only the missing trials
  add("u1", User::trial().value(kCent));
  EXPECT_EQ(number(kDataQualityScore), 80);
  users_.clear();
  add("u1", User::purchase());
  EXPECT_EQ(number(kDataQualityScore), 30);  // no trials, more purchases than trials, no daily row
}

TEST_F(RowTest, MetasTrialsOrPurchasesWithoutUsersCostTwenty) {
  meta_.trials = 1;
  EXPECT_EQ(number(kDataQualityScore), 60);
  meta_ = MetaSums{};
  meta_.purchases = 1;
  EXPECT_EQ(number(kDataQualityScore), 60);
  purchases(1);
  EXPECT_EQ(number(kDataQualityScore), 50);  // a purchase user is a user
}

}  // namespace
}  // namespace admetrics
