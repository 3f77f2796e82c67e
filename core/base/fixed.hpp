#pragma once

#include <cstdint>
#include <optional>

namespace admetrics {

/// Fixed-point arithmetic of `metrics.md` section 2: money in micro-dollars, rates in 1e-9 units, one
/// rounding (half away from zero) when a column is rendered. All functions are pure.

__extension__ using Int128 = __int128;
__extension__ using UnsignedInt128 = unsigned __int128;

inline constexpr std::int64_t kMicrosPerDollar = 1'000'000;
inline constexpr std::int64_t kNanoUnitsPerOne = 1'000'000'000;

/// The largest sizes that one source cell may hold (docs/metrics.md, "Limits"). Far above any real value,
/// far below what would overflow a sum over thousands of rows.
inline constexpr std::int64_t kMoneyMicrosMax = 1'000'000'000'000'000;  // one billion dollars
inline constexpr std::int64_t kCountMax = 1'000'000'000'000'000;
inline constexpr std::int64_t kRateNanosMax = 1'000'000'000'000'000;  // a rate of one million

/// `number` × 10^`digits` rounded half away from zero, computed on the number's shortest round-trip
/// decimal text. Nothing when it is not finite or its size passes `max`.
std::optional<std::int64_t> scaled_from_double(double number, int digits, std::int64_t max);
std::optional<std::int64_t> scaled_from_integer(std::int64_t number, int digits, std::int64_t max);

/// `numerator` / `denominator`, rounded half away from zero; 0 when the denominator is 0.
Int128 divide_rounded(Int128 numerator, Int128 denominator);

/// Narrows to 64 bits, stopping at the ends.
std::int64_t saturate(Int128 number);

/// Sums modulo 2^64: whatever is added can be taken away again without a trace, even past the ends.
constexpr std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}
constexpr std::int64_t wrapping_subtract(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

}  // namespace admetrics
