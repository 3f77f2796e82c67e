#include "state/ledger_store.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <map>

namespace admetrics {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

/// A state folder, and verbs for what an engine does with it.
class LedgerStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (std::filesystem::temp_directory_path() / "state-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    root_ = folder;
    start();
  }
  void TearDown() override {
    ledger_.reset();
    std::filesystem::remove_all(root_);
  }

  [[nodiscard]] std::string folder() const { return root_ + "/deep/state"; }
  [[nodiscard]] std::string file() const { return folder() + "/ledger.db"; }

  void start(const std::string& identity = "first") {
    auto opened = SqliteLedger::open_folder(folder(), identity);
    ASSERT_TRUE(opened.ok()) << opened.error().line();
    ledger_ = std::move(opened).value();
  }
  void stop() { ledger_.reset(); }
  void restart() {
    stop();
    start("another");
  }
  Error refused() {
    auto opened = SqliteLedger::open_folder(folder(), "x");
    EXPECT_FALSE(opened.ok());
    return opened.ok() ? Error{} : std::move(opened).error();
  }

  static void ok(const Status& status) { ASSERT_TRUE(status.ok()) << status.error().line(); }
  void begin() { ok(ledger_->begin()); }
  void commit() { ok(ledger_->commit(header_)); }
  LedgerHeader stored_header() {
    auto header = ledger_->open();
    EXPECT_TRUE(header.ok()) << header.error().line();
    return header.ok() ? std::move(header).value() : LedgerHeader{};
  }

  static Bytes bytes(const std::string& text) {
    const auto view = std::as_bytes(std::span(text));
    return {view.begin(), view.end()};
  }
  static std::string text(BytesView view) {
    std::string out;
    for (const std::byte b : view) out += static_cast<char>(b);
    return out;
  }

  std::map<std::string, std::string> users() {
    std::map<std::string, std::string> found;
    ok(ledger_->load_users(
        [&](std::string_view id, BytesView value) { EXPECT_TRUE(found.emplace(id, text(value)).second); }));
    return found;
  }
  std::vector<std::pair<std::uint32_t, std::string>> dictionary() {
    std::vector<std::pair<std::uint32_t, std::string>> found;
    ok(ledger_->load_dictionary([&](std::uint32_t id, std::string_view word) { found.emplace_back(id, word); }));
    return found;
  }
  std::map<std::string, std::uint64_t> reject_owners() {
    std::map<std::string, std::uint64_t> found;
    ok(ledger_->load_reject_owners(
        [&](std::string_view owner, std::uint64_t digest) { found.emplace(owner, digest); }));
    return found;
  }
  std::map<std::pair<Breakdown, std::uint32_t>, std::int64_t> raw_values() {
    std::map<std::pair<Breakdown, std::uint32_t>, std::int64_t> found;
    ok(ledger_->load_raw_values([&](Breakdown breakdown, DictionaryId id, std::int64_t rows) {
      found.emplace(std::pair(breakdown, id.value), rows);
    }));
    return found;
  }
  std::string ad_day(std::uint32_t ad, std::int32_t day) {
    Bytes out = bytes("what stood there before");
    ok(ledger_->get_ad_day(DictionaryId{ad}, Day{day}, out));
    return text(out);
  }
  std::string cell(Entity entity, std::int32_t day) {
    Bytes out = bytes("what stood there before");
    ok(ledger_->get_cell(entity, Day{day}, out));
    return text(out);
  }
  std::vector<std::pair<std::int32_t, std::string>> scan_ad(std::uint32_t ad, Day from, Day to) {
    std::vector<std::pair<std::int32_t, std::string>> found;
    ok(ledger_->scan_ad(DictionaryId{ad}, from, to,
                        [&](Day day, BytesView value) { found.emplace_back(day.value, text(value)); }));
    return found;
  }
  std::vector<std::pair<std::int32_t, std::string>> scan_entity(Entity entity, Day from, Day to) {
    std::vector<std::pair<std::int32_t, std::string>> found;
    ok(ledger_->scan_entity(entity, from, to,
                            [&](Day day, BytesView value) { found.emplace_back(day.value, text(value)); }));
    return found;
  }
  std::vector<std::string> reject_counts() {
    std::vector<std::string> found;
    const auto counts = ledger_->reject_counts();
    EXPECT_TRUE(counts.ok());
    for (const auto& count : *counts)
      found.push_back(count.table + ' ' + std::string(name_of(count.reason)) + ' ' + std::to_string(count.rows));
    return found;
  }
  std::vector<Reject> rejects(std::int64_t limit = 100) {
    const auto reader = sqlite::Connection::open(file(), sqlite::OpenMode::kReadOnly, 1'000);
    EXPECT_TRUE(reader.ok()) << reader.error().line();
    auto found = read_rejects(**reader, limit);
    EXPECT_TRUE(found.ok()) << found.error().line();
    return std::move(found).value();
  }
  /// Somebody else's hand in the file, while no daemon runs.
  void tamper(const std::string& sql) const {
    auto opened = sqlite::Connection::open(file(), sqlite::OpenMode::kReadWrite, 1'000);
    ASSERT_TRUE(opened.ok()) << opened.error().line();
    ok((*opened)->execute(sql));
  }

  std::string root_;
  std::unique_ptr<SqliteLedger> ledger_;
  LedgerHeader header_;
};

// ── Header ──

TEST_F(LedgerStoreTest, AFreshLedgerHasItsIdentityAndNothingElse) {
  const LedgerHeader header = stored_header();
  EXPECT_EQ(header.ledger, "first");
  EXPECT_EQ(header.epoch, EpochId{0});
  EXPECT_EQ(header.position, "");
  EXPECT_EQ(header.as_of, kNoDay);
  EXPECT_EQ(header.fingerprint, "");
  EXPECT_THAT(dictionary(), IsEmpty());
  EXPECT_THAT(users(), IsEmpty());
  EXPECT_THAT(reject_owners(), IsEmpty());
  EXPECT_THAT(raw_values(), IsEmpty());
  EXPECT_THAT(reject_counts(), IsEmpty());
}

TEST_F(LedgerStoreTest, TheIdentityIsDrawnOnce) {
  restart();
  EXPECT_EQ(stored_header().ledger, "first");
}

TEST_F(LedgerStoreTest, AnIdentityMayHoldAnyText) {
  stop();
  std::filesystem::remove_all(folder());
  start("it's \"mine\"");
  restart();
  EXPECT_EQ(stored_header().ledger, "it's \"mine\"");
}

TEST_F(LedgerStoreTest, TheHeaderComesBackAsItWasCommitted) {
  header_.epoch = EpochId{std::numeric_limits<std::int64_t>::max()};
  header_.position = R"({"product":{"seq":7},"quote":"'"})";
  header_.as_of = Day{20'000};
  header_.fingerprint = "zone=Europe/Vienna \xc3\xa4";
  header_.ledger = "not this one";
  begin();
  commit();
  for (int i = 0; i < 2; ++i) {
    const LedgerHeader header = stored_header();
    EXPECT_EQ(header.ledger, "first");
    EXPECT_EQ(header.epoch, header_.epoch);
    EXPECT_EQ(header.position, header_.position);
    EXPECT_EQ(header.as_of, header_.as_of);
    EXPECT_EQ(header.fingerprint, header_.fingerprint);
    restart();
  }
  header_ = {};
  begin();
  commit();
  restart();
  EXPECT_EQ(stored_header().as_of, kNoDay);
  EXPECT_EQ(stored_header().position, "");
  for (const Day day : {kFirstDay, kLastDay}) {
    header_.as_of = day;
    begin();
    commit();
    EXPECT_EQ(stored_header().as_of, day);
  }
}

TEST_F(LedgerStoreTest, MappingsComeBackAsTheyWere) {
  using Row = ValueMapping::Row;
  const std::vector<std::vector<Row>> tables{
      {},                                            // no rows: for devices, the defaults
      {Row{"a", "A", false}, Row{"b", "B", false}},  // rows, all inactive: nothing is mapped
      {Row{"a", "A", true}, Row{"b", "B", false}},
      {Row{"", "nothing", true}, Row{"x", "", true}, Row{"it's", "\xff", true}},
      {Row{"iphone", "APP_STORE", true}},
  };
  for (const auto& country : tables) {
    for (const auto& device : tables) {
      header_.mappings = {ValueMapping::country(country), ValueMapping::device(device)};
      begin();
      commit();
      EXPECT_EQ(stored_header().mappings, header_.mappings);
      restart();
      EXPECT_EQ(stored_header().mappings, header_.mappings);
    }
  }
  EXPECT_NE(ValueMapping::device({}), ValueMapping::device({Row{"a", "A", false}})) << "these are not the same";
  EXPECT_TRUE(stored_header().mappings.device.find("iphone"));
}

// ── Put, get, scan, load ──

TEST_F(LedgerStoreTest, TextsComeBackInTheOrderOfTheirIds) {
  begin();
  ok(ledger_->put_text(2, "two"));
  ok(ledger_->put_text(1, ""));
  ok(ledger_->put_text(10, "it's \xff\n"));
  ok(ledger_->put_text(std::numeric_limits<std::uint32_t>::max(), "last"));
  commit();
  restart();
  EXPECT_THAT(dictionary(), ElementsAre(Pair(1U, ""), Pair(2U, "two"), Pair(10U, "it's \xff\n"),
                                        Pair(std::numeric_limits<std::uint32_t>::max(), "last")));
}

TEST_F(LedgerStoreTest, ATextKeepsItsId) {
  begin();
  ok(ledger_->put_text(1, "one"));
  EXPECT_FALSE(ledger_->put_text(1, "another").ok());
  ledger_->rollback();
  EXPECT_THAT(dictionary(), IsEmpty());
}

TEST_F(LedgerStoreTest, UsersArePutReplacedAndErased) {
  const std::string zeros("\0\0x\0", 4);
  begin();
  ok(ledger_->put_user("u1", bytes("one")));
  ok(ledger_->put_user("u2", bytes(zeros)));
  ok(ledger_->put_user("U1", bytes("upper")));
  ok(ledger_->put_user("it's \xff", bytes(std::string(100'000, 'x'))));
  ok(ledger_->put_user("empty", {}));
  ok(ledger_->put_user("u1", bytes("anew")));
  ok(ledger_->erase_user("nobody"));
  commit();
  restart();
  EXPECT_THAT(users(), ElementsAre(Pair("U1", "upper"), Pair("empty", ""), Pair("it's \xff", std::string(100'000, 'x')),
                                   Pair("u1", "anew"), Pair("u2", zeros)));
  begin();
  ok(ledger_->erase_user("u1"));
  ok(ledger_->erase_user("it's \xff"));
  commit();
  restart();
  EXPECT_THAT(users(), ElementsAre(Pair("U1", "upper"), Pair("empty", ""), Pair("u2", zeros)));
}

TEST_F(LedgerStoreTest, RawValuesAreCountedAndZeroForgets) {
  begin();
  ok(ledger_->put_raw_value(Breakdown::kCountry, DictionaryId{3}, 5));
  ok(ledger_->put_raw_value(Breakdown::kDevice, DictionaryId{3}, 6));
  ok(ledger_->put_raw_value(Breakdown::kDevice, DictionaryId{4}, 7));
  ok(ledger_->put_raw_value(Breakdown::kCountry, DictionaryId{3}, 9));
  ok(ledger_->put_raw_value(Breakdown::kDevice, DictionaryId{4}, 0));
  ok(ledger_->put_raw_value(Breakdown::kDevice, DictionaryId{5}, 0));
  commit();
  restart();
  EXPECT_THAT(raw_values(), ElementsAre(Pair(Pair(Breakdown::kCountry, 3U), 9), Pair(Pair(Breakdown::kDevice, 3U), 6)));
}

TEST_F(LedgerStoreTest, AdDaysArePutReplacedErasedAndScanned) {
  begin();
  ok(ledger_->put_ad_day(DictionaryId{7}, Day{10}, bytes("a")));
  ok(ledger_->put_ad_day(DictionaryId{7}, Day{-5}, bytes("before 1970")));
  ok(ledger_->put_ad_day(DictionaryId{7}, kLastDay, bytes("last")));
  ok(ledger_->put_ad_day(DictionaryId{7}, Day{11}, bytes("b")));
  ok(ledger_->put_ad_day(DictionaryId{8}, Day{10}, bytes("other")));
  ok(ledger_->put_ad_day(DictionaryId{7}, Day{11}, bytes("B")));
  EXPECT_EQ(ad_day(7, 11), "B") << "reads see the open transaction";
  commit();
  restart();
  EXPECT_EQ(ad_day(7, 10), "a");
  EXPECT_EQ(ad_day(7, 12), "") << "nothing is an empty value";
  EXPECT_EQ(ad_day(9, 10), "");
  EXPECT_EQ(ad_day(7, 10), "a") << "and can be asked again";
  EXPECT_THAT(scan_ad(7, kFirstDay, kLastDay),
              ElementsAre(Pair(-5, "before 1970"), Pair(10, "a"), Pair(11, "B"), Pair(kLastDay.value, "last")));
  EXPECT_THAT(scan_ad(7, Day{10}, Day{10}), ElementsAre(Pair(10, "a"))) << "both ends are included";
  EXPECT_THAT(scan_ad(7, Day{11}, Day{10}), IsEmpty());
  EXPECT_THAT(scan_ad(9, kFirstDay, kLastDay), IsEmpty());
  begin();
  ok(ledger_->put_ad_day(DictionaryId{7}, Day{10}, {}));
  ok(ledger_->put_ad_day(DictionaryId{9}, Day{10}, {}));
  EXPECT_EQ(ad_day(7, 10), "");
  commit();
  std::vector<std::pair<std::uint32_t, std::int32_t>> keys;
  ok(ledger_->scan_ad_day_keys([&](DictionaryId ad, Day day) { keys.emplace_back(ad.value, day.value); }));
  EXPECT_THAT(keys, testing::UnorderedElementsAre(Pair(7U, -5), Pair(7U, 11), Pair(7U, kLastDay.value), Pair(8U, 10)));
}

TEST_F(LedgerStoreTest, CellsArePutReplacedErasedAndScanned) {
  const Entity campaign(Level::kCampaign, DictionaryId{5});
  const Entity adset(Level::kAdset, DictionaryId{5});
  const Entity largest(Level::kAd, DictionaryId{(1U << Entity::kIdBits) - 1});
  begin();
  ok(ledger_->put_cell(campaign, Day{10}, bytes("c")));
  ok(ledger_->put_cell(adset, Day{10}, bytes("s")));
  ok(ledger_->put_cell(adset, Day{9}, bytes("s9")));
  ok(ledger_->put_cell(largest, kFirstDay, bytes("x")));
  ok(ledger_->put_cell(campaign, Day{10}, bytes("C")));
  EXPECT_EQ(cell(campaign, 10), "C");
  commit();
  restart();
  EXPECT_EQ(cell(adset, 10), "s");
  EXPECT_EQ(cell(largest, kFirstDay.value), "x");
  EXPECT_EQ(cell(campaign, 9), "");
  EXPECT_THAT(scan_entity(adset, kFirstDay, kLastDay), ElementsAre(Pair(9, "s9"), Pair(10, "s")));
  EXPECT_THAT(scan_entity(adset, Day{10}, Day{12}), ElementsAre(Pair(10, "s")));
  begin();
  ok(ledger_->put_cell(adset, Day{10}, {}));
  commit();
  std::vector<std::pair<Entity, std::int32_t>> keys;
  ok(ledger_->scan_cell_keys([&](Entity entity, Day day) { keys.emplace_back(entity, day.value); }));
  EXPECT_THAT(keys, testing::UnorderedElementsAre(Pair(campaign, 10), Pair(adset, 9), Pair(largest, kFirstDay.value)));
}

TEST_F(LedgerStoreTest, RejectsBelongToTheirOwnerAndAreCountedByTableAndReason) {
  const Reject time{"mixpanel_event", "e1", RejectReason::kBadTime, "event_time", "yesterday"};
  const Reject money{"mixpanel_event", "e2", RejectReason::kBadMoney, "revenue_usd", "n/a \xff'"};
  const Reject rate{"user_product_metrics", "9", RejectReason::kBadRate, "trial_conversion_rate", ""};
  const Reject key{"mixpanel_event", "", RejectReason::kBadKey, "distinct_id", ""};
  const std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
  begin();
  ok(ledger_->put_rejects("u|u1", huge, std::vector{time, money, rate}));
  ok(ledger_->put_rejects("u|u2", 17, std::vector{time}));
  ok(ledger_->put_rejects("u|", 1, std::vector{key, key}));  // two rows may look the same
  commit();
  restart();
  EXPECT_THAT(reject_owners(), ElementsAre(Pair("u|", 1U), Pair("u|u1", huge), Pair("u|u2", 17U)));
  EXPECT_THAT(reject_counts(), ElementsAre("mixpanel_event bad_key 2", "mixpanel_event bad_time 2",
                                           "mixpanel_event bad_money 1", "user_product_metrics bad_rate 1"));
  EXPECT_THAT(rejects(), ElementsAre(key, key, time, time, money, rate)) << "read beside a running daemon";
  EXPECT_THAT(rejects(2), ElementsAre(key, key));
  EXPECT_THAT(rejects(0), IsEmpty());

  begin();
  ok(ledger_->put_rejects("u|u1", 5, std::vector{rate}));  // the others were corrected
  ok(ledger_->put_rejects("u|", 0, {}));
  ok(ledger_->put_rejects("u|nobody", 0, {}));
  commit();
  restart();
  EXPECT_THAT(reject_owners(), ElementsAre(Pair("u|u1", 5U), Pair("u|u2", 17U)));
  EXPECT_THAT(reject_counts(), ElementsAre("mixpanel_event bad_time 1", "user_product_metrics bad_rate 1"));
}

// ── Transactions ──

TEST_F(LedgerStoreTest, ARollbackLeavesNothing) {
  header_.epoch = EpochId{1};
  header_.mappings = {ValueMapping::country({{"a", "A", true}}), ValueMapping::device({})};
  begin();
  ok(ledger_->put_user("u1", bytes("one")));
  commit();

  const auto write_all = [&] {
    begin();
    ok(ledger_->put_text(1, "x"));
    ok(ledger_->put_user("u1", bytes("two")));
    ok(ledger_->put_user("u2", bytes("two")));
    ok(ledger_->put_rejects("u|u1", 5, std::vector{Reject{"t", "k", RejectReason::kBadKey, "c", "v"}}));
    ok(ledger_->put_raw_value(Breakdown::kCountry, DictionaryId{3}, 5));
    ok(ledger_->put_ad_day(DictionaryId{1}, Day{1}, bytes("x")));
    ok(ledger_->put_cell(Entity(Level::kAd, DictionaryId{1}), Day{1}, bytes("x")));
  };
  const auto expect_nothing_of_it = [&] {
    EXPECT_THAT(users(), ElementsAre(Pair("u1", "one")));
    EXPECT_THAT(dictionary(), IsEmpty());
    EXPECT_THAT(reject_owners(), IsEmpty());
    EXPECT_THAT(reject_counts(), IsEmpty());
    EXPECT_THAT(raw_values(), IsEmpty());
    EXPECT_EQ(ad_day(1, 1), "");
    EXPECT_EQ(cell(Entity(Level::kAd, DictionaryId{1}), 1), "");
    EXPECT_EQ(stored_header().epoch, EpochId{1});
    EXPECT_EQ(stored_header().mappings, header_.mappings);
  };
  write_all();
  ledger_->rollback();
  expect_nothing_of_it();
  ledger_->rollback();  // of nothing
  write_all();
  restart();  // killed in the middle
  expect_nothing_of_it();
  write_all();
  header_.epoch = EpochId{2};
  commit();
  EXPECT_EQ(users().size(), 2U);
  EXPECT_EQ(stored_header().epoch, EpochId{2});
}

TEST_F(LedgerStoreTest, AnAbandonedVisitDoesNotHoldTheNextTransactionUp) {
  begin();
  for (int i = 0; i < 10; ++i) ok(ledger_->put_ad_day(DictionaryId{1}, Day{i}, bytes("x")));
  std::size_t seen = 0;
  ok(ledger_->scan_ad(DictionaryId{1}, kFirstDay, kLastDay, [&](Day, BytesView) { ++seen; }));
  EXPECT_EQ(seen, 10U);
  commit();
  begin();
  commit();
}

// ── The folder ──

TEST_F(LedgerStoreTest, OneFolderBelongsToOneDaemon) {
  Error error = refused();
  EXPECT_EQ(error.code, Errc::kBusy);
  EXPECT_THAT(error.line(), HasSubstr("another admetricsd"));
  EXPECT_THAT(error.where, HasSubstr(folder()));
  begin();
  ok(ledger_->put_user("u1", bytes("one")));
  commit();
  EXPECT_EQ(refused().code, Errc::kBusy) << "and the one that was refused has not let the lock go";
  stop();
  start();
  EXPECT_EQ(users().size(), 1U);
}

TEST_F(LedgerStoreTest, AFailedOpenLetsTheFolderGo) {
  stop();
  tamper("UPDATE header SET value = '999' WHERE name = 'format'");
  refused();
  tamper("UPDATE header SET value = '1' WHERE name = 'format'");
  start();
  EXPECT_EQ(stored_header().ledger, "first");
}

TEST_F(LedgerStoreTest, ALedgerOfAnotherFormatIsRefusedAndLeftAsItIs) {
  stop();
  tamper("UPDATE header SET value = '2' WHERE name = 'format'");
  const Error error = refused();
  EXPECT_EQ(error.code, Errc::kSchema);
  EXPECT_EQ(error.where, file());
  EXPECT_THAT(error.detail, HasSubstr("format 2"));
  EXPECT_THAT(error.detail, HasSubstr("move the state folder away"));
  tamper("UPDATE header SET value = value");  // it opens, so it was left whole
}

TEST_F(LedgerStoreTest, ADamagedFileIsCorrupt) {
  begin();
  for (int i = 0; i < 2'000; ++i) ok(ledger_->put_user("user " + std::to_string(i), bytes(std::string(50, 'x'))));
  commit();
  stop();
  const auto size = std::filesystem::file_size(file());
  ASSERT_GT(size, 50'000U);
  std::filesystem::copy_file(file(), root_ + "/whole.db");
  const auto restore = [&] {
    for (const char* part : {"", "-wal", "-shm"}) std::filesystem::remove(file() + part);
    std::filesystem::copy_file(root_ + "/whole.db", file());
  };

  std::ofstream(file(), std::ios::trunc) << std::string(5'000, 'x');
  EXPECT_EQ(refused().code, Errc::kCorrupt) << "no database at all";

  restore();
  std::filesystem::resize_file(file(), size / 2);
  {
    auto opened = SqliteLedger::open_folder(folder(), "x");
    const Status read = opened.ok() ? (*opened)->load_users([](std::string_view, BytesView) {}) : opened.error();
    ASSERT_FALSE(read.ok()) << "half of the file is gone";
    EXPECT_EQ(read.error().code, Errc::kCorrupt) << read.error().line();
  }

  restore();
  {
    std::fstream damaged(file(), std::ios::in | std::ios::out | std::ios::binary);
    damaged.seekp(4'096);
    const std::string garbage(static_cast<std::size_t>(size) - 4'096, '\xee');
    damaged.write(garbage.data(), static_cast<std::streamsize>(garbage.size()));
  }
  {
    auto opened = SqliteLedger::open_folder(folder(), "x");
    const Status read = opened.ok() ? (*opened)->load_users([](std::string_view, BytesView) {}) : opened.error();
    ASSERT_FALSE(read.ok()) << "all but the first page is garbage";
    EXPECT_EQ(read.error().code, Errc::kCorrupt) << read.error().line();
  }

  restore();
  start();
  EXPECT_EQ(users().size(), 2'000U);
}

TEST_F(LedgerStoreTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(root_ + "/file") << "x";
  const auto opened = SqliteLedger::open_folder(root_ + "/file/state", "x");
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().code, Errc::kReadOnly);
  EXPECT_EQ(opened.error().where, root_ + "/file/state");
}

TEST_F(LedgerStoreTest, AnEmptyFileIsAFreshLedger) {
  stop();
  for (const char* part : {"", "-wal", "-shm"}) std::filesystem::remove(file() + part);
  std::ofstream(file()).close();
  start("anew");
  EXPECT_EQ(stored_header().ledger, "anew");
}

// ── The change journal ──

JournalKey journal_cell(std::uint32_t entity, std::int32_t day) {
  return {SinkKey::Kind::kCell, Entity(Level::kAd, DictionaryId{entity}), Day{day}};
}
JournalKey journal_name(std::uint32_t entity) {
  return {SinkKey::Kind::kName, Entity(Level::kCampaign, DictionaryId{entity}), kNoDay};
}

class LedgerJournalTest : public LedgerStoreTest {
 protected:
  using Found = std::vector<std::pair<JournalKey, std::uint64_t>>;

  void put(std::uint64_t epoch, const std::vector<JournalKey>& keys) {
    std::vector<JournalChange> changes;
    changes.reserve(keys.size());
    for (const JournalKey& key : keys) changes.push_back({key, Cause::kEvent});
    begin();
    ok(ledger_->put_changes(EpochId{epoch}, Instant{1'000, 0}, changes, {}));
    header_.epoch = EpochId{epoch};
    commit();
  }
  Found scan(std::uint64_t since, std::size_t limit) {
    Found found;
    JournalCursor cursor{EpochId{since}, {}};
    for (;;) {
      const auto visited = ledger_->scan_changes(
          cursor, limit, [&](const JournalKey& key, EpochId epoch, Causes) { found.emplace_back(key, epoch.value); });
      EXPECT_TRUE(visited.ok());
      if (!visited.ok() || *visited < limit) return found;
    }
  }
  std::uint64_t listed_since() {
    const auto epoch = ledger_->changes_listed_since();
    EXPECT_TRUE(epoch.ok());
    return epoch->value;
  }
};

TEST_F(LedgerJournalTest, AKeyStandsOnceUnderItsLastEpoch) {
  put(2, {journal_cell(1, 10), journal_cell(1, 11), journal_name(5)});
  put(3, {journal_cell(1, 10)});
  for (const std::size_t limit : {1U, 2U, 3U, 100U}) {
    EXPECT_THAT(scan(1, limit),
                ElementsAre(Pair(journal_cell(1, 11), 2), Pair(journal_name(5), 2), Pair(journal_cell(1, 10), 3)));
    EXPECT_THAT(scan(2, limit), ElementsAre(Pair(journal_cell(1, 10), 3)));
    EXPECT_THAT(scan(3, limit), IsEmpty());
  }
}

TEST_F(LedgerJournalTest, AKeyThatChangesDuringAScanIsNotMissed) {
  put(2, {journal_cell(1, 10), journal_cell(1, 11), journal_cell(1, 12)});
  Found found;
  JournalCursor cursor{EpochId{1}, {}};
  const auto note = [&](const JournalKey& key, EpochId epoch, Causes) { found.emplace_back(key, epoch.value); };
  ASSERT_TRUE(ledger_->scan_changes(cursor, 1, note).ok());
  put(3, {journal_cell(1, 11)});
  ASSERT_TRUE(ledger_->scan_changes(cursor, 100, note).ok());
  EXPECT_THAT(found,
              ElementsAre(Pair(journal_cell(1, 10), 2), Pair(journal_cell(1, 12), 2), Pair(journal_cell(1, 11), 3)));
}

TEST_F(LedgerJournalTest, ARolledBackChangeIsNone) {
  put(2, {journal_cell(1, 10)});
  begin();
  ok(ledger_->put_changes(EpochId{3}, Instant{}, std::vector<JournalChange>{{journal_cell(1, 10), Cause::kMeta}}, {}));
  ok(ledger_->put_unlisted_change(EpochId{3}, Instant{}, Cause::kMeta));
  ledger_->rollback();
  EXPECT_THAT(scan(1, 9), ElementsAre(Pair(journal_cell(1, 10), 2)));
  EXPECT_EQ(listed_since(), 0U);
}

TEST_F(LedgerJournalTest, AnUnlistedEpochIsWhereTheListBegins) {
  begin();
  ok(ledger_->put_unlisted_change(EpochId{1}, Instant{}, Cause::kFirstFill));
  header_.epoch = EpochId{1};
  commit();
  EXPECT_EQ(listed_since(), 1U);
  restart();
  EXPECT_EQ(listed_since(), 1U);
  put(2, {journal_cell(1, 10)});
  restart();
  EXPECT_EQ(listed_since(), 1U);
}

TEST_F(LedgerJournalTest, ALedgerFromBeforeTheJournalBeginsItWhereItStands) {
  header_.epoch = EpochId{7};
  begin();
  commit();
  stop();
  tamper(
      "DROP TABLE change; DROP TABLE row_change; DROP TABLE unlisted_change; DELETE FROM header WHERE name = "
      "'journal_epoch'");
  start();
  EXPECT_EQ(listed_since(), 7U);
  put(8, {journal_cell(1, 10)});
  EXPECT_EQ(listed_since(), 7U);
  stop();
  // A version without a journal took two epochs more.
  tamper("UPDATE header SET value = '10' WHERE name = 'epoch'");
  start();
  EXPECT_EQ(listed_since(), 10U);
}

}  // namespace
}  // namespace admetrics
