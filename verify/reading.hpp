#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Reading and rounding numbers and times, written a second time on purpose: nothing here is taken from the code that
/// the engine uses, so that an error in either shows. All functions are pure.
namespace admetrics::verification {

inline constexpr int kMoneyDigits = 6;
inline constexpr int kRateDigits = 9;
inline constexpr std::int64_t kMoneyMax = 1'000'000'000'000'000;  // micro-dollars: a billion dollars
inline constexpr std::int64_t kRateMax = 1'000'000'000'000'000;   // 1e-9 units: a million
inline constexpr std::int64_t kCountMax = 1'000'000'000'000'000;

/// `number` × 10^`digits`, rounded half away from zero on its shortest round-trip decimal text. Nothing when it is not
/// finite or larger than `max`.
std::optional<std::int64_t> units_of(double number, int digits, std::int64_t max);
std::optional<std::int64_t> units_of(std::int64_t number, int digits, std::int64_t max);

/// A count: a whole number, which SQLite may hold as a real.
std::optional<std::int64_t> count_of(double number);
std::optional<std::int64_t> count_of(std::int64_t number);

/// UTC. Years 0000 to 9999.
struct Moment {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
};
std::optional<Moment> read_moment(std::string_view text);

/// 0000-01-01 and 9999-12-31.
inline constexpr std::int64_t kFirstDay = -719'528;
inline constexpr std::int64_t kLastDay = 2'932'896;

/// Days since 1970-01-01 of a text that is exactly `YYYY-MM-DD`.
std::optional<std::int64_t> read_date(std::string_view text);
std::string date_text(std::int64_t day);

/// `amount` × `factor` / `divisor`, rounded half away from zero, stopping at the ends of 64 bits; 0 when dividing by 0.
std::int64_t scaled_ratio(std::int64_t amount, std::int64_t factor, std::int64_t divisor);
/// high × 2³² + low, divided by `divisor` likewise.
std::int64_t whole_sum(std::int64_t high, std::int64_t low, std::int64_t divisor);
std::int64_t difference(std::int64_t a, std::int64_t b);  // a − b, stopping at the ends

/// The double nearest to `units` / 10^`digits`, and that number as text.
double nearest_double(std::int64_t units, int digits);
std::string decimal_text(std::int64_t units, int digits);

/// Is this stored number what SQLite keeps of that decimal: the nearest double, or the whole number that it is?
bool holds_decimal(double stored, std::int64_t units, int digits);
bool holds_decimal(std::int64_t stored, std::int64_t units, int digits);

}  // namespace admetrics::verification
