// What the memory in use means for the next batches.
#include "daemon/memory_guard.hpp"

#include <gtest/gtest.h>

namespace admetrics {
namespace {

constexpr std::int64_t kMebibyte = 1 << 20;
constexpr std::int64_t kLimit = 1'000 * kMebibyte;
constexpr std::int64_t kSecond = 1'000'000;

class MemoryGuardTest : public testing::Test {
 protected:
  MemoryLevel at(std::int64_t mebibytes, std::int64_t limit = kLimit) {
    resident_ = mebibytes * kMebibyte;
    now_ += 2 * kSecond;
    guard_.look(limit, now_);
    return guard_.level();
  }

  std::int64_t resident_ = 0;
  std::int64_t returned_ = 0;  // by each giving back
  int times_given_back_ = 0;
  std::int64_t now_ = 0;
  MemoryGuard guard_{[this] { return resident_; },
                     [this] {
                       ++times_given_back_;
                       resident_ -= returned_;
                     }};
};

TEST_F(MemoryGuardTest, LevelsFollowTheShareOfTheLimit) {
  EXPECT_EQ(at(100), MemoryLevel::kNormal);
  EXPECT_EQ(guard_.limits().squeeze, 1U);
  EXPECT_EQ(at(800), MemoryLevel::kNormal);
  EXPECT_EQ(at(801), MemoryLevel::kHigh);
  EXPECT_EQ(guard_.limits().squeeze, 2U);
  EXPECT_EQ(at(1'000), MemoryLevel::kHigh);
  EXPECT_EQ(at(1'001), MemoryLevel::kOver);
  EXPECT_GT(guard_.limits().squeeze, 2U);
}

TEST_F(MemoryGuardTest, ALevelEndsOnlyClearlyBelowItsEdge) {
  EXPECT_EQ(at(900), MemoryLevel::kHigh);
  EXPECT_EQ(at(790), MemoryLevel::kHigh);
  EXPECT_EQ(at(750), MemoryLevel::kNormal);
  EXPECT_EQ(at(790), MemoryLevel::kNormal);
  EXPECT_EQ(at(1'100), MemoryLevel::kOver);
  EXPECT_EQ(at(960), MemoryLevel::kOver);
  EXPECT_EQ(at(940), MemoryLevel::kHigh);
}

TEST_F(MemoryGuardTest, MemoryIsGivenBackOverTheLimitAndNotAllTheTime) {
  EXPECT_EQ(at(900), MemoryLevel::kHigh);
  EXPECT_EQ(times_given_back_, 0);
  returned_ = 300 * kMebibyte;
  EXPECT_EQ(at(1'100), MemoryLevel::kHigh) << "what could be given back is not in use";
  EXPECT_EQ(times_given_back_, 1);
  returned_ = 0;
  EXPECT_EQ(at(1'100), MemoryLevel::kOver);
  EXPECT_EQ(times_given_back_, 2);
  guard_.look(kLimit, now_ + kSecond / 2);
  EXPECT_EQ(times_given_back_, 2);
  guard_.look(kLimit, now_ + kSecond);
  EXPECT_EQ(times_given_back_, 3);
}

TEST_F(MemoryGuardTest, WithoutALimitEverythingIsAllowed) {
  EXPECT_EQ(at(1'000'000, 0), MemoryLevel::kNormal);
  EXPECT_EQ(guard_.limits().squeeze, 1U);
  EXPECT_EQ(guard_.limits().scan_bytes, 0);
  EXPECT_EQ(guard_.limits().state_bytes, 0);
  EXPECT_EQ(times_given_back_, 0);
}

// The limit is lowered by a reload.
TEST_F(MemoryGuardTest, ALimitThatChangesHoldsAtOnce) {
  EXPECT_EQ(at(500), MemoryLevel::kNormal);
  EXPECT_EQ(at(500, 400 * kMebibyte), MemoryLevel::kOver);
  EXPECT_EQ(guard_.limits().scan_bytes, 100 * kMebibyte);
  EXPECT_EQ(at(500, 4'000 * kMebibyte), MemoryLevel::kNormal);
}

}  // namespace
}  // namespace admetrics
