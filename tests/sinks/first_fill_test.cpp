// An epoch that finds empty tables and is large: written aside in short transactions, seen by nobody until it is whole.

#include <atomic>

#include "core/base/limits.hpp"
#include "sinks/sqlite/first_fill.hpp"
#include "sinks/sqlite/migration.hpp"
#include "sinks/sqlite/schema.hpp"
#include "tests/sinks/sqlite_target.hpp"

namespace admetrics::sink {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Le;

/// Each look at it is a microsecond later.
class SteppingClock : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return {1'767'225'600, 0}; }
  [[nodiscard]] std::int64_t steady_micros() const override { return micros_.fetch_add(1); }
  void advance(std::int64_t micros) { micros_ += micros; }

 private:
  mutable std::atomic<std::int64_t> micros_{0};
};

class FirstFillTest : public SinkConformance {
 protected:
  static constexpr int kAds = 3'000;
  static constexpr int kRowsEach = 4;  // a main row and three breakdown rows

  void SetUp() override {
    SinkConformance::SetUp();
    for (int i = 0; i < kAds; ++i) ids_.push_back("a" + std::to_string(10'000 + i));
    for (const std::string& id : ids_) {
      cells_.push_back(cell(id, values(1),
                            {row(Breakdown::kCountry, "DE", values(1)), row(Breakdown::kCountry, "US", values(2)),
                             row(Breakdown::kDevice, "STRIPE", values(1))}));
      names_.push_back({Level::kAd, id, "name of " + id, 3, Day{20'000}});
      hierarchies_.push_back({id, true, "s1", "c1", 67, Day{1}, Day{2}});
    }
    reconnect();
  }
  SqliteTarget& file() { return dynamic_cast<SqliteTarget&>(*target_); }
  void reconnect(std::int64_t hold_alone_micros = 0) {
    SqliteSinkOptions options;
    options.path = file().path();
    options.busy_timeout_ms = 20;
    options.clock = &clock_;
    options.locks = &locks_;
    options.stop = &stop_;
    options.hold_alone_micros = hold_alone_micros;
    options.pause = [this](std::int64_t micros) {
      EXPECT_GT(micros, 0);
      ++pauses_;
      if (at_pause_) at_pause_();
    };
    sink_ = std::make_unique<SqliteSink>(options);
    open();
  }
  Status write() {
    ADM_TRY(sink_->begin(header(1), false));
    // As the engine hands them over: in chunks.
    for (std::size_t at = 0; at < cells_.size(); at += kRenderChunkCells)
      ADM_TRY(sink_->write_cells(std::span(cells_).subspan(at, std::min(kRenderChunkCells, cells_.size() - at))));
    ADM_TRY(sink_->write_names(names_));
    return sink_->write_hierarchies(hierarchies_);
  }
  void expect_filled() {
    EXPECT_EQ(file().ask("SELECT count(*) FROM daily_mixpanel_metrics"), kAds);
    EXPECT_EQ(file().ask("SELECT count(*) FROM daily_mixpanel_metrics_breakdown"), kAds * (kRowsEach - 1));
    EXPECT_EQ(file().ask("SELECT count(*) FROM id_name_mapping"), kAds);
    EXPECT_EQ(file().ask("SELECT count(*) FROM id_hierarchy_mapping"), kAds);
    EXPECT_EQ(file().ask("SELECT count(*) FROM daily_mixpanel_metrics WHERE metric_id = (SELECT count(*) FROM "
                         "daily_mixpanel_metrics o WHERE o.entity_id <= daily_mixpanel_metrics.entity_id)"),
              kAds)
        << "numbers ascend with the keys, from 1";
    expect_nothing_aside();
    EXPECT_EQ(file().ask_text("PRAGMA integrity_check"), "ok");
  }
  void expect_nothing_aside() {
    EXPECT_EQ(file().ask("SELECT count(*) FROM sqlite_schema WHERE name GLOB '_admetrics_fill*'"), 0);
    EXPECT_EQ(file().ask("SELECT count(*) FROM sqlite_sequence WHERE name GLOB '_admetrics_fill*'"), 0);
    EXPECT_THAT(must_differences(), IsEmpty());
  }
  std::vector<sqlite::ShapeDifference> must_differences() {
    auto differences = schema_differences(*file().open());
    EXPECT_TRUE(differences.ok());
    return differences.ok() ? *differences : std::vector<sqlite::ShapeDifference>();
  }
  [[nodiscard]] std::int64_t rows_aside() {
    return file().ask(
        "SELECT (SELECT count(*) FROM _admetrics_fill_daily_mixpanel_metrics) + (SELECT count(*) FROM "
        "_admetrics_fill_daily_mixpanel_metrics_breakdown) + (SELECT count(*) FROM "
        "_admetrics_fill_id_name_mapping) + (SELECT count(*) FROM _admetrics_fill_id_hierarchy_mapping)");
  }
  [[nodiscard]] bool aside_is_there() {
    return file().ask("SELECT count(*) FROM sqlite_schema WHERE name = '_admetrics_fill'") > 0;
  }

  std::vector<std::string> ids_;
  std::vector<CellWrite> cells_;
  std::vector<NameWrite> names_;
  std::vector<HierarchyWrite> hierarchies_;
  SteppingClock clock_;
  sqlite::LockMeters locks_{clock_};
  std::atomic<bool> stop_{false};
  int pauses_ = 0;
  std::function<void()> at_pause_;
};

INSTANTIATE_TEST_SUITE_P(Wal, FirstFillTest,
                         testing::Values(SinkTargetFactory{"Wal",
                                                           [] { return std::make_unique<SqliteTarget>("WAL"); }}));
INSTANTIATE_TEST_SUITE_P(RollbackJournal, FirstFillTest,
                         testing::Values(SinkTargetFactory{"RollbackJournal",
                                                           [] { return std::make_unique<SqliteTarget>("DELETE"); }}));

TEST_P(FirstFillTest, NobodySeesARowBeforeTheCommitAndThenAll) {
  ok(write());
  expect_empty();
  EXPECT_TRUE(aside_is_there());
  EXPECT_THAT(must_differences(), IsEmpty()) << "the indexes are on the way";
  const auto receipt = sink_->commit();
  ASSERT_TRUE(receipt.ok()) << receipt.error().line();
  EXPECT_EQ(receipt->inserted, kAds * (kRowsEach + 2));
  ASSERT_EQ(receipt->tables.size(), 4U);
  EXPECT_EQ(receipt->tables[1].inserted, kAds * (kRowsEach - 1));
  expect_filled();
  EXPECT_EQ(open().epoch, EpochId{1});
  // And it is a table as any other.
  EXPECT_EQ(commit(1, cells_, names_, hierarchies_).written(), 0);
  EXPECT_EQ(commit(2, {cell(ids_[7], values(5), {}, false)}).updated, 1);
}

TEST_P(FirstFillTest, ATransactionTakesABoundedNumberOfRowsAndTheLockIsFreeBetweenTwo) {
  file().run("CREATE TABLE theirs (n INTEGER)");
  const auto writer = file().open();
  ok(writer->execute("PRAGMA busy_timeout = 0"));
  std::int64_t before = 0;
  std::int64_t most = 0;
  at_pause_ = [&] {
    ok(writer->execute("INSERT INTO theirs VALUES (1)"));
    const std::int64_t rows = rows_aside();
    most = std::max(most, rows - before);
    before = rows;
  };
  ok(write());
  at_pause_ = nullptr;
  ASSERT_TRUE(sink_->commit().ok());
  expect_filled();
  EXPECT_THAT(most, Le(2'000 + kRowsEach));
  EXPECT_GE(pauses_, kAds * (kRowsEach + 2) / 2'100);
  EXPECT_EQ(file().ask("SELECT count(*) FROM theirs"), pauses_);
  std::uint64_t holds = 0;
  for (const auto& each : locks_.all()) {
    EXPECT_EQ(each.database, "sink");
    if (each.work == "fill") holds = each.count();
  }
  EXPECT_EQ(holds, static_cast<std::uint64_t>(pauses_)) << "each transaction was measured";
}

TEST_P(FirstFillTest, WhereNobodyElseWritesATransactionMayBeLong) {
  reconnect(3'600'000'000);
  file().run("CREATE TABLE theirs (n INTEGER)");
  const auto writer = file().open();
  std::vector<std::int64_t> standing;
  at_pause_ = [&] {
    standing.push_back(rows_aside());
    if (pauses_ <= 2) ok(writer->execute("INSERT INTO theirs VALUES (1)"));
    if (pauses_ == 4) clock_.advance(10'000'000);
  };
  ok(write());
  at_pause_ = nullptr;
  ASSERT_TRUE(sink_->commit().ok());
  expect_filled();
  ASSERT_EQ(standing.size(), 5U) << "after others have been away, one transaction takes all that is left";
  for (std::size_t i = 1; i < standing.size(); ++i) EXPECT_LE(standing[i] - standing[i - 1], 2'000 + kRowsEach);
}

TEST_P(FirstFillTest, ASmallEpochNeedsNoTablesAside) {
  const std::vector<CellWrite> few(cells_.begin(), cells_.begin() + kInlineCellsMax);
  begin_and_write(1, few);
  EXPECT_FALSE(aside_is_there());
  ASSERT_TRUE(sink_->commit().ok());
  EXPECT_EQ(main_rows().size(), few.size());
}

TEST_P(FirstFillTest, WhatWasWrittenBeforeItTurnedOutToBeLargeGoesAlong) {
  ok(sink_->begin(header(1), false));
  for (const CellWrite& each : cells_) ok(sink_->write_cells(std::span(&each, 1)));
  ok(sink_->write_names(names_));
  ok(sink_->write_hierarchies(hierarchies_));
  const auto receipt = sink_->commit();
  ASSERT_TRUE(receipt.ok());
  EXPECT_EQ(receipt->inserted, kAds * (kRowsEach + 2));
  expect_filled();
}

TEST_P(FirstFillTest, ItGoesOnWhereALockedDatabaseStoppedIt) {
  std::shared_ptr<void> busy;
  at_pause_ = [&] {
    if (pauses_ == 3) busy = target_->keep_busy();
  };
  const Status stopped = write();
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, Errc::kBusy);
  at_pause_ = nullptr;
  // As the engine does it: give up, ask what happened, try again.
  sink_->rollback();
  const std::int64_t standing = rows_aside();
  EXPECT_GT(standing, 0);
  EXPECT_TRUE(open().fresh);
  const Status again = sink_->begin(header(1), false);
  EXPECT_EQ(again.error().code, Errc::kBusy);
  sink_->rollback();
  busy.reset();
  open();
  pauses_ = 0;
  ok(write());
  EXPECT_LE(pauses_, (std::int64_t{kAds} * (kRowsEach + 2) - standing) / 2'000 + 2)
      << "what stood was not written again";
  const auto receipt = sink_->commit();
  ASSERT_TRUE(receipt.ok()) << receipt.error().line();
  EXPECT_EQ(receipt->inserted, kAds * (kRowsEach + 2));
  expect_filled();
}

TEST_P(FirstFillTest, AnotherAttemptBeginsAnew) {
  at_pause_ = [&] { stop_ = pauses_ == 3; };
  EXPECT_EQ(write().error().code, Errc::kInterrupted);
  stop_ = false;
  at_pause_ = nullptr;
  sink_->rollback();
  open();
  // The source has moved on meanwhile.
  CommitHeader other = header(1);
  other.position = "position 1, later";
  ok(sink_->begin(other, false));
  EXPECT_FALSE(aside_is_there());
  ok(sink_->write_cells(std::span(cells_).first(100)));
  ASSERT_TRUE(sink_->commit().ok());
  EXPECT_EQ(main_rows().size(), 100U);
  expect_nothing_aside();
}

TEST_P(FirstFillTest, WhatAKilledProcessLeftIsRemovedInSteps) {
  ok(write());
  const std::int64_t standing = rows_aside();
  pauses_ = 0;
  reconnect();
  EXPECT_GE(pauses_, standing / 300);
  expect_empty();
  expect_nothing_aside();
  ok(write());
  ASSERT_TRUE(sink_->commit().ok());
  expect_filled();
}

TEST_P(FirstFillTest, RemovingItCanBeStopped) {
  ok(write());
  sink_.reset();
  SqliteSinkOptions options;
  options.path = file().path();
  options.stop = &stop_;
  stop_ = true;
  sink_ = std::make_unique<SqliteSink>(options);
  const auto opened = sink_->open();
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Errc::kInterrupted);
}

TEST_P(FirstFillTest, TablesThatSomebodyWroteToMeanwhileStay) {
  ok(write());
  target_->add_foreign_row(kMainTable, {{"entity_type", "ad"}, {"entity_id", "x"}, {"date", "2024-10-04"}});
  const auto receipt = sink_->commit();
  ASSERT_FALSE(receipt.ok());
  EXPECT_EQ(receipt.error().code, Errc::kReplaced);
  EXPECT_THAT(receipt.error().line(), HasSubstr("somebody wrote to the tables"));
  sink_->rollback();
  const SinkState state = open();
  EXPECT_FALSE(state.empty);
  EXPECT_EQ(main_rows().size(), 1U);
  expect_nothing_aside();
}

TEST_P(FirstFillTest, TablesThatSomethingOfOthersHangsOnAreFilledInPlace) {
  const std::vector<std::string> theirs{
      "CREATE TRIGGER theirs AFTER INSERT ON daily_mixpanel_metrics BEGIN SELECT 1; END",
      "CREATE INDEX theirs ON daily_mixpanel_metrics(computed_at)",
      "ALTER TABLE daily_mixpanel_metrics ADD COLUMN theirs TEXT",
  };
  for (const std::string& sql : theirs) {
    target_ = GetParam().make();
    reconnect();
    file().run(sql);
    ok(write());
    EXPECT_FALSE(aside_is_there()) << sql;
    ASSERT_TRUE(sink_->commit().ok());
    EXPECT_EQ(file().ask("SELECT count(*) FROM daily_mixpanel_metrics"), kAds);
    EXPECT_EQ(file().ask("SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%theirs%'"), 1) << sql;
  }
}

TEST_P(FirstFillTest, ViewsOnTheTablesGoOnAndBrokenOnesDoNoHarm) {
  file().run("CREATE VIEW spend AS SELECT sum(meta_spend) s FROM daily_mixpanel_metrics");
  file().run("CREATE VIEW broken AS SELECT * FROM nothing_of_the_kind");
  ok(write());
  ASSERT_TRUE(sink_->commit().ok());
  expect_filled();
  EXPECT_EQ(file().ask("SELECT s * 100 FROM spend"), kAds);
}

TEST_P(FirstFillTest, NumbersOfRowsThatAreGoneAreNotGivenAgain) {
  commit(1, {cell("old", values(1))});
  commit(2, {cell("old", std::nullopt)});
  reconnect();
  ok(sink_->begin(header(3), false));
  ok(sink_->write_cells(cells_));
  ASSERT_TRUE(sink_->commit().ok());
  EXPECT_EQ(file().ask("SELECT min(metric_id) FROM daily_mixpanel_metrics"), 2);
  EXPECT_EQ(file().ask("SELECT seq FROM sqlite_sequence WHERE name = 'daily_mixpanel_metrics'"), kAds + 1);
}

// ── A large epoch over tables that hold rows ──

class LargeEpochTest : public FirstFillTest {
 protected:
  void SetUp() override {
    FirstFillTest::SetUp();
    ok(write());
    ASSERT_TRUE(sink_->commit().ok());
  }
  void begin_and_write_all(std::uint64_t epoch, bool purge = false) {
    ok(sink_->begin(header(epoch), purge));
    for (std::size_t at = 0; at < cells_.size(); at += kRenderChunkCells)
      ok(sink_->write_cells(std::span(cells_).subspan(at, std::min(kRenderChunkCells, cells_.size() - at))));
  }
  /// Whether somebody else could write at this moment.
  bool lock_is_free() {
    const auto writer = file().open();
    return writer->execute("PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK").ok();
  }
};
INSTANTIATE_TEST_SUITE_P(Wal, LargeEpochTest,
                         testing::Values(SinkTargetFactory{"Wal",
                                                           [] { return std::make_unique<SqliteTarget>("WAL"); }}));
INSTANTIATE_TEST_SUITE_P(RollbackJournal, LargeEpochTest,
                         testing::Values(SinkTargetFactory{"RollbackJournal",
                                                           [] { return std::make_unique<SqliteTarget>("DELETE"); }}));

TEST_P(LargeEpochTest, WhatStandsIsComparedWithoutTheLock) {
  cells_[2'000].main = values(7);
  cells_[2'500] = cell(ids_[2'500], std::nullopt);
  begin_and_write_all(2);
  EXPECT_TRUE(lock_is_free());
  EXPECT_EQ(file().ask("SELECT count(*) FROM daily_mixpanel_metrics WHERE meta_spend = 0.07"), 0);
  ok(sink_->write_names(names_));
  EXPECT_FALSE(lock_is_free()) << "now it writes";
  const auto receipt = sink_->commit();
  ASSERT_TRUE(receipt.ok()) << receipt.error().line();
  EXPECT_EQ(receipt->updated, 1);
  EXPECT_EQ(receipt->deleted, kRowsEach);
  EXPECT_EQ(receipt->inserted, 0);
  EXPECT_EQ(receipt->unchanged, (kAds - 2) * kRowsEach + (kRowsEach - 1) + kAds);
  EXPECT_THAT(texts(open().last_keys), testing::UnorderedElementsAre("cell ad " + ids_[2'000] + " 2024-10-04",
                                                                     "cell ad " + ids_[2'500] + " 2024-10-04"));
  EXPECT_EQ(commit(2, cells_, names_, hierarchies_).written(), 0);
}

TEST_P(LargeEpochTest, WhatSomebodyElseChangesMeanwhileIsStillWrittenWhole) {
  for (CellWrite& each : cells_) each.main = values(9);
  begin_and_write_all(2);
  file().run("DELETE FROM daily_mixpanel_metrics");
  target_->add_foreign_row(kMainTable, {{"entity_type", "ad"}, {"entity_id", ids_[5]}, {"date", "2024-10-04"}});
  const auto receipt = sink_->commit();
  ASSERT_TRUE(receipt.ok()) << receipt.error().line();
  EXPECT_EQ(file().ask("SELECT count(*) FROM daily_mixpanel_metrics WHERE meta_spend = 0.09"), kAds);
}

TEST_P(LargeEpochTest, TooManyThatDifferAreNotKept) {
  SqliteSinkOptions options;
  options.path = file().path();
  options.large_cache_bytes = 64 << 10;
  sink_ = std::make_unique<SqliteSink>(options);
  open();
  for (CellWrite& each : cells_) each.main = values(9);
  begin_and_write_all(2);
  EXPECT_FALSE(lock_is_free());
  EXPECT_EQ(file().ask("SELECT count(*) FROM daily_mixpanel_metrics WHERE meta_spend = 0.09"), 0);
  sink_->rollback();
  open();
  begin_and_write_all(2);
  const auto receipt = sink_->commit();
  ASSERT_TRUE(receipt.ok());
  EXPECT_EQ(receipt->updated, kAds);
  EXPECT_EQ(receipt->unchanged, kAds * (kRowsEach - 1));
}

TEST_P(LargeEpochTest, ItIsNoticedThatTheFileWasSetBackMeanwhile) {
  cells_[7].main = values(9);
  begin_and_write_all(2);
  file().run("UPDATE _admetrics_sink SET epoch = 0");
  const auto receipt = sink_->commit();
  ASSERT_FALSE(receipt.ok());
  EXPECT_EQ(receipt.error().code, Errc::kReplaced);
}

TEST_P(LargeEpochTest, AnAuditPurgesWhatIsNotOurs) {
  target_->add_foreign_row(kMainTable, {{"entity_type", "planet"}, {"entity_id", "x"}, {"date", "2024-10-04"}});
  begin_and_write_all(2, true);
  const auto receipt = sink_->commit();
  ASSERT_TRUE(receipt.ok());
  EXPECT_EQ(receipt->deleted, 1);
  EXPECT_TRUE(receipt->changed_more);
  EXPECT_FALSE(open().last_keys_known);
}

TEST_P(FirstFillTest, AMigrationRemovesWhatWasLeft) {
  ok(write());
  sink_.reset();
  const MigrationOptions options{file().path(), file().path() + ".backups", Instant{1'767'225'600, 0}, 1'000};
  const auto report = migrate(options);
  ASSERT_TRUE(report.ok()) << report.error().line();
  EXPECT_THAT(report->plan.steps.front().text, HasSubstr("unfinished"));
  expect_nothing_aside();
  EXPECT_TRUE(migrate(options)->plan.steps.empty());
}

}  // namespace
}  // namespace admetrics::sink
