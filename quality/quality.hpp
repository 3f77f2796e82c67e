#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/day.hpp"
#include "core/base/result.hpp"
#include "core/model/keys.hpp"

/// quality: what the rows say about the data behind them. A correct row can still show that a source is incomplete: Meta's
/// breakdowns do not add up, conversions find no user, a day is missing. Read from the result tables alone.
///
/// Threads: one per call; calls share nothing.
namespace admetrics::quality {

/// What is looked for. Each finding is one entity on one day.
enum class Check : std::uint8_t {
  kBreakdownTotals,   // country, region or device rows do not add up to their main row
  kAttributionGap,    // Meta reports trials or purchases, and no user counts for the entity
  kTrackingGap,       // users count for the entity, and Meta reports nothing at all
  kSpendWithoutData,  // money was spent, and neither Meta nor any user tells what came of it
  kDayWithoutData,    // days without a row, or without Meta's side, between days that have it
};
constexpr std::array kChecks{Check::kBreakdownTotals, Check::kAttributionGap, Check::kTrackingGap,
                             Check::kSpendWithoutData, Check::kDayWithoutData};
constexpr std::size_t index_of(Check check) { return static_cast<std::size_t>(check); }
/// As reports and metrics write it: "breakdown_totals".
std::string_view name_of(Check check);
/// What it means, for people.
std::string_view meaning_of(Check check);

struct Options {
  std::string sink_db;
  std::optional<Day> since;  // both ends belong to the range; absent: the first and the last stored day
  std::optional<Day> until;
  double tolerance_percent = 1;   // how far Meta's breakdowns may be from their main row
  std::size_t findings_max = 10;  // kept of each check, largest first; all are counted
  int busy_timeout_ms = 5'000;
  const std::atomic<bool>* stop = nullptr;  // once true, it is given up (kInterrupted)
};

/// One number of a breakdown that does not add up. Spend in cents.
struct Gap {
  std::string column;  // of the main table
  std::int64_t parent = 0;
  std::int64_t total = 0;
};

struct Finding {
  Check check = Check::kBreakdownTotals;
  Level level = Level::kCampaign;
  std::string entity_id;  // empty: the whole level
  Day day;
  std::int64_t spend_cents = 0;  // that is in question
  std::string text;              // what is wrong, with the numbers
  Breakdown breakdown = Breakdown::kNone;
  std::vector<Gap> gaps;  // of kBreakdownTotals
};

/// How many findings, by check and level.
using Counts = std::array<std::array<std::int64_t, kLevels.size()>, kChecks.size()>;

/// One day over all campaigns, and its findings over all levels.
struct DayQuality {
  Day day;
  std::int64_t rows = 0;
  std::int64_t spend_cents = 0;
  std::int64_t users = 0;  // trials and purchases
  std::array<std::int64_t, kChecks.size()> findings{};
};

struct Report {
  Day since;
  Day until;
  std::int64_t epoch = 0;  // of the commit that was read; 0: not a daemon's
  std::string as_of;
  double tolerance_percent = 0;
  std::int64_t rows = 0;  // main rows looked at
  Counts counts{};
  std::vector<DayQuality> days;   // those with a row or a finding, ascending
  std::vector<Finding> findings;  // by check, the largest first

  [[nodiscard]] std::int64_t count(Check check) const;
  [[nodiscard]] std::int64_t count() const;
};

/// kNotFound while there are no tables.
Result<Report> look(const Options& options);

std::string to_text(const Report& report);
std::string to_json(const Report& report);
/// Without the days.
std::string to_summary_json(const Report& report);

}  // namespace admetrics::quality
