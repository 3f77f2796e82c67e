// How long acknowledged change records stay in the log.
#include "sources/sqlite/log_retention.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace admetrics::source {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kKeep = 15 * kSecond;

TEST(LogRetention, NothingMayGoBeforeAnythingWasAcknowledged) { EXPECT_EQ(LogRetention().expired(INT64_MAX), 0); }

TEST(LogRetention, WithoutAWaitWhatWasAcknowledgedMayGoAtOnce) {
  LogRetention retention;
  retention.acknowledge(5, 0, 0);
  EXPECT_EQ(retention.expired(0), 5);
}

TEST(LogRetention, RecordsStayForTheirTimeAndNotMuchLonger) {
  LogRetention retention;
  retention.acknowledge(5, 0, kKeep);
  retention.acknowledge(9, 2 * kSecond, kKeep);
  EXPECT_EQ(retention.expired(kKeep - 1), 0);
  EXPECT_EQ(retention.expired(kKeep), 5);
  EXPECT_EQ(retention.expired(kKeep + 2 * kSecond - 1), 5);
  EXPECT_EQ(retention.expired(kKeep + 2 * kSecond), 9);
  EXPECT_EQ(retention.expired(0), 9) << "what may go goes on being allowed to";
}

// A thousand epochs a second: each record stays for its time, and none for more than a second on top.
TEST(LogRetention, ManyAcknowledgementsOfOneSecondAreOneStep) {
  LogRetention retention;
  constexpr std::int64_t kEvery = 1'000;
  constexpr std::int64_t kEpochs = 5'000;
  for (std::int64_t epoch = 0; epoch < kEpochs; ++epoch) retention.acknowledge(epoch + 1, epoch * kEvery, kKeep);
  std::int64_t steps = 0;
  std::int64_t before = 0;
  for (std::int64_t now = 0; now <= kKeep + kEpochs * kEvery; now += kEvery) {
    const std::int64_t expired = retention.expired(now);
    steps += expired != before ? 1 : 0;
    before = expired;
    // Record n was acknowledged at (n - 1) × kEvery.
    const std::int64_t kept_long_enough = std::max<std::int64_t>(0, (now - kKeep) / kEvery + (now >= kKeep ? 1 : 0));
    EXPECT_LE(expired, kept_long_enough) << now;
    EXPECT_GE(expired, std::min(kEpochs, kept_long_enough - kSecond / kEvery)) << now;
  }
  EXPECT_EQ(steps, kEpochs * kEvery / kSecond);
  EXPECT_EQ(before, kEpochs);
}

// With no wait any more (the configuration changed), nothing of the past stays.
TEST(LogRetention, AWaitThatEndsEndsForAll) {
  LogRetention retention;
  retention.acknowledge(5, 0, kKeep);
  retention.acknowledge(6, 1, 0);
  EXPECT_EQ(retention.expired(1), 6);
}

}  // namespace
}  // namespace admetrics::source
