// When the self-audit takes its next share, on a clock that stands still until it is told.
#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <thread>

#include "backfill/self_audit.hpp"
#include "tests/support/key_tables.hpp"
#include "tests/support/must.hpp"
#include "tests/support/temp_folder.hpp"

namespace admetrics::backfill {
namespace {

using support::kAdsColumns;
using support::kLedgerTables;
using support::kSinkKeys;
using support::must;
using testing::HasSubstr;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kUsers = 100;

constexpr const char* kSource = R"sql(
CREATE TABLE mixpanel_user (distinct_id TEXT PRIMARY KEY);
CREATE TABLE mixpanel_event (event_uuid TEXT PRIMARY KEY, distinct_id TEXT, event_time DATETIME);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
INSERT INTO mixpanel_event SELECT i, 'u' || i, date('2025-01-01', i || ' days') FROM n;
)sql";
class StoppedClock : public Clock {
 public:
  [[nodiscard]] Instant now() const override {
    const std::int64_t micros = micros_.load();
    return {1'767'225'600 + micros / kSecond, static_cast<std::int32_t>(micros % kSecond * 1'000)};
  }
  [[nodiscard]] std::int64_t steady_micros() const override { return micros_.load(); }
  void pass(std::int64_t micros) { micros_ += micros; }

 private:
  std::atomic<std::int64_t> micros_{1'000 * kSecond};
};

class Pace : public testing::Test {
 protected:
  Pace() {
    for (const auto& [name, schema] : {std::pair{"product.db", kSource}, std::pair{"ads.db", kAdsColumns},
                                       std::pair{"sink.db", kSinkKeys}, std::pair{"ledger.db", kLedgerTables}}) {
      must(must(sqlite::Connection::open(folder_.file(name), sqlite::OpenMode::kCreate, 5'000))->execute(schema));
    }
    settings_.every_seconds = 2'000;  // a cycle takes 1,000 s
    settings_.cpu_share = 0.02;
    make();
  }

  void make() {
    audit_.reset();
    audit_ = std::make_unique<SelfAudit>(
        folder_.file("audit.db"),
        Places{folder_.file("product.db"), folder_.file("ads.db"), folder_.file("ledger.db"), folder_.file("sink.db")},
        clock_, 7, [] {});
    audit_->set(settings_);
    must(audit_->resume_after_restart());
  }
  /// How long until it is ready; -1: nobody knows.
  std::int64_t left() {
    const std::int64_t at = audit_->ready_at_micros();
    return at == INT64_MAX ? -1 : std::max<std::int64_t>(0, at - clock_.steady_micros());
  }
  Share share(std::int64_t items = 10) {
    return must(audit_->share(items, [](std::size_t, Share&) { return Status(); }));
  }
  void begin_cycle() {
    ASSERT_TRUE(audit_->ready());
    EXPECT_EQ(share().items, 0);
    while (audit_->progress().cycle.state == Progress::State::kPlanning)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  /// Takes what is ready, as it becomes so, until the cycle is at its end. Gives the users of the list.
  std::multiset<std::string> finish_cycle(std::int64_t took = 0) {
    std::multiset<std::string> users;
    while (audit_->progress().cycle.state == Progress::State::kRunning) {
      clock_.pass(left());
      Share taken = share(1);  // so small that nothing is drawn
      users.insert(taken.users.begin(), taken.users.end());
      if (taken.items > 0) must(audit_->taken(taken, took));
    }
    return users;
  }

  support::TempFolder folder_;
  StoppedClock clock_;
  AuditSettings settings_;
  std::unique_ptr<SelfAudit> audit_;
};

TEST_F(Pace, ACycleIsSpreadOverHalfOfEvery) {
  begin_cycle();
  EXPECT_EQ(audit_->progress().cycle.items_total, kUsers);
  EXPECT_EQ(left(), 0);
  must(audit_->taken(share(10), 0));
  const std::int64_t done = audit_->progress().cycle.items_done;
  EXPECT_EQ(left(), done * 10 * kSecond);  // a hundredth of 1,000 s each
  clock_.pass(left() - 1);
  EXPECT_FALSE(audit_->ready());
  clock_.pass(1);
  EXPECT_TRUE(audit_->ready());
}

TEST_F(Pace, ATenthOfAShareIsDrawnAndAsMuchChangedLately) {
  begin_cycle();
  std::size_t asked = 0;
  const Share taken = must(audit_->share(80, [&](std::size_t rows, Share&) {
    asked = rows;
    return Status();
  }));
  EXPECT_EQ(asked, 10U);
  EXPECT_EQ(taken.items, 60);
  EXPECT_EQ(taken.users.size(), 70U);
}

TEST_F(Pace, AShareOfTheProcessorIsKept) {
  settings_.every_seconds = 2;
  audit_->set(settings_);
  begin_cycle();
  must(audit_->taken(share(), 6'000));
  EXPECT_EQ(left(), 6'000 * 49);
  settings_.cpu_share = 1;
  audit_->set(settings_);
  must(audit_->taken(share(), 6'000));
  EXPECT_LT(left(), kSecond);
}

TEST_F(Pace, WhatFailsIsPaidFor) {
  settings_.every_seconds = 2;
  audit_->set(settings_);
  begin_cycle();
  const std::int64_t first = share().last_item;
  audit_->not_taken(6'000);
  EXPECT_EQ(left(), 6'000 * 49);
  EXPECT_EQ(share().last_item, first);
}

TEST_F(Pace, EveryKeyIsLookedAtOnceACycleAndTheNextBeginsInTime) {
  begin_cycle();
  const std::multiset<std::string> users = finish_cycle();
  EXPECT_EQ(users.size(), static_cast<std::size_t>(kUsers));
  EXPECT_EQ(std::set<std::string>(users.begin(), users.end()).size(), users.size());
  EXPECT_EQ(audit_->progress().cycle.state, Progress::State::kDone);
  clock_.pass(left());
  EXPECT_DOUBLE_EQ(audit_->progress().oldest_unverified_seconds, 1'000);
  begin_cycle();
  finish_cycle();
  clock_.pass(left());
  begin_cycle();
  EXPECT_LE(audit_->progress().oldest_unverified_seconds, 2'000);
  EXPECT_EQ(audit_->progress().verified_total, 2 * kUsers);
}

TEST_F(Pace, TheOldestIsOlderWithinTheSecondCycle) {
  begin_cycle();
  finish_cycle();
  clock_.pass(left());
  begin_cycle();
  clock_.pass(300 * kSecond);
  EXPECT_DOUBLE_EQ(audit_->progress().oldest_unverified_seconds, 1'300);
}

TEST_F(Pace, ARestartGoesOn) {
  begin_cycle();
  must(audit_->taken(share(), 0));
  const Progress before = audit_->progress().cycle;
  clock_.pass(500 * kSecond);
  make();
  EXPECT_EQ(audit_->progress().cycle.items_done, before.items_done);
  EXPECT_EQ(audit_->progress().cycle.started_at_seconds, before.started_at_seconds);
  EXPECT_DOUBLE_EQ(audit_->progress().oldest_unverified_seconds, 500);
  EXPECT_EQ(left(), 0) << "it is behind by what the daemon slept";
}

TEST_F(Pace, AShareThatIsTooSmallIsSaid) {
  settings_.cpu_share = 0.0001;
  audit_->set(settings_);
  begin_cycle();
  while (audit_->progress().cycle_seconds_needed < 0) {
    if (audit_->progress().cycle.state != Progress::State::kRunning) {
      clock_.pass(left());
      begin_cycle();
    }
    clock_.pass(left());
    const Share taken = share();
    if (taken.items > 0) must(audit_->taken(taken, taken.items * 2'000));  // 2 ms an item: 100 items are 2,000 s
  }
  EXPECT_DOUBLE_EQ(audit_->progress().cycle_seconds_needed, 2'000);
  EXPECT_TRUE(audit_->progress().share_too_small);
  settings_.cpu_share = 0.001;
  audit_->set(settings_);
  EXPECT_FALSE(audit_->progress().share_too_small);
}

TEST_F(Pace, OffIsOff) {
  settings_.every_seconds = 0;
  audit_->set(settings_);
  EXPECT_FALSE(audit_->ready());
  EXPECT_EQ(left(), -1);
  EXPECT_EQ(audit_->progress().oldest_unverified_seconds, 0);
}

TEST_F(Pace, AListThatCannotBeMadeIsTriedAgainLater) {
  std::filesystem::rename(folder_.file("ads.db"), folder_.file("elsewhere.db"));
  begin_cycle();
  EXPECT_EQ(audit_->progress().cycle.state, Progress::State::kFailed);
  EXPECT_THAT(audit_->progress().cycle.error, HasSubstr("ads.db"));
  EXPECT_EQ(left(), 60 * kSecond);
  clock_.pass(left());
  std::filesystem::rename(folder_.file("elsewhere.db"), folder_.file("ads.db"));
  begin_cycle();
  EXPECT_EQ(audit_->progress().cycle.state, Progress::State::kRunning);
  EXPECT_DOUBLE_EQ(audit_->progress().oldest_unverified_seconds, 60);
}

TEST_F(Pace, AnUnreadableListIsSaid) {
  begin_cycle();
  audit_.reset();
  must(must(sqlite::Connection::open(folder_.file("audit.db"), sqlite::OpenMode::kReadWrite, 5'000))
           ->execute("UPDATE job SET request = '['"));
  SelfAudit audit(folder_.file("audit.db"), {}, clock_, 7, [] {});
  EXPECT_THAT(audit.resume_after_restart().error().line(), HasSubstr("audit.db"));
}

}  // namespace
}  // namespace admetrics::backfill
