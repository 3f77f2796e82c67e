#include "core/base/fixed.hpp"

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "tests/core/draw.hpp"

namespace admetrics {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::optional<std::int64_t> micros(double number) { return scaled_from_double(number, 6, kMoneyMicrosMax); }
std::optional<std::int64_t> nanos(double number) { return scaled_from_double(number, 9, kRateNanosMax); }

double number_of(const std::string& text) {
  double number = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), number).ptr;
  EXPECT_EQ(end, text.data() + text.size()) << text;
  return number;
}

TEST(FixedPoint, RoundsTheShortestRoundTripText) {
  EXPECT_EQ(micros(29.95), 29'950'000);
  EXPECT_EQ(micros(0.1 + 0.2), 300'000);  // 0.30000000000000004
  EXPECT_EQ(micros(5e-7), 1);             // as a double below the half; its text is the half
  EXPECT_EQ(micros(1.0000005), 1'000'001);
  EXPECT_EQ(micros(8.0000015), 8'000'002);
  EXPECT_EQ(micros(1e-6), 1);
  EXPECT_EQ(nanos(1.0 / 3.0), 333'333'333);
  EXPECT_EQ(nanos(2.0 / 3.0), 666'666'667);
  EXPECT_EQ(nanos(0.5), 500'000'000);
}

TEST(FixedPoint, RoundsHalvesAwayFromZero) {
  EXPECT_EQ(micros(0.0000015), 2);
  EXPECT_EQ(micros(0.0000025), 3);
  EXPECT_EQ(micros(-0.0000015), -2);
  EXPECT_EQ(micros(-0.0000025), -3);
  EXPECT_EQ(micros(0.00000049999), 0);
  EXPECT_EQ(micros(-0.00000049999), 0);
}

TEST(FixedPoint, TinyNumbersAreZero) {
  for (const double tiny : {0.0, -0.0, 5e-324, -5e-324, 1e-300, 1e-30, 4.9e-7, std::numeric_limits<double>::min()}) {
    EXPECT_EQ(micros(tiny), 0) << tiny;
  }
}

TEST(FixedPoint, InfinitiesAndNotANumberAreUnreadable) {
  EXPECT_FALSE(micros(kInfinity));
  EXPECT_FALSE(micros(-kInfinity));
  EXPECT_FALSE(micros(std::numeric_limits<double>::quiet_NaN()));
}

TEST(FixedPoint, HasALimitOnBothSides) {
  EXPECT_EQ(micros(1e9), kMoneyMicrosMax);
  EXPECT_EQ(micros(-1e9), -kMoneyMicrosMax);
  EXPECT_FALSE(micros(1'000'000'000.000001));
  EXPECT_FALSE(micros(-1'000'000'000.000001));
  EXPECT_FALSE(micros(1e19));
  EXPECT_FALSE(micros(-1.7e308));
  EXPECT_EQ(nanos(1e6), kRateNanosMax);
  EXPECT_FALSE(nanos(1e6 + 1));

  EXPECT_EQ(scaled_from_integer(1'000'000'000, 6, kMoneyMicrosMax), kMoneyMicrosMax);
  EXPECT_EQ(scaled_from_integer(-1'000'000'000, 6, kMoneyMicrosMax), -kMoneyMicrosMax);
  EXPECT_FALSE(scaled_from_integer(1'000'000'001, 6, kMoneyMicrosMax));
  EXPECT_FALSE(scaled_from_integer(-1'000'000'001, 6, kMoneyMicrosMax));
  EXPECT_FALSE(scaled_from_integer(std::numeric_limits<std::int64_t>::max(), 9, kRateNanosMax));
  EXPECT_FALSE(scaled_from_integer(std::numeric_limits<std::int64_t>::min(), 0, kCountMax));
}

TEST(FixedPoint, AnIntegerAndTheRealOfTheSameValueAreEqual) {
  Draw draw(1);
  for (int i = 0; i < 10'000; ++i) {
    const std::int64_t dollars = draw.between(-1'000'000'000, 1'000'000'000);
    ASSERT_EQ(micros(static_cast<double>(dollars)), scaled_from_integer(dollars, 6, kMoneyMicrosMax)) << dollars;
  }
}

TEST(FixedPoint, EveryDecimalOfSixPlacesIsReadExactly) {
  Draw draw(2);
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t amount = draw.between(-999'999'999'999'999, 999'999'999'999'999) >> draw.below(50);
    const std::string digits = std::to_string(std::abs(amount) + 1'000'000'000'000'000).substr(1);
    const std::string text = (amount < 0 ? "-" : "") + digits.substr(0, 9) + '.' + digits.substr(9);
    ASSERT_EQ(micros(number_of(text)), amount) << text;
  }
}

TEST(FixedPoint, ASeventhPlaceRoundsAsItsDigitSays) {
  Draw draw(3);
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t amount =
        draw.between(0, 9'999'999'999'999) >> draw.below(40);  // 7 + 7 digits: doubles keep them
    const std::int64_t digit = draw.between(0, 9);
    const std::string digits = std::to_string(amount * 10 + digit + 1'000'000'000'000'000).substr(1);
    const std::string text = digits.substr(0, 8) + '.' + digits.substr(8);
    const std::int64_t expected = amount + (digit >= 5 ? 1 : 0);
    ASSERT_EQ(micros(number_of(text)), expected) << text;
    ASSERT_EQ(micros(number_of("-" + text)), -expected) << text;
  }
}

TEST(DivideRounded, RoundsHalvesAwayFromZero) {
  EXPECT_EQ(divide_rounded(1, 2), 1);
  EXPECT_EQ(divide_rounded(3, 2), 2);
  EXPECT_EQ(divide_rounded(5, 2), 3);
  EXPECT_EQ(divide_rounded(-1, 2), -1);
  EXPECT_EQ(divide_rounded(-5, 2), -3);
  EXPECT_EQ(divide_rounded(5, -2), -3);
  EXPECT_EQ(divide_rounded(-5, -2), 3);
  EXPECT_EQ(divide_rounded(1, 3), 0);
  EXPECT_EQ(divide_rounded(2, 3), 1);
  EXPECT_EQ(divide_rounded(-2, 3), -1);
  EXPECT_EQ(divide_rounded(0, 7), 0);
}

TEST(DivideRounded, ByZeroIsZero) {
  EXPECT_EQ(divide_rounded(0, 0), 0);
  EXPECT_EQ(divide_rounded(7, 0), 0);
  EXPECT_EQ(divide_rounded(-7, 0), 0);
}

TEST(DivideRounded, IsTheNearestWholeNumber) {
  Draw draw(4);
  for (int i = 0; i < 50'000; ++i) {
    const Int128 numerator = static_cast<Int128>(draw.any_size()) * draw.between(1, 1'000'000);
    const Int128 denominator = draw.any_size();
    if (denominator == 0) continue;
    const Int128 quotient = divide_rounded(numerator, denominator);
    // |2 (numerator - quotient × denominator)| ≤ |denominator|, and at the half the quotient is the one further out.
    const Int128 size = denominator < 0 ? -denominator : denominator;
    const Int128 rest = numerator - quotient * denominator;
    const Int128 twice = 2 * (rest < 0 ? -rest : rest);
    ASSERT_LE(twice, size);
    if (twice == size) {
      const Int128 whole = quotient * denominator;
      ASSERT_GT(whole < 0 ? -whole : whole, numerator < 0 ? -numerator : numerator);
    }
  }
}

TEST(Saturate, StopsAtTheEnds) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(saturate(static_cast<Int128>(kMax)), kMax);
  EXPECT_EQ(saturate(static_cast<Int128>(kMax) + 1), kMax);
  EXPECT_EQ(saturate(static_cast<Int128>(kMax) * kMax), kMax);
  EXPECT_EQ(saturate(static_cast<Int128>(kMin)), kMin);
  EXPECT_EQ(saturate(static_cast<Int128>(kMin) - 1), kMin);
  EXPECT_EQ(saturate(-42), -42);
}

TEST(WrappingSum, TakingAwayWhatWasAddedLeavesNoTrace) {
  Draw draw(5);
  std::int64_t sum = 0;
  std::vector<std::int64_t> parts;
  for (int i = 0; i < 1'000; ++i) {
    parts.push_back(draw.any_size());
    sum = wrapping_add(sum, parts.back());
  }
  for (std::size_t i = 0; i < parts.size(); ++i) sum = wrapping_subtract(sum, parts[(i * 7) % parts.size()]);
  EXPECT_EQ(sum, 0);  // 7 and 1000 have no common factor: each part once, in another order
}

}  // namespace
}  // namespace admetrics
