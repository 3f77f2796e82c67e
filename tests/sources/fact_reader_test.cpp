// Rows at one snapshot: every row once, each user's and each (ad, day)'s rows, and nobody else's.

#include <sqlite3.h>

#include <algorithm>
#include <limits>
#include <set>

#include "tests/sources/source_fixture.hpp"

namespace admetrics::source {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class FactReaderTest : public SourceTest {
 protected:
  RowLog read_user(const std::string& id) {
    RowLog rows;
    const Status read = reader().read_user(id, rows);
    EXPECT_TRUE(read.ok()) << read.error().line();
    return rows;
  }
  RowLog read_ad_day(const std::string& ad, const std::string& day) {
    RowLog rows;
    const Status read = reader().read_ad_day({ad, day}, rows);
    EXPECT_TRUE(read.ok()) << read.error().line();
    return rows;
  }
  RowLog scan_meta() {
    RowLog rows;
    const Status read = reader().scan_meta(rows);
    EXPECT_TRUE(read.ok()) << read.error().line();
    return rows;
  }
  std::vector<std::string> find(Breakdown breakdown, const std::string& raw) {
    std::vector<std::string> keys;
    const Status read =
        reader().find_ad_days(breakdown, raw, [&](const AdDayKey& key) { keys.push_back(key.ad_id + ' ' + key.date); });
    EXPECT_TRUE(read.ok()) << read.error().line();
    std::sort(keys.begin(), keys.end());
    return keys;
  }
  /// All users, over `parts` parts.
  std::vector<std::string> scan_users(std::size_t parts) {
    RowLog rows;
    for (std::size_t i = 0; i < parts; ++i) EXPECT_TRUE(reader().scan_users({i, parts}, rows).ok());
    return rows.users;
  }
  void country(const std::string& ad, const std::string& day, const std::string& country) {
    ads("INSERT INTO ad_performance_daily_country (ad_id, date, country) VALUES (" + ad + ", " + day + ", " + country +
        ")");
  }
  /// Each key's rows stand together.
  static void expect_grouped(const std::vector<std::string>& keys) {
    std::set<std::string> done;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (i > 0 && keys[i] == keys[i - 1]) continue;
      EXPECT_TRUE(done.insert(keys[i]).second) << keys[i] << " comes twice";
    }
  }
};

TEST_F(FactReaderTest, AllRowsOfOneUserAndOfNobodyElse) {
  pipeline();
  user("u1");
  user("u2");
  event("e1", "u1");
  event("e2", "u2");
  event("e3", "u1");
  event("e4", "U1");
  product(
      "INSERT INTO user_product_metrics (user_product_id, distinct_id, product_id) VALUES (1, 'u1', 'p'), (2, "
      "'u2', 'p')");
  begin();
  const RowLog rows = read_user("u1");
  EXPECT_THAT(rows.users, ElementsAre("u1"));
  EXPECT_THAT(rows.events, UnorderedElementsAre("e1", "e3"));
  EXPECT_THAT(rows.products, ElementsAre("1"));
  EXPECT_THAT(read_user("nobody").events, IsEmpty());
}

TEST_F(FactReaderTest, ValuesComeAsTheyWereWritten) {
  pipeline();
  product("INSERT INTO mixpanel_user VALUES ('u1', 'a1', 'c1', 's1', 'US', 'CA', 1, 'note')");
  product(
      "INSERT INTO mixpanel_event VALUES ('e1', 'Paid', 'u1', '2026-01-03T10:00Z', 5.25, NULL), ('e2', 'Paid', "
      "'u1', 7, 'n/a', NULL), ('e3', NULL, 'u1', NULL, 5.00, NULL)");
  product("INSERT INTO user_product_metrics VALUES (9, 'u1', 'p1', '2026-01-02', 'app_store', 3, 0.5, NULL, x'01')");
  struct Values : UserRowVisitor {
    void on_user(const RawUser& row) override {
      EXPECT_EQ(row.ids[index_of(Level::kCampaign)], "c1");
      EXPECT_EQ(row.ids[index_of(Level::kAdset)], "s1");
      EXPECT_EQ(row.ids[index_of(Level::kAd)], "a1");
      EXPECT_EQ(row.country, "US");
      EXPECT_EQ(row.region, "CA");
      EXPECT_EQ(row.has_attribution.integer, 1);
      ++rows;
    }
    void on_event(const RawEvent& row) override {
      ++rows;
      if (row.event_uuid.text == "e1") {
        EXPECT_EQ(row.name, "Paid");
        EXPECT_EQ(row.time.text, "2026-01-03T10:00Z");
        EXPECT_EQ(row.revenue_usd.kind, RawValue::Kind::kReal);
        EXPECT_EQ(row.revenue_usd.real, 5.25);
      } else if (row.event_uuid.text == "e2") {
        EXPECT_EQ(row.time.kind, RawValue::Kind::kInteger);
        EXPECT_EQ(row.revenue_usd.kind, RawValue::Kind::kText);
        EXPECT_EQ(row.revenue_usd.text, "n/a");
      } else {
        EXPECT_EQ(row.name, "");
        EXPECT_EQ(row.time.kind, RawValue::Kind::kNull);
        EXPECT_EQ(row.revenue_usd.kind, RawValue::Kind::kInteger);  // NUMERIC affinity (pitfall 11)
        EXPECT_EQ(row.revenue_usd.integer, 5);
      }
    }
    void on_product(const RawProduct& row) override {
      ++rows;
      EXPECT_EQ(row.user_product_id.integer, 9);
      EXPECT_EQ(row.product_id.text, "p1");
      EXPECT_EQ(row.credited_date.text, "2026-01-02");
      EXPECT_EQ(row.store, "app_store");
      EXPECT_EQ(row.current_value.integer, 3);
      EXPECT_EQ(row.rates[0].real, 0.5);
      EXPECT_EQ(row.rates[1].kind, RawValue::Kind::kNull);
      EXPECT_EQ(row.rates[2].kind, RawValue::Kind::kBlob);
    }
    int rows = 0;
  } values;
  begin();
  EXPECT_TRUE(reader().read_user("u1", values).ok());
  EXPECT_EQ(values.rows, 5);
}

TEST_F(FactReaderTest, TheEmptyUserIsAllRowsWithoutAReadableKey) {
  pipeline();
  product(
      "INSERT INTO mixpanel_event (event_uuid, distinct_id) VALUES ('e1', NULL), ('e2', ''), ('e3', x'75'), ('e4', "
      "'u'), ('e5', x'')");
  begin();
  EXPECT_THAT(read_user("").events, UnorderedElementsAre("e1", "e2", "e3", "e5"));
  EXPECT_THAT(read_user("u").events, ElementsAre("e4"));
}

TEST_F(FactReaderTest, AColumnThatIgnoresCaseDoesNotMixUsers) {
  pipeline("WAL",
           "CREATE TABLE mixpanel_user (distinct_id TEXT COLLATE NOCASE, abi_ad_id TEXT, abi_campaign_id TEXT, "
           "abi_ad_set_id TEXT, country TEXT, region TEXT, has_abi_attribution BOOLEAN);"
           "CREATE TABLE mixpanel_event (event_uuid TEXT PRIMARY KEY, event_name TEXT, distinct_id TEXT COLLATE "
           "NOCASE, event_time DATETIME, revenue_usd DECIMAL(10,2));" +
               std::string(kProductTable));
  user("u1");
  user("U1");
  event("e1", "u1");
  event("e2", "U1");
  begin();
  EXPECT_THAT(read_user("u1").users, ElementsAre("u1"));
  EXPECT_THAT(read_user("u1").events, ElementsAre("e1"));
  EXPECT_THAT(read_user("U1").events, ElementsAre("e2"));
}

// ── Parts of a scan ──

TEST_F(FactReaderTest, PartsTakeEachRowOnceWhateverTheRowids) {
  const std::int64_t least = std::numeric_limits<std::int64_t>::min();
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const std::vector<std::vector<std::int64_t>> cases{
      {},
      {1},
      {1, 2, 3, 4, 5, 6, 7},
      {1, 1'000'000'000, 1'000'000'001},
      {-5, -4, 0, 3},
      {least, -1, 0, 1, most},
      {most - 1, most},
      {least, least + 1},
      {least},
      {most},
  };
  pipeline();
  for (const auto& rowids : cases) {
    SCOPED_TRACE(testing::PrintToString(rowids));
    product("DELETE FROM mixpanel_user; DELETE FROM mixpanel_event; DELETE FROM user_product_metrics");
    std::vector<std::string> expected;
    for (const std::int64_t id : rowids) {
      const std::string text = std::to_string(id);
      product("INSERT INTO mixpanel_user (rowid, distinct_id) VALUES (" + text + ", '" + text + "')");
      product("INSERT INTO mixpanel_event (rowid, event_uuid) VALUES (" + text + ", '" + text + "')");
      product("INSERT INTO user_product_metrics (user_product_id, distinct_id) VALUES (" + text + ", 'u')");
      expected.push_back(text);
    }
    std::sort(expected.begin(), expected.end());
    begin();
    for (const std::size_t parts : {1UL, 2UL, 3UL, 5UL, 64UL}) {
      RowLog rows;
      for (std::size_t i = 0; i < parts; ++i) {
        EXPECT_TRUE(reader().scan_users({i, parts}, rows).ok());
        EXPECT_TRUE(reader().scan_events({i, parts}, rows).ok());
        EXPECT_TRUE(reader().scan_products({i, parts}, rows).ok());
      }
      for (auto* found : {&rows.users, &rows.events, &rows.products}) {
        std::sort(found->begin(), found->end());
        EXPECT_THAT(*found, ElementsAreArray(expected)) << parts << " parts";
      }
    }
    source_->end_snapshot();
  }
}

TEST_F(FactReaderTest, PartsOfManyRowsTakeEachOnce) {
  pipeline();
  product(
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
      "INSERT INTO mixpanel_user (rowid, distinct_id) SELECT i * i * 7 - 4000000, 'u' || i FROM n");
  begin();
  for (const std::size_t parts : {1UL, 7UL, 64UL}) {
    const std::vector<std::string> users = scan_users(parts);
    EXPECT_EQ(users.size(), 3'000U);
    EXPECT_EQ(std::set(users.begin(), users.end()).size(), 3'000U);
  }
}

TEST_F(FactReaderTest, PartsOfATableWithoutRowidTakeEachRowOnce) {
  pipeline("WAL",
           "CREATE TABLE mixpanel_user (distinct_id TEXT PRIMARY KEY, abi_ad_id TEXT, abi_campaign_id TEXT, "
           "abi_ad_set_id TEXT, country TEXT, region TEXT, has_abi_attribution BOOLEAN) WITHOUT ROWID;" +
               std::string(kEventTable) + kProductTable);
  for (int i = 0; i < 10; ++i) user("u" + std::to_string(i));
  const EpochInput input = begin();
  EXPECT_EQ(input.users_estimate, 10);
  for (const std::size_t parts : {1UL, 4UL, 64UL}) EXPECT_EQ(scan_users(parts).size(), 10U);
}

TEST_F(FactReaderTest, AScanEndsWhenItIsAskedToStop) {
  pipeline();
  product(
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) "
      "INSERT INTO mixpanel_user (distinct_id) SELECT 'u' || i FROM n");
  std::atomic<bool> stop = true;
  SqliteSourceOptions stoppable = options();
  stoppable.stop = &stop;
  source_ = std::make_unique<SqliteSource>(stoppable);
  begin();
  RowLog rows;
  const Status stopped = reader().scan_users({}, rows);
  ASSERT_FALSE(stopped.ok());
  EXPECT_EQ(stopped.error().code, Errc::kInterrupted);
  EXPECT_LT(rows.users.size(), 5'000U);
  stop = false;
  EXPECT_EQ(scan_users(1).size(), 5'000U) << "and can begin anew";
}

// ── Meta rows ──

TEST_F(FactReaderTest, OneAdDayIsReadFromAllFourTables) {
  pipeline();
  meta("a1", "2026-01-03");
  meta("a1", "2026-01-04");
  meta("a2", "2026-01-03");
  country("'a1'", "'2026-01-03'", "'US'");
  country("'a1'", "'2026-01-03'", "NULL");
  ads("INSERT INTO ad_performance_daily_region (ad_id, date, region) VALUES ('a1', '2026-01-03', 'CA')");
  ads("INSERT INTO ad_performance_daily_device (ad_id, date, device) VALUES ('a1', '2026-01-03', 'ipad')");
  begin();
  const std::string key = "a1 2026-01-03 ";
  const std::string main(name_of(Breakdown::kNone));
  EXPECT_THAT(read_ad_day("a1", "2026-01-03").metas,
              UnorderedElementsAre(key + main + " ", key + "country US", key + "country ", key + "region CA",
                                   key + "device ipad"));
  EXPECT_THAT(read_ad_day("a9", "2026-01-03").metas, IsEmpty());
}

TEST_F(FactReaderTest, MetaRowsWithUnreadableKeysAreFoundByTheEmptyKey) {
  pipeline();
  ads("INSERT INTO ad_performance_daily (ad_id, date) VALUES (NULL, '2026-01-03'), ('', '2026-01-03'), (x'61', "
      "'2026-01-03'), ('a1', NULL), ('a1', ''), (NULL, NULL), ('a1', '2026-01-03')");
  begin();
  EXPECT_EQ(read_ad_day("", "2026-01-03").metas.size(), 3U);
  EXPECT_EQ(read_ad_day("a1", "").metas.size(), 2U);
  EXPECT_EQ(read_ad_day("", "").metas.size(), 1U);
  EXPECT_EQ(read_ad_day("a1", "2026-01-03").metas.size(), 1U);
}

TEST_F(FactReaderTest, AColumnThatIgnoresCaseDoesNotMixAds) {
  std::string nocase = meta_table("");
  nocase.replace(nocase.find("ad_id TEXT"), 10, "ad_id TEXT COLLATE NOCASE");
  nocase.replace(nocase.find(", PRIMARY KEY (ad_id, date)"), 27, "");
  pipeline("WAL", "", nocase + meta_table("country") + meta_table("region") + meta_table("device"));
  for (const char* ad : {"a1", "A1"}) meta(ad, "2026-01-03");
  for (const char* ad : {"a1", "A1"}) country("'" + std::string(ad) + "'", "'2026-01-03'", "'US'");
  begin();
  EXPECT_THAT(read_ad_day("a1", "2026-01-03").meta_keys, ElementsAre("a1 2026-01-03", "a1 2026-01-03"));
  const RowLog all = scan_meta();
  EXPECT_EQ(all.metas.size(), 4U);
  expect_grouped(all.meta_keys);
}

TEST_F(FactReaderTest, AScanOfMetaRowsKeepsEachAdDayTogether) {
  pipeline();
  for (const std::string ad : {"b", "a", "a-1", "A", "10", "9", "\xc4\x81", "a b"}) {
    for (const std::string day : {"2026-01-03", "2025-12-31", "x"}) {
      meta(ad, day);
      country("'" + ad + "'", "'" + day + "'", "'US'");
      country("'" + ad + "'", "'" + day + "'", "'CA'");
      ads("INSERT INTO ad_performance_daily_device (ad_id, date, device) VALUES ('" + ad + "', '" + day + "', 'tv')");
    }
  }
  country("'only here'", "'2026-01-03'", "'US'");
  begin();
  const RowLog all = scan_meta();
  EXPECT_EQ(all.metas.size(), 8U * 3 * 4 + 1);
  expect_grouped(all.meta_keys);
}

TEST_F(FactReaderTest, AdDaysAreFoundByTheirRawBreakdownValue) {
  pipeline();
  country("'a1'", "'2026-01-03'", "'US'");
  country("'a1'", "'2026-01-04'", "'us'");
  country("'a2'", "'2026-01-03'", "'US'");
  country("'a3'", "'2026-01-03'", "NULL");
  ads("INSERT INTO ad_performance_daily_device (ad_id, date, device) VALUES ('a4', '2026-01-03', 'US')");
  begin();
  EXPECT_THAT(find(Breakdown::kCountry, "US"), ElementsAre("a1 2026-01-03", "a2 2026-01-03"));
  EXPECT_THAT(find(Breakdown::kCountry, "us"), ElementsAre("a1 2026-01-04"));
  EXPECT_THAT(find(Breakdown::kDevice, "US"), ElementsAre("a4 2026-01-03"));
  EXPECT_THAT(find(Breakdown::kCountry, "'"), IsEmpty());
}

// ── Snapshots ──

TEST_F(FactReaderTest, SeveralReadersAgreeWhileAWriterGoesOn) {
  pipeline();
  for (int i = 0; i < 100; ++i) user("u" + std::to_string(i));
  begin();
  product("DELETE FROM mixpanel_user WHERE distinct_id LIKE '%5'; UPDATE mixpanel_user SET country = 'CA'");
  user("late");
  product("PRAGMA wal_checkpoint(PASSIVE)");
  RowLog first;
  EXPECT_TRUE(reader(0).scan_users({}, first).ok());
  EXPECT_EQ(first.users.size(), 100U);
  for (const std::size_t index : {1UL, 2UL, 3UL, 2UL}) {
    RowLog other;
    EXPECT_TRUE(reader(index).scan_users({}, other).ok());
    EXPECT_EQ(other.users, first.users) << "reader " << index;
    event("e" + std::to_string(index) + std::to_string(last_seq()), "u1");
  }
  source_->end_snapshot();
  // The next epoch's readers stand at the next snapshot.
  begin();
  for (const std::size_t index : {0UL, 1UL, 3UL}) {
    RowLog next;
    EXPECT_TRUE(reader(index).scan_users({}, next).ok());
    EXPECT_EQ(next.users.size(), 91U);
  }
}

TEST_F(FactReaderTest, BothDatabasesKeepTheirSnapshotsWhileWritersGoOn) {
  pipeline();
  meta("a1", "2026-01-03");
  begin();
  meta("a2", "2026-01-03");
  EXPECT_EQ(scan_meta().metas.size(), 1U);
  EXPECT_THAT(read_ad_day("a2", "2026-01-03").metas, IsEmpty());
}

TEST_F(FactReaderTest, WithoutAWriteAheadLogThereIsOneReader) {
  pipeline("DELETE");
  user("u1");
  begin();
  EXPECT_EQ(scan_users(1).size(), 1U);
  const auto second = source_->reader(1);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::kUnsupported);
  EXPECT_EQ(scan_users(2).size(), 1U) << "the first reads on";
}

TEST_F(FactReaderTest, AnEndedSnapshotHoldsNothing) {
  pipeline();
  user("u1");
  begin();
  RowLog rows;
  EXPECT_TRUE(reader(1).scan_users({}, rows).ok());
  source_->end_snapshot();
  // With a reader left on it, the log could not be reset.
  auto checkpoint = product_->prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  ASSERT_TRUE(checkpoint->step().value());
  EXPECT_EQ(checkpoint->integer(0), 0);
}

}  // namespace
}  // namespace admetrics::source
