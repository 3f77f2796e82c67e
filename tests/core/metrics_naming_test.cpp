#include "core/metrics/naming.hpp"

#include <gtest/gtest.h>

/// `metrics.md` section 6: which name an entity carries, and which pair an ad.
namespace admetrics {
namespace {

class NamingTest : public testing::Test {
 protected:
  void carried(std::string_view first, std::string_view second, std::int64_t rows, int day) {
    counter_.add(dictionary_.intern(first), dictionary_.intern(second), rows, Day{day});
  }
  void named(std::string_view name, std::int64_t rows, int day) { carried(name, "", rows, day); }

  std::string chosen() {
    const auto best = counter_.choose(dictionary_);
    if (!best) return "none";
    const std::string second(dictionary_.text(best->second));
    return std::string(dictionary_.text(best->first)) + (second.empty() ? "" : "/" + second);
  }

  Dictionary dictionary_;
  CarriedCounter counter_;
};

TEST_F(NamingTest, TheNameCarriedByMostRowsWins) {
  named("Rare", 1, 900);
  named("Common", 2, 100);
  named("Rare too", 1, 901);
  named("Common", 1, 101);
  EXPECT_EQ(chosen(), "Common");
  EXPECT_EQ(counter_.choose(dictionary_)->rows, 3);
  EXPECT_EQ(counter_.total_rows(), 5);
}

TEST_F(NamingTest, TiesGoToTheLatestDate) {
  named("A", 2, 100);
  named("B", 1, 90);
  named("B", 1, 101);
  EXPECT_EQ(chosen(), "B");
}

TEST_F(NamingTest, ThenToTheSmallestBytes) {
  named("b", 1, 100);
  named("\xc3\xa4", 1, 100);
  named("a", 1, 100);
  EXPECT_EQ(chosen(), "a");
  named("Z", 1, 100);
  EXPECT_EQ(chosen(), "Z");
  named("", 1, 100);
  EXPECT_EQ(chosen(), "");
}

TEST_F(NamingTest, HighBytesAreGreaterThanAscii) {
  named("\xc3\xa4", 1, 100);
  named("z", 1, 100);
  EXPECT_EQ(chosen(), "z");
}

TEST_F(NamingTest, TheChoiceDoesNotDependOnTheOrderOfInterning) {
  dictionary_.intern("b");
  dictionary_.intern("a");
  named("a", 1, 100);
  named("b", 1, 100);
  EXPECT_EQ(chosen(), "a");
}

TEST_F(NamingTest, FirstAndLastSeenAreThatNamesOwn) {
  named("A", 1, 105);
  named("A", 1, 103);
  named("A", 1, 104);
  named("B", 1, 1);
  named("B", 1, 999);
  const auto best = counter_.choose(dictionary_);
  ASSERT_TRUE(best);
  EXPECT_EQ(chosen(), "A");
  EXPECT_EQ(best->first_day, Day{103});
  EXPECT_EQ(best->last_day, Day{105});
}

TEST_F(NamingTest, NothingCarriedIsNothingChosen) {
  EXPECT_EQ(chosen(), "none");
  EXPECT_EQ(counter_.total_rows(), 0);
}

TEST_F(NamingTest, APairIsCountedAsAPair) {
  carried("s1", "c1", 2, 100);
  carried("s1", "c2", 3, 90);
  carried("s2", "c1", 2, 110);
  EXPECT_EQ(chosen(), "s1/c2");
}

TEST_F(NamingTest, PairTiesGoToTheLatestDateThenTheSmallestBytes) {
  carried("s1", "c9", 1, 100);
  carried("s2", "c1", 1, 101);
  EXPECT_EQ(chosen(), "s2/c1");
  carried("s1", "c9", 0, 101);
  EXPECT_EQ(chosen(), "s1/c9");
  carried("s1", "c1", 1, 101);
  EXPECT_EQ(chosen(), "s1/c1");
}

TEST(Confidence, IsAShareWithTwoDecimals) {
  EXPECT_EQ(share_hundredths(1, 1), 100);
  EXPECT_EQ(share_hundredths(1, 3), 33);
  EXPECT_EQ(share_hundredths(2, 3), 67);
  EXPECT_EQ(share_hundredths(1, 8), 13);  // 0.125: half away from zero
  EXPECT_EQ(share_hundredths(3, 8), 38);
  EXPECT_EQ(share_hundredths(1, 1'000), 0);
  EXPECT_EQ(share_hundredths(0, 0), 0);
}

}  // namespace
}  // namespace admetrics
