#include <chrono>
#include <set>
#include <thread>

#include "tests/demo/demo_fixture.hpp"

namespace admetrics::demo {
namespace {

class LivePipelineTest : public DemoTest {
 protected:
  LivePipeline open(std::uint64_t seed, const std::string& name = "a") {
    auto pipeline = LivePipeline::open(dir(name), seed, clock_);
    EXPECT_TRUE(pipeline.ok()) << pipeline.error().line();
    return std::move(pipeline).value();
  }
  std::string step(LivePipeline& pipeline) {
    clock_.seconds += 7;
    const auto done = pipeline.step();
    EXPECT_TRUE(done.ok()) << done.error().line();
    return done.ok() ? *done : "";
  }
  /// Steps until an act's description begins so; empty when it never comes.
  std::string step_until(LivePipeline& pipeline, const std::string& beginning) {
    for (int i = 0; i < 5'000; ++i) {
      std::string done = step(pipeline);
      if (done.starts_with(beginning)) return done;
    }
    return {};
  }
  std::int64_t whole_days() {
    return ask(product_file(), "SELECT count(*) FROM processed_event_days WHERE status = 'complete'");
  }

  TestClock clock_;

  void SetUp() override {
    DemoTest::SetUp();
    clock_.seconds = kNoonAfter;
  }
};

TEST_F(LivePipelineTest, KeepsTheSourceConsistentOverHundredsOfSteps) {
  write(small());
  const std::int64_t events_before = ask(product_file(), "SELECT count(*) FROM mixpanel_event");
  auto pipeline = open(3);
  std::set<std::string> kinds;
  for (int i = 0; i < 900 || pipeline.reloading(); ++i) {
    std::string done = step(pipeline);
    std::erase_if(done, [](char c) { return c >= '0' && c <= '9'; });
    kinds.insert(done.substr(0, 12));
    if (HasFailure()) return;
  }
  EXPECT_GT(kinds.size(), 10U);
  EXPECT_EQ(unbalanced(), 0);
  EXPECT_GT(ask(product_file(), "SELECT count(*) FROM mixpanel_event"), events_before + 300);
  EXPECT_GT(ask(product_file(),
                "SELECT count(*) FROM mixpanel_event WHERE event_name = 'RC Cancellation' AND "
                "revenue_usd < 0 AND event_time > '2025-08-01'"),
            5);
  EXPECT_GT(ask(ads_file(), "SELECT count(*) FROM ad_performance_daily WHERE date = '2025-08-01'"), 0);
  EXPECT_EQ(whole_days(), 26);
  EXPECT_EQ(ask(product_file(), "SELECT count(*) FROM _demo_reload"), 0);
  // The same product twice for one user, or one event twice, would break a key: ask SQLite.
  EXPECT_EQ(ask_text(product_file(), "PRAGMA integrity_check"), "ok");
  EXPECT_EQ(ask_text(ads_file(), "PRAGMA integrity_check"), "ok");
}

TEST_F(LivePipelineTest, SameSeedAndClockGiveTheSameActs) {
  write(small("a"));
  write(small("b"));
  for (const char* name : {"a", "b"}) {
    clock_.seconds = kNoonAfter;
    auto pipeline = open(11, name);
    for (int i = 0; i < 200; ++i) step(pipeline);
  }
  EXPECT_EQ(content("a"), content("b"));
}

TEST_F(LivePipelineTest, AnotherRunOfTheSameSeedGoesOn) {
  write(small());
  for (int run = 0; run < 2; ++run) {
    auto pipeline = open(11);
    const std::int64_t users = ask(product_file(), "SELECT count(*) FROM mixpanel_user");
    EXPECT_NE(step_until(pipeline, "4 new users"), "");
    EXPECT_GT(ask(product_file(), "SELECT count(*) FROM mixpanel_user"), users);
  }
}

TEST_F(LivePipelineTest, ReloadTearsItsDaysAndBringsThemBack) {
  write(small());
  auto pipeline = open(1);
  bool unchanged_seen = false;
  for (int i = 0; i < 20 && !unchanged_seen; ++i) {
    std::uint64_t before = 0;
    std::int64_t whole_before = 0;
    std::string done;
    do {  // the content just before the reload began
      before = hash_of_table(product_file(), "mixpanel_event", "event_uuid");
      whole_before = whole_days();
      done = step(pipeline);
    } while (!done.starts_with("day reload of"));
    unchanged_seen = done.ends_with("unchanged");
    EXPECT_EQ(whole_days(), whole_before - 2);
    EXPECT_NE(hash_of_table(product_file(), "mixpanel_event", "event_uuid"), before);
    int steps = 0;
    while (pipeline.reloading()) {
      EXPECT_EQ(whole_days(), whole_before - 2);
      step(pipeline);
      ++steps;
    }
    EXPECT_GE(steps, 2);
    EXPECT_EQ(whole_days(), whole_before);
    EXPECT_EQ(hash_of_table(product_file(), "mixpanel_event", "event_uuid") == before, unchanged_seen);
  }
  EXPECT_TRUE(unchanged_seen);
}

TEST_F(LivePipelineTest, AKilledReloadIsFinishedByTheNextRun) {
  write(small());
  const std::int64_t whole = whole_days();
  {
    auto pipeline = open(1);
    ASSERT_NE(step_until(pipeline, "day reload of"), "");
    step(pipeline);
  }
  EXPECT_LT(whole_days(), whole + 1);
  auto pipeline = open(1);
  EXPECT_TRUE(pipeline.reloading());
  while (pipeline.reloading() && !HasFailure()) step(pipeline);
  EXPECT_GE(whole_days(), whole);
  EXPECT_EQ(ask(product_file(), "SELECT count(*) FROM _demo_reload"), 0);
}

TEST_F(LivePipelineTest, WaitsForAnotherWriter) {
  write(small());
  auto pipeline = open(2);
  std::thread writer([&] {
    auto other = connect(product_file());
    auto ads = connect(ads_file());
    ASSERT_TRUE(other->begin_immediate().ok());
    ASSERT_TRUE(ads->begin_immediate().ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    other->rollback();
    ads->rollback();
  });
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(step(pipeline).starts_with("waited in vain"));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  writer.join();
}

TEST_F(LivePipelineTest, AClockFarFromTheSampleIsNoProblem) {
  write(small());
  for (const std::int64_t seconds : {std::int64_t{1'000'000'000}, std::int64_t{2'500'000'000}}) {
    clock_.seconds = seconds;
    auto pipeline = open(4);
    for (int i = 0; i < 100 && !HasFailure(); ++i) step(pipeline);
  }
  EXPECT_EQ(unbalanced(), 0);
}

TEST_F(LivePipelineTest, ChangesNothingThatIsNotADemo) {
  EXPECT_EQ(LivePipeline::open(dir("missing"), 1, clock_).error().code, Errc::kNotFound);
  EXPECT_FALSE(std::filesystem::exists(dir("missing")));
  std::filesystem::create_directories(dir());
  for (const std::string& path : {product_file(), ads_file()}) {
    auto foreign = sqlite::Connection::open(path, sqlite::OpenMode::kCreate, 0);
    ASSERT_TRUE(foreign.ok());
    ASSERT_TRUE((*foreign)->execute("CREATE TABLE mixpanel_user (distinct_id TEXT)").ok());
  }
  EXPECT_EQ(LivePipeline::open(dir(), 1, clock_).error().code, Errc::kUsage);
}

}  // namespace
}  // namespace admetrics::demo
