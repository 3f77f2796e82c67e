#include "verify/reading.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace admetrics::verification {
namespace {

std::optional<std::int64_t> micros(double number) { return units_of(number, kMoneyDigits, kMoneyMax); }

TEST(Reading, MoneyIsRoundedOnItsShortestText) {
  EXPECT_EQ(micros(29.95), 29'950'000);
  EXPECT_EQ(micros(-4.99), -4'990'000);
  EXPECT_EQ(micros(0.1 + 0.2), 300'000);  // 0.30000000000000004
  // As a double, 0.0000005 lies below the half; its text does not.
  EXPECT_EQ(micros(0.0000005), 1);
  EXPECT_EQ(micros(-0.0000005), -1);
  EXPECT_EQ(micros(0.00000049999), 0);
  EXPECT_EQ(micros(1.0000005), 1'000'001);
  EXPECT_EQ(micros(2.5e-7), 0);
  EXPECT_EQ(micros(-0.0), 0);
  EXPECT_EQ(micros(5e-324), 0);
}

TEST(Reading, MoneyHasASize) {
  EXPECT_EQ(micros(1e9), kMoneyMax);
  EXPECT_EQ(micros(-1e9), -kMoneyMax);
  EXPECT_FALSE(micros(1e9 + 1));
  EXPECT_FALSE(micros(1e300));
  EXPECT_FALSE(micros(std::numeric_limits<double>::infinity()));
  EXPECT_FALSE(micros(std::numeric_limits<double>::quiet_NaN()));
  EXPECT_EQ(units_of(std::int64_t{1'000'000'000}, kMoneyDigits, kMoneyMax), kMoneyMax);
  EXPECT_FALSE(units_of(std::int64_t{1'000'000'001}, kMoneyDigits, kMoneyMax));
  EXPECT_FALSE(units_of(std::numeric_limits<std::int64_t>::min(), kMoneyDigits, kMoneyMax));
}

TEST(Reading, Rates) {
  EXPECT_EQ(units_of(0.25, kRateDigits, kRateMax), 250'000'000);
  EXPECT_EQ(units_of(1.0 / 3.0, kRateDigits, kRateMax), 333'333'333);
  EXPECT_EQ(units_of(2.0 / 3.0, kRateDigits, kRateMax), 666'666'667);
}

TEST(Reading, CountsAreWhole) {
  EXPECT_EQ(count_of(5.0), 5);
  EXPECT_EQ(count_of(-5.0), -5);
  EXPECT_FALSE(count_of(5.5));
  EXPECT_FALSE(count_of(1e16));
  EXPECT_FALSE(count_of(std::numeric_limits<double>::infinity()));
  EXPECT_EQ(count_of(kCountMax), kCountMax);
  EXPECT_FALSE(count_of(kCountMax + 1));
}

TEST(Reading, Times) {
  const auto seconds = [](std::string_view text) {
    const auto moment = read_moment(text);
    return moment ? std::optional(moment->seconds) : std::nullopt;
  };
  EXPECT_EQ(seconds("1970-01-01T00:00Z"), 0);
  EXPECT_EQ(seconds("1970-01-01 00:00:01"), 1);
  EXPECT_EQ(seconds("1970-01-02T00:00:00+01:30"), 86'400 - 5'400);
  EXPECT_EQ(seconds("1969-12-31T23:59:59-00:01"), 59);
  EXPECT_EQ(seconds("2024-02-29T12:00:00Z"), 1'709'208'000);
  EXPECT_EQ(seconds("0000-01-01T00:00:00Z"), -62'167'219'200);
  EXPECT_EQ(seconds("9999-12-31T23:59:59Z"), 253'402'300'799);
  EXPECT_EQ(seconds("2026-01-01T00:00:00+14:59"), seconds("2025-12-31T09:01:00Z"));

  for (const char* text : {"",
                           "2026-01-01",
                           "2026-01-01T",
                           "2026-01-01T10",
                           "2026-01-01T10:00+0200",
                           "2026-01-01T10:00+02",
                           "2026-01-01t10:00",
                           "2026-01-01T10:00z",
                           "2026-01-01T24:00",
                           "2026-01-01T10:60",
                           "2026-01-01T10:00:60",
                           "2026-01-01T10:00:00,5",
                           "2026-01-01T10:00:00.",
                           "2026-01-01T10:00:00.Z",
                           "2026-01-01T10:00.5",
                           " 2026-01-01T10:00",
                           "2026-01-01T10:00 ",
                           "2026-01-01T10:00:00 Z",
                           "2026-02-29T10:00",
                           "2026-13-01T10:00",
                           "2026-00-01T10:00",
                           "2026-01-00T10:00",
                           "2026-01-01T10:00+15:00",
                           "2026-01-01T10:00+01:60",
                           "2026-1-1T10:00",
                           "0000-01-01T00:00+00:01",
                           "9999-12-31T23:59-00:01",
                           "2026-01-01  10:00",
                           "2026-01-01T10:00:00ZZ",
                           "+026-01-01T10:00"}) {
    EXPECT_FALSE(read_moment(text)) << text;
  }
}

TEST(Reading, FractionsAreCutToNanoseconds) {
  EXPECT_EQ(read_moment("2026-01-01T10:00:00.5")->nanos, 500'000'000);
  EXPECT_EQ(read_moment("2026-01-01T10:00:00.000000001Z")->nanos, 1);
  EXPECT_EQ(read_moment("2026-01-01T10:00:00.9999999999+01:00")->nanos, 999'999'999);
}

TEST(Reading, Dates) {
  EXPECT_EQ(read_date("1970-01-02"), 1);
  EXPECT_EQ(read_date("0000-01-01"), kFirstDay);
  EXPECT_EQ(read_date("9999-12-31"), kLastDay);
  EXPECT_FALSE(read_date("2026-02-30"));
  EXPECT_FALSE(read_date("2026-01-01T00:00"));
  EXPECT_FALSE(read_date("20260101"));
  EXPECT_EQ(date_text(kFirstDay), "0000-01-01");
  EXPECT_EQ(date_text(20'456), "2026-01-03");
}

TEST(Reading, RatiosRoundHalfAwayFromZero) {
  EXPECT_EQ(scaled_ratio(5, 1, 2), 3);
  EXPECT_EQ(whole_sum(-1, 4294967295, 1), -1);
  EXPECT_EQ(whole_sum(std::int64_t{1} << 62, 0, 1), INT64_MAX);
  EXPECT_EQ(whole_sum(-(std::int64_t{1} << 62), 0, 1), INT64_MIN);
  EXPECT_EQ(whole_sum(0, 15'000, 10'000), 2);
  EXPECT_EQ(whole_sum(-1, 4294967296 - 15'000, 10'000), -2);
  EXPECT_EQ(scaled_ratio(-5, 1, 2), -3);
  EXPECT_EQ(scaled_ratio(5, 1, -2), -3);
  EXPECT_EQ(scaled_ratio(2, 1, 3), 1);
  EXPECT_EQ(scaled_ratio(1, 1, 3), 0);
  EXPECT_EQ(scaled_ratio(7, 1, 0), 0);
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(scaled_ratio(kHuge, 10, 10), kHuge);
  EXPECT_EQ(scaled_ratio(kHuge, 10, 1), kHuge);
  EXPECT_EQ(scaled_ratio(kHuge, -10, 1), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(difference(-kHuge, kHuge), std::numeric_limits<std::int64_t>::min());
}

TEST(Reading, StoredDecimals) {
  EXPECT_EQ(decimal_text(-1234, 2), "-12.34");
  EXPECT_EQ(decimal_text(5, 4), "0.0005");
  EXPECT_EQ(decimal_text(-5, 2), "-0.05");
  EXPECT_EQ(nearest_double(1234, 2), 12.34);
  EXPECT_EQ(nearest_double(9'007'199'254'740'993, 2), 90071992547409.93);
  EXPECT_TRUE(holds_decimal(12.34, 1234, 2));
  EXPECT_FALSE(holds_decimal(std::nextafter(12.34, 13.0), 1234, 2));
  EXPECT_TRUE(holds_decimal(std::int64_t{5}, 500, 2));
  EXPECT_FALSE(holds_decimal(std::int64_t{5}, 501, 2));
  // Far beyond 2^53 a NUMERIC column keeps the nearest double as an integer.
  const std::int64_t units = 900'719'925'474'099'267;
  EXPECT_TRUE(holds_decimal(nearest_double(units, 2), units, 2));
  EXPECT_TRUE(holds_decimal(static_cast<std::int64_t>(nearest_double(units, 1)), units, 1));
}

}  // namespace
}  // namespace admetrics::verification
