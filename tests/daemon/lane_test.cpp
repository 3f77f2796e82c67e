#include "daemon/api/lane.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

namespace admetrics::api {
namespace {

TEST(LaneTest, RunsWhatItTakesAndTakesNoMoreThanItMay) {
  std::promise<void> go;
  const std::shared_future<void> gone = go.get_future().share();
  std::atomic<int> done{0};
  std::promise<void> begun;
  Lane lane(1, 2, {"/nowhere"});
  ASSERT_TRUE(lane.post([&](dashboard::Tables& tables) {
    EXPECT_FALSE(tables.begin().ok());
    begun.set_value();
    gone.wait();
    ++done;
  }));
  begun.get_future().wait();
  EXPECT_TRUE(lane.post([&](dashboard::Tables&) { ++done; }));
  EXPECT_TRUE(lane.post([&](dashboard::Tables&) { ++done; }));
  EXPECT_FALSE(lane.post([&](dashboard::Tables&) { ++done; }));
  go.set_value();
  while (done.load() < 3) std::this_thread::yield();
  lane.stop();
  EXPECT_FALSE(lane.post([&](dashboard::Tables&) { ++done; }));
  EXPECT_EQ(done.load(), 3);
}

}  // namespace
}  // namespace admetrics::api
