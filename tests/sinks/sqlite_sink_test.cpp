// The conformance suite on SQLite, and what is SQLite's alone: the exact schema, shapes, and files that fail.

#include <sqlite3.h>

#include <fstream>
#include <limits>
#include <map>

#include "sinks/sqlite/schema.hpp"
#include "tests/sinks/sqlite_target.hpp"

namespace admetrics {
namespace {

SinkTargetFactory in_mode(const char* journal_mode) {
  return {journal_mode, [journal_mode] { return std::make_unique<sink::SqliteTarget>(journal_mode); }};
}

INSTANTIATE_TEST_SUITE_P(SqliteWal, SinkConformance, testing::Values(in_mode("WAL")));
INSTANTIATE_TEST_SUITE_P(SqliteRollbackJournal, SinkConformance, testing::Values(in_mode("DELETE")));

}  // namespace

namespace sink {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;
using testing::UnorderedElementsAreArray;

class SqliteSinkTest : public SinkConformance {
 protected:
  SqliteTarget& file() { return dynamic_cast<SqliteTarget&>(*target_); }
  std::vector<std::string> list(const std::string& sql) {
    std::vector<std::string> found;
    const auto connection = file().open();
    auto statement = connection->prepare(sql);
    EXPECT_TRUE(statement.ok()) << statement.error().line();
    while (statement->step().value()) found.emplace_back(statement->text(0));
    return found;
  }
  /// `name TYPE NOT NULL DEFAULT x`, as the database understands it.
  std::vector<std::string> columns(std::string_view table) {
    return list(
        "SELECT name || ' ' || type || iif(\"notnull\", ' NOT NULL', '') || coalesce(' DEFAULT ' || dflt_value, '') || "
        "iif(pk, ' PK', '') || iif(hidden = 2, ' VIRTUAL', '') FROM pragma_table_xinfo(" +
        sqlite::quote_text(table) + ")");
  }
  Error refused() {
    sink_ = target_->connect();
    auto state = sink_->open();
    EXPECT_FALSE(state.ok());
    return state.ok() ? Error{} : std::move(state).error();
  }
  void expect_older_shape(std::string_view table) {
    const Error error = refused();
    EXPECT_EQ(error.code, Errc::kSchema);
    EXPECT_THAT(error.line(), HasSubstr(std::string(table)));
    EXPECT_THAT(error.line(), HasSubstr("schema migrate"));
    EXPECT_EQ(error.where, file().path());
  }
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SqliteSinkTest);
INSTANTIATE_TEST_SUITE_P(Wal, SqliteSinkTest, testing::Values(in_mode("WAL")));

const std::vector<std::string> kNumbersOfBoth{
    "meta_spend DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "meta_impressions INTEGER NOT NULL DEFAULT 0",
    "meta_clicks INTEGER NOT NULL DEFAULT 0",
    "meta_trial_count INTEGER NOT NULL DEFAULT 0",
    "meta_purchase_count INTEGER NOT NULL DEFAULT 0",
    "trial_conversion_rate_estimated DECIMAL(5,4) NOT NULL DEFAULT 0.0000",
    "trial_conversion_rate_actual DECIMAL(5,4) NOT NULL DEFAULT 0.0000",
    "trial_refund_rate_estimated DECIMAL(5,4) NOT NULL DEFAULT 0.0000",
    "trial_refund_rate_actual DECIMAL(5,4) NOT NULL DEFAULT 0.0000",
    "purchase_refund_rate_estimated DECIMAL(5,4) NOT NULL DEFAULT 0.0000",
    "purchase_refund_rate_actual DECIMAL(5,4) NOT NULL DEFAULT 0.0000",
    "actual_revenue_usd DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "actual_refunds_usd DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "net_actual_revenue_usd DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "estimated_revenue_usd DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "adjusted_estimated_revenue_usd DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "profit_usd DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "estimated_roas DECIMAL(8,4) NOT NULL DEFAULT 0.0000",
    "trial_accuracy_ratio DECIMAL(8,4) NOT NULL DEFAULT 0.0000",
    "purchase_accuracy_ratio DECIMAL(8,4) NOT NULL DEFAULT 0.0000",
    "mixpanel_cost_per_trial DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "mixpanel_cost_per_purchase DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "meta_cost_per_trial DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "meta_cost_per_purchase DECIMAL(10,2) NOT NULL DEFAULT 0.00",
    "click_to_trial_rate DECIMAL(8,4) NOT NULL DEFAULT 0.0000",
    "post_trial_user_ids TEXT",
    "converted_user_ids TEXT",
    "trial_refund_user_ids TEXT",
    "purchase_refund_user_ids TEXT",
    "metric_id INTEGER PK",
    "date DATE NOT NULL",
    "entity_type TEXT NOT NULL",
    "entity_id TEXT NOT NULL",
    "computed_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP",
};

std::vector<std::string> with(std::vector<std::string> columns, const std::vector<std::string>& more) {
  columns.insert(columns.end(), more.begin(), more.end());
  return columns;
}

TEST_P(SqliteSinkTest, TheTablesAreExactlyThose) {
  EXPECT_THAT(columns(kMainTable),
              UnorderedElementsAreArray(with(
                  kNumbersOfBoth, {"trial_users_count INTEGER NOT NULL DEFAULT 0",
                                   "purchase_users_count INTEGER NOT NULL DEFAULT 0", "trial_users_list TEXT",
                                   "purchase_users_list TEXT", "data_quality_score DECIMAL(3,2) NOT NULL DEFAULT 1.00",
                                   "trial_user_ids TEXT VIRTUAL", "purchase_user_ids TEXT VIRTUAL"})));
  EXPECT_THAT(columns(kBreakdownTable),
              UnorderedElementsAreArray(
                  with(kNumbersOfBoth,
                       {"mixpanel_trial_count INTEGER NOT NULL DEFAULT 0",
                        "mixpanel_purchase_count INTEGER NOT NULL DEFAULT 0", "trial_user_ids TEXT",
                        "purchase_user_ids TEXT", "breakdown_type TEXT NOT NULL", "breakdown_value TEXT NOT NULL"})));
  EXPECT_THAT(columns(kNameTable),
              UnorderedElementsAre("entity_type TEXT NOT NULL PK", "entity_id TEXT NOT NULL PK",
                                   "canonical_name TEXT NOT NULL", "frequency_count INTEGER NOT NULL DEFAULT 0",
                                   "last_seen_date DATE", "created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP",
                                   "updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP"));
  EXPECT_THAT(columns(kHierarchyTable),
              UnorderedElementsAre("ad_id TEXT NOT NULL PK", "adset_id TEXT NOT NULL", "campaign_id TEXT NOT NULL",
                                   "relationship_confidence DECIMAL(3,2) NOT NULL DEFAULT 1.00", "first_seen_date DATE",
                                   "last_seen_date DATE", "created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP",
                                   "updated_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP"));
  EXPECT_EQ(file().ask("SELECT count(*) FROM sqlite_schema WHERE sql LIKE '%AUTOINCREMENT%' AND name LIKE 'daily_%'"),
            2);
}

TEST_P(SqliteSinkTest, TheIndexesAreThoseOfTheSeed) {
  const auto indexed = [&](const std::string& index) {
    return file().ask_text("SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_index_info('" + index +
                           "') ORDER BY seqno)");
  };
  EXPECT_EQ(indexed("idx_breakdown_entity_lookup"), "entity_type, entity_id, date, breakdown_type");
  EXPECT_EQ(indexed("idx_breakdown_type_value"), "breakdown_type, breakdown_value, date");
  EXPECT_EQ(indexed("idx_breakdown_date_range"), "date");
  EXPECT_EQ(indexed("idx_breakdown_computed"), "computed_at");
  EXPECT_THAT(list("SELECT ii.name FROM pragma_index_list('daily_mixpanel_metrics') il, pragma_index_info(il.name) ii "
                   "WHERE il.\"unique\" ORDER BY seqno"),
              ElementsAre("entity_type", "entity_id", "date"));
  EXPECT_THAT(list("SELECT ii.name FROM pragma_index_list('daily_mixpanel_metrics_breakdown') il, "
                   "pragma_index_info(il.name) ii WHERE il.\"unique\" ORDER BY seqno"),
              ElementsAre("entity_type", "entity_id", "date", "breakdown_type", "breakdown_value"));
}

TEST_P(SqliteSinkTest, DashboardsOfBothGenerationsFindTheirLists) {
  RowValues written = values(1, R"(["u1"])");
  written[List::kPurchase] = R"(["u2"])";
  commit(1, {cell("a1", written)});
  EXPECT_EQ(main_rows()[0].at("trial_user_ids"), R"(["u1"])");
  EXPECT_EQ(main_rows()[0].at("purchase_user_ids"), R"(["u2"])");
}

TEST_P(SqliteSinkTest, NumbersAreIntegersWhereTheyAreWholeElseTheNearestDoubles) {
  const auto stored = [&](std::int64_t scaled) {
    RowValues written = values(scaled);
    written[Number::kEstimatedRoas] = scaled;
    static std::uint64_t epoch = 0;
    commit(++epoch, {cell("a1", written)});
    return file().ask_text(
        "SELECT typeof(meta_spend) || ' ' || meta_spend || ' ' || typeof(estimated_roas) || ' ' || estimated_roas FROM "
        "daily_mixpanel_metrics");
  };
  EXPECT_EQ(stored(0), "integer 0 integer 0");
  EXPECT_EQ(stored(100), "integer 1 real 0.01");
  EXPECT_EQ(stored(-1), "real -0.01 real -0.0001");
  EXPECT_EQ(stored(29), "real 0.29 real 0.0029");
  EXPECT_EQ(stored(57), "real 0.57 real 0.0057");
  EXPECT_EQ(stored(20'000), "integer 200 integer 2");
  EXPECT_EQ(stored(123'456'789'012), "real 1234567890.12 real 12345678.9012");
  // As exact as a literal in SQL.
  commit(99, {cell("a1", values(1'005))});
  EXPECT_EQ(file().ask("SELECT meta_spend = 10.05 AND typeof(data_quality_score) = 'real' AND data_quality_score = 0.8 "
                       "FROM daily_mixpanel_metrics"),
            1);
}

TEST_P(SqliteSinkTest, WhatIsMissingIsCreatedAndWhatStandsIsNotTouched) {
  const auto objects = [&] { return list("SELECT name || coalesce(sql, '') FROM sqlite_schema ORDER BY name"); };
  const std::vector<std::string> complete = objects();
  commit(1, {cell("a1", values(1))});
  for (const std::string name :
       {"INDEX idx_breakdown_computed", "INDEX idx_breakdown_entity_lookup", "TABLE id_name_mapping",
        "TABLE id_hierarchy_mapping", "TABLE _admetrics_sink_keys", "TABLE daily_mixpanel_metrics_breakdown"}) {
    file().run("DROP " + name);
    // A lost index costs time only; with a lost table rows are gone, and the position with them.
    EXPECT_EQ(reopen().fresh, name.starts_with("TABLE")) << name;
    EXPECT_EQ(objects(), complete) << name;
    commit(1, {cell("a1", values(1))});
  }
  const auto watch = file().open();
  const std::int64_t before = watch->query_integer("PRAGMA data_version").value();
  reopen();
  EXPECT_EQ(watch->query_integer("PRAGMA data_version").value(), before) << "opened without a write";
}

TEST_P(SqliteSinkTest, TheSourcesTablesInTheSameFileAreLeftAlone) {
  file().run("CREATE TABLE mixpanel_user (distinct_id TEXT); INSERT INTO mixpanel_user VALUES ('u1')");
  commit(1, {cell("a1", values(1))}, {}, {}, true);
  EXPECT_EQ(file().ask("SELECT count(*) FROM mixpanel_user"), 1);
}

// ── Shapes ──

TEST_P(SqliteSinkTest, TheTableOfTheOldGenerationIsRefused) {
  file().run(
      "DROP TABLE daily_mixpanel_metrics; CREATE TABLE daily_mixpanel_metrics (metric_id INTEGER PRIMARY KEY "
      "AUTOINCREMENT, date DATE NOT NULL, entity_type TEXT NOT NULL, entity_id TEXT NOT NULL, trial_users_count "
      "INTEGER, "
      "trial_users_list TEXT, purchase_users_count INTEGER, purchase_users_list TEXT, estimated_revenue_usd "
      "DECIMAL(10,2), computed_at DATETIME, UNIQUE (entity_type, entity_id, date))");
  expect_older_shape(kMainTable);
  EXPECT_EQ(file().ask("SELECT count(*) FROM pragma_table_info('daily_mixpanel_metrics')"), 10) << "and left alone";
}

TEST_P(SqliteSinkTest, AnyColumnThatIsMissingIsRefused) {
  for (const auto& [table, column] :
       std::vector<std::pair<std::string_view, std::string>>{{kMainTable, "click_to_trial_rate"},
                                                             {kMainTable, "trial_user_ids"},
                                                             {kBreakdownTable, "mixpanel_trial_count"},
                                                             {kNameTable, "frequency_count"},
                                                             {kHierarchyTable, "relationship_confidence"}}) {
    file().run("ALTER TABLE " + std::string(table) + " DROP COLUMN " + column);
    expect_older_shape(table);
    file().run("DROP TABLE " + std::string(table));
    reopen();
  }
}

TEST_P(SqliteSinkTest, ABreakdownTableOfAnOlderShapeIsNamedThoughItsIndexesCannotBeMade) {
  file().run(
      "DROP TABLE daily_mixpanel_metrics_breakdown; CREATE TABLE daily_mixpanel_metrics_breakdown (entity_type, "
      "entity_id, date)");
  expect_older_shape(kBreakdownTable);
}

TEST_P(SqliteSinkTest, ATableWithoutItsUniqueKeyIsRefused) {
  const std::string table(kMainTable);
  std::string sql = file().ask_text("SELECT sql FROM sqlite_schema WHERE name = '" + table + "'");
  const std::string key = "UNIQUE (entity_type, entity_id, date)";
  ASSERT_NE(sql.find(key), std::string::npos);
  sql.replace(sql.find(key), key.size(), "CHECK (true)");
  file().run("DROP TABLE " + table + "; " + sql);
  expect_older_shape(kMainTable);
  file().run(
      "CREATE UNIQUE INDEX partial ON daily_mixpanel_metrics (entity_type, entity_id, date) WHERE date > '2025'");
  expect_older_shape(kMainTable);
  file().run("CREATE UNIQUE INDEX whole ON daily_mixpanel_metrics (date, entity_id, entity_type)");
  reopen();
  commit(1, {cell("a1", values(1))});
}

TEST_P(SqliteSinkTest, ColumnsInAnotherOrderAndColumnsOfOthersAreNoHindrance) {
  file().run(
      "DROP TABLE id_name_mapping; CREATE TABLE id_name_mapping (note TEXT, canonical_name TEXT NOT NULL, entity_id "
      "TEXT NOT NULL, entity_type TEXT NOT NULL, updated_at DATETIME, created_at DATETIME, last_seen_date DATE, "
      "frequency_count INTEGER, PRIMARY KEY (entity_type, entity_id));"
      "DROP TABLE id_hierarchy_mapping; CREATE TABLE id_hierarchy_mapping (campaign_id TEXT NOT NULL, adset_id TEXT "
      "NOT "
      "NULL, ad_id TEXT NOT NULL PRIMARY KEY, relationship_confidence DECIMAL(3,2), last_seen_date DATE, "
      "first_seen_date DATE, updated_at DATETIME, created_at DATETIME);"
      "ALTER TABLE daily_mixpanel_metrics ADD COLUMN note TEXT");
  sink_ = target_->connect();
  const auto opened = sink_->open();
  ASSERT_TRUE(opened.ok()) << opened.error().line();
  commit(1, {cell("a1", values(1))}, {{Level::kAd, "a1", "Name", 3, Day{20'000}}},
         {{"a1", true, "s1", "c1", 67, Day{20'000}, Day{20'001}}});
  EXPECT_THAT(column(kNameTable, "canonical_name"), ElementsAre("Name"));
  EXPECT_THAT(column(kNameTable, "entity_type"), ElementsAre("ad"));
  EXPECT_THAT(column(kNameTable, "last_seen_date"), ElementsAre("2024-10-04"));
  EXPECT_THAT(column(kHierarchyTable, "ad_id"), ElementsAre("a1"));
  EXPECT_THAT(column(kHierarchyTable, "adset_id"), ElementsAre("s1"));
  EXPECT_THAT(column(kHierarchyTable, "first_seen_date"), ElementsAre("2024-10-04"));
}

// ── Files ──

TEST_P(SqliteSinkTest, AReadOnlyFileSaysSo) {
  commit(1, {cell("a1", values(1))});
  sink_ = SqliteTarget::connect_by("file:" + file().path() + "?mode=ro");
  const SinkState state = open();
  EXPECT_EQ(state.epoch, EpochId{1});
  Status refused = sink_->begin(header(2), false);
  if (refused.ok()) refused = sink_->write_cells(std::vector<CellWrite>{cell("a1", values(2))});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kReadOnly);
  sink_->rollback();
}

TEST_P(SqliteSinkTest, AFileThatCannotBeOpenedSaysWhy) {
  const auto code = [](const std::string& path) {
    auto state = SqliteTarget::connect_by(path)->open();
    EXPECT_FALSE(state.ok()) << path;
    return state.ok() ? Errc::kInternal : state.error().code;
  };
  EXPECT_EQ(code(file().path() + "-folder/none/out.db"), Errc::kNotFound);
  const std::string text = file().path() + ".txt";
  std::ofstream(text) << std::string(5'000, 'x');
  EXPECT_EQ(code(text), Errc::kCorrupt);
}

// ── What somebody else did ──

class ForeignWorkTest : public SqliteSinkTest {
 protected:
  void SetUp() override {
    SqliteSinkTest::SetUp();
    commit(1,
           {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(1))}), cell("a2", values(2)),
            cell("a3", values(3), {row(Breakdown::kCountry, "US", values(1))})},
           {{Level::kAd, "a1", "First", 1, Day{20'000}}});
    EXPECT_FALSE(take().any()) << "our own commit is nobody else's";
  }
  ForeignWork take() { return dynamic_cast<SqliteSink&>(*sink_).take_foreign_work(); }
  void somebody(const std::string& sql) { ok(file().open()->execute(sql)); }
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ForeignWorkTest);
INSTANTIATE_TEST_SUITE_P(Modes, ForeignWorkTest, testing::Values(in_mode("WAL"), in_mode("DELETE")));

TEST_P(ForeignWorkTest, EmptiedTablesAreNoticedOnce) {
  for (const std::string_view table : {kMainTable, kBreakdownTable, kNameTable}) {
    somebody("DELETE FROM " + std::string(table));
    EXPECT_EQ(take().everything, "somebody emptied " + std::string(table));
    EXPECT_FALSE(take().any());
  }
}

TEST_P(ForeignWorkTest, RowsThatAreGoneAtEitherEndAreNoticed) {
  somebody("DELETE FROM daily_mixpanel_metrics WHERE entity_id = 'a1'");
  EXPECT_THAT(take().everything, HasSubstr("removed"));
  somebody("DELETE FROM daily_mixpanel_metrics_breakdown WHERE entity_id = 'a3'");
  EXPECT_THAT(take().everything, HasSubstr("removed"));
}

TEST_P(ForeignWorkTest, RowsThatWereFilledInAnewAreNoticed) {
  somebody(
      "BEGIN; DELETE FROM daily_mixpanel_metrics; INSERT INTO daily_mixpanel_metrics (entity_type, entity_id, date) "
      "VALUES ('ad', 'a1', '2024-10-04'); COMMIT");
  EXPECT_THAT(take().everything, HasSubstr("replaced"));
}

TEST_P(ForeignWorkTest, AddedRowsAreNamed) {
  somebody("INSERT INTO daily_mixpanel_metrics (entity_type, entity_id, date) VALUES ('ad', 'x', '2024-10-04')");
  const ForeignWork work = take();
  EXPECT_EQ(work.everything, "");
  EXPECT_FALSE(work.strange_keys);
  EXPECT_THAT(texts(work.added), testing::SizeIs(1));
  ASSERT_EQ(work.added.size(), 1U);
  EXPECT_EQ(work.added[0].entity_id, "x");
  somebody("INSERT INTO daily_mixpanel_metrics (entity_type, entity_id, date) VALUES ('planet', 'x', 'soon')");
  EXPECT_TRUE(take().strange_keys);
}

TEST_P(ForeignWorkTest, AThousandAddedRowsAreNotListed) {
  somebody(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) INSERT INTO "
      "daily_mixpanel_metrics (entity_type, entity_id, date) SELECT 'ad', 'x' || i, '2024-10-04' FROM n");
  const ForeignWork work = take();
  EXPECT_THAT(work.everything, HasSubstr("added"));
  EXPECT_TRUE(work.added.empty());
}

TEST_P(ForeignWorkTest, WhatHappensRightBeforeOurCommitIsNoticed) {
  somebody("DELETE FROM daily_mixpanel_metrics");
  commit(2, {cell("a2", values(9))});
  EXPECT_EQ(take().everything, "somebody emptied daily_mixpanel_metrics");
  EXPECT_FALSE(take().any());
}

TEST_P(ForeignWorkTest, AnUpdateInTheMiddleAVacuumAndAnotherTableAreNotNoticed) {
  somebody("UPDATE daily_mixpanel_metrics SET meta_clicks = 4 WHERE entity_id = 'a2'; VACUUM; CREATE TABLE other (x)");
  EXPECT_FALSE(take().any());
}

TEST_P(ForeignWorkTest, AnEpochThatWasRolledBackLeavesNoTrace) {
  begin_and_write(2, {cell("a9", values(9))});
  EXPECT_GT(sink_->rows_written(), 0);
  sink_->rollback();
  EXPECT_FALSE(take().any());
  commit(2, {cell("a1", std::nullopt)});
  EXPECT_FALSE(take().any());
}

TEST_P(SqliteSinkTest, AFileThatWasReplacedIsNoticedAndNotWritten) {
  commit(1, {cell("a1", values(1))});
  EXPECT_FALSE(sink_->replaced());
  SqliteTarget other("DELETE");
  ASSERT_TRUE(other.connect()->open().ok());
  std::filesystem::rename(other.path(), file().path());
  for (const char* log : {"-wal", "-shm"}) std::filesystem::remove(file().path() + log);
  EXPECT_TRUE(sink_->replaced());
  const Status refused = sink_->begin(header(2), false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kReplaced);
  sink_->rollback();
  const SinkState state = open();
  EXPECT_TRUE(state.fresh) << "opened again, it is the other file";
  EXPECT_FALSE(sink_->replaced());
  EXPECT_EQ(commit(1, {cell("a1", values(1))}).inserted, 1);
}

TEST_P(SqliteSinkTest, ForeignRowsWithBlobsForKeysArePurged) {
  commit(1, {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(1))})});
  file().run(
      "INSERT INTO daily_mixpanel_metrics (entity_type, entity_id, date) VALUES ('ad', x'6131', '2024-10-04'), "
      "(x'6164', 'a1', '2024-10-04'), ('ad', 'a1', x'323032342d31302d3034');"
      "INSERT INTO daily_mixpanel_metrics_breakdown (entity_type, entity_id, date, breakdown_type, "
      "breakdown_value) VALUES ('ad', 'a1', '2024-10-04', 'country', x'5553');"
      "INSERT INTO id_name_mapping (entity_type, entity_id, canonical_name) VALUES ('ad', x'6131', 'n');"
      "INSERT INTO id_hierarchy_mapping (ad_id, adset_id, campaign_id) VALUES (x'6131', 's', 'c')");
  // An audit: foreign keys are purged, and all that is visited is written anew.
  commit(2, {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(1))})}, {no_name(Level::kAd, "a1")},
         {no_hierarchy("a1")}, true);
  EXPECT_EQ(main_rows().size(), 1U);
  EXPECT_EQ(breakdown_rows().size(), 1U);
  EXPECT_EQ(target_->rows(kNameTable).size(), 0U);
  EXPECT_EQ(target_->rows(kHierarchyTable).size(), 0U);
}

TEST_P(SqliteSinkTest, ALoneBreakdownRowWithABlobForItsValueIsNotTakenForOurs) {
  commit(1, {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(1))})});
  file().run("UPDATE daily_mixpanel_metrics_breakdown SET breakdown_value = x'5553'");
  commit(2, {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(1))})}, {}, {}, true);
  EXPECT_EQ(file().ask("SELECT count(*) FROM daily_mixpanel_metrics_breakdown WHERE breakdown_value = 'US'"), 1);
  EXPECT_EQ(breakdown_rows().size(), 1U);
}

class SqliteSinkInRollbackMode : public SqliteSinkTest {};
INSTANTIATE_TEST_SUITE_P(RollbackJournal, SqliteSinkInRollbackMode, testing::Values(in_mode("DELETE")));

TEST_P(SqliteSinkInRollbackMode, ACommitThatAReaderHoldsUpIsBusyAndCanBeTriedAgain) {
  commit(1, {cell("a1", values(1))});
  const auto reader = file().open();
  ok(reader->begin_read());
  begin_and_write(2, {cell("a1", values(2))});
  const auto busy = sink_->commit();
  ASSERT_FALSE(busy.ok());
  EXPECT_EQ(busy.error().code, Errc::kBusy);
  sink_->rollback();
  reader->rollback();
  EXPECT_EQ(open().epoch, EpochId{1});
  EXPECT_EQ(commit(2, {cell("a1", values(2))}).updated, 1);
}

// ── A disk that fills up, and one that fails at any moment ──

/// SQLite's usual file system, which lets a number of writes and syncs through and then fails.
class FailingDisk {
 public:
  static constexpr const char* kName = "failing";

  /// Calls pass until `calls` of them were made; then each fails with `code`.
  static void fail_after(std::int64_t calls, int code) {
    left_ = calls;
    code_ = code;
    failed_ = false;
  }
  static void work() { left_ = std::numeric_limits<std::int64_t>::max(); }
  static bool has_failed() { return failed_; }

  static void install() {
    static sqlite3_vfs disk = *sqlite3_vfs_find(nullptr);
    disk.zName = kName;
    disk.xOpen = [](sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
      sqlite3_vfs* usual = sqlite3_vfs_find(nullptr);
      const int code = usual->xOpen(usual, name, file, flags, out_flags);
      if (code != SQLITE_OK || file->pMethods == nullptr) return code;
      // Databases and logs have different methods; how they write is the same.
      usual_methods_ = file->pMethods;
      sqlite3_io_methods& methods = methods_.try_emplace(file->pMethods, *file->pMethods).first->second;
      methods.xWrite = [](sqlite3_file* to, const void* data, int size, sqlite3_int64 at) {
        return passes() ? usual_methods_->xWrite(to, data, size, at) : code_;
      };
      methods.xSync = [](sqlite3_file* to, int how) { return passes() ? usual_methods_->xSync(to, how) : code_; };
      file->pMethods = &methods;
      return code;
    };
    ASSERT_EQ(sqlite3_vfs_register(&disk, 0), SQLITE_OK);
  }

 private:
  static bool passes() {
    if (left_-- > 0) return true;
    failed_ = true;
    return false;
  }

  static inline std::int64_t left_ = std::numeric_limits<std::int64_t>::max();
  static inline int code_ = 0;
  static inline bool failed_ = false;
  static inline const sqlite3_io_methods* usual_methods_ = nullptr;
  static inline std::map<const sqlite3_io_methods*, sqlite3_io_methods> methods_;
};

class SqliteSinkOnAFailingDisk : public SqliteSinkTest {
 protected:
  void SetUp() override {
    SqliteSinkTest::SetUp();
    FailingDisk::install();
  }
  void TearDown() override {
    FailingDisk::work();
    sink_.reset();
  }
  static std::vector<CellWrite> unit(std::int64_t spend) {
    std::vector<CellWrite> cells;
    static const std::vector<std::string> ids = [] {
      std::vector<std::string> made;
      made.reserve(200);
      for (int i = 0; i < 200; ++i) made.push_back("a" + std::to_string(i));
      return made;
    }();
    cells.reserve(ids.size());
    for (const std::string& id : ids)
      cells.push_back(cell(id, values(spend), {row(Breakdown::kCountry, "US", values(spend))}));
    return cells;
  }
  /// One epoch on the failing disk; the first error, if there was one.
  Status attempt(std::uint64_t epoch, const std::vector<CellWrite>& cells) {
    ADM_TRY(sink_->begin(header(epoch), false));
    ADM_TRY(sink_->write_cells(cells));
    auto receipt = sink_->commit();
    if (!receipt) return std::move(receipt).error();
    return {};
  }
  /// Fails at the first, the second, … call, until an epoch goes through. After each failure exactly one epoch stands.
  void fail_everywhere(int code, Errc expected) {
    ASSERT_TRUE(sink_->open().ok());
    commit(1, unit(1));
    std::uint64_t epoch = 1;
    for (std::int64_t calls = 0;; ++calls) {
      ASSERT_LT(calls, 10'000);
      sink_ = SqliteTarget::connect_by("file:" + file().path() + "?vfs=" + FailingDisk::kName);
      ASSERT_TRUE(sink_->open().ok());
      FailingDisk::fail_after(calls, code);
      const Status done = attempt(epoch + 1, unit(static_cast<std::int64_t>(epoch) + 1));
      const bool failed = FailingDisk::has_failed();
      if (!done.ok()) {
        EXPECT_EQ(done.error().code, expected) << done.error().line() << " at call " << calls;
        sink_->rollback();
      }
      FailingDisk::work();
      sink_.reset();  // and the process is gone
      const SinkState state = reopen();
      if (done.ok()) {
        EXPECT_EQ(state.epoch.value, epoch + 1) << "what was confirmed stands; call " << calls;
      } else {
        EXPECT_TRUE(state.epoch.value == epoch || state.epoch.value == epoch + 1) << "call " << calls;
      }
      EXPECT_EQ(
          file().ask("SELECT count(DISTINCT meta_spend) FROM (SELECT meta_spend FROM daily_mixpanel_metrics UNION "
                     "ALL SELECT meta_spend FROM daily_mixpanel_metrics_breakdown)"),
          1)
          << "half an epoch at call " << calls;
      EXPECT_EQ(commit(state.epoch.value, unit(static_cast<std::int64_t>(state.epoch.value))).written(), 0)
          << "rows and epoch do not belong together at call " << calls;
      EXPECT_EQ(file().ask_text("PRAGMA integrity_check"), "ok");
      epoch = state.epoch.value;
      if (!failed) break;
    }
    EXPECT_GE(epoch, 2U);
  }
};
INSTANTIATE_TEST_SUITE_P(Wal, SqliteSinkOnAFailingDisk, testing::Values(in_mode("WAL")));
INSTANTIATE_TEST_SUITE_P(RollbackJournal, SqliteSinkOnAFailingDisk, testing::Values(in_mode("DELETE")));

TEST_P(SqliteSinkOnAFailingDisk, AFullDiskAtAnyWriteLeavesAWholeEpoch) { fail_everywhere(SQLITE_FULL, Errc::kFull); }

TEST_P(SqliteSinkOnAFailingDisk, AFirstFillThatFailsAtAnyWriteIsInvisibleOrWhole) {
  for (std::int64_t calls = 0;; calls += 1 + calls / 16) {
    ASSERT_LT(calls, 100'000);
    target_ = GetParam().make();
    sink_ = SqliteTarget::connect_by("file:" + file().path() + "?vfs=" + FailingDisk::kName);
    ASSERT_TRUE(sink_->open().ok());
    FailingDisk::fail_after(calls, SQLITE_FULL);
    const Status done = attempt(1, unit(1));
    const bool failed = FailingDisk::has_failed();
    FailingDisk::work();
    const std::int64_t rows = file().ask("SELECT count(*) FROM daily_mixpanel_metrics");
    EXPECT_TRUE(rows == 0 || rows == 200) << rows << " at call " << calls;
    if (!done.ok()) {
      EXPECT_EQ(done.error().code, Errc::kFull) << done.error().line() << " at call " << calls;
      // The engine asks what happened, and tries again: on the same sink, from where it was.
      sink_->rollback();
      const auto state = sink_->open();
      ASSERT_TRUE(state.ok()) << state.error().line();
      if (state->epoch.value == 0) {
        ASSERT_TRUE(attempt(1, unit(1)).ok()) << "at call " << calls;
      }
    }
    sink_.reset();
    EXPECT_EQ(reopen().epoch.value, 1U);
    EXPECT_EQ(commit(1, unit(1)).written(), 0) << "at call " << calls;
    EXPECT_EQ(file().ask_text("PRAGMA integrity_check"), "ok");
    if (!failed) break;
  }
}

TEST_P(SqliteSinkOnAFailingDisk, AnErrorAtAnyWriteLeavesAWholeEpoch) { fail_everywhere(SQLITE_IOERR_WRITE, Errc::kIo); }

}  // namespace
}  // namespace sink
}  // namespace admetrics
