// What the pipeline's own statements leave in the change log, whatever its connection and its clauses are.

#include <atomic>
#include <set>
#include <thread>

#include "tests/sources/source_fixture.hpp"

namespace admetrics::source {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Capture : public SourceTest {};

/// Whether the writer's connection fires delete triggers for rows that OR REPLACE removes.
class CaptureReplace : public SourceTest, public testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    SourceTest::SetUp();
    pipeline();
    use_recursive_triggers();
  }
  void use_recursive_triggers() {
    const std::string value = GetParam() ? "ON" : "OFF";
    for (auto* database : {product_.get(), ads_.get()}) run(*database, "PRAGMA recursive_triggers = " + value);
  }
};
INSTANTIATE_TEST_SUITE_P(Writer, CaptureReplace, testing::Bool(),
                         [](const auto& writer) { return writer.param ? "WithRecursiveTriggers" : "Usual"; });

TEST_F(Capture, InsertUpdateAndDeleteNameTheUser) {
  pipeline();
  watch();
  user("u1");
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
  product("UPDATE mixpanel_user SET abi_ad_id = 'a1'");
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
  event("e1", "u2");
  product("INSERT INTO user_product_metrics (distinct_id, product_id) VALUES ('u3', 'p')");
  EXPECT_THAT(changed_users(), ElementsAre("u2", "u3"));
  product("DELETE FROM mixpanel_event; DELETE FROM mixpanel_user");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
  EXPECT_THAT(changed_users(), IsEmpty());
}

TEST_F(Capture, EveryMetaTableNamesTheAdAndTheDay) {
  pipeline();
  watch();
  meta("a1", "2026-01-03");
  ads("INSERT INTO ad_performance_daily_country (ad_id, date, country) VALUES ('a2', '2026-01-04', 'US')");
  ads("INSERT INTO ad_performance_daily_region (ad_id, date, region) VALUES ('a3', '2026-01-05', 'CA')");
  ads("INSERT INTO ad_performance_daily_device (ad_id, date, device) VALUES ('a4', '2026-01-06', 'ipad')");
  EXPECT_THAT(changed_ad_days(), ElementsAre("a1 2026-01-03", "a2 2026-01-04", "a3 2026-01-05", "a4 2026-01-06"));
  ads("UPDATE ad_performance_daily_country SET country = 'CA'");
  EXPECT_THAT(changed_ad_days(), ElementsAre("a2 2026-01-04"));
}

TEST_F(Capture, AnUpdateOfTheKeyNamesBothSides) {
  pipeline();
  event("e1", "u1");
  user("u1");
  meta("a1", "2026-01-03");
  watch();
  product("UPDATE mixpanel_event SET distinct_id = 'u2'");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
  product("UPDATE mixpanel_user SET distinct_id = 'u9'");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u9"));
  ads("UPDATE ad_performance_daily SET ad_id = 'a2', date = '2026-01-04'");
  EXPECT_THAT(changed_ad_days(), ElementsAre("a1 2026-01-03", "a2 2026-01-04"));
}

TEST_F(Capture, AnUpdateThatChangesNothingThatIsReadRecordsNothing) {
  pipeline();
  user("u1");
  product("INSERT INTO user_product_metrics (distinct_id, product_id, current_value) VALUES ('u1', 'p', 5)");
  watch();
  const std::int64_t before = last_seq();
  product("UPDATE mixpanel_user SET country = country, abi_ad_id = NULL");
  product("UPDATE mixpanel_user SET note = 'seen'");  // a column that nobody reads
  product("UPDATE user_product_metrics SET current_value = 5.0");
  EXPECT_EQ(last_seq(), before);
  EXPECT_FALSE(has_changes());
  product("UPDATE mixpanel_user SET country = NULL");
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
}

TEST_F(Capture, OfTenThousandRecordsOnOneUserOneKeyRemains) {
  pipeline();
  watch();
  product(
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) "
      "INSERT INTO mixpanel_event (event_uuid, distinct_id) SELECT 'e' || i, 'u1' FROM n");
  const EpochInput input = take();
  EXPECT_EQ(input.records, 10'000U);
  EXPECT_FALSE(input.scan_users);
  EXPECT_THAT(input.users, ElementsAre("u1"));
}

TEST_F(Capture, MoreChangedUsersThanAreWorthLookingUpBecomeAScan) {
  pipeline();
  watch();
  product(
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
      "INSERT INTO mixpanel_user (distinct_id) SELECT 'u' || i FROM n");
  const EpochInput input = take();
  EXPECT_FALSE(input.reconcile);
  EXPECT_TRUE(input.scan_users);
  EXPECT_FALSE(input.scan_meta);
  EXPECT_THAT(input.users, IsEmpty());
  EXPECT_EQ(input.records, 20'000U);
  EXPECT_EQ(input.users_estimate, 20'000);
}

TEST_F(Capture, MoreChangedAdDaysThanAreWorthLookingUpBecomeAScan) {
  pipeline();
  watch();
  ads("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
      "INSERT INTO ad_performance_daily (ad_id, date) SELECT 'a' || i, '2026-01-03' FROM n");
  const EpochInput input = take();
  EXPECT_FALSE(input.reconcile);
  EXPECT_TRUE(input.scan_meta);
  EXPECT_FALSE(input.scan_users);
  EXPECT_THAT(input.ad_days, IsEmpty());
}

// ── Pitfall 1: OR REPLACE ──

TEST_P(CaptureReplace, AnEventThatAReplaceMovesNamesBothUsers) {
  event("e1", "u1");
  watch();
  product("INSERT OR REPLACE INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e1', 'u2')");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
  product("REPLACE INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e1', 'u3'), ('e1', 'u4')");
  EXPECT_THAT(changed_users(), ElementsAre("u2", "u3", "u4"));
}

TEST_P(CaptureReplace, EitherUniqueKeyOfAProductRowFindsTheRowThatGoes) {
  product(
      "INSERT INTO user_product_metrics (user_product_id, distinct_id, product_id) VALUES (1, 'u1', 'p'), (2, "
      "'u2', 'p'), (3, 'u3', 'p')");
  watch();
  product(
      "INSERT OR REPLACE INTO user_product_metrics (user_product_id, distinct_id, product_id) VALUES (1, 'u9', 'p')");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u9"));
  // Through both at once: row 2 goes by its id, row 3 by (distinct_id, product_id).
  product(
      "INSERT OR REPLACE INTO user_product_metrics (user_product_id, distinct_id, product_id) VALUES (2, 'u3', 'p')");
  EXPECT_THAT(changed_users(), ElementsAre("u2", "u3"));
}

TEST_P(CaptureReplace, AnUpdateOrReplaceNamesTheRowThatGoes) {
  event("e1", "u1");
  event("e2", "u2");
  product(
      "INSERT INTO user_product_metrics (user_product_id, distinct_id, product_id) VALUES (1, 'u5', 'p'), (2, "
      "'u6', 'p')");
  user("u7");
  user("u8");
  watch();
  product("UPDATE OR REPLACE mixpanel_event SET event_uuid = 'e1' WHERE event_uuid = 'e2'");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
  product("UPDATE OR REPLACE user_product_metrics SET user_product_id = 1 WHERE user_product_id = 2");
  EXPECT_THAT(changed_users(), ElementsAre("u5", "u6"));
  product("UPDATE OR REPLACE mixpanel_user SET distinct_id = 'u7' WHERE distinct_id = 'u8'");
  EXPECT_THAT(changed_users(), ElementsAre("u7", "u8"));
}

TEST_P(CaptureReplace, AConflictClauseOfTheTableItselfCountsToo) {
  product(
      "DROP TABLE mixpanel_event; CREATE TABLE mixpanel_event (event_uuid TEXT PRIMARY KEY ON CONFLICT REPLACE, "
      "event_name TEXT, distinct_id TEXT, event_time DATETIME, revenue_usd DECIMAL(10,2))");
  event("e1", "u1");
  watch();
  event("e1", "u2");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
}

TEST_P(CaptureReplace, UniqueIndexesThatWereAddedAreFollowed) {
  watch();
  product("CREATE UNIQUE INDEX event_once ON mixpanel_event (event_name, event_time)");
  product("INSERT INTO mixpanel_event VALUES ('e1', 'Opened', 'u1', '2026-01-03', NULL, NULL)");
  take();
  product("INSERT OR REPLACE INTO mixpanel_event VALUES ('e2', 'Opened', 'u2', '2026-01-03', NULL, NULL)");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
}

TEST_P(CaptureReplace, APartialUniqueIndexIsFollowed) {
  product("CREATE UNIQUE INDEX paid_once ON mixpanel_event (event_time) WHERE revenue_usd > 0");
  product("INSERT INTO mixpanel_event VALUES ('e1', 'Paid', 'u1', '2026-01-03', 5, NULL)");
  watch();
  product("INSERT OR REPLACE INTO mixpanel_event VALUES ('e2', 'Paid', 'u2', '2026-01-03', 7, NULL)");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
  EXPECT_EQ(ask(*product_, "SELECT count(*) FROM mixpanel_event"), 1);
}

TEST_P(CaptureReplace, AUniqueIndexOverAColumnAndAnExpressionIsFollowed) {
  product("CREATE UNIQUE INDEX named_once ON mixpanel_event (event_time, lower(event_name))");
  product("INSERT INTO mixpanel_event VALUES ('e1', 'PAID', 'u1', '2026-01-03', 5, NULL)");
  watch();
  product("INSERT OR REPLACE INTO mixpanel_event VALUES ('e2', 'paid', 'u2', '2026-01-03', 7, NULL)");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
}

TEST_P(CaptureReplace, AUniqueIndexOverAnExpressionAloneIsFollowedOrRefused) {
  product("CREATE UNIQUE INDEX uuid_once ON mixpanel_event (lower(event_uuid))");
  event("E1", "u1");
  start();
  if (const auto first = source_->begin_epoch("", {}); !first.ok()) {
    EXPECT_THAT(first.error().line(), testing::HasSubstr("uuid_once")) << "capture cannot follow it, and says so";
    return;
  }
  watch();
  product("INSERT OR REPLACE INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e1', 'u2')");
  ASSERT_EQ(ask(*product_, "SELECT count(*) FROM mixpanel_event"), 1);
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
}

TEST_P(CaptureReplace, AUniqueIndexOfAnotherCollationIsFollowed) {
  product("CREATE UNIQUE INDEX uuid_once ON mixpanel_event (event_uuid COLLATE NOCASE)");
  event("E1", "u1");
  watch();
  product("INSERT OR REPLACE INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e1', 'u2')");
  ASSERT_EQ(ask(*product_, "SELECT count(*) FROM mixpanel_event"), 1);
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
}

TEST_P(CaptureReplace, AUserKeyThatIgnoresCaseNamesTheUserThatGoes) {
  product(
      "DROP TABLE mixpanel_user; CREATE TABLE mixpanel_user (distinct_id TEXT COLLATE NOCASE PRIMARY KEY, abi_ad_id "
      "TEXT, abi_campaign_id TEXT, abi_ad_set_id TEXT, country TEXT, region TEXT, has_abi_attribution BOOLEAN)");
  user("u1");
  watch();
  product("INSERT OR REPLACE INTO mixpanel_user (distinct_id, country) VALUES ('U1', 'CA')");
  ASSERT_EQ(ask(*product_, "SELECT count(*) FROM mixpanel_user"), 1);
  EXPECT_THAT(changed_users(), ElementsAre("U1", "u1"));
}

TEST_P(CaptureReplace, MetaRowsReplacedByAnIdOfTheirOwnNameBothDays) {
  ads("DROP TABLE ad_performance_daily; CREATE TABLE ad_performance_daily (id INTEGER PRIMARY KEY, ad_id TEXT, date "
      "DATE, adset_id TEXT, campaign_id TEXT, ad_name TEXT, adset_name TEXT, campaign_name TEXT, spend, impressions, "
      "clicks, meta_trials, meta_purchases)");
  ads("INSERT INTO ad_performance_daily (id, ad_id, date) VALUES (1, 'a1', '2026-01-03')");
  watch();
  ads("INSERT OR REPLACE INTO ad_performance_daily (id, ad_id, date) VALUES (1, 'a2', '2026-01-04')");
  EXPECT_THAT(changed_ad_days(), ElementsAre("a1 2026-01-03", "a2 2026-01-04"));
}

TEST_P(CaptureReplace, AnUpsertNamesTheRowThatItUpdates) {
  event("e1", "u1");
  watch();
  product(
      "INSERT INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e1', 'u2') ON CONFLICT (event_uuid) DO UPDATE "
      "SET distinct_id = excluded.distinct_id");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
}

// ── Pitfalls 2, 4, 5: the writer never fails, and never sees us ──

TEST_F(Capture, NoConflictClauseOfTheWriterMakesItsOwnStatementFail) {
  pipeline();
  watch();
  for (const std::string clause : {"ABORT", "IGNORE", "FAIL", "ROLLBACK", "REPLACE"}) {
    const std::string id = "u-" + clause;
    // The same key is recorded again and again: a unique log would make the outer clause fire.
    product("INSERT OR " + clause + " INTO mixpanel_user (distinct_id) VALUES ('" + id + "')");
    product("DELETE FROM mixpanel_user WHERE distinct_id = '" + id + "'");
    product("INSERT OR " + clause + " INTO mixpanel_user (distinct_id) VALUES ('" + id + "')");
    product("UPDATE OR " + clause + " mixpanel_user SET country = 'US' WHERE distinct_id = '" + id + "'");
    product("INSERT OR " + clause + " INTO mixpanel_event (event_uuid, distinct_id) VALUES ('" + id + "', '" + id +
            "'), ('2" + id + "', '" + id + "')");
    EXPECT_THAT(changed_users(), ElementsAre(id));
  }
}

TEST_F(Capture, AConflictOfTheWriterEndsAsItWouldWithoutUs) {
  pipeline();
  event("e1", "u1");
  watch();
  const auto fails = [&](const std::string& sql) {
    const Status done = product_->execute(sql);
    ASSERT_FALSE(done.ok()) << sql;
    EXPECT_NE(done.error().detail.find("mixpanel_event.event_uuid"), std::string::npos) << done.error().line();
  };
  const std::string rows = " INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e2', 'u2'), ('e1', 'u3')";

  fails("INSERT OR ABORT" + rows);
  EXPECT_THAT(changed_users(), IsEmpty()) << "a statement that was taken back leaves no record";

  product("INSERT OR IGNORE" + rows);
  const std::vector<std::string> ignored = changed_users();
  EXPECT_THAT(ignored, testing::Contains("u2"));
  EXPECT_THAT(ignored, testing::Not(testing::Contains("u3")));

  product("DELETE FROM mixpanel_event WHERE event_uuid = 'e2'");
  take();
  product("BEGIN");
  event("e9", "u9");
  fails("INSERT OR ROLLBACK" + rows);
  EXPECT_FALSE(product_->in_transaction());
  EXPECT_THAT(changed_users(), IsEmpty());
}

TEST_F(Capture, WhatAnOrFailLeftBehindIsAChangeAtOnce) {
  pipeline();
  event("e1", "u1");
  watch();
  // Such a statement ends in the middle: its first row stays, and SQLite has not yet noted the log's last id.
  const Status failed = product_->execute(
      "INSERT OR FAIL INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e2', 'u2'), ('e1', 'u3')");
  ASSERT_FALSE(failed.ok());
  ASSERT_EQ(ask(*product_, "SELECT count(*) FROM mixpanel_event"), 2);
  EXPECT_TRUE(has_changes());
  EXPECT_THAT(changed_users(), testing::Contains("u2"));
  event("e4", "u4");
  EXPECT_THAT(changed_users(), testing::Contains("u4"));
}

TEST_F(Capture, TheWriterSeesItsOwnRowidsAndCounts) {
  pipeline();
  watch();
  product(
      "INSERT INTO user_product_metrics (user_product_id, distinct_id, product_id) VALUES (70, 'u1', 'p'), (71, "
      "'u2', 'p')");
  EXPECT_EQ(product_->last_insert_rowid(), 71);
  EXPECT_EQ(product_->changes(), 2);
  product("UPDATE user_product_metrics SET current_value = 1");
  EXPECT_EQ(product_->changes(), 2);
  product("DELETE FROM user_product_metrics");
  EXPECT_EQ(product_->changes(), 2);
}

TEST_F(Capture, KeysOfAnyTypeDoNotFailTheWriter) {
  pipeline();
  watch();
  product("INSERT INTO mixpanel_event (event_uuid, distinct_id) VALUES (NULL, NULL)");
  EXPECT_THAT(changed_users(), ElementsAre(""));
  product("INSERT INTO mixpanel_event (event_uuid, distinct_id) VALUES (x'00ff', x'6162')");
  EXPECT_THAT(changed_users(), ElementsAre(""));
  product("INSERT INTO mixpanel_event (event_uuid, distinct_id, revenue_usd) VALUES (7, 12, 9e999)");
  EXPECT_THAT(changed_users(), ElementsAre("12"));
  product("INSERT INTO mixpanel_event (event_uuid, distinct_id) VALUES ('big', zeroblob(3000000))");
  EXPECT_THAT(changed_users(), ElementsAre(""));
  product("INSERT INTO mixpanel_event (event_uuid, distinct_id) VALUES ('q', 'O''Hara \"x\" \xff')");
  EXPECT_THAT(changed_users(), ElementsAre("O'Hara \"x\" \xff"));
  product("UPDATE mixpanel_event SET event_name = x'00', event_time = zeroblob(10)");
  EXPECT_THAT(changed_users(), ElementsAre("", "12", "O'Hara \"x\" \xff"));
  ads("INSERT INTO ad_performance_daily (ad_id, date) VALUES (NULL, x'01')");
  EXPECT_THAT(changed_ad_days(), ElementsAre(" "));
  product("DELETE FROM mixpanel_event");
  EXPECT_THAT(changed_users(), ElementsAre("", "12", "O'Hara \"x\" \xff"));
}

TEST_F(Capture, DeletingAWholeTableRecordsEveryKey) {
  pipeline();
  for (const char* id : {"u1", "u2", "u3"}) user(id);
  watch();
  product("DELETE FROM mixpanel_user");  // without triggers, SQLite would throw the pages away unread
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2", "u3"));
}

TEST_F(Capture, TheTriggersAreThePlainestSql) {
  pipeline("WAL", std::string(kUserTable) + kEventTable + kProductTable + kMappingTables);
  watch();
  for (auto* database : {product_.get(), ads_.get()}) {
    EXPECT_GT(ask(*database, "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'"), 0);
    // A function (other than none) would show as a name before a parenthesis; RETURNING, JSON and clocks are newer.
    for (const char* word :
         {"json", "random", "now", "unixepoch", "strftime", "RETURNING", "ON CONFLICT", "OR IGNORE"}) {
      EXPECT_EQ(
          ask(*database,
              std::string("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '%") + word + "%'"),
          0)
          << word;
    }
  }
}

TEST_F(Capture, ARollbackLeavesNoRecord) {
  pipeline();
  watch();
  const std::int64_t before = last_seq();
  product("BEGIN");
  user("u1");
  product("ROLLBACK");
  EXPECT_EQ(last_seq(), before);
  EXPECT_FALSE(has_changes());
  EXPECT_THAT(changed_users(), IsEmpty());
}

TEST_F(Capture, ASavepointThatWasRolledBackLeavesNoRecord) {
  pipeline();
  watch();
  product("BEGIN");
  user("u1");
  product("SAVEPOINT inner");
  user("u2");
  product("ROLLBACK TO inner; RELEASE inner");
  user("u3");
  product("COMMIT");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u3"));
}

TEST_F(Capture, RecordsOfAnOpenTransactionAreNotSeenBeforeItsCommit) {
  pipeline();
  watch();
  product("BEGIN");
  user("u1");
  EXPECT_THAT(changed_users(), IsEmpty());
  product("COMMIT");
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
}

TEST_F(Capture, NamesOfAnyCaseAreTheSameColumns) {
  pipeline("WAL",
           "CREATE TABLE Mixpanel_User (Distinct_ID TEXT PRIMARY KEY, ABI_Ad_Id TEXT, abi_campaign_id TEXT, "
           "abi_ad_set_id TEXT, COUNTRY TEXT, region TEXT, has_abi_attribution BOOLEAN);"
           "CREATE TABLE MIXPANEL_EVENT (Event_UUID TEXT PRIMARY KEY, event_name TEXT, DISTINCT_ID TEXT, event_time "
           "DATETIME, revenue_usd DECIMAL(10,2));" +
               std::string(kProductTable));
  watch();
  product("INSERT INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e1', 'u1')");
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
  product("INSERT OR REPLACE INTO MIXPANEL_EVENT (event_uuid, distinct_id) VALUES ('e1', 'u2')");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
  user("u3");
  EXPECT_THAT(changed_users(), ElementsAre("u3"));
  EXPECT_FALSE(has_changes()) << "the triggers stand, and are not installed over and over";
}

TEST_F(Capture, TablesWithoutRowidAreCaptured) {
  pipeline("WAL",
           "CREATE TABLE mixpanel_user (distinct_id TEXT PRIMARY KEY, abi_ad_id TEXT, abi_campaign_id TEXT, "
           "abi_ad_set_id TEXT, country TEXT, region TEXT, has_abi_attribution BOOLEAN) WITHOUT ROWID;"
           "CREATE TABLE mixpanel_event (event_uuid TEXT PRIMARY KEY, event_name TEXT, distinct_id TEXT, event_time "
           "DATETIME, revenue_usd DECIMAL(10,2)) WITHOUT ROWID;" +
               std::string(kProductTable));
  watch();
  user("u1");
  event("e1", "u1");
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
  product("INSERT OR REPLACE INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e1', 'u2')");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
  product("UPDATE mixpanel_event SET distinct_id = 'u3'; DELETE FROM mixpanel_user");
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2", "u3"));
}

TEST_F(Capture, AChangeOfCaseIsNoticedUnderACollationThatIgnoresIt) {
  pipeline("WAL",
           "CREATE TABLE mixpanel_user (distinct_id TEXT COLLATE NOCASE PRIMARY KEY, abi_ad_id TEXT COLLATE NOCASE, "
           "abi_campaign_id TEXT, abi_ad_set_id TEXT, country TEXT COLLATE NOCASE, region TEXT, has_abi_attribution "
           "BOOLEAN);" +
               std::string(kEventTable) + kProductTable);
  user("u1", "us");
  watch();
  product("UPDATE mixpanel_user SET country = 'US'");
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
  product("UPDATE mixpanel_user SET distinct_id = 'U1'");
  EXPECT_THAT(changed_users(), ElementsAre("U1", "u1"));
}

TEST_F(Capture, AChangeOfTypeIsNoticed) {
  pipeline();
  product("INSERT INTO mixpanel_event (event_uuid, distinct_id, revenue_usd) VALUES ('e1', 'u1', 'n/a')");
  watch();
  product("UPDATE mixpanel_event SET revenue_usd = x'6e2f61'");  // the same bytes, no text
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
}

TEST_F(Capture, TheMappingTablesWakeAnEpochWithoutDirtyKeys) {
  pipeline("WAL", std::string(kUserTable) + kEventTable + kProductTable + kMappingTables);
  watch();
  product("INSERT INTO meta_country_mapping VALUES ('United States', 'US', 1)");
  EXPECT_TRUE(has_changes());
  EpochInput input = take();
  EXPECT_FALSE(input.reconcile);
  EXPECT_THAT(input.users, IsEmpty());
  EXPECT_EQ(input.mappings.country.find("United States"), "US");
  EXPECT_EQ(input.mappings.device.find("ipad"), "APP_STORE") << "an empty table means the defaults";

  product(
      "INSERT INTO meta_device_mapping VALUES ('watch', 'APP_STORE', 1), ('tv', 'ROKU', 0), ('car', 'X', NULL), "
      "('fridge', 'Y', 'yes')");
  input = take();
  EXPECT_EQ(input.mappings.device.find("watch"), "APP_STORE");
  for (const char* inactive : {"tv", "car", "fridge", "ipad"}) EXPECT_FALSE(input.mappings.device.find(inactive));

  product("UPDATE meta_country_mapping SET is_active = 0");
  EXPECT_FALSE(take().mappings.country.find("United States"));
}

TEST_F(Capture, MappingTablesOfAnyCaseAreRead) {
  pipeline("WAL", std::string(kUserTable) + kEventTable + kProductTable +
                      "CREATE TABLE Meta_Country_Mapping (Meta_Country_Name TEXT PRIMARY KEY, mixpanel_country_code "
                      "TEXT, Is_Active BOOLEAN);");
  product("INSERT INTO meta_country_mapping VALUES ('United States', 'US', 1)");
  EXPECT_EQ(take().mappings.country.find("United States"), "US");
}

// ── Pitfall 7, 17: capture is armed before the first snapshot ──

TEST_F(Capture, AWriterDuringTheFirstStartLosesNothing) {
  pipeline();
  std::atomic<bool> done = false;
  std::atomic<int> written = 0;
  std::atomic<int> written_max = 200;  // so few that they are looked up one by one afterwards
  std::thread writer([&] {
    const auto connection = connect(product_file());
    while (!done) {
      if (written == written_max) {
        std::this_thread::yield();
        continue;
      }
      const std::string id = std::to_string(written);
      const Status wrote = connection->execute("INSERT INTO mixpanel_user (distinct_id) VALUES ('u" + id +
                                               "'); INSERT INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e" +
                                               id + "', 'o" + id + "')");
      ASSERT_TRUE(wrote.ok()) << wrote.error().line();
      ++written;
    }
  });
  while (written == 0) std::this_thread::yield();

  const EpochInput first = begin();
  EXPECT_TRUE(first.reconcile);
  RowLog seen;
  EXPECT_TRUE(reader().scan_users({}, seen).ok());
  EXPECT_TRUE(reader().scan_events({}, seen).ok());
  const int at_snapshot = written;
  source_->end_snapshot();
  // Goes on for a while after the snapshot, so that there is something to lose.
  written_max = std::max<int>(written_max, at_snapshot + 20);
  while (written < at_snapshot + 20) std::this_thread::yield();
  done = true;
  writer.join();

  position_ = first.position;
  ASSERT_TRUE(source_->acknowledge(position_).ok());
  const EpochInput second = begin();
  EXPECT_FALSE(second.reconcile) << second.reconcile_reason;
  ASSERT_FALSE(second.scan_users);
  std::set<std::string> known(seen.users.begin(), seen.users.end());
  known.insert(seen.event_owners.begin(), seen.event_owners.end());
  EXPECT_FALSE(second.users.empty());
  known.insert(second.users.begin(), second.users.end());
  for (int i = 0; i < written; ++i) {
    EXPECT_TRUE(known.contains("u" + std::to_string(i))) << i;
    EXPECT_TRUE(known.contains("o" + std::to_string(i))) << i;
  }
}

TEST_F(Capture, ForeignConnectionsAndProcessesAreHeard) {
  pipeline();
  watch();
  const auto other = connect(product_file());
  run(*other, "INSERT INTO mixpanel_user (distinct_id) VALUES ('u1')");
  EXPECT_TRUE(has_changes());
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
}

}  // namespace
}  // namespace admetrics::source
