#include "core/engine/worker_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "core/engine/progress.hpp"

namespace admetrics {
namespace {

TEST(WorkerPool, CallsTheWorkOnceForEachWorker) {
  for (const std::size_t size : {1U, 2U, 5U}) {
    WorkerPool pool(size);
    EXPECT_EQ(pool.size(), size);
    std::atomic<std::size_t> calls{0};
    for (int round = 0; round < 50; ++round) pool.run([&](std::size_t) { calls.fetch_add(1); });
    EXPECT_EQ(calls.load(), 50 * size);
  }
}

TEST(WorkerPool, NoTwoCallsShareAnIndexAtTheSameTime) {
  constexpr std::size_t kWorkers = 4;
  WorkerPool pool(kWorkers);
  std::vector<std::atomic<int>> busy(kWorkers);
  std::atomic<int> collisions{0};
  for (int round = 0; round < 500; ++round) {
    pool.run([&](std::size_t index) {
      ASSERT_LT(index, kWorkers);
      if (busy[index].fetch_add(1) != 0) collisions.fetch_add(1);
      busy[index].fetch_sub(1);
    });
  }
  EXPECT_EQ(collisions.load(), 0);
}

// Whoever waits can tell how far the work is: on his own thread, as often as it takes, and not after the end.
TEST(WorkerPool, WhoeverWaitsIsCalledMeanwhile) {
  WorkerPool pool(2);
  const std::thread::id waiting = std::this_thread::get_id();
  std::atomic<int> called{0};
  pool.run(
      [&](std::size_t) {
        while (called.load() < 2) std::this_thread::yield();
      },
      [&] {
        EXPECT_EQ(std::this_thread::get_id(), waiting);
        ++called;
      });
  const int at_the_end = called.load();
  EXPECT_GE(at_the_end, 2);
  pool.run([](std::size_t) {});
  EXPECT_EQ(called.load(), at_the_end);
}

TEST(StageProgress, TellsOnlyOfWhatWasDone) {
  std::vector<std::int64_t> told;
  const std::function<void(const EpochProgress&)> listener = [&](const EpochProgress& progress) {
    EXPECT_STREQ(progress.stage, "read");
    EXPECT_EQ(progress.total, 9);
    told.push_back(progress.done);
  };
  StageProgress progress("read", 9, listener);
  progress.tell();
  EXPECT_TRUE(told.empty()) << "waiting is no progress";
  progress.add(4);
  progress.add(1);
  progress.tell();
  progress.tell();
  progress.add(4);
  progress.tell();
  EXPECT_EQ(told, (std::vector<std::int64_t>{5, 9}));
  const std::function<void(const EpochProgress&)> nobody;
  StageProgress silent("read", 0, nobody);
  silent.add(1);
  silent.tell();
}

/// Plain memory on both sides of the barrier: ThreadSanitizer says whether the pool really is one.
TEST(WorkerPool, WaitingIsABarrier) {
  constexpr std::size_t kWorkers = 4;
  constexpr std::size_t kItems = 1'000;
  WorkerPool pool(kWorkers);
  std::vector<std::size_t> items(kItems, 0);
  for (std::size_t round = 1; round <= 50; ++round) {
    const std::size_t before = round;  // written before `start`, read by the workers
    std::atomic<std::size_t> next{0};
    pool.start([&](std::size_t) {
      for (std::size_t i = next.fetch_add(1); i < kItems; i = next.fetch_add(1)) items[i] += before;
    });
    pool.wait();
    for (const std::size_t item : items) ASSERT_EQ(item, round * (round + 1) / 2);
    for (std::size_t& item : items) ++item, --item;  // and ours in between
  }
}

TEST(WorkerPool, ForEachTakesEachItemOnce) {
  WorkerPool pool(3);
  for (const std::size_t count : {0U, 1U, 2U, 3U, 1'000U}) {
    std::vector<int> taken(count, 0);
    pool.for_each(count, [&](std::size_t worker, std::size_t i) {
      ASSERT_LT(worker, pool.size());
      ++taken[i];
    });
    EXPECT_EQ(taken, std::vector<int>(count, 1));
  }
}

TEST(WorkerPool, WaitingForNothingReturns) {
  WorkerPool pool(2);
  pool.wait();
  std::atomic<int> calls{0};
  pool.run([&](std::size_t) { calls.fetch_add(1); });
  pool.wait();
  EXPECT_EQ(calls.load(), 2);
}

TEST(WorkerPool, EndingWaitsForTheWork) {
  std::atomic<int> calls{0};
  {
    WorkerPool pool(3);
    pool.start([&](std::size_t) { calls.fetch_add(1); });
  }
  EXPECT_EQ(calls.load(), 3);
}

}  // namespace
}  // namespace admetrics
