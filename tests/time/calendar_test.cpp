// What will change by itself, held against what then changes.
#include "daemon/calendar.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/must.hpp"
#include "tests/support/world.hpp"

namespace admetrics {
namespace {

using support::text;
using support::World;
using support::WorldOptions;

class CalendarTest : public ::testing::Test {
 protected:
  void trial(World& world, const std::string& user, const std::string& at, const std::string& country) {
    world.source().insert(support::kUsers, {{"distinct_id", text(user)},
                                            {"abi_ad_id", text("a1")},
                                            {"abi_campaign_id", text("c1")},
                                            {"country", text(country)},
                                            {"has_abi_attribution", support::whole(1)}});
    world.source().insert(support::kEvents, {{"event_uuid", text(user + "_t")},
                                             {"event_name", text("RC Trial started")},
                                             {"distinct_id", text(user)},
                                             {"event_time", text(at)}});
  }
  Result<Calendar> calendar(World& world, int days, std::int64_t hold_max = 3'600) {
    ADM_ASSIGN(const auto ledger, sqlite::Connection::open(world.machine_options().state_dir + "/ledger.db",
                                                           sqlite::OpenMode::kReadOnly, 5'000));
    return read_calendar(*ledger, world.machine().reporting(), days, hold_max);
  }
};

TEST_F(CalendarTest, SaysWhatTheDaysThenDo) {
  World world{WorldOptions()};
  world.today = *parse_day("2026-01-10");
  trial(world, "u1", "2026-01-04T10:00:00Z", "US");
  trial(world, "u2", "2026-01-04T11:00:00Z", "DE");
  trial(world, "u3", "2026-01-06T10:00:00Z", "US");
  trial(world, "over", "2026-01-01T10:00:00Z", "US");
  world.epoch();
  const Calendar said = support::must(calendar(world, 5));
  EXPECT_EQ(said.as_of, world.today);
  ASSERT_EQ(said.days.size(), 5U);
  for (const CalendarDay& day : said.days) {
    world.today = day.day;
    const EpochReport report = world.epoch();
    EXPECT_EQ(report.rows_written(), day.main_rows + day.breakdown_rows) << format_day(day.day);
    EXPECT_EQ(format_timestamp(day.begins_at), format_day(day.day) + " 00:00:00.000");
    EXPECT_EQ(day.hours, 24);
  }
  EXPECT_EQ(said.days[0].users, 2);
  EXPECT_EQ(said.days[0].main_rows, 2) << "the ad's and the campaign's";
  EXPECT_EQ(said.days[0].breakdown_rows, 2 * (2 + 1 + 1)) << "two countries, one region, one device";
  EXPECT_EQ(said.days[1].users, 0);
  EXPECT_EQ(said.days[2].users, 1);
}

TEST_F(CalendarTest, DaysBeginWhereTheZoneSaysAndAreAsLongAsTheyAre) {
  WorldOptions options;
  options.machine.zone = "Europe/Berlin";
  World world{options};
  world.today = *parse_day("2026-03-27");
  trial(world, "u1", "2026-03-22T10:00:00Z", "US");
  world.epoch();
  const Calendar said = support::must(calendar(world, 3));
  EXPECT_EQ(format_timestamp(said.days[0].begins_at), "2026-03-27 23:00:00.000");
  EXPECT_EQ(said.days[1].hours, 23) << "summer time begins on the 29th";
  EXPECT_EQ(format_timestamp(said.days[2].begins_at), "2026-03-29 22:00:00.000");
  EXPECT_EQ(said.days[1].users, 1) << "22nd of March, seven days later";
}

TEST_F(CalendarTest, BeforeTheFirstEpochThereIsNone) {
  World world{WorldOptions()};
  const auto said = calendar(world, 3);
  ASSERT_FALSE(said.ok());
  EXPECT_EQ(said.error().code, Errc::kNotFound);
}

TEST_F(CalendarTest, DaysEndWithTheLastThatThereIs) {
  World world{WorldOptions()};
  world.today = Day{kLastDay.value - 2};
  world.epoch();
  EXPECT_LE(support::must(calendar(world, 100)).days.size(), 2U);
}

}  // namespace
}  // namespace admetrics
