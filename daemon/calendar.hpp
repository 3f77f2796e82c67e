#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/model/reporting.hpp"
#include "core/sqlite/database.hpp"
#include "sources/sqlite/torn_days.hpp"

/// What will change by itself, and when: trials that are over when a reporting day begins (`metrics.md` section 5), and torn
/// days that are given up.
namespace admetrics {

/// A reporting day that begins.
struct CalendarDay {
  Day day;                  // "today" from then on
  Instant begins_at;        // its first moment in the reporting zone
  std::int64_t hours = 24;  // how long it lasts: summer time begins and ends
  Day trial_day;            // whose trials are over
  std::int64_t users = 0;   // whose trial is over then
  std::int64_t main_rows = 0;
  std::int64_t breakdown_rows = 0;
};

struct Calendar {
  Day as_of;            // of the rows as they stand
  bool pinned = false;  // by the configuration: no day begins, whatever the clock says
  std::vector<CalendarDay> days;
  std::vector<source::HeldDay> held;   // torn days that are held back
  std::optional<Instant> given_up_at;  // when they are, if they do not become whole before
};

/// Reads the ledger as of one moment; a daemon may be running on it. Memory grows with the rows of those days.
Result<Calendar> read_calendar(sqlite::Connection& ledger, const Reporting& reporting, int days,
                               std::int64_t hold_torn_days_max_seconds);

struct CalendarArguments {
  std::string config;
  int days = 14;
  bool json = false;
};

/// `calendar`: prints it; gives the exit code.
int calendar_command(const CalendarArguments& arguments);

}  // namespace admetrics
