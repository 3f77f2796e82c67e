#include "verify/functions.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "verify/reading.hpp"

namespace admetrics::verification {
namespace {

std::string_view text_of(sqlite3_value* value) {
  const auto* data = sqlite3_value_text(value);
  if (data == nullptr) return {};
  return {reinterpret_cast<const char*>(data),  // NOLINT: SQLite's text is unsigned char
          static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

FunctionContext& context_of(sqlite3_context* call) { return *static_cast<FunctionContext*>(sqlite3_user_data(call)); }

void give(sqlite3_context* call, std::optional<std::int64_t> number) {
  if (number) {
    sqlite3_result_int64(call, *number);
  } else {
    sqlite3_result_null(call);
  }
}

void give(sqlite3_context* call, std::string_view text) {
  sqlite3_result_text64(call, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void give_text_or_null(sqlite3_context* call, sqlite3_value* value) {
  const std::string_view text = text_of(value);
  if (!text.empty()) give(call, text);
}

std::optional<std::int64_t> scaled(sqlite3_value* value, int digits, std::int64_t max) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER: return units_of(static_cast<std::int64_t>(sqlite3_value_int64(value)), digits, max);
    case SQLITE_FLOAT: return units_of(sqlite3_value_double(value), digits, max);
    default: return std::nullopt;
  }
}

void key(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  if (sqlite3_value_type(values[0]) != SQLITE_BLOB) give_text_or_null(call, values[0]);
}

void text(sqlite3_context* call, int /*count*/, sqlite3_value** values) { give_text_or_null(call, values[0]); }

void flag(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  const int type = sqlite3_value_type(values[0]);
  const bool set = (type == SQLITE_INTEGER && sqlite3_value_int64(values[0]) != 0) ||
                   (type == SQLITE_FLOAT && sqlite3_value_double(values[0]) != 0.0);
  sqlite3_result_int(call, set ? 1 : 0);
}

void micros(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  if (sqlite3_value_type(values[0]) == SQLITE_NULL) return sqlite3_result_int(call, 0);
  give(call, scaled(values[0], kMoneyDigits, kMoneyMax));
}

void count(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  switch (sqlite3_value_type(values[0])) {
    case SQLITE_NULL: return sqlite3_result_int(call, 0);
    case SQLITE_INTEGER: return give(call, count_of(static_cast<std::int64_t>(sqlite3_value_int64(values[0]))));
    case SQLITE_FLOAT: return give(call, count_of(sqlite3_value_double(values[0])));
    default: return;
  }
}

void rate(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  give(call, scaled(values[0], kRateDigits, kRateMax));
}

void rate_readable(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  const bool readable =
      sqlite3_value_type(values[0]) == SQLITE_NULL || scaled(values[0], kRateDigits, kRateMax).has_value();
  sqlite3_result_int(call, readable ? 1 : 0);
}

void date(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  if (sqlite3_value_type(values[0]) != SQLITE_BLOB) give(call, read_date(text_of(values[0])));
}

void date_as_text(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  give(call, std::string_view(date_text(sqlite3_value_int64(values[0]))));
}

// Big-endian, with the seconds lifted above zero: bytes sort like times.
constexpr std::int64_t kMomentBias = std::int64_t{1} << 40;
using MomentBytes = std::array<unsigned char, 12>;

/// The reporting day; nothing when the zone leads out of the years that a date can name.
std::optional<std::int64_t> reporting_day(FunctionContext& context, std::int64_t seconds) {
  const Day day = context.zone.day_of(Instant{seconds, 0}, context.cursor);
  if (day.value < kFirstDay || day.value > kLastDay) return std::nullopt;
  return day.value;
}

void moment(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  if (sqlite3_value_type(values[0]) == SQLITE_BLOB) return;  // bytes are no time
  const auto read = read_moment(text_of(values[0]));
  if (!read || !reporting_day(context_of(call), read->seconds)) return;
  MomentBytes bytes;
  auto seconds = static_cast<std::uint64_t>(read->seconds + kMomentBias);
  auto nanos = static_cast<std::uint32_t>(read->nanos);
  for (std::size_t i = 8; i-- > 0; seconds >>= 8U) bytes[i] = static_cast<unsigned char>(seconds & 0xffU);
  for (std::size_t i = 12; i-- > 8; nanos >>= 8U) bytes[i] = static_cast<unsigned char>(nanos & 0xffU);
  sqlite3_result_blob64(call, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
}

void moment_day(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  const auto* bytes = static_cast<const unsigned char*>(sqlite3_value_blob(values[0]));
  if (bytes == nullptr || sqlite3_value_bytes(values[0]) != static_cast<int>(MomentBytes{}.size())) return;
  std::uint64_t seconds = 0;
  for (std::size_t i = 0; i < 8; ++i) seconds = seconds << 8U | bytes[i];
  give(call, reporting_day(context_of(call), static_cast<std::int64_t>(seconds) - kMomentBias));
}

char lowered(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

void roles(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  int sum = 0;
  if (sqlite3_value_type(values[0]) != SQLITE_NULL) {
    const std::string_view name = text_of(values[0]);
    const EventNames& names = context_of(call).names;
    if (name == names.trial_started) sum += kRoleTrialStarted;
    if (name == names.initial_purchase) sum += kRoleInitialPurchase;
    if (name == names.trial_converted) sum += kRoleTrialConverted;
    const std::string_view wanted = names.refund_contains;
    const bool contains = std::search(name.begin(), name.end(), wanted.begin(), wanted.end(),
                                      [](char a, char b) { return lowered(a) == lowered(b); }) != name.end();
    if (contains || wanted.empty()) sum += kRoleRefund;
  }
  sqlite3_result_int(call, sum);
}

void ratio(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  sqlite3_result_int64(call, scaled_ratio(sqlite3_value_int64(values[0]), sqlite3_value_int64(values[1]),
                                          sqlite3_value_int64(values[2])));
}

void sum(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  sqlite3_result_int64(call, whole_sum(sqlite3_value_int64(values[0]), sqlite3_value_int64(values[1]), 1));
}

void cents(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  constexpr std::int64_t kMicrosPerCent = 10'000;
  sqlite3_result_int64(call, whole_sum(sqlite3_value_int64(values[0]), sqlite3_value_int64(values[1]), kMicrosPerCent));
}

void minus(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  sqlite3_result_int64(call, difference(sqlite3_value_int64(values[0]), sqlite3_value_int64(values[1])));
}

void decimal(sqlite3_context* call, int /*count*/, sqlite3_value** values) {
  sqlite3_result_double(call, nearest_double(sqlite3_value_int64(values[0]), sqlite3_value_int(values[1])));
}

void sampled(sqlite3_context* call, int count, sqlite3_value** values) {
  std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
  for (int i = 0; i < count; ++i) {
    for (const char c : text_of(values[i])) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    hash = (hash ^ 0xffU) * 0x100000001b3U;  // no text holds this byte: the parts do not run together
  }
  hash ^= hash >> 32U;  // its low bits are the well-mixed ones; bring them everywhere
  hash *= 0xd6e8feb86659fd93U;
  hash ^= hash >> 32U;
  const double place = static_cast<double>(hash >> 11U) / static_cast<double>(std::uint64_t{1} << 53U);
  sqlite3_result_int(call, place < context_of(call).sample ? 1 : 0);
}

struct Function {
  const char* name;
  int parameters;
  void (*call)(sqlite3_context*, int, sqlite3_value**);
};

constexpr std::array kFunctions{
    Function{"adm_key", 1, key},
    Function{"adm_text", 1, text},
    Function{"adm_flag", 1, flag},
    Function{"adm_micros", 1, micros},
    Function{"adm_count", 1, count},
    Function{"adm_rate", 1, rate},
    Function{"adm_rate_readable", 1, rate_readable},
    Function{"adm_date", 1, date},
    Function{"adm_date_text", 1, date_as_text},
    Function{"adm_moment", 1, moment},
    Function{"adm_moment_day", 1, moment_day},
    Function{"adm_roles", 1, roles},
    Function{"adm_ratio", 3, ratio},
    Function{"adm_sum", 2, sum},
    Function{"adm_cents", 2, cents},
    Function{"adm_minus", 2, minus},
    Function{"adm_decimal", 2, decimal},
    Function{"adm_sampled", 3, sampled},
};

}  // namespace

Status register_functions(sqlite::Connection& connection, FunctionContext& context) {
  for (const Function& function : kFunctions) {
    const int code = sqlite3_create_function_v2(connection.handle(), function.name, function.parameters,
                                                SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, &context,
                                                function.call, nullptr, nullptr, nullptr);
    if (code != SQLITE_OK) return connection.error("register the SQL functions");
  }
  return {};
}

}  // namespace admetrics::verification
