#include "core/base/day.hpp"

#include <gtest/gtest.h>

#include <array>

namespace admetrics {
namespace {

// ── Days ─────────────────────────────────────────────────────────────────────────────────────────────────────────

TEST(Day, CountsFrom1970) {
  EXPECT_EQ(day_from_civil(1970, 1, 1), Day{0});
  EXPECT_EQ(day_from_civil(1969, 12, 31), Day{-1});
  EXPECT_EQ(day_from_civil(2000, 3, 1), Day{11'017});
  EXPECT_EQ(day_from_civil(2026, 1, 3), Day{20'456});
}

TEST(Day, ReachesFromYear0000To9999) {
  EXPECT_EQ(parse_day("0000-01-01"), kFirstDay);
  EXPECT_EQ(parse_day("9999-12-31"), kLastDay);
  EXPECT_EQ(format_day(kFirstDay), "0000-01-01");
  EXPECT_EQ(format_day(kLastDay), "9999-12-31");
  EXPECT_LT(kNoDay, kFirstDay);
}

/// Walks the whole calendar with nothing but the rule of leap years.
TEST(Day, FollowsTheCalendarThroughAllYears) {
  std::int32_t count = kFirstDay.value;
  for (int year = 0; year <= 9999; ++year) {
    const bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
    const std::array<unsigned, 12> lengths{31, leap ? 29U : 28U, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (unsigned month = 1; month <= 12; ++month) {
      const unsigned length = lengths[month - 1];
      for (unsigned day = 1; day <= length; ++day, ++count) {
        ASSERT_EQ(day_from_civil(year, month, day), Day{count}) << year << '-' << month << '-' << day;
      }
      // The texts of a month's two ends, and the day after its end, which there is not.
      for (const std::int32_t end : {count - static_cast<std::int32_t>(length), count - 1}) {
        ASSERT_EQ(parse_day(format_day(Day{end})), Day{end});
      }
      const std::string last = format_day(Day{count - 1});
      ASSERT_EQ(last.substr(8), std::to_string(length));
      ASSERT_FALSE(parse_day(last.substr(0, 8) + std::to_string(length + 1)));
    }
  }
  EXPECT_EQ(count, kLastDay.value + 1);
}

TEST(Day, LeapDaysAreThoseOfTheGregorianCalendar) {
  for (const char* text : {"2024-02-29", "2000-02-29", "0000-02-29", "0004-02-29", "9996-02-29"}) {
    EXPECT_TRUE(parse_day(text)) << text;
  }
  for (const char* text : {"2023-02-29", "1900-02-29", "2100-02-29", "9999-02-29", "2024-02-30"}) {
    EXPECT_FALSE(parse_day(text)) << text;
  }
}

TEST(Day, IsExactlyYearMonthDay) {
  for (const char* text : {"",
                           "2026",
                           "2026-01",
                           "2026-1-1",
                           "2026-01-1",
                           "26-01-01",
                           "02026-01-01",
                           "2026/01/01",
                           "20260101",
                           "2026-01-01 ",
                           " 2026-01-01",
                           "2026-01-01T",
                           "2026-01-011",
                           "+026-01-01",
                           "-026-01-01",
                           "2026-00-10",
                           "2026-13-10",
                           "2026-01-00",
                           "2026-01-32",
                           "2026-04-31",
                           "2026-01-0a",
                           "2026-01-01T00:00",
                           "now"}) {
    EXPECT_FALSE(parse_day(text)) << text;
  }
  EXPECT_FALSE(parse_day(std::string_view("2026-01-01\0", 11)));
}

// ── Times (`metrics.md` sections 2 and 8) ────────────────────────────────────────────────────────────────────────

constexpr std::int64_t kTenOClock = 1'767'434'400;  // 2026-01-03T10:00:00Z

struct ReadTime {
  const char* text;
  std::int64_t seconds;
  std::int32_t nanos = 0;
};

void expect_read(std::initializer_list<ReadTime> times) {
  for (const ReadTime& time : times) {
    const auto read = parse_instant(time.text);
    ASSERT_TRUE(read) << time.text;
    EXPECT_EQ(read->seconds, time.seconds) << time.text;
    EXPECT_EQ(read->nanos, time.nanos) << time.text;
  }
}

void expect_unreadable(std::initializer_list<const char*> texts) {
  for (const char* text : texts) EXPECT_FALSE(parse_instant(text)) << text;
}

TEST(EventTime, DateAndTimeAreParted_ByTOrOneSpace) {
  expect_read({{"2026-01-03T10:00:00Z", kTenOClock}, {"2026-01-03 10:00:00Z", kTenOClock}});
  expect_unreadable({"2026-01-03t10:00:00Z", "2026-01-03  10:00:00Z", "2026-01-03_10:00:00Z", "2026-01-0310:00:00Z",
                     "2026-01-03\t10:00:00Z", "2026-01-03T 10:00:00Z"});
}

TEST(EventTime, SecondsAreOptional) {
  expect_read(
      {{"2026-01-03T10:00", kTenOClock}, {"2026-01-03T10:00Z", kTenOClock}, {"2026-01-03T10:00:07", kTenOClock + 7}});
  expect_unreadable({"2026-01-03T10", "2026-01-03T10:", "2026-01-03T10:0", "2026-01-03T10:00:", "2026-01-03T10:00:7",
                     "2026-01-03T1000", "2026-01-03T10:00:0Z"});
}

TEST(EventTime, AFractionFollowsSecondsAndAPoint) {
  expect_read(
      {{"2026-01-03T10:00:00.5", kTenOClock, 500'000'000}, {"2026-01-03T10:00:00.25+00:00", kTenOClock, 250'000'000}});
  expect_unreadable({"2026-01-03T10:00:00.", "2026-01-03T10:00:00.Z", "2026-01-03T10:00:00,5", "2026-01-03T10:00.5",
                     "2026-01-03T10:00:00.5.5", "2026-01-03T10:00:00.-5"});
}

TEST(EventTime, FractionsCountToNanosecondsAndFurtherDigitsAreCut) {
  expect_read({{"2026-01-03T10:00:00.123456789", kTenOClock, 123'456'789},
               {"2026-01-03T10:00:00.000000001Z", kTenOClock, 1},
               {"2026-01-03T10:00:00.0000000019Z", kTenOClock, 1},
               {"2026-01-03T10:00:00.9999999999999999999999Z", kTenOClock, 999'999'999},
               {"2026-01-03T10:00:00.00000000000000000009", kTenOClock, 0}});
}

TEST(EventTime, AnOffsetIsZOrHoursAndMinutes_NothingIsUtc) {
  expect_read({{"2026-01-03T10:00:00", kTenOClock},
               {"2026-01-03T10:00:00Z", kTenOClock},
               {"2026-01-03T12:00:00+02:00", kTenOClock},
               {"2026-01-03T05:15:00-04:45", kTenOClock},
               {"2026-01-04T00:59:00+14:59", kTenOClock},
               {"2026-01-02T19:01:00-14:59", kTenOClock},
               {"2026-01-03T10:00+00:00", kTenOClock},
               {"2026-01-03T10:00-00:00", kTenOClock}});
  expect_unreadable({"2026-01-03T10:00:00z", "2026-01-03T10:00:00+0200", "2026-01-03T10:00:00+02",
                     "2026-01-03T10:00:00+2:00", "2026-01-03T10:00:00+02:0", "2026-01-03T10:00:00+02:60",
                     "2026-01-03T10:00:00+15:00", "2026-01-03T10:00:00 +02:00", "2026-01-03T10:00:00 Z",
                     "2026-01-03T10:00:00ZZ", "2026-01-03T10:00:00Z+02:00", "2026-01-03T10:00:00+",
                     "2026-01-03T10:00:00+02:00Z", "2026-01-03T10:00:00UTC"});
}

TEST(EventTime, ADateAloneIsUnreadable) {
  expect_unreadable({"2026-01-03", "2026-01-03T", "2026-01-03 ", "2026-01-03Z"});
}

TEST(EventTime, HoursMinutesAndSecondsHaveTheirRange) {
  expect_read({{"2026-01-03T00:00:00Z", kTenOClock - 36'000}, {"2026-01-03T23:59:59Z", kTenOClock + 50'399}});
  expect_unreadable({"2026-01-03T24:00", "2026-01-03T24:00:00Z", "2026-01-03T10:60", "2026-01-03T10:00:60",
                     "2026-01-03T-1:00", "2026-01-03T99:00"});
}

TEST(EventTime, OuterBlanksAreUnreadable) {
  expect_unreadable({" 2026-01-03T10:00:00Z", "2026-01-03T10:00:00Z ", "2026-01-03T10:00:00 ", "\n2026-01-03T10:00:00Z",
                     "2026-01-03T10:00:00Z\n", ""});
  EXPECT_FALSE(parse_instant(std::string_view("2026-01-03T10:00:00Z\0", 21)));
}

TEST(EventTime, TheDayMustExist) {
  expect_read({{"2024-02-29T12:00:00Z", 1'709'208'000}});
  expect_unreadable({"2026-02-29T10:00", "2026-13-01T10:00", "2026-00-01T10:00", "2026-01-00T10:00", "2026-04-31T10:00",
                     "2026-1-3T10:00"});
}

TEST(EventTime, AnOffsetMayNotLeadOutOfTheCalendar) {
  expect_read({{"0000-01-01T00:00:00Z", -62'167'219'200},
               {"9999-12-31T23:59:59.999Z", 253'402'300'799, 999'000'000},
               {"0000-01-01T00:01+00:01", -62'167'219'200},
               {"9999-12-31T23:58-00:01", 253'402'300'740}});
  expect_unreadable({"0000-01-01T00:00+00:01", "9999-12-31T23:59-00:01"});
}

TEST(EventTime, OtherTextsAreUnreadable) {
  expect_unreadable({"yesterday", "1767434400", "2026-01-03T10:00:00ø", "T10:00", "10:00:00", "now", "2461044.5"});
}

TEST(Instant, IsOrderedBySecondsThenNanoseconds) {
  EXPECT_LT((Instant{5, 999'999'999}), (Instant{6, 0}));
  EXPECT_LT((Instant{5, 1}), (Instant{5, 2}));
  EXPECT_LT((Instant{-1, 0}), (Instant{0, 0}));
}

TEST(Timestamp, HasMillisecondsAndNoZone) {
  EXPECT_EQ(format_timestamp(Instant{kTenOClock, 7'999'999}), "2026-01-03 10:00:00.007");
  EXPECT_EQ(format_timestamp(Instant{0, 0}), "1970-01-01 00:00:00.000");
  EXPECT_EQ(format_timestamp(Instant{-1, 999'000'000}), "1969-12-31 23:59:59.999");
  EXPECT_EQ(format_timestamp(Instant{-62'167'219'200, 0}), "0000-01-01 00:00:00.000");
  EXPECT_EQ(format_timestamp(Instant{253'402'300'799, 0}), "9999-12-31 23:59:59.000");
}

}  // namespace
}  // namespace admetrics
