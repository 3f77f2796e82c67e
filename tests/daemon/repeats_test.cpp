#include "daemon/repeats.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace admetrics {
namespace {

using testing::ElementsAre;
using testing::Optional;

constexpr std::int64_t kSecond = 1'000'000;

TEST(RepeatsTest, WhatComesOnceIsHeard) {
  Repeats repeats;
  EXPECT_THAT(repeats.admit("a", 0), Optional(1));
  EXPECT_THAT(repeats.admit("b", 0), Optional(1));
}

TEST(RepeatsTest, WhatIsRepeatedIsHeardAtGrowingDistancesWithItsNumber) {
  Repeats repeats;
  std::vector<std::int64_t> heard_at;
  std::uint64_t told = 0;
  for (std::int64_t second = 0; second <= 40; ++second) {
    const auto times = repeats.admit("locked", second * kSecond);
    if (!times) continue;
    heard_at.push_back(second);
    told += *times;
  }
  EXPECT_THAT(heard_at, ElementsAre(0, 1, 3, 7, 15, 31));
  EXPECT_EQ(told, 32U) << "none is lost";
}

TEST(RepeatsTest, TheDistanceHasABound) {
  Repeats repeats;
  std::int64_t last = 0;
  std::int64_t longest = 0;
  for (std::int64_t second = 0; second < 86'400; second += 10) {
    if (!repeats.admit("locked", second * kSecond)) continue;
    longest = std::max(longest, second - last);
    last = second;
  }
  EXPECT_EQ(longest, Repeats::kLastDistanceMicros / kSecond) << "of a message that comes every ten seconds";
}

TEST(RepeatsTest, AfterASilenceItIsNewAgain) {
  Repeats repeats;
  for (std::int64_t i = 0; i < 100; ++i) static_cast<void>(repeats.admit("locked", i * kSecond / 10));
  EXPECT_NE(repeats.admit("locked", 3'600 * kSecond), std::nullopt);
  EXPECT_EQ(repeats.admit("locked", 3'600 * kSecond + 1), std::nullopt);
}

TEST(RepeatsTest, ManyMessagesDoNotPileUp) {
  Repeats repeats;
  for (std::int64_t i = 0; i < 10'000; ++i) EXPECT_THAT(repeats.admit(std::to_string(i), i), Optional(1));
  // The latest are remembered, the first are not.
  EXPECT_EQ(repeats.admit("9999", 10'000), std::nullopt);
  EXPECT_THAT(repeats.admit("0", 10'000), Optional(1));
}

}  // namespace
}  // namespace admetrics
