#include "core/base/fixed.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

namespace admetrics {

std::optional<std::int64_t> scaled_from_double(double number, int digits, std::int64_t max) {
  if (!std::isfinite(number)) return std::nullopt;
  std::array<char, 64> buffer;
  const auto written =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::scientific);
  std::string_view text(buffer.data(), static_cast<std::size_t>(written.ptr - buffer.data()));

  const bool negative = text.front() == '-';
  if (negative) text.remove_prefix(1);
  const std::size_t e = text.find('e');
  int exponent = 0;
  std::string_view exponent_text = text.substr(e + 1);
  if (exponent_text.front() == '+') exponent_text.remove_prefix(1);
  std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);

  std::int64_t mantissa = 0;  // at most 17 digits
  int fraction_digits = 0;
  bool after_point = false;
  for (char c : text.substr(0, e)) {
    if (c == '.') {
      after_point = true;
      continue;
    }
    mantissa = mantissa * 10 + (c - '0');
    if (after_point) ++fraction_digits;
  }

  int shift = exponent - fraction_digits + digits;  // number × 10^digits = mantissa × 10^shift
  Int128 scaled = mantissa;
  if (scaled == 0) return 0;
  if (shift > 18) return std::nullopt;  // beyond every limit
  for (; shift > 0; --shift) scaled *= 10;
  if (shift < 0) {
    if (shift < -20) return 0;
    Int128 divisor = 1;
    for (; shift < 0; ++shift) divisor *= 10;
    scaled = divide_rounded(scaled, divisor);
  }
  if (scaled > max) return std::nullopt;
  return static_cast<std::int64_t>(negative ? -scaled : scaled);
}

std::optional<std::int64_t> scaled_from_integer(std::int64_t number, int digits, std::int64_t max) {
  Int128 scaled = number;
  for (int i = 0; i < digits; ++i) scaled *= 10;
  if (scaled > max || scaled < -static_cast<Int128>(max)) return std::nullopt;
  return static_cast<std::int64_t>(scaled);
}

Int128 divide_rounded(Int128 numerator, Int128 denominator) {
  if (denominator == 0) return 0;
  if (denominator < 0) {
    numerator = -numerator;
    denominator = -denominator;
  }
  const bool negative = numerator < 0;
  if (negative) numerator = -numerator;
  Int128 quotient = numerator / denominator;
  const Int128 remainder = numerator % denominator;
  if (remainder >= denominator - remainder) ++quotient;
  return negative ? -quotient : quotient;
}

std::int64_t saturate(Int128 number) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  if (number > kMax) return kMax;
  if (number < kMin) return kMin;
  return static_cast<std::int64_t>(number);
}

}  // namespace admetrics
