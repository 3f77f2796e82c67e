#include "daemon/board.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace admetrics {
namespace {

EpochEvent event_of(std::uint64_t epoch) {
  EpochEvent event;
  event.report.epoch = EpochId{epoch};
  return event;
}

TEST(Board, SaysStartingBeforeAnythingIsPublished) { EXPECT_EQ(Board().status()->phase, "starting"); }

TEST(Board, KeepsTheLastStatusForThoseWhoReadLater) {
  Board board;
  DaemonStatus status;
  status.phase = "streaming";
  board.publish(status);
  const auto before = board.status();
  status.phase = "waiting";
  board.publish(status);
  EXPECT_EQ(before->phase, "streaming");
  EXPECT_EQ(board.status()->phase, "waiting");
}

TEST(Board, CallsEveryListenerUntilItsSubscriptionEnds) {
  Board board;
  std::vector<std::uint64_t> first;
  std::vector<std::uint64_t> second;
  auto one = board.subscribe([&](const auto& event) { first.push_back(event->report.epoch.value); });
  const auto two = board.subscribe([&](const auto& event) { second.push_back(event->report.epoch.value); });
  board.announce(event_of(1));
  one.reset();
  board.announce(event_of(2));
  EXPECT_EQ(first, (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(second, (std::vector<std::uint64_t>{1, 2}));
}

TEST(Board, IsReadAndLeftWhileItIsWritten) {
  Board board;
  std::thread pipeline([&] {
    for (std::uint64_t epoch = 1; epoch <= 200; ++epoch) {
      DaemonStatus status;
      status.epochs = static_cast<std::int64_t>(epoch);
      board.publish(status);
      board.announce(event_of(epoch));
    }
  });
  std::int64_t last = 0;
  while (last < 200) {
    const auto subscription = board.subscribe([](const auto&) {});
    const std::int64_t now = board.status()->epochs;
    EXPECT_GE(now, last);
    last = now;
  }
  pipeline.join();
}

}  // namespace
}  // namespace admetrics
