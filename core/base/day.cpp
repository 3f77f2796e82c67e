#include "core/base/day.hpp"

#include <array>
#include <cstdio>

namespace admetrics {
namespace {

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::int64_t kFirstSecond = kFirstDay.value * kSecondsPerDay;
constexpr std::int64_t kEndSecond = (kLastDay.value + std::int64_t{1}) * kSecondsPerDay;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Reads exactly `count` digits at the front of `text` and removes them.
std::optional<int> take_number(std::string_view& text, std::size_t count) {
  if (text.size() < count) return std::nullopt;
  int number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool take_char(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

unsigned days_in_month(int year, unsigned month) {
  constexpr std::array<unsigned, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

std::optional<Day> take_day(std::string_view& text) {
  const auto year = take_number(text, 4);
  if (!year || !take_char(text, '-')) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take_char(text, '-')) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day || *month < 1 || *month > 12 || *day < 1) return std::nullopt;
  if (static_cast<unsigned>(*day) > days_in_month(*year, static_cast<unsigned>(*month))) return std::nullopt;
  return day_from_civil(*year, static_cast<unsigned>(*month), static_cast<unsigned>(*day));
}

struct Civil {
  int year;
  unsigned month;
  unsigned day;
};

// Days to civil and back after Howard Hinnant's public-domain algorithms: exact for every year that we read.
Civil civil_from_day(Day day) {
  const std::int64_t z = static_cast<std::int64_t>(day.value) + 719'468;
  const std::int64_t era = (z >= 0 ? z : z - 146'096) / 146'097;
  const auto day_of_era = static_cast<unsigned>(z - era * 146'097);
  const unsigned year_of_era = (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned shifted_month = (5 * day_of_year + 2) / 153;
  const unsigned month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const int year = static_cast<int>(year_of_era) + static_cast<int>(era) * 400 + (month <= 2 ? 1 : 0);
  return {year, month, day_of_year - (153 * shifted_month + 2) / 5 + 1};
}

}  // namespace

Day day_from_civil(int year, unsigned month, unsigned day) {
  const int shifted_year = month <= 2 ? year - 1 : year;
  const int era = (shifted_year >= 0 ? shifted_year : shifted_year - 399) / 400;
  const auto year_of_era = static_cast<unsigned>(shifted_year - era * 400);
  const unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return Day{era * 146'097 + static_cast<std::int32_t>(day_of_era) - 719'468};
}

std::optional<Day> parse_day(std::string_view text) {
  const auto day = take_day(text);
  if (!text.empty()) return std::nullopt;
  return day;
}

std::string format_day(Day day) {
  const Civil civil = civil_from_day(day);
  std::array<char, 32> buffer;
  const int length = std::snprintf(buffer.data(), buffer.size(), "%04d-%02u-%02u", civil.year, civil.month, civil.day);
  return {buffer.data(), static_cast<std::size_t>(length)};
}

std::optional<Instant> parse_instant(std::string_view text) {
  const auto day = take_day(text);
  if (!day) return std::nullopt;
  if (!take_char(text, 'T') && !take_char(text, ' ')) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || *hour > 23 || !take_char(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute || *minute > 59) return std::nullopt;

  int second = 0;
  std::int32_t nanos = 0;
  if (take_char(text, ':')) {
    const auto read = take_number(text, 2);
    if (!read || *read > 59) return std::nullopt;
    second = *read;
    if (take_char(text, '.')) {
      if (text.empty() || !is_digit(text.front())) return std::nullopt;
      std::int32_t unit = 100'000'000;
      while (!text.empty() && is_digit(text.front())) {
        nanos += unit * (text.front() - '0');  // past nine digits the unit is 0: they are cut
        unit /= 10;
        text.remove_prefix(1);
      }
    }
  }

  std::int64_t offset_seconds = 0;
  if (!take_char(text, 'Z') && !text.empty()) {
    const bool west = text.front() == '-';
    if (!west && text.front() != '+') return std::nullopt;
    text.remove_prefix(1);
    const auto offset_hour = take_number(text, 2);
    if (!offset_hour || *offset_hour > 14 || !take_char(text, ':')) return std::nullopt;
    const auto offset_minute = take_number(text, 2);
    if (!offset_minute || *offset_minute > 59) return std::nullopt;
    offset_seconds = (std::int64_t{*offset_hour} * 60 + *offset_minute) * 60 * (west ? -1 : 1);
  }
  if (!text.empty()) return std::nullopt;

  const std::int64_t seconds =
      day->value * kSecondsPerDay + std::int64_t{*hour} * 3'600 + std::int64_t{*minute} * 60 + second - offset_seconds;
  if (seconds < kFirstSecond || seconds >= kEndSecond) return std::nullopt;  // an offset led out of the calendar
  return Instant{seconds, nanos};
}

std::string format_timestamp(Instant instant) {
  std::int64_t days = instant.seconds / kSecondsPerDay;
  std::int64_t rest = instant.seconds % kSecondsPerDay;
  if (rest < 0) {
    rest += kSecondsPerDay;
    --days;
  }
  std::array<char, 32> buffer;
  const int length =
      std::snprintf(buffer.data(), buffer.size(), " %02d:%02d:%02d.%03d", static_cast<int>(rest / 3'600),
                    static_cast<int>(rest / 60 % 60), static_cast<int>(rest % 60), instant.nanos / 1'000'000);
  return format_day(Day{static_cast<std::int32_t>(days)}) +
         std::string(buffer.data(), static_cast<std::size_t>(length));
}

}  // namespace admetrics
