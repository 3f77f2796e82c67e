#include "verify/reading.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>

namespace admetrics::verification {
namespace {

__extension__ typedef __int128 Wide;  // NOLINT: `using` has no place for __extension__

constexpr std::int64_t kLowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kHighest = std::numeric_limits<std::int64_t>::max();

constexpr Wide power_of_ten(int exponent) {
  Wide power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

std::int64_t narrowed(Wide number) {
  if (number < kLowest) return kLowest;
  if (number > kHighest) return kHighest;
  return static_cast<std::int64_t>(number);
}

Wide rounded_quotient(Wide numerator, Wide denominator) {
  const bool negative = (numerator < 0) != (denominator < 0);
  const Wide n = numerator < 0 ? -numerator : numerator;
  const Wide d = denominator < 0 ? -denominator : denominator;
  const Wide quotient = n / d + (n % d >= d - n % d ? 1 : 0);
  return negative ? -quotient : quotient;
}

/// Whether `text` has the shape of `mask`, where 9 stands for a digit and the rest for itself.
bool has_shape(std::string_view text, std::string_view mask) {
  if (text.size() < mask.size()) return false;
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (mask[i] == '9' ? !digit : text[i] != mask[i]) return false;
  }
  return true;
}

int number_at(std::string_view text, std::size_t position, std::size_t length) {
  int number = 0;
  for (const char c : text.substr(position, length)) number = number * 10 + (c - '0');
  return number;
}

/// The calendar day that the first ten characters name.
std::optional<std::chrono::sys_days> leading_date(std::string_view text) {
  if (!has_shape(text, "9999-99-99")) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{number_at(text, 0, 4)},
                                         std::chrono::month{static_cast<unsigned>(number_at(text, 5, 2))},
                                         std::chrono::day{static_cast<unsigned>(number_at(text, 8, 2))}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date};
}

}  // namespace

std::optional<std::int64_t> units_of(double number, int digits, std::int64_t max) {
  if (!std::isfinite(number)) return std::nullopt;
  // Scientific form, "-d.ddde±xx", is the shortest text's digits and where they stand.
  std::array<char, 64> buffer;
  const auto written =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(number), std::chars_format::scientific);
  const std::string_view text(buffer.data(), static_cast<std::size_t>(written.ptr - buffer.data()));
  const std::size_t e = text.find('e');
  Wide significand = 0;
  int decimals = 0;
  for (const char c : text.substr(0, e)) {
    if (c == '.') continue;
    significand = significand * 10 + (c - '0');
    ++decimals;
  }
  --decimals;  // the one before the point
  int exponent = number_at(text, e + 2, std::string_view::npos);
  if (text[e + 1] == '-') exponent = -exponent;

  const int shift = exponent - decimals + digits;
  Wide units = 0;
  if (significand != 0 && shift >= 0) {
    if (shift > 18) return std::nullopt;  // at least 1e19, above every `max`
    units = significand * power_of_ten(shift);
  } else if (shift > -20) {  // below that, seventeen digits are less than a half
    units = rounded_quotient(significand, power_of_ten(-shift));
  }
  if (units > max) return std::nullopt;
  return static_cast<std::int64_t>(number < 0 ? -units : units);
}

std::optional<std::int64_t> units_of(std::int64_t number, int digits, std::int64_t max) {
  const Wide units = number * power_of_ten(digits);
  if (units > max || units < -static_cast<Wide>(max)) return std::nullopt;
  return static_cast<std::int64_t>(units);
}

std::optional<std::int64_t> count_of(double number) {
  if (!(std::fabs(number) <= static_cast<double>(kCountMax)) || std::trunc(number) != number) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<std::int64_t> count_of(std::int64_t number) {
  if (number > kCountMax || number < -kCountMax) return std::nullopt;
  return number;
}

std::optional<Moment> read_moment(std::string_view text) {
  const auto date = leading_date(text);
  if (!date) return std::nullopt;
  text.remove_prefix(10);
  if (!has_shape(text, "T99:99") && !has_shape(text, " 99:99")) return std::nullopt;
  const int hour = number_at(text, 1, 2);
  const int minute = number_at(text, 4, 2);
  text.remove_prefix(6);

  int second = 0;
  std::int32_t nanos = 0;
  if (has_shape(text, ":99")) {
    second = number_at(text, 1, 2);
    text.remove_prefix(3);
    if (has_shape(text, ".9")) {
      const std::size_t end = std::min(text.find_first_not_of("0123456789", 1), text.size());
      std::string fraction(text.substr(1, end - 1));
      fraction.resize(9, '0');  // digits beyond nanoseconds are cut
      nanos = number_at(fraction, 0, 9);
      text.remove_prefix(end);
    }
  }
  if (hour > 23 || minute > 59 || second > 59) return std::nullopt;

  std::chrono::minutes offset{0};
  if (text == "Z" || text.empty()) {
    // UTC
  } else if (text.size() == 6 && (has_shape(text, "+99:99") || has_shape(text, "-99:99"))) {
    const int hours = number_at(text, 1, 2);
    const int minutes = number_at(text, 4, 2);
    if (hours > 14 || minutes > 59) return std::nullopt;
    offset = std::chrono::minutes{hours * 60 + minutes} * (text[0] == '-' ? -1 : 1);
  } else {
    return std::nullopt;
  }

  using std::chrono::sys_seconds;
  const sys_seconds moment = sys_seconds{*date} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
                             std::chrono::seconds{second} - offset;
  constexpr std::chrono::sys_days kFirst{std::chrono::year{0} / 1 / 1};
  constexpr std::chrono::sys_days kEnd{std::chrono::year{10'000} / 1 / 1};
  if (moment < kFirst || moment >= kEnd) return std::nullopt;
  return Moment{moment.time_since_epoch().count(), nanos};
}

std::optional<std::int64_t> read_date(std::string_view text) {
  const auto date = leading_date(text);
  if (!date || text.size() != 10) return std::nullopt;
  return date->time_since_epoch().count();
}

std::string date_text(std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
  std::array<char, 32> buffer;
  const int length = std::snprintf(buffer.data(), buffer.size(), "%04d-%02u-%02u", static_cast<int>(date.year()),
                                   static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return {buffer.data(), static_cast<std::size_t>(length)};
}

std::int64_t scaled_ratio(std::int64_t amount, std::int64_t factor, std::int64_t divisor) {
  if (divisor == 0) return 0;
  return narrowed(rounded_quotient(static_cast<Wide>(amount) * factor, divisor));
}

std::int64_t whole_sum(std::int64_t high, std::int64_t low, std::int64_t divisor) {
  constexpr Wide kHigh = Wide{1} << 32;
  return narrowed(rounded_quotient(high * kHigh + low, divisor));
}

std::int64_t difference(std::int64_t a, std::int64_t b) { return narrowed(static_cast<Wide>(a) - b); }

double nearest_double(std::int64_t units, int digits) {
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  if (units > -kExact && units < kExact) {
    // Both are exact as doubles, and division rounds once, to the nearest.
    return static_cast<double>(units) / static_cast<double>(power_of_ten(digits));
  }
  const std::string text = decimal_text(units, digits);
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string decimal_text(std::int64_t units, int digits) {
  std::string text = std::to_string(units);
  const std::string sign = units < 0 ? "-" : "";
  text.erase(0, sign.size());
  const auto places = static_cast<std::size_t>(digits);
  if (places == 0) return sign + text;
  if (text.size() <= places) text = std::string(places + 1 - text.size(), '0') + text;
  return sign + text.substr(0, text.size() - places) + "." + text.substr(text.size() - places);
}

bool holds_decimal(double stored, std::int64_t units, int digits) { return stored == nearest_double(units, digits); }

bool holds_decimal(std::int64_t stored, std::int64_t units, int digits) {
  if (stored * power_of_ten(digits) == units) return true;
  // Beyond 2^53 the nearest double is a whole number, which a NUMERIC column keeps as an integer.
  const double nearest = nearest_double(units, digits);
  return std::trunc(nearest) == nearest && static_cast<Wide>(nearest) == stored;
}

}  // namespace admetrics::verification
