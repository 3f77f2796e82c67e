// Time as a source: days that passed while nobody ran, and a clock that goes back.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/must.hpp"
#include "tests/support/world.hpp"

namespace admetrics {
namespace {

using support::text;
using support::World;
using support::WorldOptions;
using testing::IsEmpty;

constexpr int kUsersPerDay = 20;

class DowntimeTest : public ::testing::Test {
 protected:
  DowntimeTest() : world_(WorldOptions()) {
    world_.source().begin();
    for (int day = -60; day <= 0; ++day) {
      for (int i = 0; i < kUsersPerDay; ++i) {
        const std::string user = "u" + std::to_string(day + 60) + "_" + std::to_string(i);
        const std::string at = format_day(Day{world_.today.value + day}) + "T10:00:00Z";
        world_.source().insert(support::kUsers, {{"distinct_id", text(user)},
                                                 {"abi_ad_id", text("a" + std::to_string(i % 5))},
                                                 {"abi_ad_set_id", text("s1")},
                                                 {"abi_campaign_id", text("c1")},
                                                 {"country", text("US")},
                                                 {"has_abi_attribution", support::whole(1)}});
        world_.source().insert(support::kEvents, {{"event_uuid", text(user + "_t")},
                                                  {"event_name", text("RC Trial started")},
                                                  {"distinct_id", text(user)},
                                                  {"event_time", text(at)}});
        if (i % 2 == 0) {
          world_.source().insert(support::kEvents, {{"event_uuid", text(user + "_c")},
                                                    {"event_name", text("RC Trial converted")},
                                                    {"distinct_id", text(user)},
                                                    {"event_time", text(at)},
                                                    {"revenue_usd", support::real(9.99)}});
        }
      }
    }
    world_.source().commit();
  }
  /// Main rows of the days whose trials are over by `today`, and were not by `before`.
  std::int64_t rows_turned(Day before, Day today) {
    const auto sink = support::must(sqlite::Connection::open(world_.sink_db(), sqlite::OpenMode::kReadOnly, 5'000));
    return support::must(sink->query_integer("SELECT count(*) FROM daily_mixpanel_metrics WHERE date > '" +
                                             format_day(Day{before.value - 7}) + "' AND date <= '" +
                                             format_day(Day{today.value - 7}) + "'"));
  }

  World world_;
};

TEST_F(DowntimeTest, AfterThirtyDaysEachRowIsLookedAtOnce) {
  const Day stopped = world_.today;
  world_.today = Day{stopped.value - 30};
  world_.epoch();
  const std::size_t memory_before = world_.machine().engine().memory_bytes();
  world_.restart();
  world_.today = stopped;
  const EpochReport report = world_.epoch();
  EXPECT_THAT(world_.wrong(), IsEmpty());
  // Thirty days have ended since; what is held of it is each cell once, however many days went by.
  EXPECT_EQ(report.cells_rendered, rows_turned(Day{stopped.value - 30}, stopped));
  EXPECT_EQ(report.cells_rendered, 30 * 7) << "five ads, an ad set and a campaign a day";
  EXPECT_EQ(report.users_read, 0) << "no user is read again";
  EXPECT_LE(world_.machine().engine().memory_bytes(), memory_before + memory_before / 4);
}

TEST_F(DowntimeTest, TheDaysInBetweenMakeNoDifference) {
  const Day last = world_.today;
  world_.today = Day{last.value - 30};
  world_.epoch();
  world_.today = last;
  world_.epoch();
  const auto at_once = world_.stored();
  World& other = world_;
  other.restart_without_ledger();
  other.lose_sink();
  for (int day = -30; day <= 0; ++day) {
    other.today = Day{last.value + day};
    other.epoch();
  }
  EXPECT_THAT(support::differences(other.recomputed(), other.stored()), IsEmpty());
  EXPECT_THAT(support::differences(at_once, other.stored()), IsEmpty());
}

TEST_F(DowntimeTest, AClockThatJumpsBackAndForthDoesNoHarm) {
  world_.epoch();
  const Day today = world_.today;
  for (const int jump : {-1, +1, -20, +20, -400, +400, 0}) {
    world_.today = Day{today.value + jump};
    world_.epoch();
    EXPECT_THAT(world_.wrong(), IsEmpty()) << jump << " days";
  }
}

}  // namespace
}  // namespace admetrics
