// verify while others write: every act happens at a stated moment of the reading, so that a failure repeats.
#include <functional>
#include <map>

#include "tests/verify/fixture.hpp"

namespace admetrics {
namespace {

class VerifyLive : public VerifyTest {
 protected:
  void SetUp() override {
    VerifyTest::SetUp();
    for (const char* id : {"u1", "u2", "u3", "u4"}) user(id);
    trial("u1", "2026-01-03T10:00Z");
    trial("u2", "2026-01-04T10:00Z");
    event("u3", "RC Initial purchase", "2026-01-03T10:00Z", "5.01");
    product("u1", "'p'", "'2026-01-03'", "'APP_STORE'", "30.3", "0.5, 0.2, 0.1");
    for (const char* day : {"2026-01-03", "2026-01-04"}) meta(day, "12.34, 1000, 40, 4, 1");
    meta_by("country", "'US'", "2026-01-03", "12.34, 1000, 40, 4, 1");
    product_sql("CREATE INDEX by_user ON mixpanel_event(distinct_id)");
    for (const char* kind : {"", "_country", "_device", "_region"}) {
      ads_sql(std::string("CREATE INDEX by_ad") + kind + " ON ad_performance_daily" + kind + "(ad_id)");
    }
    for (sqlite::Connection* source : {product_.get(), ads_.get()}) {
      run(*source,
          "PRAGMA journal_mode=WAL;"
          "CREATE TABLE _admetrics_changes(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER, key1, key2);"
          "INSERT INTO _admetrics_changes(kind) VALUES (7)");
    }
    recompute();
    run(*sink_,
        "PRAGMA journal_mode=WAL; CREATE TABLE _admetrics_sink(position TEXT, as_of TEXT, epoch INTEGER);"
        "INSERT INTO _admetrics_sink VALUES ('', '2026-01-20', 1)");
    note_position();
  }

  static constexpr int kUser = 1;
  static constexpr int kMetaDaily = 10;

  void log_user(const std::string& id) {
    product_sql("INSERT INTO _admetrics_changes(kind, key1) VALUES (" + std::to_string(kUser) + ", '" + id + "')");
  }
  void move_user(const std::string& id, const std::string& ad) {
    product_sql("UPDATE mixpanel_user SET abi_ad_id = '" + ad + "' WHERE distinct_id = '" + id + "'");
    log_user(id);
  }
  void spend(const std::string& day, const std::string& amount) {
    ads_sql("UPDATE ad_performance_daily SET spend = " + amount + " WHERE date = '" + day + "'");
    ads_sql("INSERT INTO _admetrics_changes(kind, key1, key2) VALUES (" + std::to_string(kMetaDaily) + ", 'a1', '" +
            day + "')");
  }
  std::int64_t last_seq(sqlite::Connection& source) {
    return source.query_integer("SELECT seq FROM sqlite_sequence WHERE name = '_admetrics_changes'").value();
  }
  void note_position() {
    run(*sink_, "UPDATE _admetrics_sink SET epoch = epoch + 1, position = '{\"product\":{\"seq\":" +
                    std::to_string(last_seq(*product_)) + "},\"ads\":{\"seq\":" + std::to_string(last_seq(*ads_)) +
                    "},\"capture\":\"triggers\"}'");
  }
  /// What a daemon does: the rows as they must be now, in place, and the position.
  void stream() {
    VerifyOptions with = options();
    with.sink_db.clear();
    std::filesystem::remove(path("now.db"));
    ASSERT_TRUE(recompute_into(with, path("now.db")).ok());
    run(*sink_, "ATTACH '" + path("now.db") + "' AS now");
    for (const std::string table :
         {"daily_mixpanel_metrics", "daily_mixpanel_metrics_breakdown", "id_name_mapping", "id_hierarchy_mapping"}) {
      const std::string columns =
          sink_->query_text("SELECT group_concat(name) FROM pragma_table_info('" + table + "')").value();
      run(*sink_, "DELETE FROM main." + table + "; INSERT INTO main." + table + "(" + columns + ") SELECT " + columns +
                      " FROM now." + table);
    }
    run(*sink_, "DETACH now");
    note_position();
  }

  /// Verifies; each act happens once, when its phase begins.
  Result<VerifyReport> verify_with(std::map<std::string, std::function<void()>> acts) {
    VerifyOptions with = options();
    with.align_timeout_ms = 300;
    with.progress = [&](const VerifyProgress& progress) {
      const auto found = acts.find(progress.phase);
      if (found == acts.end()) return;
      const auto act = std::move(found->second);
      acts.erase(found);
      act();
    };
    auto report = verify(with);
    EXPECT_TRUE(acts.empty()) << "no phase " << acts.begin()->first;
    return report;
  }
  static std::string told(const Result<VerifyReport>& report) {
    return report.ok() ? to_text(*report) : report.error().line();
  }
};

TEST_F(VerifyLive, WhoChangesWhileItIsReadIsNoDifference) {
  const auto report = verify_with({{"reading mixpanel_event", [&] { move_user("u1", "a2"); }},
                                   {"reading user_product_metrics", [&] { spend("2026-01-03", "99"); }},
                                   {"reading daily_mixpanel_metrics_breakdown", [&] { stream(); }}});
  ASSERT_TRUE(report.ok() && report->equal()) << told(report);
}

TEST_F(VerifyLive, OnlyWhatIsWrongIsTold) {
  run(*sink_, "UPDATE id_name_mapping SET frequency_count = 77 WHERE entity_type = 'ad'");
  run(*sink_, "UPDATE daily_mixpanel_metrics SET meta_clicks = 1 WHERE entity_id = 's1' AND date = '2026-01-04'");
  const auto report =
      verify_with({{"reading daily_mixpanel_metrics", [&] { move_user("u1", "a2"); }},
                   {"reading again what changed",
                    [&] {
                      run(*sink_, "UPDATE daily_mixpanel_metrics SET computed_at = computed_at");
                      move_user("u4", "a9");
                    }},
                   {"looking again at what differs", [&] {
                      move_user("u1", "a3");
                      // The daemon writes whole rows, but has no reason to touch the other two.
                      stream();
                      run(*sink_, "UPDATE id_name_mapping SET frequency_count = 77 WHERE entity_type = 'ad'");
                      run(*sink_,
                          "UPDATE daily_mixpanel_metrics SET meta_clicks = 1 WHERE entity_id = 's1' AND "
                          "date = '2026-01-04'");
                    }}});
  ASSERT_TRUE(report.ok()) << told(report);
  ASSERT_EQ(report->difference_count, 2U) << told(report);
  EXPECT_EQ(report->differences[0].key_text(), "adset s1 2026-01-04");
  EXPECT_EQ(report->differences[0].expected, "40");
  EXPECT_EQ(report->differences[1].table, "id_name_mapping");
  // What was equal at the first look counts, too; rows that came since do not.
  for (const TableReport& table : report->tables) {
    EXPECT_EQ(table.rows_stored + table.rows_missing, table.rows_expected + table.rows_extra) << table.table;
    EXPECT_GT(table.rows_equal, 0U) << table.table;
    EXPECT_EQ(table.rows_equal + table.rows_differing() + table.rows_missing, table.rows_expected) << table.table;
  }
}

TEST_F(VerifyLive, ASinkBetweenTwoLooksIsHeldAgainstItsOwnPosition) {
  // The sink's rows are of before u2 moved; u2 was read again after. Its earlier version is the one that counts.
  const auto report = verify_with(
      {{"reading daily_mixpanel_metrics", [&] { move_user("u1", "a2"); }}, {"looking again at what differs", [&] {
                                                                              stream();
                                                                              move_user("u2", "a5");
                                                                              spend("2026-01-04", "1");
                                                                            }}});
  ASSERT_TRUE(report.ok() && report->equal()) << told(report);
  EXPECT_EQ(report->epoch, 3);
}

TEST_F(VerifyLive, WithoutACommonPositionItSaysSo) {
  const auto report = verify_with({{"reading mixpanel_event", [&] { move_user("u1", "a2"); }}});
  ASSERT_FALSE(report.ok()) << told(report);
  EXPECT_EQ(report.error().code, Errc::kBusy);
  EXPECT_NE(report.error().detail.find("1 changes pending"), std::string::npos) << told(report);
}

TEST_F(VerifyLive, RecordsThatAreGoneMakeItBeginAnew) {
  const auto report = verify_with({{"reading mixpanel_event", [&] {
                                      move_user("u1", "a2");
                                      move_user("u2", "a2");
                                      stream();
                                      product_sql("DELETE FROM _admetrics_changes WHERE seq < 3");
                                    }}});
  ASSERT_TRUE(report.ok() && report->equal()) << told(report);
}

TEST_F(VerifyLive, ATableThatIsMadeAnewMakesItBeginAnew) {
  const auto report =
      verify_with({{"reading user_product_metrics", [&] {
                      product_sql(
                          "CREATE TABLE copy AS SELECT * FROM mixpanel_event; DROP TABLE mixpanel_event;"
                          "ALTER TABLE copy RENAME TO mixpanel_event;"
                          "DELETE FROM mixpanel_event WHERE distinct_id = 'u1';"
                          "CREATE INDEX by_user ON mixpanel_event(distinct_id)");
                      stream();
                    }}});
  ASSERT_TRUE(report.ok() && report->equal()) << told(report);
}

TEST_F(VerifyLive, AMappingThatChangesCountsFromItsPositionOn) {
  product_sql(
      "CREATE TABLE meta_country_mapping(meta_country_name TEXT PRIMARY KEY, mixpanel_country_code TEXT, is_active "
      "INTEGER)");
  const auto report = verify_with({{"reading id_name_mapping",
                                    [&] {
                                      product_sql(
                                          "INSERT INTO meta_country_mapping VALUES ('US', 'XX', 1);"
                                          "INSERT INTO _admetrics_changes(kind, key1) VALUES (4, 'US')");
                                    }},
                                   {"looking again at what differs", [&] { stream(); }}});
  ASSERT_TRUE(report.ok() && report->equal()) << told(report);
}

}  // namespace
}  // namespace admetrics
