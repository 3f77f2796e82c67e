#include <gtest/gtest.h>

#include "tests/story/story.hpp"

namespace admetrics {
namespace {

/// Fails on purpose (WILL_FAIL): should this ever pass, no story can be believed.
TEST(Canary, DiesInTheMine) {
  const std::vector<Story> stories = read_stories(ADMETRICS_CANARY);
  ASSERT_EQ(stories.size(), 1U);
  EXPECT_EQ(play(stories.front()), "");
}

}  // namespace
}  // namespace admetrics
