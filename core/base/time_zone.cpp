#include "core/base/time_zone.hpp"

#include <absl/time/time.h>

namespace admetrics {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::int64_t kSecondsPerHour = 3'600;
/// Up to 2400-01-01 the library keeps every change of a zone in a table.
constexpr std::int64_t kExtendedUntilSeconds = 13'569'465'600;

std::int64_t seconds_of(const absl::TimeZone& zone, const absl::TimeZone::CivilTransition& transition) {
  return absl::ToUnixSeconds(zone.At(transition.to).trans);
}

}  // namespace

struct TimeZone::Zone {
  absl::TimeZone handle;
};

Result<TimeZone> TimeZone::find(std::string_view name) {
  TimeZone zone;
  zone.name_ = std::string(name);
  absl::TimeZone handle;
  // The library would also take a path, or the machine's own zone; a configuration means an IANA name.
  const bool is_name = !name.empty() && name.front() != '/' && name != "localtime" &&
                       name.find("..") == std::string_view::npos && name.find(':') == std::string_view::npos;
  if (!is_name || !absl::LoadTimeZone(zone.name_, &handle)) {
    return Error{Errc::kConfig, "find the time zone", zone.name_,
                 "no such IANA name in this machine's time-zone database (package tzdata)"};
  }
  zone.zone_ = std::make_shared<Zone>(Zone{handle});
  return zone;
}

Day TimeZone::day_of(Instant instant, Cursor& cursor) const {
  if (instant.seconds < cursor.begin_seconds || instant.seconds >= cursor.end_seconds) {
    const absl::TimeZone& zone = zone_->handle;
    const absl::Time time = absl::FromUnixSeconds(instant.seconds);
    cursor.offset_seconds = zone.At(time).offset;
    // How far this offset reaches; where the library does not say, only to this second.
    cursor.begin_seconds = instant.seconds;
    cursor.end_seconds = instant.seconds + 1;
    absl::TimeZone::CivilTransition edge;
    // The library looks strictly before: one second later, a change at this very second is the one that counts.
    if (zone.PrevTransition(time + absl::Seconds(1), &edge)) cursor.begin_seconds = seconds_of(zone, edge);
    if (zone.NextTransition(time, &edge)) {
      cursor.end_seconds = seconds_of(zone, edge);
    } else if (instant.seconds < kExtendedUntilSeconds) {
      cursor.end_seconds = kExtendedUntilSeconds;  // no further change in the table
    } else {
      cursor.begin_seconds = instant.seconds;  // rules are applied year by year, and nobody says how far they reach
    }
  }
  const std::int64_t local = instant.seconds + cursor.offset_seconds;
  std::int64_t day = local / kSecondsPerDay;
  if (local % kSecondsPerDay < 0) --day;
  return Day{static_cast<std::int32_t>(day)};
}

Instant TimeZone::start_of(Day day) const {
  // No zone is more than a day away from UTC: the first second that has this day lies within these hours.
  std::int64_t before = day.value * kSecondsPerDay - 26 * kSecondsPerHour;
  std::int64_t after = day.value * kSecondsPerDay + 26 * kSecondsPerHour;
  Cursor cursor;
  while (after - before > 1) {
    const std::int64_t middle = before + (after - before) / 2;
    (day_of(Instant{middle, 0}, cursor) < day ? before : after) = middle;
  }
  return Instant{after, 0};
}

std::int64_t TimeZone::utc_of_wall_seconds(std::int64_t wall_seconds) const {
  if (name_ == "UTC") return wall_seconds;
  const absl::CivilSecond shown = absl::CivilSecond(1970, 1, 1) + wall_seconds;
  return absl::ToUnixSeconds(zone_->handle.At(shown).pre);
}

}  // namespace admetrics
