#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/day.hpp"
#include "core/base/result.hpp"

/// compare: our tables against the same tables in another database, as when another job is to be left. How often each
/// column agrees, which rows only one side has, where they differ most, and which few causes explain the many differences.
///
/// Threads: one per call; calls share nothing.
namespace admetrics {

struct CompareOptions {
  std::string here;   // our sink
  std::string there;  // the other database
  std::optional<Day> since;
  std::optional<Day> until;                  // this day included
  double tolerance = 0;                      // numbers that are no further apart agree
  std::map<std::string, double> tolerances;  // … by column, by our name of it
  std::size_t largest_kept = 10;             // for each column
  std::size_t keys_kept = 20;                // of the rows that only one side has
  int busy_timeout_ms = 5'000;
  std::function<void(const std::string& phase, std::uint64_t rows)> progress;
};

namespace comparison {

struct Difference {
  std::vector<std::string> key;
  std::string here;
  std::string there;
  double size = 0;  // how far apart; for a list, how many users only one side has
};

struct Column {
  std::string name;        // ours
  std::string name_there;  // "" when the other table lacks it: then nothing was compared
  bool list = false;
  std::uint64_t compared = 0;
  std::uint64_t equal = 0;
  double sum_here = 0;  // over the shared rows; of a list, the users in it
  double sum_there = 0;
  std::vector<Difference> largest;  // the furthest apart first

  /// In percent; 100 when nothing was compared.
  [[nodiscard]] double accuracy() const;
};

/// Rows of one level that stand on both sides, or on one.
struct LevelRows {
  std::string level;
  std::uint64_t both = 0;
  std::uint64_t equal = 0;
  std::uint64_t only_here = 0;
  std::uint64_t only_there = 0;
};

struct Table {
  std::string name;
  std::vector<LevelRows> levels;
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> only_here;  // the first keys
  std::vector<std::vector<std::string>> only_there;

  [[nodiscard]] std::uint64_t total(std::uint64_t LevelRows::*number) const;
};

/// Why rows differ: one cause each, the one that explains most of it.
struct Cause {
  std::string name;
  std::string text;
  std::uint64_t rows = 0;
  std::uint64_t users = 0;            // whose place differs, where that is the cause
  std::vector<std::string> examples;  // a few, in words
};

/// A day's sums over campaign rows, both sides.
struct DaySums {
  std::map<std::string, std::pair<double, double>> columns;
};

}  // namespace comparison

struct CompareReport {
  std::string here;
  std::string there;
  std::vector<comparison::Table> tables;
  std::vector<comparison::Cause> causes;  // most rows first
  std::map<std::string, comparison::DaySums> days;
  std::vector<std::string> notes;

  [[nodiscard]] bool equal() const;
};

/// Fails with kSchema when the other database has none of the tables, or one without its key.
Result<CompareReport> compare(const CompareOptions& options);

std::string to_text(const CompareReport& report);
std::string to_json(const CompareReport& report);
/// One page that needs nothing else: no scripts, no network, light or dark as the reader has it.
std::string to_html(const CompareReport& report);

}  // namespace admetrics
