// What the self-audit finds when somebody else was at work, what it says of it, and that it touches nothing else.
#include <gmock/gmock.h>

#include <filesystem>
#include <set>

#include "core/engine/codec.hpp"
#include "state/journal.hpp"
#include "tests/support/look.hpp"
#include "tests/support/must.hpp"
#include "tests/support/world.hpp"

namespace admetrics {
namespace {

using support::must;
using support::text;
using support::whole;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr Day kToday{20'473};  // 2026-01-20

/// u1 started a trial on 2026-01-18 and u2 one on 2026-01-10, both of ad a1; Meta has rows of both days, and of a2.
class SelfAudit : public testing::Test {
 protected:
  explicit SelfAudit(support::WorldOptions options = {}) : world_(std::move(options)) {}

  void SetUp() override {
    world_.today = kToday;
    user("u1");
    user("u2");
    event("e1", "u1", "2026-01-18T10:00:00Z");
    event("e2", "u2", "2026-01-10T10:00:00Z");
    world_.source().insert(support::kProducts, {{"distinct_id", text("u1")},
                                                {"product_id", text("p")},
                                                {"store", text("APP_STORE")},
                                                {"current_value", support::real(10)}});
    for (const char* ad : {"a1", "a2"}) {
      meta(support::kMetaDaily, ad, "2026-01-18", 5);
      meta(support::kMetaCountry, ad, "2026-01-18", 5);
    }
    meta(support::kMetaDaily, "a1", "2026-01-10", 7);
    world_.epoch();
  }

  void user(const std::string& id, const std::string& country = "US") {
    world_.source().insert(support::kUsers, {{"distinct_id", text(id)},
                                             {"abi_ad_id", text("a1")},
                                             {"abi_ad_set_id", text("s1")},
                                             {"abi_campaign_id", text("c1")},
                                             {"country", text(country)},
                                             {"region", text("CA")},
                                             {"has_abi_attribution", whole(1)}});
  }
  void event(const std::string& uuid, const std::string& id, const std::string& time) {
    world_.source().insert(support::kEvents, {{"event_uuid", text(uuid)},
                                              {"event_name", text("RC Trial started")},
                                              {"distinct_id", text(id)},
                                              {"event_time", text(time)},
                                              {"revenue_usd", support::real(0)}});
  }
  void meta(std::string_view table, const std::string& ad, const std::string& date, double spend) {
    support::Columns row{{"ad_id", text(ad)},
                         {"date", text(date)},
                         {"adset_id", text("s1")},
                         {"campaign_id", text("c1")},
                         {"campaign_name", text("First")},
                         {"spend", support::real(spend)}};
    if (table == support::kMetaCountry) row.emplace_back("country", text("US"));
    world_.source().insert(table, row);
  }

  /// One epoch that looks at everything.
  EpochReport look() {
    const support::MachineOptions& machine = world_.machine_options();
    support::look_at(
        must(support::everything_to_look_at(machine, world_.machine().ledger().path(), machine.state_dir + "/look.db")),
        world_.request);
    return world_.epoch();
  }
  static std::vector<std::string> told(const EpochReport& report) {
    std::vector<std::string> lines;
    for (const Mismatch& mismatch : report.mismatches.first)
      lines.push_back(std::string(name_of(mismatch.kind)) + ": " + mismatch.key);
    return lines;
  }
  /// What differs between the two in any way, each row by its table and key.
  static std::set<std::string> touched(const support::StoredTables& before, const support::StoredTables& after) {
    std::set<std::string> rows;
    for (std::size_t i = 0; i < before.tables.size(); ++i) {
      const auto& old_rows = before.tables[i].rows;
      const auto& new_rows = after.tables[i].rows;
      for (const auto& [key, row] : old_rows) {
        if (const auto now = new_rows.find(key); now == new_rows.end() || now->second != row)
          rows.insert(before.tables[i].name + ' ' + key);
      }
      for (const auto& [key, row] : new_rows) {
        if (!old_rows.contains(key)) rows.insert(before.tables[i].name + ' ' + key);
      }
    }
    return rows;
  }
  /// Somebody runs `sql` on our tables; the audit finds `mismatch`, and puts the values back. Gives the rows that were
  /// touched in the end.
  std::set<std::string> plant(const std::string& sql, const std::vector<std::string>& mismatches) {
    SCOPED_TRACE(sql);
    const support::StoredTables before = world_.stored();
    world_.sink_sql(sql);
    EXPECT_NE(world_.stored(), before);
    const EpochReport report = look();
    EXPECT_THAT(told(report), testing::UnorderedElementsAreArray(mismatches));
    EXPECT_EQ(report.mismatches.count(Mismatch::Kind::kMissedChange), 0);
    EXPECT_THAT(world_.wrong(), IsEmpty());
    std::set<std::string> rows = touched(before, world_.stored());
    EXPECT_FALSE(look().committed);  // nothing is left to find
    return rows;
  }
  /// Changes what the ledger has of `table`, while the daemon does not run.
  void damage_ledger(const std::string& select, const std::string& update,
                     const std::function<Bytes(BytesView)>& change) {
    const std::string path = world_.machine().ledger().path();
    {
      const auto ledger = must(sqlite::Connection::open(path, sqlite::OpenMode::kReadWrite, 5'000));
      sqlite::Statement read = must(ledger->prepare(select));
      ASSERT_TRUE(must(read.step()));
      const Bytes changed = change(read.blob(0));
      read.reset();
      sqlite::Statement write = must(ledger->prepare(update));
      write.bind_blob(1, changed);
      must(write.run());
    }
    world_.restart();
  }

  support::World world_;
};

const std::string kRow = " WHERE entity_type = 'ad' AND entity_id = 'a1' AND date = '2026-01-18'";
const std::string kBreakdownRow = kRow + " AND breakdown_type = 'country' AND breakdown_value = 'US'";

TEST_F(SelfAudit, FindsNothingAndCommitsNothingWhereAllIsWell) {
  const support::StoredTables before = world_.stored();
  const EpochId epoch = world_.machine().engine().header().epoch;
  const EpochReport report = look();
  EXPECT_FALSE(report.committed);
  EXPECT_GT(report.cells_rendered, 0);
  EXPECT_EQ(report.users_read, 2);
  EXPECT_TRUE(report.mismatches.empty());
  EXPECT_EQ(world_.machine().engine().header().epoch, epoch);
  EXPECT_EQ(world_.stored(), before);
}

TEST_F(SelfAudit, FindsAChangeInEveryColumn) {
  const auto plant_in = [&](std::string_view table, std::string_view column, const std::string& value,
                            const std::string& where, const std::string& key, const std::string& stored_key) {
    EXPECT_EQ(plant("UPDATE " + std::string(table) + " SET " + std::string(column) + " = " + value + where,
                    {"foreign_write: " + key}),
              std::set<std::string>{std::string(table) + ' ' + stored_key});
  };
  const std::string main_key = "ad|a1|2026-01-18";
  const auto plant_value = [&](std::string_view main_column, std::string_view breakdown_column, bool list) {
    for (const std::string_view column : {main_column, breakdown_column}) {
      if (column.empty()) continue;
      const bool main = column.data() == main_column.data();
      plant_in(main ? kMainTable : kBreakdownTable, column, list ? "'[\"x\"]'" : std::string(column) + " + 1",
               main ? kRow : kBreakdownRow, main ? "ad a1 2026-01-18" : "ad a1 2026-01-18 country=US",
               main ? main_key : main_key + "|country|US");
    }
  };
  for (const NumberColumn& column : number_columns()) plant_value(column.main_name, column.breakdown_name, false);
  for (const ListColumn& column : list_columns()) plant_value(column.main_name, column.breakdown_name, true);
}

TEST_F(SelfAudit, FindsRowsThatAreGone) {
  plant("DELETE FROM daily_mixpanel_metrics" + kRow, {"foreign_write: ad a1 2026-01-18"});
  plant("DELETE FROM daily_mixpanel_metrics_breakdown" + kBreakdownRow, {"foreign_write: ad a1 2026-01-18 country=US"});
}

TEST_F(SelfAudit, FindsRowsThatNobodyShouldHaveWritten) {
  EXPECT_THAT(plant("INSERT INTO daily_mixpanel_metrics (entity_type, entity_id, date) VALUES ('ad', 'stranger', "
                    "'2026-01-18')",
                    {"foreign_write: ad stranger 2026-01-18"}),
              IsEmpty());
  EXPECT_THAT(plant("INSERT INTO daily_mixpanel_metrics_breakdown (entity_type, entity_id, date, breakdown_type, "
                    "breakdown_value) VALUES ('ad', 'a1', '2026-01-18', 'country', 'FR')",
                    {"foreign_write: ad a1 2026-01-18 country=FR"}),
              IsEmpty());
  EXPECT_THAT(plant("INSERT INTO daily_mixpanel_metrics (entity_type, entity_id, date) VALUES ('planet', 'x', 'soon'), "
                    "('ad', '', '2026-01-18')",
                    {"foreign_write: rows whose key is none of ours"}),
              IsEmpty());
  EXPECT_THAT(plant("INSERT INTO daily_mixpanel_metrics_breakdown (entity_type, entity_id, date, breakdown_type, "
                    "breakdown_value) VALUES ('ad', 'a1', '2026-01-18', 'weather', 'rain')",
                    {"foreign_write: rows whose key is none of ours"}),
              IsEmpty());
}

TEST_F(SelfAudit, FindsWrongNamesAndPairs) {
  EXPECT_EQ(plant("UPDATE id_name_mapping SET canonical_name = 'Other' WHERE entity_id = 'c1'",
                  {"foreign_write: name of campaign c1"})
                .size(),
            1U);
  EXPECT_EQ(plant("UPDATE id_hierarchy_mapping SET campaign_id = 'c2' WHERE ad_id = 'a2'",
                  {"foreign_write: ad set and campaign of ad a2"})
                .size(),
            1U);
  EXPECT_THAT(
      plant("INSERT INTO id_name_mapping (entity_type, entity_id, canonical_name) VALUES ('ad', 'stranger', "
            "'x'); INSERT INTO id_hierarchy_mapping (ad_id, adset_id, campaign_id) VALUES ('stranger', 'x', 'y')",
            {"foreign_write: name of ad stranger", "foreign_write: ad set and campaign of ad stranger"}),
      IsEmpty());
}

TEST_F(SelfAudit, SaysWhyInTheJournal) {
  world_.sink_sql("UPDATE daily_mixpanel_metrics SET meta_clicks = 7" + kRow);
  look();
  const auto ledger =
      must(sqlite::Connection::open(world_.machine().ledger().path(), sqlite::OpenMode::kReadOnly, 5'000));
  const RowHistory history = must(read_row_history(
      *ledger, {{SinkKey::Kind::kCell, Level::kAd, "a1", *parse_day("2026-01-18")}, Breakdown::kNone, ""}));
  ASSERT_TRUE(history.listed);
  EXPECT_EQ(history.listed->causes, Cause::kRepair | Causes(Cause::kAudit));
}

TEST_F(SelfAudit, FindsAChangeThatCaptureMissed) {
  const std::string triggers =
      "SELECT group_concat(sql, ';') FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = "
      "'user_product_metrics'";
  const std::string names =
      "SELECT group_concat('DROP TRIGGER ' || name, ';') FROM sqlite_schema WHERE type = "
      "'trigger' AND tbl_name = 'user_product_metrics'";
  const auto product =
      must(sqlite::Connection::open(world_.machine_options().product_db, sqlite::OpenMode::kReadWrite, 5'000));
  // Triggers' own texts hold semicolons, which is no matter: each ends where it ends.
  const std::string again = must(product->query_text(triggers));
  ASSERT_FALSE(again.empty());
  must(product->execute(must(product->query_text(names))));
  must(product->execute("UPDATE user_product_metrics SET current_value = 99"));
  must(product->execute(again));

  world_.epoch();
  EXPECT_FALSE(world_.wrong().empty()) << "somebody else noticed it before";
  const EpochReport report = look();
  EXPECT_THAT(told(report), ElementsAre("missed_change: user u1"));
  EXPECT_EQ(report.mismatches.first.front().causes, Causes(Cause::kValue));
  EXPECT_EQ(report.mismatches.count(Mismatch::Kind::kForeignWrite), 0);
  EXPECT_THAT(world_.wrong(), IsEmpty());
  EXPECT_FALSE(look().committed);
}

TEST_F(SelfAudit, FindsAUserWhoIsDamagedInTheLedger) {
  const support::StoredTables before = world_.stored();
  damage_ledger("SELECT contribution FROM user WHERE distinct_id = 'u1'",
                "UPDATE user SET contribution = ?1 WHERE distinct_id = 'u1'", [](BytesView bytes) {
                  UserContribution contribution = must(decode_user(bytes));
                  contribution.value_micros += 5'000'000;
                  contribution.trial_day = *parse_day("2026-01-17");
                  Bytes changed;
                  encode(contribution, changed);
                  return changed;
                });
  EXPECT_THAT(told(look()), ElementsAre("missed_change: user u1"));
  EXPECT_EQ(world_.stored(), before);
  EXPECT_FALSE(look().committed);
}

TEST_F(SelfAudit, FindsAnAdDayThatIsDamagedInTheLedger) {
  const support::StoredTables before = world_.stored();
  damage_ledger(
      "SELECT contribution FROM ad_day JOIN dictionary ON id = ad WHERE text = 'a1' ORDER BY day DESC",
      "UPDATE ad_day SET contribution = ?1 WHERE ad = (SELECT id FROM dictionary WHERE text = 'a1') AND day = "
      "(SELECT max(day) FROM ad_day)",
      [](BytesView bytes) {
        MetaContribution contribution = must(decode_ad_day(bytes));
        contribution.front().sums.spend_micros += 3'000'000;
        Bytes changed;
        encode(contribution, changed);
        return changed;
      });
  const EpochReport report = look();
  EXPECT_THAT(told(report), ElementsAre("missed_change: ad a1 2026-01-18"));
  EXPECT_EQ(world_.stored(), before);  // the campaign's and the ad set's sums, too
  EXPECT_FALSE(look().committed);
  meta(support::kMetaDaily, "a2", "2026-01-18", 6);
  world_.epoch();
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

// ── What is no mismatch ──

TEST_F(SelfAudit, AChangeThatWaitsIsNone) {
  user("u1", "DE");
  event("e3", "u2", "2026-01-19T10:00:00Z");
  meta(support::kMetaCountry, "a1", "2026-01-18", 6);
  const EpochReport report = look();
  EXPECT_TRUE(report.committed);
  EXPECT_THAT(told(report), IsEmpty());
  EXPECT_TRUE(report.mismatches.empty());
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

TEST_F(SelfAudit, AMappingThatChangedIsNone) {
  world_.source().create_table(support::kCountryMapping);
  world_.epoch();
  world_.source().insert(
      support::kCountryMapping,
      {{"meta_country_name", text("US")}, {"mixpanel_country_code", text("CA")}, {"is_active", whole(1)}});
  EXPECT_TRUE(look().mismatches.empty());
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

TEST_F(SelfAudit, TimePassingIsNone) {
  world_.today = Day{kToday.value + 6};
  EXPECT_TRUE(look().mismatches.empty());
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

TEST_F(SelfAudit, ACrashBetweenSinkAndLedgerIsNone) {
  event("e3", "u1", "2026-01-19T10:00:00Z");
  world_.kill_at(support::kLedgerCommit);
  EXPECT_FALSE(world_.try_epoch().ok());
  world_.revive();
  world_.source().erase(support::kEvents, {{"event_uuid", text("e3")}});
  EXPECT_TRUE(look().mismatches.empty());
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

TEST_F(SelfAudit, ASinkThatIsNotOursIsNone) {
  world_.lose_sink();
  world_.request.wish = Cause::kAudit;
  world_.request.users = {"u1", "u2"};
  EXPECT_TRUE(world_.epoch().mismatches.empty());
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

/// Somebody empties the tables while the daemon does not run.
TEST_F(SelfAudit, AnEmptiedTableIsNoticedAtTheStart) {
  world_.sink_sql("DELETE FROM daily_mixpanel_metrics");
  world_.restart();
  const EpochReport report = world_.epoch();
  EXPECT_TRUE(report.audited);
  EXPECT_THAT(report.reason, testing::HasSubstr("emptied"));
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

support::WorldOptions scanning() {
  support::WorldOptions options;
  options.machine.triggers = false;
  return options;
}

class SelfAuditOfAScan : public SelfAudit {
 protected:
  SelfAuditOfAScan() : SelfAudit(scanning()) {}
};

TEST_F(SelfAuditOfAScan, AChangeIsNoneButAForeignWriteIsOne) {
  user("u1", "DE");
  EXPECT_TRUE(look().mismatches.empty());
  EXPECT_THAT(world_.wrong(), IsEmpty());
  world_.sink_sql("UPDATE daily_mixpanel_metrics SET meta_clicks = 7" + kRow);
  EXPECT_THAT(told(look()), ElementsAre("foreign_write: ad a1 2026-01-18"));
  EXPECT_THAT(world_.wrong(), IsEmpty());
}

}  // namespace
}  // namespace admetrics
