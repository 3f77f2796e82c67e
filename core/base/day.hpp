#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/strong.hpp"

namespace admetrics {

/// A calendar day, counted from 1970-01-01; years 0000 to 9999.
using Day = Strong<struct DayTag, std::int32_t>;

/// "No day": below every real one, so that maxima work without a special case.
inline constexpr Day kNoDay{INT32_MIN};

/// A point in time, to the nanosecond, UTC.
struct Instant {
  std::int64_t seconds = 0;  // since 1970-01-01T00:00:00Z
  std::int32_t nanos = 0;    // 0 … 999,999,999

  constexpr auto operator<=>(const Instant&) const = default;
};

/// The first and the last day that `YYYY-MM-DD` can name.
inline constexpr Day kFirstDay{-719'528};
inline constexpr Day kLastDay{2'932'896};

Day day_from_civil(int year, unsigned month, unsigned day);

/// Reads exactly `YYYY-MM-DD` with a day that exists (`metrics.md` section 8).
std::optional<Day> parse_day(std::string_view text);

/// `YYYY-MM-DD`.
std::string format_day(Day day);

/// Reads an event time: `YYYY-MM-DD`, `T` or one space, `HH:MM`, optional `:SS` and fraction, then `Z`,
/// `±HH:MM` or nothing (= UTC). Anything else is unreadable (`metrics.md` sections 2 and 8).
std::optional<Instant> parse_instant(std::string_view text);

/// `YYYY-MM-DD HH:MM:SS.mmm`, UTC: how `computed_at` and its like are stored.
std::string format_timestamp(Instant instant);

}  // namespace admetrics
