// Which keys a backfill lists, in which order, and that it goes on where it was. What the engine makes of them is tried in
// tests/process/backfill_test.py.
#include "backfill/backfill.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/engine/codec.hpp"
#include "tests/support/key_tables.hpp"
#include "tests/support/machine.hpp"
#include "tests/support/temp_folder.hpp"

namespace admetrics::backfill {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using support::kAdsColumns;
using support::kLedgerTables;
using support::kSinkKeys;

constexpr const char* kSource = R"sql(
CREATE TABLE mixpanel_user (distinct_id TEXT PRIMARY KEY, abi_campaign_id TEXT, abi_ad_set_id TEXT, abi_ad_id TEXT);
CREATE TABLE mixpanel_event (event_uuid TEXT PRIMARY KEY, distinct_id TEXT, event_time DATETIME);
)sql";
Day day(const char* text) { return *parse_day(text); }

class BackfillTest : public ::testing::Test {
 protected:
  BackfillTest() {
    for (auto& [name, database, schema] : databases_) {
      auto opened = sqlite::Connection::open(folder_.path() + "/" + name, sqlite::OpenMode::kCreate, 5'000);
      EXPECT_TRUE(opened.ok());
      *database = std::move(opened).value();
      run(**database, schema);
    }
    backfill_ = make();
  }

  static void run(sqlite::Connection& database, const std::string& sql) {
    const Status done = database.execute(sql);
    ASSERT_TRUE(done.ok()) << done.error().line();
  }
  void event(const std::string& uuid, const std::string& user, const std::string& time) {
    run(*product_, "INSERT INTO mixpanel_event VALUES ('" + uuid + "', " + user + ", '" + time + "')");
  }
  /// A user that the ledger knows, with a trial in ad 1 of ad set 2 of campaign 3.
  void known(const std::string& user, const char* trial_day) {
    UserContribution contribution;
    contribution.ids = {DictionaryId{3}, DictionaryId{2}, DictionaryId{1}};
    contribution.trial_day = day(trial_day);
    Bytes bytes;
    encode(contribution, bytes);
    auto insert = ledger_->prepare("INSERT INTO user VALUES (?1, ?2)");
    ASSERT_TRUE(insert.ok());
    insert->bind(1, std::string_view(user));
    insert->bind_blob(2, bytes);
    ASSERT_TRUE(insert->run().ok());
  }

  std::unique_ptr<Backfill> make() {
    const std::string& at = folder_.path();
    return std::make_unique<Backfill>(at + "/backfill.db",
                                      Places{at + "/product.db", at + "/ads.db", at + "/ledger.db", at + "/sink.db"},
                                      clock_, [this] { ++woken_; });
  }
  void start(const Request& request = {}) {
    const Status started = backfill_->start(request);
    ASSERT_TRUE(started.ok()) << started.error().line();
    await_plan();
  }
  void await_plan() {
    while (backfill_->progress().state == Progress::State::kPlanning)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(backfill_->progress().error, "");
  }
  /// It comes after the plan can be seen, from another thread.
  void await_wake() {
    for (int waited_ms = 0; waited_ms < 10'000 && woken_ == 0; ++waited_ms)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_GE(woken_.load(), 1);
  }
  static std::string show(const Share& share) {
    std::string text;
    for (const AdDayKey& key : share.ad_days) text += " ad " + key.ad_id + "@" + key.date;
    for (const std::string& user : share.users) text += " user " + user;
    for (const SinkKey& row : share.rows) {
      text += row.kind == SinkKey::Kind::kName ? " name" : row.kind == SinkKey::Kind::kHierarchy ? " pair" : "";
      text += " " + std::string(name_of(row.level)) + " " + row.entity_id;
      if (row.kind == SinkKey::Kind::kCell) text += "@" + format_day(row.day);
    }
    return text.empty() ? text : text.substr(1);
  }
  /// All that is left, each item for itself.
  std::vector<std::string> items() {
    std::vector<std::string> all;
    for (;;) {
      auto share = backfill_->share(1);
      EXPECT_TRUE(share.ok());
      if (!share || share->items == 0) return all;
      all.push_back(show(*share));
      EXPECT_TRUE(backfill_->taken(*share).ok());
    }
  }

  support::TempFolder folder_;
  support::FakeClock clock_;
  std::atomic<int> woken_{0};
  std::unique_ptr<sqlite::Connection> product_;
  std::unique_ptr<sqlite::Connection> ads_;
  std::unique_ptr<sqlite::Connection> sink_;
  std::unique_ptr<sqlite::Connection> ledger_;
  const std::array<std::tuple<std::string, std::unique_ptr<sqlite::Connection>*, const char*>, 4> databases_{
      {{"product.db", &product_, kSource},
       {"ads.db", &ads_, kAdsColumns},
       {"sink.db", &sink_, kSinkKeys},
       {"ledger.db", &ledger_, kLedgerTables}}};
  std::unique_ptr<Backfill> backfill_;
};

TEST_F(BackfillTest, ListsEveryKeyOnceNewestDayFirst) {
  event("1", "'u1'", "2025-07-01T10:00:00");
  event("2", "'u1'", "2025-07-03T10:00:00");
  event("3", "'u2'", "2025-07-02T10:00:00");
  event("4", "NULL", "2025-07-01");
  event("5", "'late'", "when?");
  run(*ledger_, "INSERT INTO dictionary VALUES (1, 'a1'), (2, 's1'), (3, 'c1'); INSERT INTO ad_day VALUES (1, " +
                    std::to_string(day("2025-07-02").value) + ", x'00')");
  known("gone", "2025-07-02");
  run(*ads_,
      "INSERT INTO ad_performance_daily VALUES ('a1', '2025-07-03', 's1', 'c1');"
      "INSERT INTO ad_performance_daily_country VALUES ('a1', '2025-07-03', 's1', 'c1'), ('a9', 'never', '', '')");
  run(*sink_,
      "INSERT INTO daily_mixpanel_metrics VALUES (1, 'ad', 'stranger', '2025-07-03'), (2, 'ad', 'a1', '2025-07-02'), "
      "(3, 'galaxy', 'x', '2025-07-03'), (4, 'ad', 'a1', 'soon'); INSERT INTO id_hierarchy_mapping VALUES ('old')");
  start();
  EXPECT_THAT(items(), ElementsAre("ad a1@2025-07-03", "user u1", "ad stranger@2025-07-03",         // the 3rd
                                   "ad a1@2025-07-02", "user gone", "user u2", "ad a1@2025-07-02",  // the 2nd
                                   "adset s1@2025-07-02", "campaign c1@2025-07-02", "user ",        // and the 1st
                                   "ad a9@never", "user late", "name ad a1", "name adset s1", "name campaign c1",
                                   "pair ad a1", "pair ad old"));
  EXPECT_EQ(backfill_->progress().state, Progress::State::kDone);
  EXPECT_EQ(backfill_->progress().items_done, 17);
  await_wake();
}

TEST_F(BackfillTest, KeepsToItsDays) {
  for (const char* date : {"2025-06-29", "2025-06-30", "2025-07-01", "2025-07-02", "2025-07-03", "2025-07-04"}) {
    event(date, "'u" + std::string(date) + "'", std::string(date) + "T23:30:00");
    run(*ads_, "INSERT INTO ad_performance_daily VALUES ('a', '" + std::string(date) + "', '', '')");
    run(*sink_, "INSERT INTO daily_mixpanel_metrics (entity_type, entity_id, date) VALUES ('ad', 'a', '" +
                    std::string(date) + "')");
  }
  event("x", "'unreadable'", "x");
  Request request;
  request.since = day("2025-07-01");
  request.until = day("2025-07-02");
  start(request);
  // A day more of events on both sides: their day in the reporting zone may be a neighbour.
  EXPECT_THAT(items(), ElementsAre("user u2025-07-03", "ad a@2025-07-02", "user u2025-07-02", "ad a@2025-07-02",
                                   "ad a@2025-07-01", "user u2025-07-01", "ad a@2025-07-01", "user u2025-06-30",
                                   "name ad a", "pair ad a"));
}

TEST_F(BackfillTest, KeepsToItsEntity) {
  run(*product_, "INSERT INTO mixpanel_user VALUES ('u1', 'c1', 's1', 'a1'), ('u2', 'c2', 's2', 'a2')");
  run(*ledger_, "INSERT INTO dictionary VALUES (1, 'a1'), (2, 's1'), (3, 'c1')");
  known("moved", "2025-07-02");
  run(*ads_,
      "INSERT INTO ad_performance_daily VALUES ('a1', '2025-07-03', 's1', 'c1'), ('a2', '2025-07-03', 's2', 'c2')");
  run(*sink_,
      "INSERT INTO daily_mixpanel_metrics_breakdown (entity_type, entity_id, date) VALUES ('campaign', 'c1', "
      "'2025-07-01'), ('campaign', 'c2', '2025-07-01')");
  Request request;
  request.level = Level::kCampaign;
  request.entity_id = "c1";
  start(request);
  EXPECT_THAT(items(), ElementsAre("user u1", "ad a1@2025-07-03", "user moved", "campaign c1@2025-07-02",
                                   "campaign c1@2025-07-01", "name campaign c1"));
}

TEST_F(BackfillTest, GoesOnWhereItWasAfterARestart) {
  for (int i = 0; i < 5; ++i) event(std::to_string(i), "'u" + std::to_string(i) + "'", "2025-07-01");
  start();
  auto share = backfill_->share(2);
  ASSERT_TRUE(share.ok());
  EXPECT_EQ(show(*share), "user u0 user u1");
  ASSERT_TRUE(backfill_->taken(*share).ok());
  share = backfill_->share(2);  // its epoch is never committed
  EXPECT_EQ(show(*share), "user u2 user u3");
  backfill_ = make();
  EXPECT_EQ(backfill_->progress().state, Progress::State::kNone);
  ASSERT_TRUE(backfill_->resume_after_restart().ok());
  EXPECT_EQ(backfill_->progress().state, Progress::State::kRunning);
  EXPECT_EQ(backfill_->progress().items_done, 2);
  EXPECT_EQ(backfill_->progress().items_total, 5);
  EXPECT_THAT(items(), ElementsAre("user u2", "user u3", "user u4"));
  backfill_ = make();
  ASSERT_TRUE(backfill_->resume_after_restart().ok());
  EXPECT_EQ(backfill_->progress().state, Progress::State::kDone);
}

TEST_F(BackfillTest, OneAtATime) {
  event("1", "'u1'", "2025-07-01");
  start();
  const Status second = backfill_->start({});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Errc::kBusy);
  items();
  event("2", "'u2'", "2025-07-02");
  start();
  EXPECT_THAT(items(), ElementsAre("user u2", "user u1"));
}

TEST_F(BackfillTest, PausesResumesAndIsCancelled) {
  EXPECT_FALSE(backfill_->pause());
  EXPECT_FALSE(backfill_->resume());
  EXPECT_FALSE(backfill_->cancel());
  event("1", "'u1'", "2025-07-01");
  start();
  EXPECT_TRUE(backfill_->pause());
  EXPECT_FALSE(backfill_->ready());
  auto share = backfill_->share(10);
  ASSERT_TRUE(share.ok());
  EXPECT_EQ(share->items, 0);
  EXPECT_EQ(backfill_->progress().state, Progress::State::kPaused);
  backfill_ = make();
  ASSERT_TRUE(backfill_->resume_after_restart().ok());
  EXPECT_EQ(backfill_->progress().state, Progress::State::kPaused) << "a restart does not resume it";
  EXPECT_TRUE(backfill_->resume());
  EXPECT_TRUE(backfill_->ready());
  EXPECT_TRUE(backfill_->cancel());
  EXPECT_FALSE(backfill_->ready());
  EXPECT_EQ(backfill_->progress().state, Progress::State::kCancelled);
  start();
  EXPECT_THAT(items(), ElementsAre("user u1"));
}

TEST_F(BackfillTest, KeepsToItsRate) {
  for (int i = 0; i < 100; ++i) event(std::to_string(i), "'u" + std::to_string(i) + "'", "2025-07-01");
  Request request;
  request.keys_per_second = 50;
  start(request);
  auto share = backfill_->share(1'000);
  ASSERT_TRUE(share.ok());
  EXPECT_EQ(share->items, 5) << "a tenth of a second's";
  const std::int64_t before = clock_.steady_micros();
  ASSERT_TRUE(backfill_->taken(*share).ok());
  EXPECT_GE(backfill_->ready_at_micros(), before + 100'000);
  EXPECT_FALSE(backfill_->ready());
}

TEST_F(BackfillTest, SaysWhyItFailed) {
  run(*ads_, "DROP TABLE ad_performance_daily_region");
  ASSERT_TRUE(backfill_->start({}).ok());
  while (backfill_->progress().state == Progress::State::kPlanning)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(backfill_->progress().state, Progress::State::kFailed);
  EXPECT_THAT(backfill_->progress().error, HasSubstr("ad_performance_daily_region"));
  EXPECT_THAT(backfill_->progress().ended_at_seconds, Not(0));
}

TEST_F(BackfillTest, ALostListIsSaidToBeLost) {
  event("1", "'u1'", "2025-07-01");
  start();
  backfill_.reset();
  auto list = sqlite::Connection::open(folder_.path() + "/backfill.db", sqlite::OpenMode::kReadWrite, 5'000);
  run(**list, "UPDATE job SET request = '['");
  list->reset();
  backfill_ = make();
  const Status resumed = backfill_->resume_after_restart();
  ASSERT_FALSE(resumed.ok());
  EXPECT_THAT(resumed.error().line(), HasSubstr("backfill.db"));
}

}  // namespace
}  // namespace admetrics::backfill
