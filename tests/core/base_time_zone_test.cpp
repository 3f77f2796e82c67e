#include "core/base/time_zone.hpp"

#include <absl/time/time.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/core/draw.hpp"

namespace admetrics {
namespace {

TimeZone zone(std::string_view name) {
  auto found = TimeZone::find(name);
  EXPECT_TRUE(found.ok()) << found.error().line();
  return std::move(found).value();
}

std::string day_in(const TimeZone& where, std::string_view utc) {
  return format_day(where.day_of(*parse_instant(utc)));
}
std::string start_in(const TimeZone& where, std::string_view day) {
  return format_timestamp(where.start_of(*parse_day(day))).substr(0, 16);
}
std::int64_t hours_of(const TimeZone& where, std::string_view day) {
  const Day today = *parse_day(day);
  return (where.start_of(Day{today.value + 1}).seconds - where.start_of(today).seconds) / 3'600;
}

TEST(TimeZone, UtcDaysBeginAtMidnight) {
  const TimeZone utc = zone("UTC");
  EXPECT_EQ(day_in(utc, "2026-01-02T23:59:59.999999999Z"), "2026-01-02");
  EXPECT_EQ(day_in(utc, "2026-01-03T00:00:00Z"), "2026-01-03");
  EXPECT_EQ(day_in(utc, "1969-12-31T23:59:59Z"), "1969-12-31");
  EXPECT_EQ(day_in(utc, "0000-01-01T00:00:00Z"), "0000-01-01");
  EXPECT_EQ(day_in(utc, "9999-12-31T23:59:59Z"), "9999-12-31");
  EXPECT_EQ(start_in(utc, "2026-01-03"), "2026-01-03 00:00");
  EXPECT_EQ(utc.name(), "UTC");
}

TEST(TimeZone, TheDayThatSpringsForwardHas23Hours) {
  const TimeZone new_york = zone("America/New_York");  // 2026-03-08 02:00 EST becomes 03:00 EDT
  EXPECT_EQ(day_in(new_york, "2026-03-08T04:59:59Z"), "2026-03-07");
  EXPECT_EQ(day_in(new_york, "2026-03-08T05:00:00Z"), "2026-03-08");
  EXPECT_EQ(day_in(new_york, "2026-03-09T03:59:59Z"), "2026-03-08");
  EXPECT_EQ(day_in(new_york, "2026-03-09T04:00:00Z"), "2026-03-09");
  EXPECT_EQ(hours_of(new_york, "2026-03-07"), 24);
  EXPECT_EQ(hours_of(new_york, "2026-03-08"), 23);
  EXPECT_EQ(hours_of(new_york, "2026-03-09"), 24);
}

TEST(TimeZone, TheDayThatFallsBackHas25Hours) {
  const TimeZone berlin = zone("Europe/Berlin");  // 2026-10-25 03:00 CEST becomes 02:00 CET
  EXPECT_EQ(day_in(berlin, "2026-10-24T21:59:59Z"), "2026-10-24");
  EXPECT_EQ(day_in(berlin, "2026-10-24T22:00:00Z"), "2026-10-25");
  EXPECT_EQ(day_in(berlin, "2026-10-25T22:59:59Z"), "2026-10-25");
  EXPECT_EQ(day_in(berlin, "2026-10-25T23:00:00Z"), "2026-10-26");
  EXPECT_EQ(hours_of(berlin, "2026-10-25"), 25);
}

TEST(TimeZone, SouthernSummersFallIntoJanuary) {
  const TimeZone sydney = zone("Australia/Sydney");
  EXPECT_EQ(day_in(sydney, "2026-01-02T13:00:00Z"), "2026-01-03");  // +11
  EXPECT_EQ(day_in(sydney, "2026-07-02T13:59:59Z"), "2026-07-02");  // +10
  EXPECT_EQ(day_in(sydney, "2026-07-02T14:00:00Z"), "2026-07-03");
}

TEST(TimeZone, OffsetsMayHaveMinutes) {
  const TimeZone kathmandu = zone("Asia/Kathmandu");  // +05:45
  EXPECT_EQ(day_in(kathmandu, "2026-01-02T18:14:59Z"), "2026-01-02");
  EXPECT_EQ(day_in(kathmandu, "2026-01-02T18:15:00Z"), "2026-01-03");
  EXPECT_EQ(start_in(kathmandu, "2026-01-03"), "2026-01-02 18:15");
}

TEST(TimeZone, LocalMeanTimeHoldsBeforeTheFirstRule) {
  const TimeZone kathmandu = zone("Asia/Kathmandu");  // +05:41:16 until 1920
  EXPECT_EQ(day_in(kathmandu, "1890-06-01T18:18:43Z"), "1890-06-01");
  EXPECT_EQ(day_in(kathmandu, "1890-06-01T18:18:44Z"), "1890-06-02");
  EXPECT_EQ(day_in(kathmandu, "0001-01-01T18:18:44Z"), "0001-01-02");
}

TEST(TimeZone, TodaysRulesHoldOnBeyondTheTable) {
  const TimeZone new_york = zone("America/New_York");
  for (const std::string year : {"2036", "2050", "2200", "2399", "2500", "9998"}) {
    EXPECT_EQ(day_in(new_york, year + "-01-15T04:59:59Z"), year + "-01-14");
    EXPECT_EQ(day_in(new_york, year + "-01-15T05:00:00Z"), year + "-01-15");
    EXPECT_EQ(day_in(new_york, year + "-07-15T03:59:59Z"), year + "-07-14");
    EXPECT_EQ(day_in(new_york, year + "-07-15T04:00:00Z"), year + "-07-15");
  }
}

TEST(TimeZone, ADayMayBeSkippedAltogether) {
  const TimeZone apia = zone("Pacific/Apia");  // crossed the date line at the end of 2011-12-29
  EXPECT_EQ(day_in(apia, "2011-12-30T09:59:59Z"), "2011-12-29");
  EXPECT_EQ(day_in(apia, "2011-12-30T10:00:00Z"), "2011-12-31");
  EXPECT_EQ(start_in(apia, "2011-12-31"), "2011-12-30 10:00");
}

TEST(TimeZone, ADayWithoutMidnightStartsWhenTheClockSkipsIt) {
  EXPECT_EQ(start_in(zone("America/Havana"), "2026-03-08"), "2026-03-08 05:00");    // 00:00 becomes 01:00
  EXPECT_EQ(start_in(zone("Asia/Beirut"), "2026-03-29"), "2026-03-28 22:00");       // likewise
  EXPECT_EQ(start_in(zone("America/Santiago"), "2026-09-06"), "2026-09-06 04:00");  // likewise
}

TEST(TimeZone, ADayWithTwoMidnightsStartsAtTheFirst) {
  EXPECT_EQ(start_in(zone("America/Havana"), "2026-11-01"), "2026-11-01 04:00");  // 01:00 becomes 00:00
}

TEST(TimeZone, ADayStartsWhereTheOneBeforeItEnds) {
  Draw draw(1);
  for (const char* name :
       {"UTC", "America/New_York", "America/Havana", "Europe/Berlin", "Asia/Kathmandu", "Asia/Beirut",
        "America/Santiago", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Kiritimati"}) {
    const TimeZone where = zone(name);
    for (int i = 0; i < 400; ++i) {
      const Day day{static_cast<std::int32_t>(draw.between(9'000, 25'000))};
      const Instant start = where.start_of(day);
      ASSERT_EQ(where.day_of(start), day) << name << ' ' << format_day(day);
      ASSERT_EQ(where.day_of(Instant{start.seconds - 1, 999'999'999}).value, day.value - 1)
          << name << ' ' << format_day(day);
    }
  }
}

TEST(TimeZone, UnknownNamesAreRefusedWithTheirName) {
  for (const char* name : {"Mars/Olympus", "", "Europe", "Europe/", "Europe/berlin ", "EST5EDT4", "+02:00", "UTC+2"}) {
    const auto found = TimeZone::find(name);
    ASSERT_FALSE(found.ok()) << name;
    EXPECT_EQ(found.error().code, Errc::kConfig);
    EXPECT_EQ(found.error().where, name);
  }
}

TEST(TimeZone, PathsAndTheMachinesOwnZoneAreRefused) {
  for (const char* name :
       {"/usr/share/zoneinfo/Europe/Berlin", "file:/usr/share/zoneinfo/Europe/Berlin", "../zoneinfo/Europe/Berlin",
        "Europe/../Europe/Berlin", "localtime", "libc:localtime", "libc:UTC", "Fixed/UTC+02:00:00"}) {
    EXPECT_FALSE(TimeZone::find(name).ok()) << name;
  }
}

// ── The cursor ───────────────────────────────────────────────────────────────────────────────────────────────────

TEST(TimeZoneCursor, AskingAtTheSecondOfAChangeDoesNotShiftTheDaysBeforeIt) {
  const TimeZone new_york = zone("America/New_York");
  TimeZone::Cursor cursor;
  EXPECT_EQ(format_day(new_york.day_of(*parse_instant("2026-03-08T07:00:00Z"), cursor)), "2026-03-08");  // 03:00 EDT
  EXPECT_EQ(format_day(new_york.day_of(*parse_instant("2026-01-15T04:30:00Z"), cursor)), "2026-01-14");  // 23:30 EST
}

TEST(TimeZoneCursor, WhatItRemembersNeverChangesAnAnswer) {
  constexpr std::int64_t kMonthSeconds = std::int64_t{86'400} * 30;
  Draw draw(2);
  for (const char* name : {"America/New_York", "Europe/London", "Asia/Kathmandu", "Africa/Casablanca", "Pacific/Apia",
                           "Australia/Lord_Howe"}) {
    const TimeZone where = zone(name);
    absl::TimeZone same;
    ASSERT_TRUE(absl::LoadTimeZone(name, &same));
    std::vector<std::int64_t> changes;
    absl::TimeZone::CivilTransition change;
    for (absl::Time time = absl::FromUnixSeconds(-5'000'000'000);
         same.NextTransition(time, &change) && changes.size() < 1'000;) {
      time = same.At(change.to).trans;
      changes.push_back(absl::ToUnixSeconds(time));
    }
    ASSERT_FALSE(changes.empty());

    TimeZone::Cursor cursor;
    for (int i = 0; i < 5'000; ++i) {
      // Mostly near the changes, up to the second; now and then anywhere in the calendar.
      std::int64_t seconds = draw.between(-62'167'219'200 + 86'400, 253'402'300'799 - 86'400);
      if (draw.chance(90)) {
        seconds = changes[draw.below(changes.size())];
        if (draw.chance(60))
          seconds += draw.one_of<std::int64_t>({-1, 1, -3'600, 3'600, -kMonthSeconds, kMonthSeconds});
        if (draw.chance(30)) seconds += draw.between(-86'400, 86'400);
      }
      const absl::CivilDay day(absl::ToCivilSecond(absl::FromUnixSeconds(seconds), same));
      ASSERT_EQ(where.day_of(Instant{seconds, 0}, cursor).value, day - absl::CivilDay(1970, 1, 1))
          << name << " at " << format_timestamp(Instant{seconds, 0});
    }
  }
}

}  // namespace
}  // namespace admetrics
