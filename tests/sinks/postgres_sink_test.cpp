// The conformance suite on PostgreSQL, and what is PostgreSQL's alone: shapes, types, servers that stop, hang and refuse.

#include <unistd.h>

#include <csignal>

#include "tests/sinks/postgres_target.hpp"

namespace admetrics {
namespace {

SinkTargetFactory with_lists(const char* name, sink::UserLists lists) {
  return {name, [lists] { return std::make_unique<sink::PostgresTarget>(lists); }};
}

INSTANTIATE_TEST_SUITE_P(PostgresText, SinkConformance, testing::Values(with_lists("text", sink::UserLists::kText)));
INSTANTIATE_TEST_SUITE_P(PostgresJsonb, SinkConformance, testing::Values(with_lists("jsonb", sink::UserLists::kJsonb)));

}  // namespace

namespace sink {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class PostgresSinkTest : public SinkConformance {
 protected:
  PostgresTarget& server() { return dynamic_cast<PostgresTarget&>(*target_); }
  Error refused() {
    sink_ = target_->connect();
    auto state = sink_->open();
    EXPECT_FALSE(state.ok());
    return state.ok() ? Error{} : std::move(state).error();
  }
  std::string type_of(const std::string& table, const std::string& column) {
    return server().ask("SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '" + table +
                        "'::regclass AND attname = '" + column + "'");
  }
};

INSTANTIATE_TEST_SUITE_P(Own, PostgresSinkTest, testing::Values(with_lists("text", UserLists::kText)));

// ── Tables ──

TEST_P(PostgresSinkTest, TypesAreThoseThatAreDeclared) {
  EXPECT_EQ(type_of("daily_mixpanel_metrics", "metric_id"), "bigint");
  EXPECT_EQ(type_of("daily_mixpanel_metrics", "date"), "date");
  EXPECT_EQ(type_of("daily_mixpanel_metrics", "meta_spend"), "numeric(10,2)");
  EXPECT_EQ(type_of("daily_mixpanel_metrics", "estimated_roas"), "numeric(8,4)");
  EXPECT_EQ(type_of("daily_mixpanel_metrics", "trial_conversion_rate_actual"), "numeric(5,4)");
  EXPECT_EQ(type_of("daily_mixpanel_metrics", "trial_users_count"), "bigint");
  EXPECT_EQ(type_of("daily_mixpanel_metrics", "trial_users_list"), "text");
  EXPECT_EQ(type_of("daily_mixpanel_metrics_breakdown", "mixpanel_trial_count"), "bigint");
  EXPECT_EQ(type_of("id_hierarchy_mapping", "relationship_confidence"), "numeric(3,2)");
}

TEST_P(PostgresSinkTest, AnUnchangedRowIsNotTouched) {
  commit(1, {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(2))})},
         {{Level::kAd, "a1", "Name", 3, Day{1}}});
  const char* versions =
      "SELECT (SELECT xmin::text || xmax FROM daily_mixpanel_metrics) || (SELECT xmin::text || xmax FROM "
      "daily_mixpanel_metrics_breakdown) || (SELECT xmin::text || xmax FROM id_name_mapping)";
  const std::string before = server().ask(versions);
  EXPECT_EQ(commit(2, {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(2))})},
                   {{Level::kAd, "a1", "Name", 3, Day{1}}})
                .unchanged,
            3);
  EXPECT_EQ(server().ask(versions), before);
}

TEST_P(PostgresSinkTest, ANumberThatDoesNotFitWidensItsColumnAndTouchesNoOther) {
  RowValues wide = values(1);
  wide[Number::kEstimatedRoas] = 1'234'567'890'123;
  EXPECT_EQ(commit(1, {cell("a1", wide)}).inserted, 1);
  EXPECT_EQ(main_rows()[0].at("estimated_roas"), "123456789.0123");
  EXPECT_EQ(type_of("daily_mixpanel_metrics", "estimated_roas"), "numeric(19,4)");
  EXPECT_EQ(type_of("daily_mixpanel_metrics", "meta_spend"), "numeric(10,2)");
  reopen();
  EXPECT_EQ(commit(2, {cell("a1", wide)}).written(), 0);
}

TEST_P(PostgresSinkTest, AWideningThatWasRolledBackIsDoneAgain) {
  RowValues wide = values(1);
  wide[Number::kProfit] = -123'456'789'012'345;
  begin_and_write(1, {cell("a1", wide), cell("a0", wide)});  // the second cell makes the first be merged
  sink_->rollback();
  EXPECT_EQ(commit(1, {cell("a1", wide)}).inserted, 1);
  EXPECT_EQ(main_rows()[0].at("profit_usd"), "-1234567890123.45");
}

TEST_P(PostgresSinkTest, AViewOnAColumnThatHasToWidenIsNamed) {
  server().run("CREATE VIEW spending AS SELECT meta_spend FROM daily_mixpanel_metrics");
  RowValues wide = values(123'456'789'012);
  ok(sink_->begin(header(1), false));
  ok(sink_->write_cells(std::vector<CellWrite>{cell("a1", wide)}));
  const auto refused = sink_->commit();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kSchema);
  EXPECT_THAT(refused.error().line(), HasSubstr("view"));
  sink_->rollback();
  server().run("DROP VIEW spending");
  EXPECT_EQ(commit(1, {cell("a1", wide)}).inserted, 1);
}

TEST_P(PostgresSinkTest, MissingColumnsAndIndexesAreAdded) {
  commit(1, {cell("a1", values(1))});
  server().run("ALTER TABLE daily_mixpanel_metrics DROP COLUMN profit_usd; DROP INDEX idx_breakdown_date_range");
  reopen();
  EXPECT_EQ(type_of("daily_mixpanel_metrics", "profit_usd"), "numeric(10,2)");
  EXPECT_EQ(server().ask("SELECT count(*) FROM pg_class WHERE oid = 'idx_breakdown_date_range'::regclass"), "1");
  EXPECT_EQ(commit(2, {cell("a1", values(1))}).written(), 0);
}

TEST_P(PostgresSinkTest, AnotherShapeIsRefusedByName) {
  const auto refuses = [&](const std::string& table, const std::string& sql, const std::string& undo,
                           const std::string& word) {
    server().run(sql);
    const Error error = refused();
    EXPECT_EQ(error.code, Errc::kSchema) << sql;
    EXPECT_THAT(error.line(), HasSubstr(table)) << sql;
    EXPECT_THAT(error.line(), HasSubstr(word)) << sql;
    server().run(undo);
    reopen();
  };
  const std::string main = "daily_mixpanel_metrics";
  refuses(main, "ALTER TABLE daily_mixpanel_metrics ALTER meta_spend TYPE real",
          "ALTER TABLE daily_mixpanel_metrics ALTER meta_spend TYPE numeric(10,2)", "meta_spend is real");
  refuses(main, "ALTER TABLE daily_mixpanel_metrics ALTER meta_spend TYPE numeric(10,1)",
          "ALTER TABLE daily_mixpanel_metrics ALTER meta_spend TYPE numeric(10,2)", "numeric(10,1)");
  refuses(main, "ALTER TABLE daily_mixpanel_metrics ALTER trial_users_list TYPE jsonb USING trial_users_list::jsonb",
          "ALTER TABLE daily_mixpanel_metrics ALTER trial_users_list TYPE text", "sink.postgres.user_lists");
  refuses(main, "ALTER TABLE daily_mixpanel_metrics ADD owner text NOT NULL",
          "ALTER TABLE daily_mixpanel_metrics DROP owner", "owner");
  refuses("id_name_mapping", "ALTER TABLE id_name_mapping DROP CONSTRAINT id_name_mapping_entity_type_entity_id_key",
          "ALTER TABLE id_name_mapping ADD UNIQUE (entity_type, entity_id)", "unique key");
  refuses("id_name_mapping",
          "ALTER TABLE id_name_mapping RENAME TO other; CREATE VIEW id_name_mapping AS SELECT 1 AS one",
          "DROP VIEW id_name_mapping; ALTER TABLE other RENAME TO id_name_mapping", "no table");
}

TEST_P(PostgresSinkTest, TablesThatWereDroppedAreNoticedAndTakeThePositionAlong) {
  commit(5, {cell("a1", values(1))});
  server().run("DROP TABLE daily_mixpanel_metrics_breakdown");
  const SinkState state = reopen();
  EXPECT_TRUE(state.fresh) << "rows are gone: what the position said is not true any more";
}

TEST_P(PostgresSinkTest, IdsTooLongForAnIndexAreKeptWhole) {
  std::string one;
  std::uint32_t x = 7;
  for (int i = 0; i < 9'000; ++i) one += static_cast<char>('!' + (x = x * 1'664'525 + 1'013'904'223) / 16'777'216 % 90);
  const std::string two = one + "2";  // the same beginning
  const auto cells = std::vector<CellWrite>{
      cell(one, values(1), {row(Breakdown::kRegion, one, values(1)), row(Breakdown::kRegion, two, values(2))}),
      cell(two, values(2))};
  const std::vector<HierarchyWrite> pairs{{one, true, two, one, 50, Day{1}, Day{2}}};
  EXPECT_EQ(commit(1, cells, {}, pairs).inserted, 5);
  EXPECT_THAT(column(kMainTable, "entity_id"), ElementsAre(one, two));
  EXPECT_THAT(column(kBreakdownTable, "breakdown_value"), ElementsAre(one, two));
  EXPECT_THAT(column(kHierarchyTable, "adset_id"), ElementsAre(two));
  const std::vector<std::string> keys = visited();
  EXPECT_THAT(keys, testing::Contains("cell ad " + two + " 2024-10-04"));
  EXPECT_EQ(texts(reopen().last_keys), keys);
  EXPECT_EQ(commit(2, cells, {}, pairs).written(), 0);
  EXPECT_EQ(commit(3, {cell(one, std::nullopt), cell(two, std::nullopt)}).deleted, 4);
}

TEST_P(PostgresSinkTest, JsonbHoldsAnEscapedNulAndBytesThatAreNoText) {
  const PostgresTarget json(UserLists::kJsonb);
  PostgresSink sink(json.options());
  ASSERT_TRUE(sink.open().ok());
  const std::string list = "[\"a\\u0000b\",\"\\\\u0000\",\"\xff\",\"quote \\\" : , [\"]";
  ok(sink.begin(header(1), false));
  ok(sink.write_cells(std::vector<CellWrite>{cell("a1", values(1, list))}));
  ASSERT_TRUE(sink.commit().ok());
  ok(sink.begin(header(2), false));
  ok(sink.write_cells(std::vector<CellWrite>{cell("a1", values(1, list))}));
  const auto again = sink.commit();
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->written(), 0);
  EXPECT_EQ(original(postgres::compact_json(json.ask("SELECT trial_users_list FROM daily_mixpanel_metrics"))), list);
}

// ── Servers that refuse, stop and hang ──

TEST_P(PostgresSinkTest, AServerThatMayNotBeWrittenSaysSo) {
  PostgresSinkOptions options = server().options();
  options.conninfo += " options='-c default_transaction_read_only=on'";
  PostgresSink sink(options);
  const auto state = sink.open();
  ASSERT_FALSE(state.ok());
  EXPECT_EQ(state.error().code, Errc::kReadOnly);
}

TEST_P(PostgresSinkTest, ANewSchemaIsCreatedAndAMissingDatabaseIsNamed) {
  PostgresSinkOptions options = server().options();
  options.conninfo = "host=" + support::PostgresServer::shared().folder() + " user=admetrics dbname=elsewhere";
  PostgresSink sink(options);
  const auto state = sink.open();
  ASSERT_FALSE(state.ok());
  EXPECT_THAT(state.error().line(), HasSubstr("elsewhere"));
}

TEST_P(PostgresSinkTest, AConnectionThatIsCutInMidEpochLeavesTheEpochBefore) {
  commit(1, {cell("a1", values(1))});
  begin_and_write(2, {cell("a1", values(2))});
  server().run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'admetricsd' AND pid <> "
      "pg_backend_pid()");
  const auto lost = sink_->commit();
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code, Errc::kIo) << lost.error().line();
  sink_->rollback();
  EXPECT_EQ(open().epoch, EpochId{1});
  EXPECT_EQ(commit(2, {cell("a1", values(2))}).updated, 1);
}

TEST_P(PostgresSinkTest, AnIdleConnectionThatIsCutIsNoticed) {
  EXPECT_FALSE(sink_->replaced());
  server().run(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'admetricsd' AND pid <> "
      "pg_backend_pid()");
  while (!sink_->replaced()) ::usleep(1'000);
}

TEST(PostgresServerTest, KilledAndStartedAgain) {
  support::PostgresServer own;
  ASSERT_EQ(own.problem(), "");
  PostgresSinkOptions options;
  options.conninfo = own.conninfo();
  PostgresSink sink(options);
  ASSERT_TRUE(sink.open().ok());
  ASSERT_TRUE(sink.begin({"ledger", EpochId{1}, "{}", Day{1}, Instant{}}, false).ok());
  own.signal(SIGKILL);
  own.wait_for_end();
  const auto lost = sink.commit();
  EXPECT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code, Errc::kIo);
  EXPECT_FALSE(sink.open().ok());
  sink.rollback();
  own.start();
  const auto state = sink.open();
  ASSERT_TRUE(state.ok()) << state.error().line();
  EXPECT_TRUE(state->fresh);
  // One that hangs is given up in time, and at once where we are asked to stop.
  own.signal(SIGSTOP);
  options.connect_timeout_ms = 300;
  const auto hung = PostgresSink(options).open();
  ASSERT_FALSE(hung.ok());
  EXPECT_EQ(hung.error().code, Errc::kIo);
  EXPECT_THAT(hung.error().line(), HasSubstr("hangs"));
  const std::atomic<bool> stop{true};
  options.connect_timeout_ms = 3'600'000;
  options.stop = &stop;
  const auto stopped = PostgresSink(options).open();
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, Errc::kInterrupted);
  own.signal(SIGCONT);
}

TEST(PostgresConninfo, PasswordsAreRefusedAndNeverRepeated) {
  EXPECT_EQ(check_conninfo(""), "");
  EXPECT_EQ(check_conninfo("service=metrics passfile=/etc/pgpass"), "");
  EXPECT_EQ(check_conninfo("postgresql://user@host:5433/metrics?sslmode=require"), "");
  for (const char* secret :
       {"password=hunter2", "host=x password='hunter2'", "postgresql://user:hunter2@host/metrics",
        "sslpassword=hunter2", "hunter2", "host=x hunter2=1 password", "postgresql://u:hunter2@h:port/x"}) {
    EXPECT_NE(check_conninfo(secret), "") << secret;
  }
  for (const char* secret :
       {"password=hunter2", "postgresql://user:hunter2@host/metrics", "hunter2", "postgresql://u:hunter2@h:port/x"}) {
    EXPECT_THAT(check_conninfo(secret), Not(HasSubstr("hunter2")));
  }
  EXPECT_THAT(check_conninfo("hots=x"), HasSubstr("hots"));
}

}  // namespace
}  // namespace sink
}  // namespace admetrics

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const std::string& problem = admetrics::support::PostgresServer::shared().problem();
  if (!problem.empty()) {
    std::fprintf(stderr, "skipped: %s\n", problem.c_str());
    constexpr int kSkipped = 77;
    return kSkipped;
  }
  return RUN_ALL_TESTS();
}
