// What happens to capture when somebody drops, swaps, alters or restores: nobody knows what was missed, so everything
// is read again, and after a crash in the middle of that, again.

#include <algorithm>
#include <functional>

#include "tests/sources/source_fixture.hpp"

namespace admetrics::source {
namespace {

using testing::ElementsAre;

class CaptureRepair : public SourceTest {
 protected:
  /// The next epoch reads everything, and says why; after it capture stands again.
  void expect_reconciled_and_watching(const std::string& why) {
    EXPECT_TRUE(has_changes());
    const EpochInput repaired = take();
    EXPECT_TRUE(repaired.reconcile);
    EXPECT_TRUE(repaired.scan_users && repaired.scan_meta);
    EXPECT_NE(repaired.reconcile_reason.find(why), std::string::npos) << repaired.reconcile_reason;
    expect_watching();
  }
  void expect_watching() {
    product("INSERT OR REPLACE INTO mixpanel_event (event_uuid, distinct_id) VALUES ('after', 'x1')");
    take();
    product("INSERT OR REPLACE INTO mixpanel_event (event_uuid, distinct_id) VALUES ('after', 'x2')");
    EXPECT_THAT(changed_users(), ElementsAre("x1", "x2"));
    EXPECT_FALSE(has_changes());
  }

  /// On a connection of its own: the pipeline's does not keep the schema in mind that this made.
  void somebody(const std::string& sql) { run(*connect(product_file()), sql); }

  /// A copy of the product database, taken while nobody has it open.
  void close_pipeline() {
    stop();
    product_.reset();
  }
  [[nodiscard]] std::string backup_file() const { return folder_ + "/backup.db"; }
  void back_up() {
    close_pipeline();
    std::filesystem::copy_file(product_file(), backup_file());
    product_ = connect(product_file());
  }
  void restore_in_place() {
    close_pipeline();
    std::filesystem::copy_file(backup_file(), product_file(), std::filesystem::copy_options::overwrite_existing);
    product_ = connect(product_file());
    start();
  }
};

TEST_F(CaptureRepair, ATableThatWasDroppedAndCreatedAgainIsCapturedAgain) {
  pipeline();
  event("e1", "u1");
  watch();
  product("DROP TABLE mixpanel_event;" + std::string(kEventTable));
  event("e2", "u2");  // nobody hears this
  expect_reconciled_and_watching("capture had to be installed");
}

TEST_F(CaptureRepair, ATableThatWasSwappedByRenameIsCapturedAgain) {
  pipeline();
  event("e1", "u1");
  watch();
  product(
      "ALTER TABLE mixpanel_event RENAME TO mixpanel_event_old;"
      "DROP INDEX event_by_user;" +
      std::string(kEventTable));
  event("e2", "u2");
  expect_reconciled_and_watching("capture had to be installed");
  // The triggers must not stay on the old table.
  EXPECT_EQ(ask(*product_,
                "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = "
                "'mixpanel_event_old'"),
            0);
  product("DROP TABLE mixpanel_event_old");
  EXPECT_FALSE(take().reconcile) << "a table that is none of ours may come and go";
}

TEST_F(CaptureRepair, ATableThatWasSwappedInOneTransactionIsReadAgain) {
  pipeline();
  watch();
  // To everybody else the name never stood empty; the triggers went along with the old table.
  std::string fresh = kEventTable;
  fresh.replace(fresh.find("mixpanel_event"), 14, "fresh");
  fresh.erase(fresh.find("CREATE INDEX"));
  product("BEGIN; " + fresh +
          "INSERT INTO fresh SELECT * FROM mixpanel_event; ALTER TABLE mixpanel_event RENAME TO gone; "
          "ALTER TABLE fresh RENAME TO mixpanel_event; DROP TABLE gone; COMMIT");
  expect_reconciled_and_watching("capture had to be installed");
}

TEST_F(CaptureRepair, EveryTriggerThatSomebodyDropsIsMissed) {
  pipeline();
  user("u1");
  watch();
  auto names = product_->prepare("SELECT group_concat(name) FROM sqlite_schema WHERE type = 'trigger'");
  ASSERT_TRUE(names->step().value());
  std::string list(names->text(0));
  *names = {};
  int dropped = 0;
  for (std::size_t at = 0; at < list.size(); ++dropped) {
    const std::size_t end = std::min(list.find(',', at), list.size());
    product("DROP TRIGGER " + list.substr(at, end - at));
    expect_reconciled_and_watching("capture had to be installed");
    at = end + 1;
  }
  EXPECT_GE(dropped, 9);  // three on each required table, and those for what a replace removes
}

TEST_F(CaptureRepair, ATriggerThatSomebodyAltersIsPutRight) {
  pipeline();
  watch();
  product(
      "DROP TRIGGER _admetrics_mixpanel_user_insert; CREATE TRIGGER _admetrics_mixpanel_user_insert AFTER INSERT "
      "ON mixpanel_user BEGIN SELECT 1; END");
  user("u1");
  expect_reconciled_and_watching("capture had to be installed");
  user("u2");
  EXPECT_THAT(changed_users(), ElementsAre("u2"));
}

TEST_F(CaptureRepair, ATriggerOfAnotherOwnerIsLeftAlone) {
  pipeline();
  product(
      "CREATE TABLE theirs (id); CREATE TRIGGER audit AFTER INSERT ON mixpanel_user BEGIN INSERT INTO theirs VALUES "
      "(NEW.distinct_id); END");
  watch();
  user("u1");
  EXPECT_THAT(changed_users(), ElementsAre("u1"));
  EXPECT_EQ(ask(*product_, "SELECT count(*) FROM theirs"), 1);
}

TEST_F(CaptureRepair, ALogThatSomebodyDroppedIsMadeAgain) {
  pipeline();
  watch();
  for (const char* act :
       {"DROP TABLE _admetrics_changes", "DROP TABLE _admetrics_capture", "DELETE FROM _admetrics_capture"}) {
    SCOPED_TRACE(act);
    somebody(act);
    EXPECT_TRUE(take().reconcile);
    expect_watching();
  }
}

TEST_F(CaptureRepair, AColumnThatWasAddedOrAnIndexCostsAtMostAReconciliation) {
  pipeline();
  user("u1");
  watch();
  product("ALTER TABLE mixpanel_user ADD COLUMN extra TEXT");
  take();
  product("CREATE UNIQUE INDEX event_time_once ON mixpanel_event (event_time)");
  take();
  expect_watching();
  product("VACUUM");
  take();
  expect_watching();
}

TEST_F(CaptureRepair, AnOptionalTableThatComesOrGoesIsReadAgain) {
  pipeline();
  watch();
  product(kMappingTables);
  product("INSERT INTO meta_country_mapping VALUES ('United States', 'US', 1)");
  EpochInput input = take();
  EXPECT_TRUE(input.reconcile);
  EXPECT_EQ(input.mappings.country.find("United States"), "US");
  product("DROP TABLE meta_country_mapping");
  input = take();
  EXPECT_TRUE(input.reconcile);
  EXPECT_FALSE(input.mappings.country.find("United States"));
  expect_watching();
}

// ── A crash between the repair and the reconciliation's commit ──

TEST_F(CaptureRepair, ARepairIsNotForgottenByACrashBeforeItsReconciliationIsCommitted) {
  pipeline();
  watch();
  const std::vector<std::pair<std::string, std::function<void()>>> acts{
      {"a trigger was dropped",
       [&] {
         product("DROP TRIGGER _admetrics_mixpanel_user_insert");
         user("unheard1");
       }},
      {"a table was dropped and created again",
       [&] {
         product("DROP TABLE mixpanel_event;" + std::string(kEventTable));
         event("e1", "unheard2");
       }},
      {"the log was dropped",
       [&] {
         somebody(
             "DROP TRIGGER _admetrics_mixpanel_user_insert; DROP TABLE _admetrics_changes;"
             "INSERT INTO mixpanel_user (distinct_id) VALUES ('unheard3')");
       }},
  };
  for (const auto& [what, act] : acts) {
    for (int i = 0; i < 20; ++i) event(what + std::to_string(i), "u1");
    take();
    act();
    EXPECT_TRUE(begin().reconcile) << what;
    stop();  // killed: neither the ledger nor we have taken the position
    // The pipeline goes on; its records now stand in the log that was repaired.
    for (int i = 0; i < 40; ++i) event(what + "more" + std::to_string(i), "u2");
    EXPECT_TRUE(begin().reconcile) << what << ", and what was missed then is lost";
    source_->end_snapshot();
    take();
  }
}

// ── Pitfall 6: positions and generations ──

TEST_F(CaptureRepair, AnotherGenerationOfTheLogIsReadFromScratch) {
  pipeline();
  watch();
  product("UPDATE _admetrics_capture SET generation = 'another'");
  const EpochInput input = take();
  EXPECT_TRUE(input.reconcile);
  EXPECT_NE(input.reconcile_reason.find("change log"), std::string::npos) << input.reconcile_reason;
  expect_watching();
}

TEST_F(CaptureRepair, EveryFreshLogHasAGenerationOfItsOwn) {
  pipeline();
  watch();
  auto product_generation = product_->query_text("SELECT generation FROM _admetrics_capture");
  auto ads_generation = ads_->query_text("SELECT generation FROM _admetrics_capture");
  EXPECT_EQ(product_generation->size(), 32U);
  EXPECT_NE(*product_generation, *ads_generation);
}

TEST_F(CaptureRepair, AnOlderFileCopiedBackInPlaceIsNoticed) {
  pipeline("DELETE");
  watch();
  back_up();
  for (int i = 0; i < 5; ++i) event("lost" + std::to_string(i), "u1");
  take();
  restore_in_place();
  const EpochInput input = take();
  EXPECT_TRUE(input.reconcile);
  EXPECT_NE(input.reconcile_reason.find("set back"), std::string::npos) << input.reconcile_reason;
  expect_watching();
}

TEST_F(CaptureRepair, AnOlderFileCopiedBackUnderARunningDaemonIsNoticed) {
  pipeline("DELETE");
  watch();
  back_up();
  start();
  for (int i = 0; i < 5; ++i) event("lost" + std::to_string(i), "u1");
  take();
  product_.reset();
  std::filesystem::copy_file(backup_file(), product_file(), std::filesystem::copy_options::overwrite_existing);
  product_ = connect(product_file());
  EXPECT_TRUE(has_changes());
  EXPECT_TRUE(take().reconcile);
  expect_watching();
}

TEST_F(CaptureRepair, AnOlderFileThatTheWriterFilledUpAgainIsNoticed) {
  pipeline("DELETE");
  event("e0", "u0");
  watch();
  back_up();
  for (int i = 0; i < 5; ++i) event("lost" + std::to_string(i), "u1");
  take();
  trim();
  restore_in_place();
  // More records than were lost: the log's end lies past our position, its middle is another one.
  for (int i = 0; i < 9; ++i) event("new" + std::to_string(i), "u" + std::to_string(i));
  EXPECT_TRUE(take().reconcile);
  expect_watching();
}

TEST_F(CaptureRepair, AnotherFilePutInPlaceByRenameIsNoticed) {
  pipeline("DELETE");
  watch();
  back_up();
  start();
  take();
  product_.reset();
  std::filesystem::rename(backup_file(), product_file());
  product_ = connect(product_file());
  user("in the other file");
  EXPECT_TRUE(has_changes());
  const EpochInput input = begin();
  EXPECT_TRUE(input.reconcile);
  RowLog rows;
  EXPECT_TRUE(reader().scan_users({}, rows).ok());
  EXPECT_THAT(rows.users, ElementsAre("in the other file"));
  source_->end_snapshot();
  take();
  expect_watching();
}

TEST_F(CaptureRepair, AnotherFilePutInPlaceWhileWeWereDownIsNoticed) {
  pipeline("DELETE");
  watch();
  back_up();
  stop();
  product_.reset();
  std::filesystem::rename(backup_file(), product_file());
  product_ = connect(product_file());
  EXPECT_TRUE(take().reconcile);
  expect_watching();
}

TEST_F(CaptureRepair, AFileThatIsGoneIsAnErrorUntilItIsBack) {
  pipeline("DELETE");
  watch();
  stop();
  product_.reset();
  start();
  take();
  std::filesystem::rename(product_file(), backup_file());
  EXPECT_TRUE(has_changes()) << "a reason to look";
  const auto gone = source_->begin_epoch(position_, {});
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code, Errc::kNotFound);
  EXPECT_TRUE(has_changes());
  std::filesystem::rename(backup_file(), product_file());
  product_ = connect(product_file());
  EXPECT_FALSE(begin().position.empty());
  source_->end_snapshot();
  take();
  expect_watching();
}

TEST_F(CaptureRepair, IdsGoOnAfterTheLogWasPrunedToNothing) {
  pipeline();
  watch();
  for (int i = 0; i < 10; ++i) event("e" + std::to_string(i), "u1");
  take();
  trim();
  EXPECT_EQ(logged(), 0);
  const std::int64_t last = last_seq();
  stop();
  product_.reset();
  product_ = connect(product_file());
  user("u2");
  EXPECT_EQ(ask(*product_, "SELECT min(seq) FROM _admetrics_changes"), last + 1);
  EXPECT_THAT(changed_users(), ElementsAre("u2"));
}

TEST_F(CaptureRepair, APositionFromBeforeTheTrimmingIsReadFromScratch) {
  pipeline();
  watch();
  const std::string old_position = position_;
  user("u1");
  take();
  trim();
  stop();
  position_ = old_position;  // a ledger restored from a backup
  const EpochInput input = take();
  EXPECT_TRUE(input.reconcile);
  EXPECT_NE(input.reconcile_reason.find("taken by someone else"), std::string::npos) << input.reconcile_reason;
}

TEST_F(CaptureRepair, ALogOfAnotherShapeIsMadeAnew) {
  pipeline();
  int users = 1;
  user("u1");
  watch();
  for (const char* spoil :
       {"DROP TABLE _admetrics_capture; CREATE TABLE _admetrics_capture (id, generation, acknowledged);"
        "INSERT INTO _admetrics_capture VALUES (1, 'x', 0)",
        "ALTER TABLE _admetrics_changes RENAME COLUMN key2 TO second", "DROP TABLE _admetrics_capture"}) {
    stop();
    product(spoil);
    const EpochInput input = take();
    EXPECT_TRUE(input.reconcile) << spoil;
    user("u" + std::to_string(++users));
    EXPECT_EQ(changed_users().size(), 1U) << spoil;
  }
}

}  // namespace
}  // namespace admetrics::source
