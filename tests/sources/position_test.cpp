// Positions, acknowledgement, what counts as a change, the scan way of capture, and what an epoch cannot begin with.

#include <sqlite3.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

#include "tests/sources/source_fixture.hpp"

namespace admetrics::source {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Positions : public SourceTest {};
class ScanCapture : public SourceTest {
 protected:
  ScanCapture() { triggers_ = false; }
};

Error error_of(SqliteSource& source, const std::string& position = "") {
  auto input = source.begin_epoch(position, {});
  EXPECT_FALSE(input.ok());
  return input.ok() ? Error{} : std::move(input).error();
}

TEST_F(Positions, WithoutOneEverythingIsRead) {
  pipeline();
  user("u1");
  const EpochInput input = begin();
  EXPECT_TRUE(input.reconcile && input.scan_users && input.scan_meta);
  EXPECT_EQ(input.reconcile_reason, "nothing was read yet");
  EXPECT_EQ(input.users_estimate, 1);
}

TEST_F(Positions, OneThatCannotBeReadIsAsGoodAsNone) {
  pipeline();
  start();
  for (const char* bad :
       {"{", "[]", "7", "{\"capture\":\"triggers\"}", "{\"capture\":\"triggers\",\"product\":{},\"ads\":{}}"}) {
    const auto input = source_->begin_epoch(bad, {});
    ASSERT_TRUE(input.ok()) << input.error().line();
    EXPECT_TRUE(input->reconcile) << bad;
  }
}

TEST(PositionText, GivesBackWhatWasWritten) {
  source::Position position;
  position.sides[kProduct] = {"g1", INT64_MAX, "users(a,b)", "8:1\"\\", "m1"};
  position.sides[kAds] = {"", 0, "", "", ""};
  (void)position.torn.update({Day{1}, Day{2}}, 7, 100);
  (void)position.torn.update({Day{1}}, 8, 100);
  EXPECT_EQ(source::Position::parse(position.json("triggers"), "triggers"), position);
  position.holding = true;
  position.held_everyone = true;
  position.held_from_seq = 41;
  EXPECT_EQ(source::Position::parse(position.json("scan"), "scan"), position);
  EXPECT_EQ(source::Position::parse(position.json("scan"), "triggers"), std::nullopt);
}

// Ledgers keep such texts: they must go on being read.
TEST(PositionText, StandsAsItAlwaysStood) {
  const std::string text =
      R"({"product":{"generation":"g","seq":7,"signature":"s","file":"f","mark":"m"},)"
      R"("ads":{"generation":"h","seq":8,"signature":"t","file":"e","mark":"n"},)"
      R"("torn":{"known":"0+2,31+0","held":"2@7"},"holding":{"from":5,"everyone":false},"capture":"triggers"})";
  const auto position = source::Position::parse(text, "triggers");
  ASSERT_TRUE(position);
  EXPECT_EQ(position->json("triggers"), text);
  EXPECT_EQ(position->product_done_seq(), 5);
}

TEST_F(Positions, AReconciliationCanBeAskedFor) {
  pipeline();
  watch();
  const EpochInput input = begin(true);
  EXPECT_TRUE(input.reconcile && input.scan_users && input.scan_meta);
}

TEST_F(Positions, AnEpochThatWasNotTakenIsOfferedAgain) {
  pipeline();
  watch();
  user("u1");
  const EpochInput first = begin();
  EXPECT_THAT(first.users, ElementsAre("u1"));
  source_->end_snapshot();
  user("u2");
  EXPECT_THAT(begin().users, ElementsAre("u1", "u2")) << "begun again, without end_snapshot in between, too";
  EXPECT_THAT(begin().users, ElementsAre("u1", "u2"));
  stop();
  EXPECT_THAT(begin().users, ElementsAre("u1", "u2")) << "nor does a restart forget";
  source_->end_snapshot();
  EXPECT_THAT(changed_users(), ElementsAre("u1", "u2"));
  EXPECT_THAT(changed_users(), IsEmpty());
}

TEST_F(Positions, CoversExactlyWhatItsSnapshotShows) {
  pipeline();
  watch();
  user("u1");
  const EpochInput input = begin();
  user("u2");  // after the snapshot
  RowLog rows;
  EXPECT_TRUE(reader().scan_users({}, rows).ok());
  EXPECT_THAT(rows.users, ElementsAre("u1"));
  source_->end_snapshot();
  position_ = input.position;
  EXPECT_TRUE(source_->acknowledge(position_).ok());
  EXPECT_TRUE(has_changes());
  EXPECT_THAT(changed_users(), ElementsAre("u2"));
}

TEST_F(Positions, RecordsAreTrimmedOnlyAfterTheirAcknowledgement) {
  pipeline();
  watch();
  trim();
  for (int i = 0; i < 3; ++i) event("e" + std::to_string(i), "u1");
  const EpochInput input = begin();
  source_->end_snapshot();
  trim();
  EXPECT_EQ(logged(), 3);
  event("later", "u2");
  EXPECT_TRUE(source_->acknowledge(input.position).ok());
  trim();
  EXPECT_EQ(logged(), 1) << "what came after the position stays";
  position_ = input.position;
  EXPECT_THAT(changed_users(), ElementsAre("u2"));
}

TEST_F(Positions, AFullLogIsTrimmedByTheAcknowledgementItselfAndTheRestInAMoment) {
  pipeline();
  watch();
  product(
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12345) "
      "INSERT INTO mixpanel_event (event_uuid, distinct_id) SELECT 'e' || i, 'u1' FROM n");
  EXPECT_EQ(logged(), 12'345);
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
  EXPECT_EQ(logged(), 4'345) << "an epoch does not wait for more than four transactions";
  EXPECT_EQ(source_->log_size()->records, 4'345);
  EXPECT_GT(source_->log_size()->bytes, 4'345);
  const auto all = source_->trim_some();
  ASSERT_TRUE(all.ok()) << all.error().line();
  EXPECT_TRUE(*all);
  EXPECT_EQ(logged(), 0);
  EXPECT_EQ(source_->log_size()->records, 0);
}

TEST_F(Positions, AHeartbeatComesThroughAndNamesNobody) {
  pipeline();
  watch();
  EXPECT_TRUE(source_->write_heartbeat().ok());
  EXPECT_EQ(logged(), 1);
  EXPECT_TRUE(*source_->has_changes());
  const std::string before = position_;
  EXPECT_THAT(changed_users(), IsEmpty());
  EXPECT_NE(position_, before);
  trim();
  EXPECT_EQ(logged(), 0);
}

TEST_F(Positions, TrimmingWorksInShortTransactions) {
  pipeline();
  watch();
  product(
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12345) "
      "INSERT INTO mixpanel_event (event_uuid, distinct_id) SELECT 'e' || i, 'u1' FROM n");
  const auto trimmer = connect(product_file());
  struct Count {
    std::int64_t deletes = 0;  // in the open transaction
    std::int64_t deletes_max = 0;
    std::int64_t transactions = 0;
  } count;
  sqlite3_update_hook(
      trimmer->handle(),
      [](void* to, int operation, const char*, const char*, sqlite3_int64) {
        if (operation == SQLITE_DELETE) ++static_cast<Count*>(to)->deletes;
      },
      &count);
  sqlite3_commit_hook(
      trimmer->handle(),
      [](void* to) {
        auto& counted = *static_cast<Count*>(to);
        ++counted.transactions;
        counted.deletes_max = std::max(counted.deletes_max, std::exchange(counted.deletes, 0));
        return 0;
      },
      &count);
  ASSERT_TRUE(trim_log(*trimmer, last_seq()).ok());
  EXPECT_EQ(logged(), 0);
  EXPECT_GE(count.transactions, 3);
  EXPECT_GT(count.deletes_max, 0);
  EXPECT_LE(count.deletes_max, 5'000);
}

TEST_F(Positions, AnAcknowledgementThatCannotTrimIsNoLoss) {
  busy_timeout_ms_ = 20;
  pipeline();
  watch();
  product(
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000) "
      "INSERT INTO mixpanel_event (event_uuid, distinct_id) SELECT 'e' || i, 'u1' FROM n");
  const EpochInput input = begin();
  source_->end_snapshot();
  product("BEGIN IMMEDIATE");
  const Status busy = source_->acknowledge(input.position);
  ASSERT_FALSE(busy.ok());
  EXPECT_EQ(busy.error().code, Errc::kBusy);
  EXPECT_FALSE(has_changes());
  product("COMMIT");
  position_ = input.position;
  EXPECT_THAT(changed_users(), IsEmpty());
  trim();
  EXPECT_EQ(logged(), 0);
}

TEST_F(Positions, PendingRecordsAreCounted) {
  pipeline();
  watch();
  EXPECT_EQ(source_->pending_records().value(), 0);
  user("u1");
  meta("a1", "2026-01-03");
  EXPECT_EQ(source_->pending_records().value(), 2);
  take();
  EXPECT_EQ(source_->pending_records().value(), 0);
  trim();
  EXPECT_EQ(source_->pending_records().value(), 0);
}

TEST_F(Positions, EveryKindOfWriteIsAChangeUntilItIsTaken) {
  pipeline("WAL", std::string(kUserTable) + kEventTable + kProductTable + kMappingTables);
  start();
  EXPECT_TRUE(has_changes()) << "nothing was looked at yet";
  watch();
  const std::vector<std::string> product_writes{
      "INSERT INTO mixpanel_user (distinct_id) VALUES ('u1')",
      "UPDATE mixpanel_user SET region = 'CA'",
      "INSERT INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e1', 'u1')",
      "INSERT OR REPLACE INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e1', 'u1')",
      "UPDATE mixpanel_event SET revenue_usd = 1",
      "DELETE FROM mixpanel_event",
      "INSERT INTO user_product_metrics (distinct_id) VALUES ('u1')",
      "UPDATE user_product_metrics SET store = 'APP_STORE'",
      "DELETE FROM user_product_metrics",
      "DELETE FROM mixpanel_user",
      "INSERT INTO meta_country_mapping VALUES ('a', 'b', 1)",
      "UPDATE meta_country_mapping SET is_active = 0",
      "INSERT INTO meta_device_mapping VALUES ('a', 'b', 1)",
      "DELETE FROM meta_device_mapping",
      "INSERT INTO processed_event_days VALUES ('2026-01-03', 'complete')",
      "UPDATE processed_event_days SET status = 'torn'",
      "DELETE FROM processed_event_days",
      "ALTER TABLE mixpanel_user ADD COLUMN another TEXT",
  };
  for (const std::string& write : product_writes) {
    EXPECT_FALSE(has_changes()) << "before " << write;
    product(write);
    EXPECT_TRUE(has_changes()) << write;
    take();
  }
  for (const std::string suffix : {"", "_country", "_region", "_device"}) {
    for (const std::string& write :
         {"INSERT INTO ad_performance_daily" + suffix + " (ad_id, date) VALUES ('a1', 'd')",
          "UPDATE ad_performance_daily" + suffix + " SET clicks = 1", "DELETE FROM ad_performance_daily" + suffix}) {
      EXPECT_FALSE(has_changes()) << "before " << write;
      ads(write);
      EXPECT_TRUE(has_changes()) << write;
      take();
    }
  }
  product("CREATE TABLE of_others (x); INSERT INTO of_others VALUES (1)");
  take();
  product("INSERT INTO of_others VALUES (2)");
  EXPECT_FALSE(has_changes()) << "tables that are none of ours wake nobody";
}

TEST_F(Positions, OurOwnTrimmingDoesNotWakeUs) {
  pipeline();
  watch();
  user("u1");
  take();
  EXPECT_FALSE(has_changes());
  trim();
  EXPECT_EQ(logged(), 0);
  EXPECT_FALSE(has_changes());
}

// ── capture = "scan" ──

TEST_F(ScanCapture, NeverWritesToTheSource) {
  pipeline("DELETE");
  user("u1");
  meta("a1", "2026-01-03");
  const auto content = [&] {
    std::string all;
    for (const std::string& path : {product_file(), ads_file()}) {
      std::ifstream file(path, std::ios::binary);
      all.append(std::istreambuf_iterator<char>(file), {});
    }
    return all;
  };
  const std::string before = content();
  EXPECT_TRUE(take().reconcile);
  take();
  trim();
  EXPECT_EQ(source_->pending_records().value(), 0);
  EXPECT_TRUE(content() == before) << "a byte of the source was changed";
}

TEST_F(ScanCapture, NeverWritesToASourceInWalModeEither) {
  pipeline();
  user("u1");
  const std::int64_t schema = ask(*product_, "PRAGMA schema_version");
  const std::int64_t data = ask(*product_, "PRAGMA data_version");
  take();
  take();
  trim();
  EXPECT_EQ(ask(*product_, "PRAGMA schema_version"), schema);
  EXPECT_EQ(ask(*product_, "PRAGMA data_version"), data);
  EXPECT_EQ(ask(*product_, "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%admetrics%'"), 0);
}

TEST_F(ScanCapture, ReadsEverythingAgainWhenSomethingWasCommitted) {
  pipeline();
  EXPECT_TRUE(take().reconcile);
  EXPECT_FALSE(has_changes());
  EXPECT_FALSE(take().reconcile);
  user("u1");
  EXPECT_TRUE(has_changes());
  const EpochInput input = begin();
  EXPECT_TRUE(input.reconcile);
  source_->end_snapshot();
  EXPECT_TRUE(has_changes()) << "not taken yet";
  EXPECT_TRUE(take().reconcile);
  EXPECT_FALSE(has_changes());
  meta("a1", "2026-01-03");
  EXPECT_TRUE(has_changes());
  EXPECT_TRUE(take().reconcile);
}

TEST_F(ScanCapture, WhatIsCommittedAfterTheSnapshotIsAChangeStill) {
  pipeline();
  take();
  user("u1");
  const EpochInput input = begin();
  user("u2");
  source_->end_snapshot();
  position_ = input.position;
  EXPECT_TRUE(source_->acknowledge(position_).ok());
  EXPECT_TRUE(has_changes());
  EXPECT_TRUE(take().reconcile);
}

TEST_F(ScanCapture, ARestartReadsEverything) {
  pipeline();
  take();
  stop();
  EXPECT_TRUE(take().reconcile);
}

TEST_F(ScanCapture, AChangeOfTheWayOfCaptureReadsEverything) {
  pipeline();
  take();
  stop();
  triggers_ = true;
  EpochInput input = take();
  EXPECT_TRUE(input.reconcile);
  EXPECT_EQ(input.reconcile_reason, "the way of capture changed");
  EXPECT_FALSE(take().reconcile);
  stop();
  triggers_ = false;
  EXPECT_TRUE(take().reconcile);
}

TEST_F(ScanCapture, ReadsAFileThatNobodyMayWrite) {
  pipeline("DELETE");
  user("u1");
  product_.reset();
  ads_.reset();
  SqliteSourceOptions read_only = options();
  read_only.product_db = "file:" + product_file() + "?mode=ro";
  read_only.ads_db = "file:" + ads_file() + "?mode=ro";
  source_ = std::make_unique<SqliteSource>(read_only);
  EXPECT_TRUE(take().reconcile);
  EXPECT_FALSE(take().reconcile);
}

// ── What an epoch cannot begin with ──

TEST_F(Positions, AMissingTableIsNamed) {
  for (const char* table : {"mixpanel_user", "mixpanel_event", "user_product_metrics"}) {
    SCOPED_TRACE(table);
    if (!product_) pipeline();
    product(std::string("ALTER TABLE ") + table + " RENAME TO hidden");
    start();
    const Error error = error_of(*source_);
    EXPECT_EQ(error.code, Errc::kSchema);
    EXPECT_THAT(error.detail, HasSubstr(table));
    EXPECT_EQ(error.where, product_file());
    product(std::string("ALTER TABLE hidden RENAME TO ") + table);
  }
  take();  // and once it is back, all is well
}

TEST_F(Positions, AMissingColumnIsNamed) {
  pipeline();
  ads("ALTER TABLE ad_performance_daily_region RENAME COLUMN clicks TO klicks");
  start();
  Error error = error_of(*source_);
  EXPECT_EQ(error.code, Errc::kSchema);
  EXPECT_THAT(error.detail, HasSubstr("ad_performance_daily_region.clicks"));
  EXPECT_EQ(error.where, ads_file());
  triggers_ = false;
  start();
  error = error_of(*source_);
  EXPECT_THAT(error.detail, HasSubstr("ad_performance_daily_region.clicks")) << "the scan says so as well";
}

TEST_F(Positions, ATableThatVanishesUnderUsIsNamedAndItsReturnNoticed) {
  pipeline();
  watch();
  product("DROP TABLE mixpanel_event");
  EXPECT_TRUE(has_changes());
  EXPECT_THAT(error_of(*source_, position_).detail, HasSubstr("mixpanel_event"));
  EXPECT_TRUE(has_changes());
  product(kEventTable);
  EXPECT_TRUE(take().reconcile);
}

TEST_F(Positions, AMissingFileIsNotFound) {
  pipeline();
  SqliteSourceOptions wrong = options();
  wrong.ads_db = folder_ + "/none.db";
  source_ = std::make_unique<SqliteSource>(wrong);
  const Error error = error_of(*source_);
  EXPECT_EQ(error.code, Errc::kNotFound);
  EXPECT_EQ(error.where, wrong.ads_db);
  EXPECT_FALSE(std::filesystem::exists(wrong.ads_db)) << "a source is never created";
}

TEST_F(Positions, AFileThatIsNoDatabaseIsCorrupt) {
  pipeline();
  const std::string path = folder_ + "/text.db";
  std::ofstream(path) << std::string(5'000, 'x');
  SqliteSourceOptions wrong = options();
  wrong.product_db = path;
  source_ = std::make_unique<SqliteSource>(wrong);
  const Error error = error_of(*source_);
  EXPECT_EQ(error.code, Errc::kCorrupt);
  EXPECT_EQ(error.where, path);
}

TEST_F(Positions, ALockedDatabaseIsBusyAndThenWorks) {
  busy_timeout_ms_ = 20;
  pipeline("DELETE");
  product("BEGIN EXCLUSIVE");
  start();
  EXPECT_EQ(error_of(*source_).code, Errc::kBusy);
  product("COMMIT");
  watch();
  product("BEGIN EXCLUSIVE");
  EXPECT_EQ(error_of(*source_, position_).code, Errc::kBusy);
  product("COMMIT");
  user("u1");
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
}

TEST_F(Positions, AWriterAtWorkKeepsUsFromArmingButNotFromReading) {
  busy_timeout_ms_ = 20;
  pipeline();
  product("BEGIN IMMEDIATE");
  start();
  EXPECT_EQ(error_of(*source_).code, Errc::kBusy);
  product("COMMIT");
  watch();
  product("BEGIN IMMEDIATE");
  EXPECT_FALSE(take().reconcile);
  product("COMMIT");
}

}  // namespace
}  // namespace admetrics::source
