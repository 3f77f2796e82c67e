// What verify finds, where it must refuse, and how it tells.
#include <boost/json.hpp>

#include <array>
#include <set>

#include "tests/verify/fixture.hpp"

namespace admetrics {
namespace {

constexpr std::array kBookkeeping{"metric_id", "computed_at", "created_at", "updated_at"};

class Verify : public VerifyTest {
 protected:
  void SetUp() override {
    VerifyTest::SetUp();
    for (const char* id : {"u1", "u2", "u3"}) user(id);
    trial("u1", "2026-01-03T10:00Z");
    trial("u2", "2026-01-04T10:00Z");
    event("u1", "RC Trial converted", "2026-01-05T10:00Z", "9.99");
    event("u3", "RC Initial purchase", "2026-01-03T10:00Z", "5.01");
    event("u3", "RC Cancellation", "2026-01-04T10:00Z", "-5.01");
    product("u1", "'p'", "'2026-01-03'", "'APP_STORE'", "30.3", "0.5, 0.2, 0.1");
    meta("2026-01-03", "12.34, 1000, 40, 4, 1");
    meta_by("country", "'US'", "2026-01-03", "12.34, 1000, 40, 4, 1");
    recompute();
  }

  /// Replaces the sink's table by one with plain columns and no constraints, where any wrong value fits.
  void loosen(const std::string& table) {
    run(*sink_, "CREATE TABLE loose AS SELECT * FROM " + table + "; DROP TABLE " + table +
                    "; ALTER TABLE loose RENAME TO " + table);
  }

  std::vector<std::string> columns_of(const std::string& table) {
    auto rows = sink_->prepare("SELECT name FROM pragma_table_xinfo('" + table + "')");
    std::vector<std::string> names;
    while (rows->step().value()) names.emplace_back(rows->text(0));
    return names;
  }

  void log_changes(sqlite::Connection& source, int changes) {
    run(source, "CREATE TABLE IF NOT EXISTS _admetrics_changes(seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT)");
    for (int i = 0; i < changes; ++i) run(source, "INSERT INTO _admetrics_changes(key) VALUES ('u1')");
    run(source, "DELETE FROM _admetrics_changes");  // acknowledged records are gone; the numbers go on
  }
  void record(int product_seq, int ads_seq, const std::string& capture = "triggers") {
    run(*sink_,
        "DROP TABLE IF EXISTS _admetrics_sink; CREATE TABLE _admetrics_sink(position TEXT, as_of TEXT, epoch INTEGER);"
        "INSERT INTO _admetrics_sink VALUES ('{\"product\":{\"generation\":\"g\",\"seq\":" +
            std::to_string(product_seq) + "},\"ads\":{\"generation\":\"g\",\"seq\":" + std::to_string(ads_seq) +
            "},\"capture\":\"" + capture + "\"}', '2026-01-20', 12)");
  }
};

TEST_F(Verify, EqualIsEqual) {
  const VerifyReport report = verify_now();
  EXPECT_TRUE(report.equal()) << to_text(report);
  ASSERT_EQ(report.tables.size(), 4U);
  EXPECT_EQ(report.tables[0].rows_expected, 6U);
  EXPECT_EQ(report.tables[0].rows_equal, 6U);
  EXPECT_EQ(report.tables[3].table, "id_hierarchy_mapping");
  EXPECT_EQ(report.tables[3].rows_stored, 1U);
}

TEST_F(Verify, AWrongValueInAnyColumnIsFound) {
  const std::set<std::string> keys{"entity_type", "entity_id", "date", "breakdown_type", "breakdown_value", "ad_id"};
  for (const std::string table :
       {"daily_mixpanel_metrics", "daily_mixpanel_metrics_breakdown", "id_name_mapping", "id_hierarchy_mapping"}) {
    loosen(table);
    int planted = 0;
    for (const std::string& column : columns_of(table)) {
      if (keys.contains(column)) continue;
      const std::string place = " WHERE rowid = (SELECT min(rowid) FROM " + table + ")";
      run(*sink_, "CREATE TABLE kept AS SELECT " + column + " AS value FROM " + table + place);
      const bool bookkeeping = std::find(kBookkeeping.begin(), kBookkeeping.end(), column) != kBookkeeping.end();
      for (const std::string& wrong :
           {"typeof(" + column + ")", std::string("NULL"), column + " || ''", "CAST(" + column + " AS BLOB)"}) {
        // A text stays what it is when nothing is appended to it.
        if (wrong == column + " || ''" && sink_->query_text("SELECT typeof(value) FROM kept").value() == "text")
          continue;
        run(*sink_, "UPDATE " + table + " SET " + column + " = " + wrong + place);
        const VerifyReport report = verify_now();
        if (bookkeeping) {
          EXPECT_TRUE(report.equal()) << to_text(report);
          continue;
        }
        ++planted;
        ASSERT_EQ(report.difference_count, 1U) << table << " " << column << " = " << wrong << "\n" << to_text(report);
        const Difference& difference = report.differences.front();
        EXPECT_EQ(difference.kind, DifferenceKind::kColumn);
        EXPECT_EQ(difference.table, table);
        EXPECT_EQ(difference.column, column);
        EXPECT_NE(difference.expected, difference.stored);
      }
      run(*sink_, "UPDATE " + table + " SET " + column + " = (SELECT value FROM kept)" + place + "; DROP TABLE kept");
    }
    EXPECT_GE(planted, 10);
    EXPECT_TRUE(verify_now().equal());
  }
}

TEST_F(Verify, TheLastBitOfANumberCounts) {
  run(*sink_,
      "UPDATE daily_mixpanel_metrics SET meta_spend = meta_spend + 1e-14 WHERE entity_type = 'ad' AND date = "
      "'2026-01-03'");
  const VerifyReport report = verify_now();
  ASSERT_EQ(report.difference_count, 1U);
  EXPECT_EQ(report.differences[0].column, "meta_spend");
  EXPECT_EQ(report.differences[0].expected, "12.34");
  EXPECT_EQ(report.differences[0].stored, "12.34000000000001");
  ASSERT_EQ(report.tables[0].column_differences.size(), 1U);
  EXPECT_EQ(report.tables[0].column_differences[0].second, 1U);
  EXPECT_EQ(report.tables[0].rows_equal + 1, report.tables[0].rows_expected);
}

TEST_F(Verify, MissingAndExtraRows) {
  run(*sink_,
      "DELETE FROM daily_mixpanel_metrics WHERE entity_id = 's1' AND date = '2026-01-04';"
      "DELETE FROM id_hierarchy_mapping;"
      "INSERT INTO daily_mixpanel_metrics_breakdown SELECT NULL, entity_type, entity_id, date, breakdown_type, 'ZZ', "
      "mixpanel_trial_count, trial_user_ids, mixpanel_purchase_count, purchase_user_ids, meta_spend, meta_impressions, "
      "meta_clicks, "
      "meta_trial_count, meta_purchase_count, post_trial_user_ids, converted_user_ids, trial_refund_user_ids, "
      "purchase_refund_user_ids, "
      "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0, '' FROM daily_mixpanel_metrics_breakdown "
      "WHERE entity_type = 'ad' AND date = '2026-01-03' AND breakdown_type = 'country'");
  const VerifyReport report = verify_now();
  ASSERT_EQ(report.difference_count, 3U) << to_text(report);
  EXPECT_EQ(report.differences[0].kind, DifferenceKind::kMissingRow);
  EXPECT_EQ(report.differences[0].key_text(), "adset s1 2026-01-04");
  EXPECT_EQ(report.differences[1].kind, DifferenceKind::kExtraRow);
  EXPECT_EQ(report.differences[1].key_text(), "ad a1 2026-01-03 country=ZZ");
  EXPECT_EQ(report.differences[2].key_text(), "a1");
  EXPECT_EQ(report.tables[0].rows_missing, 1U);
  EXPECT_EQ(report.tables[1].rows_extra, 1U);
  EXPECT_FALSE(report.tables[1].equal());
  EXPECT_TRUE(report.tables[2].equal());
}

TEST_F(Verify, RowsThatAreThereTwiceOrHaveNoKey) {
  loosen("daily_mixpanel_metrics");
  run(*sink_,
      "INSERT INTO daily_mixpanel_metrics SELECT * FROM daily_mixpanel_metrics WHERE entity_id = 'c1' AND date = "
      "'2026-01-03';"
      "INSERT INTO daily_mixpanel_metrics(entity_type, entity_id, date) VALUES ('ad', x'6131', '2026-01-03'), ('ad', "
      "NULL, '2026-01-03'), (1, 2, 3)");
  const VerifyReport report = verify_now();
  EXPECT_EQ(report.tables[0].rows_extra, 4U) << to_text(report);
  EXPECT_EQ(report.tables[0].rows_equal, 6U);
  EXPECT_EQ(report.difference_count, 4U);
}

TEST_F(Verify, AWholeTableOfNothing) {
  run(*sink_, "DELETE FROM daily_mixpanel_metrics_breakdown");
  VerifyOptions few = options();
  few.differences_kept = 2;
  const VerifyReport report = verify_now(few);
  EXPECT_EQ(report.tables[1].rows_missing, report.tables[1].rows_expected);
  EXPECT_EQ(report.differences.size(), 2U);
  EXPECT_EQ(report.difference_count, report.tables[1].rows_expected);
}

TEST_F(Verify, APartByDays) {
  run(*sink_, "UPDATE daily_mixpanel_metrics SET meta_clicks = meta_clicks + 1; DELETE FROM id_name_mapping");
  VerifyOptions part = options();
  part.since = parse_day("2026-01-04");
  VerifyReport report = verify_now(part);
  ASSERT_EQ(report.tables.size(), 2U) << "the mapping tables have no day";
  EXPECT_EQ(report.tables[0].rows_expected, 3U);
  EXPECT_EQ(report.tables[0].rows_stored, 3U);
  EXPECT_EQ(report.difference_count, 3U);
  part.until = parse_day("2026-01-04");
  EXPECT_EQ(verify_now(part).difference_count, 3U);
  part.since = part.until = parse_day("2026-01-05");
  EXPECT_TRUE(verify_now(part).equal());
}

TEST_F(Verify, ASampleIsTheSameEveryTimeAndWholeAtOne) {
  for (int i = 0; i < 300; ++i) meta("2026-01-05", "1, 1, 1, 0, 0", "'ad" + std::to_string(i) + "'");
  recompute();
  VerifyOptions sampled = options();
  sampled.sample = 0.25;
  const VerifyReport first = verify_now(sampled);
  EXPECT_TRUE(first.equal());
  EXPECT_EQ(first.tables.size(), 2U);
  EXPECT_GT(first.tables[0].rows_expected, 40U);
  EXPECT_LT(first.tables[0].rows_expected, 115U);
  EXPECT_EQ(first.tables[0].rows_expected, verify_now(sampled).tables[0].rows_expected);
  sampled.sample = 0;
  EXPECT_EQ(verify(sampled).error().code, Errc::kUsage);
}

TEST_F(Verify, TheSinksDayIsTheDefault) {
  VerifyOptions without = options();
  without.as_of.reset();
  auto refused = verify(without);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kSchema);
  EXPECT_NE(refused.error().detail.find("nothing has been materialized"), std::string::npos);

  record(0, 0);
  const VerifyReport report = verify_now(without);
  EXPECT_EQ(format_day(report.as_of), "2026-01-20");
  EXPECT_EQ(report.epoch, 12);
  EXPECT_TRUE(report.equal());
  without.as_of = parse_day("2026-01-05");
  EXPECT_FALSE(verify_now(without).equal()) << "no trial is over by then";
}

TEST_F(Verify, WaitsForTheDaemonAndSaysHowFarItIs) {
  log_changes(*product_, 5);
  log_changes(*ads_, 2);
  record(3, 2);
  auto refused = verify(options());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kBusy);
  EXPECT_NE(refused.error().detail.find("2 changes pending"), std::string::npos) << refused.error().detail;

  record(5, 2);
  EXPECT_TRUE(verify_now().equal());
  record(9, 2);  // a backup of the source was put back
  EXPECT_EQ(verify(options()).error().code, Errc::kBusy);
  record(3, 2, "scan");
  EXPECT_TRUE(verify_now().equal());
  run(*sink_, "UPDATE _admetrics_sink SET position = 'none'");
  EXPECT_EQ(verify(options()).error().code, Errc::kSchema);
}

TEST_F(Verify, ComparesTheSinkInTheProductDatabaseItself) {
  // The usual arrangement: one file, write-ahead log, somebody else has it open.
  run(*product_, "PRAGMA journal_mode=WAL");
  run(*product_, "ATTACH '" + path("sink.db") + "' AS s");
  for (const char* table :
       {"daily_mixpanel_metrics", "daily_mixpanel_metrics_breakdown", "id_name_mapping", "id_hierarchy_mapping"}) {
    run(*product_, std::string("CREATE TABLE ") + table + " AS SELECT * FROM s." + table);
  }
  run(*product_, "DETACH s");
  VerifyOptions same = options();
  same.sink_db = path("product.db");
  EXPECT_TRUE(verify_now(same).equal());
  EXPECT_TRUE(std::filesystem::exists(path("product.db-wal"))) << "a reader must leave the log alone";
}

TEST_F(Verify, NamesWhatIsMissing) {
  ads_sql("ALTER TABLE ad_performance_daily_region DROP COLUMN clicks");
  auto refused = verify(options());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kSchema);
  EXPECT_NE(refused.error().line().find("ad_performance_daily_region has no column clicks"), std::string::npos)
      << refused.error().line();

  ads_sql("DROP TABLE ad_performance_daily_region");
  EXPECT_NE(verify(options()).error().line().find("no table ad_performance_daily_region"), std::string::npos);

  run(*sink_, "DROP TABLE id_name_mapping");
  EXPECT_NE(verify(options()).error().line().find("no table id_name_mapping"), std::string::npos);

  VerifyOptions nowhere = options();
  nowhere.ads_db = path("nowhere.db");
  EXPECT_EQ(verify(nowhere).error().code, Errc::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(path("nowhere.db")));
}

TEST_F(Verify, PathsMayHoldAnything) {
  const std::string odd = path("a b?mode=rwc#%41'é");
  std::filesystem::create_directory(odd);
  std::filesystem::copy(path("product.db"), odd + "/product.db");
  VerifyOptions moved = options();
  moved.product_db = odd + "/product.db";
  EXPECT_TRUE(verify_now(moved).equal());
}

TEST_F(Verify, NotesWhatIsMissingButMayBe) {
  std::string notes;
  for (const std::string& note : verify_now().notes) notes += note + "\n";
  for (const char* table :
       {"meta_country_mapping is absent", "meta_device_mapping is absent", "processed_event_days is absent"}) {
    EXPECT_NE(notes.find(table), std::string::npos) << notes;
  }
}

TEST_F(Verify, SaysThatADayIsTornWhenRowsDiffer) {
  product_sql(
      "CREATE TABLE processed_event_days(date_day DATE PRIMARY KEY, status TEXT); INSERT INTO processed_event_days "
      "VALUES"
      " ('2026-01-03', 'complete'), ('2026-01-04', 'complete')");
  run(*sink_, "UPDATE daily_mixpanel_metrics SET trial_users_count = 9");
  const auto last_note = [&] { return verify_now().notes.back(); };
  EXPECT_EQ(last_note(),
            "1 event day(s), from 2026-01-05 to 2026-01-05, are not in processed_event_days: changes of their users "
            "may be held back");
}

TEST_F(Verify, LongListsAreShownAroundTheFirstDifference) {
  std::string ids;
  for (int i = 100; i < 400; ++i) {
    user("user" + std::to_string(i));
    trial("user" + std::to_string(i), "2026-01-06T10:00Z");
  }
  recompute();
  run(*sink_,
      "UPDATE daily_mixpanel_metrics SET trial_users_list = replace(trial_users_list, 'user300', 'nobody') WHERE "
      "entity_type = 'ad'");
  const VerifyReport report = verify_now();
  // The virtual column repeats the list and is not told twice.
  ASSERT_EQ(report.difference_count, 1U) << to_text(report);
  EXPECT_LT(report.differences[0].expected.size(), 250U);
  EXPECT_NE(report.differences[0].expected.find("user300"), std::string::npos);
  EXPECT_NE(report.differences[0].stored.find("nobody"), std::string::npos);
}

TEST_F(Verify, ReportsAsTextAndJson) {
  run(*sink_,
      "UPDATE daily_mixpanel_metrics SET meta_spend = 5 WHERE entity_type = 'ad' AND date = '2026-01-03';"
      "INSERT INTO id_hierarchy_mapping(ad_id, adset_id, campaign_id, relationship_confidence, first_seen_date, "
      "last_seen_date)"
      " VALUES (CAST(x'ff0a22' AS TEXT), '', '', 0, '', '')");
  record(0, 0);
  const VerifyReport report = verify_now();
  const std::string text = to_text(report);
  EXPECT_NE(text.find("2 differences, as of 2026-01-20, epoch 12\n"), std::string::npos) << text;
  EXPECT_NE(text.find("daily_mixpanel_metrics  ad a1 2026-01-03  meta_spend: expected 12.34, stored 5\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("id_hierarchy_mapping  \\xff\\x0a\"  should not exist\n"), std::string::npos) << text;

  const boost::json::value parsed = boost::json::parse(to_json(report));
  EXPECT_FALSE(parsed.at("equal").as_bool());
  EXPECT_EQ(parsed.at("epoch").as_int64(), 12);
  EXPECT_EQ(parsed.at("tables").as_array().size(), 4U);
  EXPECT_EQ(parsed.at("tables").as_array()[0].at("column_differences").at("meta_spend").as_int64(), 1);
  EXPECT_EQ(parsed.at("differences").as_array()[0].at("column").as_string(), "meta_spend");
  EXPECT_EQ(parsed.at("differences").as_array()[1].at("kind").as_string(), "extra_row");
}

TEST_F(Verify, TellsItsProgress) {
  std::set<std::string> phases;
  VerifyOptions told = options();
  told.progress = [&](const VerifyProgress& progress) { phases.insert(progress.phase); };
  verify_now(told);
  EXPECT_TRUE(phases.contains("reading mixpanel_event"));
  EXPECT_TRUE(phases.contains("comparing daily_mixpanel_metrics"));
}

TEST_F(Verify, RecomputeIntoTakesNoFileThatIsThere) {
  VerifyOptions with = options();
  EXPECT_EQ(recompute_into(with, path("sink.db")).error().code, Errc::kUsage);
  with.as_of.reset();
  with.sink_db.clear();
  EXPECT_FALSE(recompute_into(with, path("other.db")).ok());
}

}  // namespace
}  // namespace admetrics
