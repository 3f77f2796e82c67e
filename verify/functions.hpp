#pragma once

#include <memory>

#include "core/base/result.hpp"
#include "core/model/reporting.hpp"
#include "core/sqlite/database.hpp"

namespace admetrics::verification {

/// What the SQL functions of a connection need to know. Must outlive that connection.
struct FunctionContext {
  EventNames names;
  TimeZone zone;
  TimeZone::Cursor cursor;
  double sample = 1.0;
};

/// Registers the functions that our SQL reads source cells with. A cell that cannot be read gives NULL.
///
///   adm_key(x)              the text of a key; NULL when NULL, empty or a blob
///   adm_text(x)             the text of anything; NULL when NULL or empty
///   adm_flag(x)             1 for a number that is not 0, otherwise 0
///   adm_micros(x)           micro-dollars; 0 for NULL
///   adm_count(x)            a whole number; 0 for NULL
///   adm_rate(x)             1e-9 units; NULL when absent or unreadable, so that
///   adm_rate_readable(x)    tells the two apart
///   adm_date(x)             days since 1970-01-01 of a YYYY-MM-DD
///   adm_date_text(day)      and back
///   adm_moment(x)           an event time as twelve bytes that sort like the time; its day must be one of years 0000 to 9999
///   adm_moment_day(moment)  its calendar day in the reporting time zone
///   adm_roles(name)         what an event's name makes it: the sum of the kRole numbers
///   adm_ratio(a, b, c)      a × b / c, rounded half away from zero; 0 when c is 0
///   adm_sum(high, low)      the sum of numbers whose parts, x >> 32 and x & 4294967295, were summed each: SQLite's own sum
///                           ends with an error where 64 bits do not hold it, this one stops at their ends
///   adm_cents(high, low)    likewise for micro-dollars; cents, rounded half away from zero
///   adm_minus(a, b)         a − b, without SQLite's silent turn to floating point
///   adm_decimal(units, d)   the number to store for units / 10^d
///   adm_sampled(type, id, date)  whether a sample of the rows holds this one
Status register_functions(sqlite::Connection& connection, FunctionContext& context);

inline constexpr int kRoleTrialStarted = 1;
inline constexpr int kRoleInitialPurchase = 2;
inline constexpr int kRoleTrialConverted = 4;
inline constexpr int kRoleRefund = 8;

}  // namespace admetrics::verification
