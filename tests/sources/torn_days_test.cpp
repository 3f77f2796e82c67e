// Days that the pipeline deletes, commits and inserts again: whom an epoch holds back, for how long, and what it forgets.
#include "sources/sqlite/torn_days.hpp"

#include "tests/sources/source_fixture.hpp"

namespace admetrics::source {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kHour = 3'600;

Day day(const char* text) { return *parse_day(text); }

// ── The value ────────────────────────────────────────────────────────────────────────────────────────────────────

TEST(TornDays, HoldsADayThatWasThereAndIsMissing) {
  TornDays days;
  EXPECT_THAT(days.update({day("2025-07-01"), day("2025-07-02")}, 100, kHour), IsEmpty());
  EXPECT_THAT(days.held(), IsEmpty()) << "a day that was never there is not missing";
  EXPECT_THAT(days.update({day("2025-07-02")}, 200, kHour), IsEmpty());
  EXPECT_THAT(days.held(), ElementsAre(HeldDay{day("2025-07-01"), 200}));
  EXPECT_EQ(days.deadline_seconds(kHour), 200 + kHour);
  EXPECT_THAT(days.update({day("2025-07-02"), day("2025-07-01")}, 300, kHour), IsEmpty());
  EXPECT_THAT(days.held(), IsEmpty());
  EXPECT_EQ(days.deadline_seconds(kHour), INT64_MAX);
}

TEST(TornDays, GivesADayUpWhenItsTimeIsOver) {
  TornDays days;
  days.update({day("2025-07-01")}, 100, kHour);
  days.update({}, 200, kHour);
  EXPECT_THAT(days.update({}, 199 + kHour, kHour), IsEmpty());
  EXPECT_THAT(days.update({}, 200 + kHour, kHour), ElementsAre(day("2025-07-01")));
  EXPECT_THAT(days.held(), IsEmpty());
  EXPECT_THAT(days.update({}, 201 + kHour, kHour), IsEmpty()) << "given up once";
}

TEST(TornDays, ADayThatCameAndWentBetweenTwoLooksWasThere) {
  TornDays days;
  days.update({day("2025-07-02")}, 0, kHour);
  days.was_there(day("2025-07-01"));
  days.was_there(day("2025-07-02"));
  days.update({day("2025-07-02")}, 100, kHour);
  EXPECT_THAT(days.held(), ElementsAre(HeldDay{day("2025-07-01"), 100}));
}

TEST(TornDays, AWaitWithoutABreakCountsFromItsBeginning) {
  TornDays days;
  days.update({day("2025-07-01"), day("2025-07-02")}, 0, kHour);
  days.update({day("2025-07-02")}, 1'000, kHour);
  days.update({day("2025-07-01")}, 3'000, kHour);  // the first is back, the second is missing
  EXPECT_EQ(days.deadline_seconds(kHour), 3'000 + kHour);
  days.update({}, 4'000, kHour);
  EXPECT_THAT(days.update({}, 3'000 + kHour, kHour), ElementsAre(day("2025-07-01"), day("2025-07-02")));
}

TEST(TornDays, AClockThatIsSetBackDoesNotLengthenTheWait) {
  TornDays days;
  days.update({day("2025-07-01")}, 0, kHour);
  days.update({}, 1'000'000, kHour);
  days.update({}, 5'000, kHour);
  EXPECT_EQ(days.deadline_seconds(kHour), 5'000 + kHour);
}

TEST(TornDays, IsWrittenAsRuns) {
  TornDays days;
  days.update({day("1970-01-01"), day("1970-01-03"), day("1970-01-02"), day("1970-01-02"), day("1970-02-01")}, 7,
              kHour);
  EXPECT_EQ(days.known_text(), "0+2,31+0");
  EXPECT_EQ(days.held_text(), "");
  days.update({day("1970-01-01"), day("1970-01-02"), day("1970-02-01")}, 7, kHour);
  EXPECT_EQ(days.known_text(), "0+2,31+0");
  EXPECT_EQ(days.held_text(), "2@7");
  TornDays read;
  ASSERT_TRUE(read.parse("0+2,31+0", "2@7"));
  EXPECT_EQ(read, days);
}

TEST(TornDays, RefusesWhatItDidNotWrite) {
  for (const char* known :
       {"x", "1", "1+", "1+-1", "1+x", "9999999999+0", "0+99999999999", "-999999999+0", "5+0,5+0", "5+2,6+0"}) {
    EXPECT_FALSE(TornDays().parse(known, "")) << known;
  }
  for (const char* held : {"x", "1", "1@", "1@x", "9999999999@1"}) EXPECT_FALSE(TornDays().parse("", held)) << held;
}

// ── The source ───────────────────────────────────────────────────────────────────────────────────────────────────

class SetClock : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return {seconds, 0}; }
  [[nodiscard]] std::int64_t steady_micros() const override { return seconds * 1'000'000; }
  std::int64_t seconds = 1'750'000'000;
};

class TornDaysSource : public SourceTest {
 protected:
  /// Two users with an event on each of two whole days; all of it is taken.
  void begin_with_two_days() {
    pipeline();
    product(kMappingTables);
    for (const char* id : {"u1", "u2", "u3"}) user(id);
    product("INSERT INTO processed_event_days VALUES ('2025-07-01', 'complete'), ('2025-07-02', 'complete')");
    event("a1", "u1");
    event("b1", "u2");
    restart();
    watch();
  }
  void restart() {
    stop();
    SqliteSourceOptions with = options();
    with.hold_torn_days_max_seconds = hold_max_seconds_;
    with.clock = &clock_;
    source_ = std::make_unique<SqliteSource>(with);
  }
  void tear() {
    product(
        "BEGIN; DELETE FROM mixpanel_event WHERE event_uuid = 'a1'; "
        "DELETE FROM processed_event_days WHERE date_day = '2025-07-01'; COMMIT");
  }
  void put_events_back() { event("a1", "u1"); }
  void put_day_back() { product("INSERT INTO processed_event_days VALUES ('2025-07-01', 'complete')"); }

  SetClock clock_;
  std::int64_t hold_max_seconds_ = kHour;
};

TEST_F(TornDaysSource, HoldsUsersOfChangedEventsUntilTheDayIsBack) {
  begin_with_two_days();
  tear();
  EXPECT_THAT(changed_users(), IsEmpty());
  ASSERT_THAT(source_->held_back().days, SizeIs(1));
  EXPECT_EQ(source_->held_back().days[0], (HeldDay{day("2025-07-01"), clock_.seconds}));
  EXPECT_EQ(source_->held_back().users, 1);
  EXPECT_FALSE(has_changes()) << "what is held wakes nobody up";
  put_events_back();
  EXPECT_THAT(changed_users(), IsEmpty());
  put_day_back();
  EXPECT_TRUE(has_changes());
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
  EXPECT_THAT(source_->held_back().days, IsEmpty());
  EXPECT_EQ(source_->held_back().users, 0);
  EXPECT_THAT(changed_users(), IsEmpty());
}

TEST_F(TornDaysSource, PublishesTheRest) {
  begin_with_two_days();
  tear();
  product("UPDATE mixpanel_user SET country = 'DE' WHERE distinct_id IN ('u1', 'u2')");
  meta("ad", "2025-07-01");
  const EpochInput input = take();
  EXPECT_THAT(input.users, ElementsAre("u2")) << "u1 waits as a whole";
  EXPECT_THAT(input.ad_days, SizeIs(1));
  product("UPDATE mixpanel_user SET country = 'FR' WHERE distinct_id IN ('u1', 'u3')");
  EXPECT_THAT(changed_users(), ElementsAre("u3"));
  put_day_back();
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
}

TEST_F(TornDaysSource, KeepsTheRecordsOfThoseItHolds) {
  begin_with_two_days();
  tear();
  take();
  trim();
  EXPECT_GT(logged(), 0);
  restart();  // nothing but the position and the log is left
  EXPECT_THAT(changed_users(), IsEmpty());
  EXPECT_EQ(source_->held_back().users, 1);
  put_events_back();
  put_day_back();
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
  trim();
  EXPECT_EQ(logged(), 0);
}

TEST_F(TornDaysSource, GivesUpAfterTheMaximum) {
  begin_with_two_days();
  tear();
  take();
  clock_.seconds += kHour - 1;
  EXPECT_FALSE(has_changes());
  EXPECT_THAT(changed_users(), IsEmpty());
  clock_.seconds += 1;
  EXPECT_TRUE(has_changes()) << "time alone is a reason to look";
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
  EXPECT_THAT(source_->held_back().given_up, ElementsAre(day("2025-07-01")));
  EXPECT_FALSE(has_changes());
  put_events_back();
  EXPECT_THAT(changed_users(), ElementsAre("u1")) << "no longer torn: every change counts";
  put_day_back();
  tear();
  EXPECT_THAT(changed_users(), IsEmpty()) << "whole again, it can be torn again";
}

TEST_F(TornDaysSource, ADayReloadedInOneTransactionIsNotTorn) {
  begin_with_two_days();
  product(
      "BEGIN; DELETE FROM mixpanel_event WHERE event_uuid = 'a1'; DELETE FROM processed_event_days; "
      "INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id) VALUES ('a1', 'Opened', 'u1'); "
      "INSERT INTO processed_event_days VALUES ('2025-07-01', 'x'), ('2025-07-02', 'x'); COMMIT");
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
}

TEST_F(TornDaysSource, WithoutTheTableThereIsNothingToHoldBy) {
  begin_with_two_days();
  tear();
  EXPECT_THAT(changed_users(), IsEmpty());
  product("DROP TABLE processed_event_days");
  const EpochInput input = take();  // a dropped table: capture is looked at again, and everything is read
  EXPECT_TRUE(input.scan_users || input.users == std::vector<std::string>{"u1"});
  EXPECT_THAT(source_->held_back().days, IsEmpty());
}

TEST_F(TornDaysSource, NothingIsHeldWhereHoldingIsOff) {
  hold_max_seconds_ = 0;
  begin_with_two_days();
  tear();
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
}

TEST_F(TornDaysSource, AWishToReadEverythingWaitsForTheUsers) {
  begin_with_two_days();
  tear();
  auto wished = source_->begin_epoch(position_, {Reconcile::kWanted, {}, {}});
  ASSERT_TRUE(wished.ok()) << wished.error().line();
  EXPECT_TRUE(wished->reconcile && wished->scan_meta);
  EXPECT_FALSE(wished->scan_users);
  EXPECT_THAT(wished->users, IsEmpty());
  EXPECT_TRUE(source_->held_back().everyone);
  source_->end_snapshot();
  position_ = wished->position;
  ASSERT_TRUE(source_->acknowledge(position_).ok());
  user("u4");
  EXPECT_THAT(changed_users(), IsEmpty());
  put_day_back();
  const EpochInput after = take();
  EXPECT_TRUE(after.scan_users);
  EXPECT_EQ(after.reconcile_reason, "the torn days are whole again");
  EXPECT_THAT(changed_users(), IsEmpty());
}

TEST_F(TornDaysSource, WhatMustBeReadIsReadTornOrNot) {
  begin_with_two_days();
  tear();
  EXPECT_TRUE(begin(true).scan_users);
}

TEST_F(TornDaysSource, TooManyUsersToListAreEveryone) {
  begin_with_two_days();
  product(
      "BEGIN; DELETE FROM processed_event_days WHERE date_day = '2025-07-01'; "
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
      "INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id) SELECT 'x' || i, 'Opened', 'v' || i FROM n; "
      "COMMIT");
  EpochInput input = take();
  EXPECT_FALSE(input.scan_users);
  EXPECT_THAT(input.users, IsEmpty());
  EXPECT_TRUE(source_->held_back().everyone);
  trim();
  EXPECT_EQ(logged(), 0) << "everyone is read later: no record is needed for that";
  restart();
  user("u5");
  EXPECT_THAT(changed_users(), IsEmpty());
  put_day_back();
  EXPECT_TRUE(take().scan_users);
}

TEST_F(TornDaysSource, AScanHoldsEveryone) {
  triggers_ = false;
  pipeline();
  product(kMappingTables);
  user("u1");
  event("a1", "u1");
  product("INSERT INTO processed_event_days VALUES ('2025-07-01', 'complete')");
  restart();
  EXPECT_TRUE(take().scan_users);
  tear();
  const EpochInput torn = take();
  EXPECT_FALSE(torn.scan_users);
  EXPECT_TRUE(torn.scan_meta);
  EXPECT_FALSE(take().scan_users);
  put_events_back();
  put_day_back();
  EXPECT_TRUE(take().scan_users);
}

TEST_F(TornDaysSource, WhatIsNotADayIsNotHeldBy) {
  begin_with_two_days();
  product("INSERT INTO processed_event_days VALUES ('soon', 'x'), (20250703, 'x'), (NULL, 'x'), (x'00', 'x')");
  take();
  product("DELETE FROM processed_event_days WHERE date_day NOT LIKE '2025-%' OR date_day IS NULL");
  take();
  EXPECT_THAT(source_->held_back().days, IsEmpty());
}

}  // namespace
}  // namespace admetrics::source
