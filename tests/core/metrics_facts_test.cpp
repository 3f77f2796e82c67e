#include "core/metrics/facts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "core/base/fixed.hpp"
#include "tests/core/draw.hpp"
#include "tests/core/raw_rows.hpp"

/// `metrics.md` section 3 (what a user's rows amount to) and section 8 (which rows count at all).
namespace admetrics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::string_view kTrial = "RC Trial started";
constexpr std::string_view kPurchase = "RC Initial purchase";
constexpr std::string_view kConverted = "RC Trial converted";
constexpr std::string_view kCancelled = "RC Cancellation";

class FactsTest : public testing::Test {
 protected:
  explicit FactsTest(std::string_view zone = "UTC") : reporting_{TimeZone::find(zone).value(), 7, {}} {}

  void event(const RawEvent& row) { folder_.fold_event(row, facts_.events, rejects_); }
  void event(std::string_view name, std::string_view time, RawValue revenue = {}) {
    event(event_row(name, time, revenue));
  }
  void product(const RawProduct& row) { folder_.fold_product(row, facts_.products, rejects_); }
  void user(const RawUser& row) { folder_.fold_user(row, facts_.attribution, rejects_); }

  [[nodiscard]] const EventFacts& events() const { return facts_.events; }
  [[nodiscard]] const ProductFacts& products() const { return facts_.products; }
  [[nodiscard]] const AttributionFacts& attribution() const { return facts_.attribution; }
  [[nodiscard]] std::string_view attributed_to(Level level) const {
    return dictionary_.text(attribution().ids[index_of(level)]);
  }
  [[nodiscard]] std::string store() const { return products().store ? products().store->store : "none"; }

  /// The row was rejected for this, and gave nothing.
  void expect_rejected(RejectReason reason, std::string_view column) {
    ASSERT_EQ(rejects_.size(), 1U) << column;
    EXPECT_EQ(rejects_[0].reason, reason) << column;
    EXPECT_EQ(rejects_[0].column, column);
    EXPECT_EQ(facts_.events, EventFacts{}) << column;
    EXPECT_EQ(facts_.products, ProductFacts{}) << column;
    EXPECT_EQ(facts_.attribution, AttributionFacts{}) << column;
    rejects_.clear();
  }
  void expect_no_rejects() const {
    for (const Reject& reject : rejects_) ADD_FAILURE() << reject.table << ' ' << reject.column << ' ' << reject.text;
  }
  void forget() { facts_ = UserFacts{}; }

  Reporting reporting_;
  Dictionary dictionary_;
  FactFolder folder_{reporting_, dictionary_};
  UserFacts facts_;
  std::vector<Reject> rejects_;
};

Day day(std::string_view text) { return *parse_day(text); }
Instant at(std::string_view text) { return *parse_instant(text); }

// ── Events ───────────────────────────────────────────────────────────────────────────────────────────────────────

TEST_F(FactsTest, TrialDayIsTheLatestDayWithATrialStart) {
  event(kTrial, "2026-01-03T10:00");
  event(kTrial, "2026-01-09T00:00");
  event(kTrial, "2025-12-31T23:59");
  EXPECT_EQ(events().trial_day, day("2026-01-09"));
  EXPECT_EQ(events().purchase_day, kNoDay);
}

TEST_F(FactsTest, PurchaseDayIsTheLatestDayWithAnInitialPurchase) {
  event(kPurchase, "2026-01-09T00:00");
  event(kPurchase, "2026-01-03T10:00");
  EXPECT_EQ(events().purchase_day, day("2026-01-09"));
  EXPECT_EQ(events().trial_day, kNoDay);
}

TEST_F(FactsTest, ConvertedAtIsTheTimeOfTheEarliestConversion) {
  event(kConverted, "2026-01-09T10:00:00.5");
  event(kConverted, "2026-01-09T10:00:00.4");
  event(kConverted, "2026-01-10T10:00");
  EXPECT_EQ(events().converted_at, at("2026-01-09T10:00:00.4"));
  EXPECT_EQ(events().purchased_at, std::nullopt);
}

TEST_F(FactsTest, PurchasedAtIsTheTimeOfTheEarliestInitialPurchase) {
  event(kPurchase, "2026-01-09T10:00");
  event(kPurchase, "2026-01-03T10:00");
  EXPECT_EQ(events().purchased_at, at("2026-01-03T10:00"));
  EXPECT_EQ(events().converted_at, std::nullopt);
}

TEST_F(FactsTest, TimesAreComparedInUtcWhateverTheirOffset) {
  event(kConverted, "2026-01-09T10:00+02:00");
  event(kConverted, "2026-01-09T09:00Z");
  EXPECT_EQ(events().converted_at, at("2026-01-09T08:00Z"));
}

TEST_F(FactsTest, RefundedAtIsTheTimeOfTheLatestRefund) {
  event(kCancelled, "2026-01-12T10:00", real_value(-1));
  event(kCancelled, "2026-01-14T10:00", real_value(-1));
  event(kCancelled, "2026-01-13T10:00", real_value(-1));
  EXPECT_EQ(events().refunded_at, at("2026-01-14T10:00"));
}

TEST_F(FactsTest, ARefundIsAnyNameThatContainsCancelInAnyCase) {
  for (const char* name : {"RC Cancellation", "cancel", "xCANCELx", "Subscription cAnCeLled", "RC Trial cancelled"}) {
    forget();
    event(name, "2026-01-12T10:00", real_value(-9.99));
    EXPECT_EQ(events().refunds_micros, 9'990'000) << name;
    EXPECT_EQ(events().refunded_at, at("2026-01-12T10:00")) << name;
  }
  forget();
  for (const char* name : {"RC Refund", "canceI", "can cel", "", "CANCE"}) {
    EXPECT_FALSE(folder_.relevant(name)) << name;
    event(name, "2026-01-12T10:00", real_value(-9.99));
  }
  EXPECT_EQ(events(), EventFacts{});
}

TEST_F(FactsTest, ACancellationWithoutNegativeRevenueIsNoRefund) {
  event(kCancelled, "2026-01-12T10:00");
  event(kCancelled, "2026-01-12T10:00", real_value(0));
  event(kCancelled, "2026-01-12T10:00", real_value(5));
  EXPECT_EQ(events(), EventFacts{});
  expect_no_rejects();
}

TEST_F(FactsTest, RefundsAddUpTheNegativeRevenueOfRefundEvents) {
  event(kCancelled, "2026-01-12T10:00", real_value(-9.99));
  event(kCancelled, "2027-06-12T10:00", integer_value(-5));
  EXPECT_EQ(events().refunds_micros, 14'990'000);
  EXPECT_EQ(events().revenue_micros, 0);
}

TEST_F(FactsTest, RevenueAddsUpPurchasesAndConversionsWhateverTheirDay) {
  event(kPurchase, "2026-01-03T10:00", real_value(9.99));
  event(kConverted, "2027-01-03T10:00", real_value(29.99));
  event(kTrial, "2026-01-03T10:00", real_value(100));
  event(kCancelled, "2026-01-03T10:00", real_value(100));
  EXPECT_EQ(events().revenue_micros, 39'980'000);
}

TEST_F(FactsTest, NegativeRevenueOfAPurchaseIsNeitherRevenueNorRefund) {
  event(kPurchase, "2026-01-03T10:00", real_value(-9.99));
  EXPECT_EQ(events().revenue_micros, 0);
  EXPECT_EQ(events().refunds_micros, 0);
  EXPECT_EQ(events().refunded_at, std::nullopt);
  EXPECT_EQ(events().purchase_day, day("2026-01-03"));
}

TEST_F(FactsTest, SignsAreTestedAfterRounding) {
  event(kCancelled, "2026-01-12T10:00", real_value(-0.0000004));
  EXPECT_EQ(events().refunded_at, std::nullopt);
  event(kCancelled, "2026-01-13T10:00", real_value(-0.0000005));
  EXPECT_EQ(events().refunded_at, at("2026-01-13T10:00"));
  EXPECT_EQ(events().refunds_micros, 1);
  event(kPurchase, "2026-01-12T10:00", real_value(0.0000004));
  EXPECT_EQ(events().revenue_micros, 0);
  event(kPurchase, "2026-01-12T10:00", real_value(0.0000005));
  EXPECT_EQ(events().revenue_micros, 1);
}

TEST_F(FactsTest, OtherEventsGiveNothing) {
  for (const char* name : {"App opened", "RC Renewal", "rc trial started", "RC Trial started ", " RC Trial started"}) {
    EXPECT_FALSE(folder_.relevant(name)) << name;
    event(name, "2026-01-03T10:00", real_value(10));
  }
  EXPECT_EQ(events(), EventFacts{});
}

TEST_F(FactsTest, EventNamesAreConfigurable) {
  reporting_.names = EventNames{"begin", "buy", "stay", "UNDO"};
  event("begin", "2026-01-03T10:00");
  event("buy", "2026-01-04T10:00", real_value(2));
  event("stay", "2026-01-05T10:00", real_value(3));
  event("undone undo", "2026-01-06T10:00", real_value(-1));
  event(kTrial, "2026-01-09T10:00");
  EXPECT_EQ(events().trial_day, day("2026-01-03"));
  EXPECT_EQ(events().purchase_day, day("2026-01-04"));
  EXPECT_EQ(events().converted_at, at("2026-01-05T10:00"));
  EXPECT_EQ(events().revenue_micros, 5'000'000);
  EXPECT_EQ(events().refunds_micros, 1'000'000);
}

TEST_F(FactsTest, EventsOfTheFutureCount) {
  event(kTrial, "9999-12-31T10:00");
  EXPECT_EQ(events().trial_day, day("9999-12-31"));
}

class FactsInNewYork : public FactsTest {
 protected:
  FactsInNewYork() : FactsTest("America/New_York") {}
};

TEST_F(FactsInNewYork, TheEventDayIsTheReportingZonesDay) {
  event(kTrial, "2026-07-04T03:59:59Z");
  EXPECT_EQ(events().trial_day, day("2026-07-03"));
  event(kTrial, "2026-07-04T04:00:00Z");
  EXPECT_EQ(events().trial_day, day("2026-07-04"));
}

TEST_F(FactsInNewYork, ATimeThatTheZoneLeadsOutOfTheCalendarIsUnreadable) {
  event(kTrial, "0000-01-01T00:00Z");
  expect_rejected(RejectReason::kBadTime, "event_time");
}

TEST_F(FactsTest, TheOrderOfEventsDoesNotMatter) {
  Draw draw(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<RawEvent> rows;
    std::vector<std::string> times(12);
    for (std::string& time : times) {
      time = "2026-01-0" + std::to_string(draw.between(1, 9)) + "T0" + std::to_string(draw.between(0, 9)) + ":00";
      rows.push_back(event_row(draw.one_of({kTrial, kPurchase, kConverted, kCancelled}), time,
                               real_value(static_cast<double>(draw.between(-500, 500)) / 100)));
    }
    forget();
    for (const RawEvent& row : rows) event(row);
    const EventFacts forward = events();

    // Folded apart and merged, the other way round: as a parallel scan does it.
    EventFacts merged;
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
      EventFacts one;
      folder_.fold_event(*row, one, rejects_);
      one.merge(merged);
      merged = one;
    }
    ASSERT_EQ(forward, merged);
  }
}

// ── Products ─────────────────────────────────────────────────────────────────────────────────────────────────────

TEST_F(FactsTest, ValueAddsUpCurrentValues) {
  product(product_row(real_value(9.99)));
  product(product_row(integer_value(20)));
  product(product_row(real_value(-0.5)));
  product(product_row(null_value()));
  EXPECT_EQ(products().value_micros, 29'490'000);
}

TEST_F(FactsTest, RatesAreSumAndCountOverRowsWhereTheyAreNotNull) {
  RawProduct row = product_row();
  row.rates[0] = real_value(0.25);
  row.rates[1] = integer_value(1);
  product(row);
  row.rates[0] = real_value(0.5);
  row.rates[1] = null_value();
  product(row);
  row.rates[0] = real_value(0);
  product(row);
  EXPECT_EQ(products().rates[0], (RateSum{750'000'000, 3}));
  EXPECT_EQ(products().rates[1], (RateSum{1'000'000'000, 1}));
  EXPECT_EQ(products().rates[2], (RateSum{0, 0}));
}

RawProduct product_of(std::string_view store, RawValue credited_date, RawValue product_id) {
  RawProduct row = product_row();
  row.store = store;
  row.credited_date = credited_date;
  row.product_id = product_id;
  return row;
}

TEST_F(FactsTest, TheStoreIsThatOfTheGreatestCreditedDateThenProductId) {
  product(product_of("FIRST", text_value("2026-01-02"), text_value("p9")));
  product(product_of("LATER", text_value("2026-01-03"), text_value("p1")));
  EXPECT_EQ(store(), "LATER");
  product(product_of("EARLIER", text_value("2026-01-01"), text_value("p9")));
  EXPECT_EQ(store(), "LATER");
  product(product_of("SAME_DAY", text_value("2026-01-03"), text_value("p2")));
  EXPECT_EQ(store(), "SAME_DAY");
}

TEST_F(FactsTest, StoreOrderComparesBytes) {
  product(product_of("UPPER", text_value("2026-01-03"), text_value("P")));
  product(product_of("LOWER", text_value("2026-01-03"), text_value("a")));
  EXPECT_EQ(store(), "LOWER");
  product(product_of("HIGH_BYTE", text_value("2026-01-03"), text_value("\xc3\xa4")));
  EXPECT_EQ(store(), "HIGH_BYTE");
  product(product_of("LONGER", text_value("2026-01-03"), text_value("\xc3\xa4\x01")));
  EXPECT_EQ(store(), "LONGER");
  product(product_of("NO_DATE_AT_ALL", text_value("soon"), text_value("a")));  // not judged
  EXPECT_EQ(store(), "NO_DATE_AT_ALL");
}

TEST_F(FactsTest, NullComesFirstInStoreOrder) {
  product(product_of("NULL_NULL", null_value(), null_value()));
  EXPECT_EQ(store(), "NULL_NULL");
  product(product_of("NULL_EMPTY", null_value(), text_value("")));
  EXPECT_EQ(store(), "NULL_EMPTY");
  product(product_of("EMPTY_NULL", text_value(""), null_value()));
  EXPECT_EQ(store(), "EMPTY_NULL");
  product(product_of("NULL_LARGE", null_value(), text_value("zzz")));
  EXPECT_EQ(store(), "EMPTY_NULL");
  product(product_of("DATE_NULL", text_value("2026-01-01"), null_value()));
  EXPECT_EQ(store(), "DATE_NULL");
  product(product_of("DATE_EMPTY", text_value("2026-01-01"), text_value("")));
  EXPECT_EQ(store(), "DATE_EMPTY");
  product(product_of("DATE_NULL", text_value("2026-01-01"), null_value()));
  EXPECT_EQ(store(), "DATE_EMPTY");
  expect_no_rejects();
}

TEST_F(FactsTest, EqualStoreRanksGoToTheGreatestStoreInEitherOrder) {
  for (const auto& [first, second] : {std::pair("STRIPE", "APP_STORE"), std::pair("APP_STORE", "STRIPE")}) {
    forget();
    product(product_of(first, null_value(), null_value()));
    product(product_of(second, null_value(), null_value()));
    EXPECT_EQ(store(), "STRIPE");
  }
}

TEST_F(FactsTest, AnEmptyStoreIsPassedOver) {
  product(product_of("OLD", text_value("2026-01-01"), text_value("p1")));
  product(product_of("", text_value("2026-02-01"), text_value("p2")));
  EXPECT_EQ(store(), "OLD");
  forget();
  product(product_of("", text_value("2026-02-01"), text_value("p2")));
  EXPECT_EQ(products().store, std::nullopt);
}

TEST_F(FactsTest, ABlankStoreIsAValue) {
  product(product_of("OLD", text_value("2026-01-01"), text_value("p1")));
  product(product_of(" ", text_value("2026-02-01"), text_value("p2")));
  EXPECT_EQ(store(), " ");
}

// ── Attribution ──────────────────────────────────────────────────────────────────────────────────────────────────

TEST_F(FactsTest, AUserIsAttributedAtEachLevelThatHasAnId) {
  user(user_row("u1"));
  EXPECT_TRUE(attribution().present);
  EXPECT_TRUE(attribution().attributed());
  EXPECT_EQ(attributed_to(Level::kCampaign), "c1");
  EXPECT_EQ(attributed_to(Level::kAdset), "s1");
  EXPECT_EQ(attributed_to(Level::kAd), "a1");
}

TEST_F(FactsTest, EachLevelStandsAlone) {
  RawUser row = user_row("u1");
  row.ids[index_of(Level::kAdset)] = "";
  row.ids[index_of(Level::kAd)] = "";
  user(row);
  EXPECT_TRUE(attribution().attributed());
  EXPECT_EQ(attributed_to(Level::kCampaign), "c1");
  EXPECT_EQ(attributed_to(Level::kAdset), "");
  EXPECT_EQ(attributed_to(Level::kAd), "");
}

TEST_F(FactsTest, AFlagIsTrueWhenItIsANonZeroNumber) {
  for (const RawValue& flag : {integer_value(1), integer_value(-1), real_value(0.5), real_value(kInfinity)}) {
    EXPECT_TRUE(read_flag(flag));
  }
  for (const RawValue& flag : {null_value(), integer_value(0), real_value(0), real_value(-0.0), text_value("true"),
                               text_value("1"), text_value(""), blob_value("1")}) {
    EXPECT_FALSE(read_flag(flag));
  }
}

TEST_F(FactsTest, WithoutTheFlagNobodyIsAttributed) {
  RawUser row = user_row("u1");
  row.has_attribution = null_value();
  user(row);
  EXPECT_TRUE(attribution().present);
  EXPECT_FALSE(attribution().attributed());
  expect_no_rejects();
}

TEST_F(FactsTest, IdsMayBeBlank) {
  RawUser row = user_row("u1");
  row.ids[index_of(Level::kAd)] = " ";
  user(row);
  EXPECT_EQ(attributed_to(Level::kAd), " ");
}

// ── Rejects (`metrics.md` sections 2 and 8) ──────────────────────────────────────────────────────────────────────

TEST_F(FactsTest, ATrialStartWithUnreadableRevenueGivesNoTrialDay) {
  for (const RawValue& revenue : {text_value("n/a"), text_value(""), text_value("9.99"), blob_value("9"),
                                  real_value(kInfinity), real_value(-kInfinity), real_value(1.1e9)}) {
    event(kTrial, "2026-01-03T10:00", revenue);
    expect_rejected(RejectReason::kBadMoney, "revenue_usd");
  }
}

TEST_F(FactsTest, AnEventWithoutReadableTimeIsRejectedWhole) {
  for (const RawValue& time :
       {null_value(), text_value(""), text_value("2026-01-03"), integer_value(1'767'434'400), real_value(2'461'044.5),
        blob_value("2026-01-03T10:00"), text_value("2026-01-03 24:00")}) {
    RawEvent row = event_row(kPurchase, "", real_value(9.99));
    row.time = time;
    event(row);
    expect_rejected(RejectReason::kBadTime, "event_time");
  }
}

TEST_F(FactsTest, AnEventWithoutKeyIsRejectedWhole) {
  for (const RawValue& key : {null_value(), text_value(""), blob_value("k")}) {
    RawEvent row = event_row(kTrial, "2026-01-03T10:00");
    row.event_uuid = key;
    event(row);
    expect_rejected(RejectReason::kBadKey, "event_uuid");
    row = event_row(kTrial, "2026-01-03T10:00");
    row.distinct_id = key;
    event(row);
    expect_rejected(RejectReason::kBadKey, "distinct_id");
  }
}

TEST_F(FactsTest, ANumberMayBeAKey) {
  RawEvent row = event_row(kTrial, "2026-01-03T10:00");
  row.distinct_id = RawValue{RawValue::Kind::kInteger, 7, 0, "7"};
  event(row);
  expect_no_rejects();
  EXPECT_EQ(events().trial_day, day("2026-01-03"));
}

TEST_F(FactsTest, RowsOfOtherEventsAreNeverRejects) {
  RawEvent row = event_row("App opened", "never", text_value("n/a"));
  row.distinct_id = row.event_uuid = null_value();
  event(row);
  expect_no_rejects();
  EXPECT_EQ(events(), EventFacts{});
}

TEST_F(FactsTest, ACancellationIsJudgedEvenWhenItIsNoRefund) {
  event(kCancelled, "never", real_value(5));
  expect_rejected(RejectReason::kBadTime, "event_time");
}

TEST_F(FactsTest, AProductRowWithAnUnreadableRateGivesNoValueAndNoStore) {
  for (std::size_t rate = 0; rate < 3; ++rate) {
    for (const RawValue& bad : {text_value(""), text_value("0.5"), blob_value("1"), real_value(kInfinity)}) {
      RawProduct row = product_row(real_value(9.99));
      row.rates[(rate + 1) % 3] = real_value(0.5);
      row.rates[rate] = bad;
      product(row);
      expect_rejected(RejectReason::kBadRate, std::array{"trial_conversion_rate", "trial_converted_to_refund_rate",
                                                         "initial_purchase_to_refund_rate"}[rate]);
    }
  }
}

TEST_F(FactsTest, AProductRowWithAnUnreadableValueGivesNoRateAndNoStore) {
  RawProduct row = product_row(text_value("lots"));
  row.rates[0] = real_value(0.5);
  product(row);
  expect_rejected(RejectReason::kBadMoney, "current_value");
}

TEST_F(FactsTest, AProductRowWithoutUserIsRejected) {
  RawProduct row = product_row(real_value(1));
  row.distinct_id = null_value();
  product(row);
  expect_rejected(RejectReason::kBadKey, "distinct_id");
}

TEST_F(FactsTest, AUserRowWithoutKeyIsRejected) {
  for (const RawValue& key : {null_value(), text_value(""), blob_value("u1")}) {
    RawUser row = user_row("");
    row.distinct_id = key;
    user(row);
    expect_rejected(RejectReason::kBadKey, "distinct_id");
  }
}

TEST_F(FactsTest, ARejectIsKeptWithItsKeyAndText) {
  const std::string long_text(1'000, 'x');
  RawEvent row = event_row(kTrial, long_text);
  row.event_uuid = text_value("e77");
  event(row);
  ASSERT_EQ(rejects_.size(), 1U);
  EXPECT_EQ(rejects_[0].table, "mixpanel_event");
  EXPECT_EQ(rejects_[0].row_key, "e77");
  EXPECT_EQ(rejects_[0].text, long_text.substr(0, kRejectTextBytesMax));
}

TEST_F(FactsTest, ARejectDoesNotTouchWhatOtherRowsGave) {
  event(kTrial, "2026-01-03T10:00");
  const EventFacts before = events();
  event(kTrial, "2026-01-09T10:00", text_value("n/a"));
  EXPECT_EQ(events(), before);
}

// ── Numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────

TEST(ReadNumber, NullMoneyAndCountsAreZero) {
  EXPECT_EQ(read_money(null_value()), 0);
  EXPECT_EQ(read_count(null_value()), 0);
}

TEST(ReadNumber, MoneyIsMicroDollars) {
  EXPECT_EQ(read_money(integer_value(5)), 5'000'000);
  EXPECT_EQ(read_money(real_value(5.25)), 5'250'000);
  EXPECT_EQ(read_money(integer_value(1'000'000'000)), kMoneyMicrosMax);
  EXPECT_EQ(read_money(integer_value(1'000'000'001)), std::nullopt);
}

TEST(ReadNumber, RatesAreBillionths) {
  EXPECT_EQ(read_rate(real_value(0.1234567894)), 123'456'789);
  EXPECT_EQ(read_rate(real_value(0.1234567895)), 123'456'790);
  EXPECT_EQ(read_rate(integer_value(-1)), -1'000'000'000);
  EXPECT_EQ(read_rate(integer_value(1'000'001)), std::nullopt);
}

TEST(ReadNumber, FractionsWhereACountMustBeAreUnreadable) {
  EXPECT_EQ(read_count(real_value(5.0)), 5);
  EXPECT_EQ(read_count(real_value(-5.0)), -5);
  EXPECT_EQ(read_count(integer_value(7)), 7);
  EXPECT_EQ(read_count(real_value(5.5)), std::nullopt);
  EXPECT_EQ(read_count(real_value(4.9999999)), std::nullopt);
  EXPECT_EQ(read_count(real_value(1e-9)), std::nullopt);
  EXPECT_EQ(read_count(real_value(1e16)), std::nullopt);
  EXPECT_EQ(read_count(integer_value(kCountMax + 1)), std::nullopt);
}

TEST(ReadNumber, TextAndInfinitiesAreUnreadable) {
  for (const RawValue& bad : {text_value("5"), text_value(""), text_value(" "), blob_value("5"), real_value(kInfinity),
                              real_value(-kInfinity)}) {
    EXPECT_EQ(read_money(bad), std::nullopt);
    EXPECT_EQ(read_count(bad), std::nullopt);
    EXPECT_EQ(read_rate(bad), std::nullopt);
  }
}

}  // namespace
}  // namespace admetrics
