// The change journal, from a change at the source to what `explain` says of it.
#include <gmock/gmock.h>

#include <set>

#include "core/base/limits.hpp"
#include "explain/explain.hpp"
#include "state/journal.hpp"
#include "tests/support/must.hpp"
#include "tests/support/world.hpp"

namespace admetrics {
namespace {

using support::must;
using support::text;
using support::whole;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Day kToday{20'473};  // 2026-01-20

/// u1 started a trial on 2026-01-18 and u2 one on 2026-01-10, both of campaign c1, ad set s1 and ad a1; Meta has rows of
/// 2026-01-18.
class Journal : public testing::Test {
 protected:
  void SetUp() override {
    world_.today = kToday;
    world_.source().create_table(support::kCountryMapping);
    world_.source().insert(
        support::kCountryMapping,
        {{"meta_country_name", text("America")}, {"mixpanel_country_code", text("US")}, {"is_active", whole(1)}});
    user("u1");
    user("u2");
    event("e1", "u1", "RC Trial started", "2026-01-18T10:00:00Z");
    event("e2", "u2", "RC Trial started", "2026-01-10T10:00:00Z");
    product("u1", 10);
    meta(support::kMetaDaily, 5);
    meta(support::kMetaCountry, 5);
    world_.epoch();
    first_fill_at_ = world_.committed_at();
  }

  void user(const std::string& id, const std::string& ad = "a1", const std::string& country = "US") {
    world_.source().insert(support::kUsers, {{"distinct_id", text(id)},
                                             {"abi_ad_id", text(ad)},
                                             {"abi_ad_set_id", text("s1")},
                                             {"abi_campaign_id", text("c1")},
                                             {"country", text(country)},
                                             {"region", text("CA")},
                                             {"has_abi_attribution", whole(1)}});
  }
  void event(const std::string& uuid, const std::string& id, const std::string& name, const std::string& time,
             double revenue = 0) {
    world_.source().insert(support::kEvents, {{"event_uuid", text(uuid)},
                                              {"event_name", text(name)},
                                              {"distinct_id", text(id)},
                                              {"event_time", text(time)},
                                              {"revenue_usd", support::real(revenue)}});
  }
  void product(const std::string& id, double value) {
    world_.source().insert(support::kProducts, {{"distinct_id", text(id)},
                                                {"product_id", text("p")},
                                                {"store", text("APP_STORE")},
                                                {"current_value", support::real(value)}});
  }
  void meta(std::string_view table, double spend) {
    support::Columns row{
        {"ad_id", text("a1")},       {"date", text("2026-01-18")},     {"adset_id", text("s1")},
        {"campaign_id", text("c1")}, {"campaign_name", text("First")}, {"spend", support::real(spend)}};
    if (table == support::kMetaCountry) row.emplace_back("country", text("America"));
    world_.source().insert(table, row);
  }

  /// What `explain` says of a row.
  Explanation explained(Level level, const std::string& id, const std::string& date,
                        Breakdown breakdown = Breakdown::kNone, const std::string& value = "") {
    ExplainOptions options;
    const support::MachineOptions& machine = world_.machine_options();
    options.product_db = machine.product_db;
    options.ads_db = machine.ads_db;
    options.sink_db = machine.sink_db;
    options.reporting = world_.machine().reporting();
    options.level = level;
    options.entity_id = id;
    options.date = *parse_day(date);
    options.breakdown = breakdown;
    options.value = value;
    options.temp_dir = machine.state_dir;
    Explanation explanation = must(explain(options));
    const auto ledger =
        must(sqlite::Connection::open(world_.machine().ledger().path(), sqlite::OpenMode::kReadOnly, 5'000));
    SinkRow row{{SinkKey::Kind::kCell, level, id, options.date}, breakdown, value};
    tell_last_change(must(read_row_history(*ledger, row)), explanation);
    return explanation;
  }
  std::vector<std::string> causes(Level level, const std::string& id, const std::string& date,
                                  Breakdown breakdown = Breakdown::kNone, const std::string& value = "") {
    const Explanation explanation = explained(level, id, date, breakdown, value);
    EXPECT_TRUE(explanation.last_change.has_value()) << to_text(explanation, 3);
    if (!explanation.last_change) return {};
    EXPECT_EQ(explanation.last_change->epoch, static_cast<std::int64_t>(header().epoch.value));
    return explanation.last_change->causes;
  }
  const LedgerHeader& header() { return world_.machine().engine().header(); }

  /// `cell ad a1 2026-01-18`, …: what the journal lists since an epoch.
  std::set<std::string> listed_since(EpochId epoch) {
    Engine& engine = world_.machine().engine();
    EXPECT_GE(epoch, must(engine.changes_listed_since()));
    std::set<std::string> listed;
    JournalCursor cursor{epoch, {}};
    const auto note = [&](const SinkKey& key) {
      switch (key.kind) {
        case SinkKey::Kind::kCell:
          listed.insert("cell " + std::string(name_of(key.level)) + ' ' + key.entity_id + ' ' + format_day(key.day));
          break;
        case SinkKey::Kind::kName:
          listed.insert("name " + std::string(name_of(key.level)) + ' ' + key.entity_id);
          break;
        case SinkKey::Kind::kHierarchy: listed.insert("pair " + key.entity_id); break;
      }
    };
    while (must(engine.scan_changes(cursor, 2, note)) == 2) {
    }
    return listed;
  }

  support::World world_{support::WorldOptions{}};
  std::string first_fill_at_;
};

const std::set<std::string> kTheCellOf18{"cell ad a1 2026-01-18", "cell adset s1 2026-01-18",
                                         "cell campaign c1 2026-01-18"};

TEST_F(Journal, BeginsWithTheFirstFillAndListsNothingOfIt) {
  EXPECT_EQ(must(world_.machine().engine().changes_listed_since()), EpochId{1});
  EXPECT_THAT(listed_since(EpochId{1}), IsEmpty());
  const Explanation row = explained(Level::kAd, "a1", "2026-01-18");
  ASSERT_TRUE(row.last_change);
  EXPECT_TRUE(row.last_change->since_first_fill);
  EXPECT_EQ(row.last_change->at, first_fill_at_);
  EXPECT_THAT(to_text(row, 3), testing::HasSubstr("last changed " + first_fill_at_ + " UTC, epoch 1, the first fill"));
}

TEST_F(Journal, AnEvent) {
  event("e3", "u1", "RC Initial purchase", "2026-01-20T09:00:00Z", 9.99);
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18"), ElementsAre("event"));
  EXPECT_THAT(causes(Level::kCampaign, "c1", "2026-01-20", Breakdown::kCountry, "US"), ElementsAre("event"));
  EXPECT_EQ(
      listed_since(EpochId{1}),
      (std::set<std::string>{"cell ad a1 2026-01-18", "cell adset s1 2026-01-18", "cell campaign c1 2026-01-18",
                             "cell ad a1 2026-01-20", "cell adset s1 2026-01-20", "cell campaign c1 2026-01-20"}));
  // A row that it did not touch is as it was.
  EXPECT_TRUE(explained(Level::kAd, "a1", "2026-01-10").last_change->since_first_fill);
}

TEST_F(Journal, ALateEvent) {
  event("e3", "u1", "RC Trial converted", "2026-01-18T23:00:00Z", 9.99);
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18"), ElementsAre("late_event"));
  event("e4", "u1", "RC Initial purchase", "2025-01-18T23:00:00Z", 9.99);
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2025-01-18"), ElementsAre("late_event"));
}

TEST_F(Journal, AReAttribution) {
  user("u1", "a2");
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a2", "2026-01-18"), ElementsAre("re_attribution"));
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18"), ElementsAre("re_attribution"));
  // The campaign's row shows nothing of it.
  EXPECT_TRUE(explained(Level::kCampaign, "c1", "2026-01-18").last_change->since_first_fill);
}

TEST_F(Journal, AttributionThatComesAfterTheEvents) {
  event("e3", "u3", "RC Trial started", "2026-01-19T10:00:00Z");
  world_.epoch();
  user("u3");
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-19"), ElementsAre("re_attribution"));
  world_.source().update(support::kUsers, {{"has_abi_attribution", whole(0)}}, {{"distinct_id", text("u3")}});
  world_.epoch();
  const Explanation gone = explained(Level::kAd, "a1", "2026-01-19");
  EXPECT_FALSE(gone.stored);
  ASSERT_TRUE(gone.last_change);
  EXPECT_THAT(gone.last_change->causes, ElementsAre("re_attribution"));
  EXPECT_THAT(to_text(gone, 3), testing::HasSubstr("gone since " + world_.committed_at()));
}

TEST_F(Journal, AUsersCountry) {
  user("u1", "a1", "DE");
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18", Breakdown::kCountry, "DE"), ElementsAre("user"));
  EXPECT_TRUE(explained(Level::kAd, "a1", "2026-01-18", Breakdown::kRegion, "CA").last_change->since_first_fill);
}

TEST_F(Journal, AValue) {
  world_.source().update(support::kProducts, {{"current_value", support::real(33)}}, {{"distinct_id", text("u1")}});
  world_.epoch();
  EXPECT_THAT(causes(Level::kAdset, "s1", "2026-01-18"), ElementsAre("value"));
}

TEST_F(Journal, SeveralCausesAtOnce) {
  world_.source().update(support::kProducts, {{"current_value", support::real(33)}}, {{"distinct_id", text("u1")}});
  meta(support::kMetaDaily, 6);
  world_.epoch();
  EXPECT_THAT(causes(Level::kAdset, "s1", "2026-01-18"), ElementsAre("value", "meta"));
  EXPECT_THAT(causes(Level::kAdset, "s1", "2026-01-18", Breakdown::kCountry, "US"), ElementsAre("value"));
}

TEST_F(Journal, AMetaRow) {
  meta(support::kMetaCountry, 6);
  world_.epoch();
  EXPECT_THAT(causes(Level::kCampaign, "c1", "2026-01-18", Breakdown::kCountry, "US"), ElementsAre("meta"));
  EXPECT_TRUE(explained(Level::kCampaign, "c1", "2026-01-18").last_change->since_first_fill);
}

TEST_F(Journal, AName) {
  world_.source().update(support::kMetaDaily, {{"campaign_name", text("Second")}}, {{"ad_id", text("a1")}});
  world_.source().update(support::kMetaCountry, {{"campaign_name", text("Second")}}, {{"ad_id", text("a1")}});
  world_.epoch();
  EXPECT_THAT(listed_since(EpochId{1}), Contains("name campaign c1"));
}

TEST_F(Journal, AMapping) {
  world_.source().update(support::kCountryMapping, {{"mixpanel_country_code", text("CA")}}, {});
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18", Breakdown::kCountry, "CA"), ElementsAre("mapping"));
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18", Breakdown::kCountry, "US"), ElementsAre("mapping"));
}

TEST_F(Journal, TimePassing) {
  world_.today = Day{kToday.value + 5};  // the trials of the 18th are post-trial now
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18"), ElementsAre("time_passing"));
  EXPECT_EQ(listed_since(EpochId{1}), kTheCellOf18);
}

TEST_F(Journal, Settings) {
  world_.machine_options().trial_length_days = 1;
  world_.restart();
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18"), ElementsAre("settings"));
  EXPECT_EQ(must(world_.machine().engine().changes_listed_since()), EpochId{2});
}

TEST_F(Journal, ARepair) {
  world_.sink_sql("UPDATE daily_mixpanel_metrics SET meta_clicks = 7 WHERE entity_type = 'ad' AND date = '2026-01-18'");
  world_.request.audit = true;
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18"), ElementsAre("repair"));
  EXPECT_EQ(listed_since(EpochId{1}), (std::set<std::string>{"cell ad a1 2026-01-18"}));
}

TEST_F(Journal, ABackfill) {
  world_.sink_sql("DELETE FROM daily_mixpanel_metrics WHERE entity_type = 'ad' AND date = '2026-01-18'");
  world_.request.rows = {{SinkKey::Kind::kCell, Level::kAd, "a1", *parse_day("2026-01-18")},
                         {SinkKey::Kind::kCell, Level::kAd, "a1", *parse_day("2026-01-10")}};
  world_.request.users = {"u1", "u2"};
  world_.request.ad_days = {{"a1", "2026-01-18"}};
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18"), ElementsAre("repair", "backfill"));
  EXPECT_EQ(listed_since(EpochId{1}), (std::set<std::string>{"cell ad a1 2026-01-18"}));
}

TEST_F(Journal, AReconciliation) {
  world_.source().rename_swap(support::kProducts, [&](const std::string& name) {
    world_.source().sql(support::kProducts, "UPDATE \"" + name + "\" SET current_value = 44");
  });
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18"), ElementsAre("value", "reconcile"));
}

TEST_F(Journal, WhatIsOnlyComparedIsNotListed) {
  world_.source().reload_table(support::kEvents);
  world_.source().reload_table(support::kMetaDaily);
  world_.epoch();
  world_.request.reconcile = world_.request.audit = true;
  world_.epoch();
  EXPECT_THAT(listed_since(EpochId{1}), IsEmpty());
}

TEST_F(Journal, AKeyMovesToItsLastEpoch) {
  event("e3", "u1", "RC Initial purchase", "2026-01-18T11:00:00Z", 9.99);
  world_.epoch();
  const EpochId then = header().epoch;
  EXPECT_EQ(listed_since(EpochId{1}), kTheCellOf18);
  EXPECT_THAT(listed_since(then), IsEmpty());
  event("e4", "u2", "RC Initial purchase", "2026-01-10T11:00:00Z", 9.99);
  world_.epoch();
  EXPECT_EQ(listed_since(then).size(), 3U);
  EXPECT_EQ(listed_since(EpochId{1}).size(), 6U);
}

/// Between the sink's commit and the ledger's: what the sink has is in the journal, with its cause.
TEST_F(Journal, AKillBetweenSinkAndLedger) {
  event("e3", "u1", "RC Initial purchase", "2026-01-20T11:00:00Z", 9.99);
  world_.kill_at(support::kLedgerCommit);
  EXPECT_FALSE(world_.try_epoch().ok());
  world_.revive();
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-20"), ElementsAre("event"));
  EXPECT_EQ(listed_since(EpochId{1}).size(), 6U);
}

/// The same, and the source takes its change back meanwhile: no contribution changes, the rows do.
TEST_F(Journal, AKillBetweenSinkAndLedgerAndNothingLeftOfTheChange) {
  event("e3", "u1", "RC Initial purchase", "2026-01-18T11:00:00Z", 9.99);
  world_.kill_at(support::kLedgerCommit);
  EXPECT_FALSE(world_.try_epoch().ok());
  world_.revive();
  world_.source().erase(support::kEvents, {{"event_uuid", text("e3")}});
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18"), ElementsAre("repair"));
  EXPECT_EQ(listed_since(EpochId{1}), kTheCellOf18);
}

TEST_F(Journal, ALostReplyOfTheSink) {
  event("e3", "u1", "RC Initial purchase", "2026-01-18T11:00:00Z", 9.99);
  world_.fail_at(support::kSinkCommitted);
  world_.epoch();
  EXPECT_THAT(causes(Level::kAd, "a1", "2026-01-18"), ElementsAre("late_event"));
  EXPECT_EQ(listed_since(EpochId{1}), kTheCellOf18);
}

TEST_F(Journal, AnEpochTooLargeToListIsNotedAsAWhole) {
  constexpr std::size_t kUsers = kJournalKeysMax / 3 + 10;
  const std::string many =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(kUsers) + ") ";
  world_.source().sql(support::kUsers,
                      many +
                          "INSERT INTO mixpanel_user (distinct_id, abi_ad_id, abi_ad_set_id, abi_campaign_id, "
                          "has_abi_attribution) SELECT 'm' || i, 'a' || i, 's' || i, 'c' || i, 1 FROM n");
  world_.source().sql(support::kEvents,
                      many +
                          "INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id, event_time) SELECT 'm' || "
                          "i, 'RC Trial started', 'm' || i, '2026-01-20T10:00:00Z' FROM n");
  event("e3", "u1", "RC Initial purchase", "2026-01-18T11:00:00Z", 9.99);
  world_.epoch();
  EXPECT_EQ(must(world_.machine().engine().changes_listed_since()), header().epoch);
  EXPECT_THAT(causes(Level::kAd, "a77", "2026-01-20"), Contains("event"));
  // What it did not touch still says why it is as it is.
  EXPECT_TRUE(explained(Level::kAd, "a1", "2026-01-10").last_change->since_first_fill);
}

TEST_F(Journal, SurvivesARestart) {
  event("e3", "u1", "RC Initial purchase", "2026-01-20T11:00:00Z", 9.99);
  world_.epoch();
  world_.restart();
  world_.epoch();
  EXPECT_EQ(listed_since(EpochId{1}).size(), 6U);
  EXPECT_THAT(explained(Level::kAd, "a1", "2026-01-20").last_change->causes, ElementsAre("event"));
}

TEST_F(Journal, ARowThatSomebodyElseWroteIsNotExplained) {
  world_.sink_sql("UPDATE daily_mixpanel_metrics SET computed_at = '2031-01-01 00:00:00.000' WHERE entity_type = 'ad'");
  const Explanation row = explained(Level::kAd, "a1", "2026-01-18");
  EXPECT_FALSE(row.last_change);
  ASSERT_EQ(row.causes.size(), 1U);
  EXPECT_EQ(row.causes.front().name, "not_known");
}

}  // namespace
}  // namespace admetrics
