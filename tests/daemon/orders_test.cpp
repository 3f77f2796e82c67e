#include "daemon/orders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace admetrics {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class OrdersTest : public ::testing::Test {
 protected:
  void give(Orders::Kind kind, const std::string& name) {
    orders_.give(kind, [this, name](const Status& done) { answered_.push_back(name + (done.ok() ? "" : " refused")); });
  }
  Orders orders_;
  std::vector<std::string> answered_;
};

TEST_F(OrdersTest, ASyncIsAnsweredByAnEpochThatBeganAfterIt) {
  orders_.begin_round();
  give(Orders::Kind::kSync, "late");  // while the epoch runs: its snapshot may be older
  orders_.end_round(true);
  EXPECT_THAT(answered_, IsEmpty());
  EXPECT_TRUE(orders_.waiting());
  orders_.begin_round();
  EXPECT_FALSE(orders_.waiting());
  orders_.end_round(true);
  EXPECT_THAT(answered_, ElementsAre("late"));
}

TEST_F(OrdersTest, ASyncWaitsWhileSomethingIsHeldBack) {
  give(Orders::Kind::kSync, "sync");
  orders_.begin_round();
  orders_.end_round(false);
  EXPECT_THAT(answered_, IsEmpty());
  EXPECT_FALSE(orders_.waiting()) << "and makes nobody run in circles";
  orders_.begin_round();
  orders_.end_round(true);
  EXPECT_THAT(answered_, ElementsAre("sync"));
  EXPECT_FALSE(orders_.paused());
}

TEST_F(OrdersTest, APauseBeginsBetweenEpochs) {
  orders_.begin_round();
  give(Orders::Kind::kPause, "pause");
  EXPECT_FALSE(orders_.paused());
  orders_.end_round(true);
  EXPECT_THAT(answered_, IsEmpty());
  orders_.begin_round();
  EXPECT_TRUE(orders_.paused());
  EXPECT_THAT(answered_, ElementsAre("pause"));
  EXPECT_TRUE(orders_.resume());
  EXPECT_FALSE(orders_.paused());
  EXPECT_FALSE(orders_.resume());
}

TEST_F(OrdersTest, ADrainPausesWhenEverythingIsVisible) {
  give(Orders::Kind::kDrain, "drain");
  orders_.begin_round();
  orders_.end_round(false);
  EXPECT_FALSE(orders_.paused());
  orders_.begin_round();
  orders_.end_round(true);
  EXPECT_THAT(answered_, ElementsAre("drain"));
  EXPECT_TRUE(orders_.paused());
}

TEST_F(OrdersTest, WakesThePipeline) {
  int woken = 0;
  orders_.listen([&] { ++woken; });
  give(Orders::Kind::kSync, "sync");
  EXPECT_EQ(woken, 1);
  orders_.resume();
  EXPECT_EQ(woken, 2);
  orders_.listen(nullptr);
  give(Orders::Kind::kSync, "sync");
  EXPECT_EQ(woken, 2);
}

TEST_F(OrdersTest, RefusesWhatNobodyWillCarryOut) {
  give(Orders::Kind::kSync, "sync");
  give(Orders::Kind::kPause, "pause");
  orders_.refuse_all({Errc::kInterrupted, "carry out the order", "here", "stopping"});
  EXPECT_THAT(answered_, ElementsAre("sync refused", "pause refused"));
  EXPECT_FALSE(orders_.paused());
}

TEST_F(OrdersTest, IsBounded) {
  for (int i = 0; i < 1'000; ++i) give(Orders::Kind::kSync, "sync");
  EXPECT_THAT(answered_, IsEmpty());
  give(Orders::Kind::kSync, "one too many");
  EXPECT_THAT(answered_, ElementsAre("one too many refused"));
}

}  // namespace
}  // namespace admetrics
