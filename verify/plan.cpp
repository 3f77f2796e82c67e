#include "verify/plan.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>

#include "verify/compare.hpp"
#include "verify/printable.hpp"
#include "verify/reading.hpp"
#include "verify/recompute.hpp"
#include "verify/tables.hpp"
#include "verify/workspace.hpp"

namespace admetrics {
namespace {

using verification::Column;
using verification::printable;
using verification::Table;
using verification::Workspace;

constexpr std::array<std::string_view, 6> kMoneyColumns{
    "meta_spend", "actual_revenue_usd", "actual_refunds_usd", "estimated_revenue_usd", "adjusted_estimated_revenue_usd",
    "profit_usd"};

/// Counts one table's rows by level and day.
class Counter : public verification::RowObserver {
 public:
  Counter(const Table& table, PlanReport& report) : table_(table), report_(report) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const Column& column = table.columns[i];
      if (std::find(kMoneyColumns.begin(), kMoneyColumns.end(), column.name) == kMoneyColumns.end()) continue;
      money_.push_back({std::string(column.name), static_cast<int>(table.keys.size() + i), column.digits});
    }
  }

  void on_row(const sqlite::Statement* expected, const sqlite::Statement* stored, bool equal) override {
    const sqlite::Statement& row = expected != nullptr ? *expected : *stored;
    PlanReport::Level& level = level_of(table_.keys.front().name == "entity_type" ? row.text(0) : "ad");
    // Days without a change are taken out again at the end; a table has few days.
    PlannedRows& day = level.days[table_.mapping ? std::string() : std::string(row.text(2))];
    for (PlannedRows* rows : {&level.rows, &day, &report_.total}) {
      ++(stored == nullptr     ? rows->inserted
         : expected == nullptr ? rows->deleted
         : equal               ? rows->unchanged
                               : rows->updated);
      if (rows == &report_.total) continue;
      for (const Money& money : money_) {
        auto& [before, after] = rows->money[money.name];
        if (stored != nullptr) before += stored->real(money.at);
        if (expected != nullptr) after += verification::nearest_double(expected->integer(money.at), money.digits);
      }
    }
  }

 private:
  struct Money {
    std::string name;
    int at = 0;
    int digits = 0;
  };

  PlanReport::Level& level_of(std::string_view name) {
    for (PlanReport::Level& each : report_.levels) {
      if (each.table == table_.name && each.level == name) return each;
    }
    PlanReport::Level level;
    level.table = table_.name;
    level.level = name;
    report_.levels.push_back(std::move(level));
    return report_.levels.back();
  }

  const Table& table_;
  PlanReport& report_;
  std::vector<Money> money_;
};

std::string cents(double sum) {
  std::array<char, 400> text;
  std::snprintf(text.data(), text.size(), "%.2f", sum == 0 ? 0 : sum);
  return text.data();
}

std::string rows_text(const PlannedRows& rows) {
  std::string text = "insert " + std::to_string(rows.inserted) + ", update " + std::to_string(rows.updated) +
                     ", delete " + std::to_string(rows.deleted);
  for (const auto& [column, sums] : rows.money) {
    const auto& [before, after] = sums;
    if (cents(before) != cents(after)) text += "; " + column + " " + cents(before) + " → " + cents(after);
  }
  return text;
}

boost::json::object to_object(const PlannedRows& rows) {
  boost::json::object money;
  for (const auto& [column, sums] : rows.money) {
    money[column] = {{"before", sums.first}, {"after", sums.second}};
  }
  return {{"inserted", rows.inserted},
          {"updated", rows.updated},
          {"deleted", rows.deleted},
          {"unchanged", rows.unchanged},
          {"money", std::move(money)}};
}

}  // namespace

Result<PlanReport> plan_backfill(const VerifyOptions& given) {
  VerifyOptions options = given;
  options.align = false;
  options.any_shape = true;
  options.differences_kept = 0;
  std::error_code failed;
  const bool sink = std::filesystem::exists(options.sink_db, failed);
  PlanReport report;
  report.as_of = *options.as_of;
  ADM_ASSIGN(const auto workspace, Workspace::open(options, sink));
  ADM_TRY(workspace->begin_aligned());
  for (const Table& table : verification::tables()) ADM_TRY(verification::copy_stored(*workspace, options, table));
  ADM_TRY(verification::distil(*workspace, options, report.notes));
  ADM_TRY(workspace->end());
  ADM_TRY(workspace->connection().execute("BEGIN"));
  ADM_TRY(verification::compute(*workspace, options, report.as_of));
  ADM_TRY(workspace->end());
  for (const Table& table : verification::tables()) {
    VerifyReport ignored;
    Counter counter(table, report);
    ADM_TRY(verification::sort_stored(*workspace, options, table));
    ADM_TRY(verification::compare_table(*workspace, options, table, ignored, &counter));
  }
  for (PlanReport::Level& level : report.levels) {
    std::erase_if(level.days, [](const auto& day) { return !day.second.changes() || day.first.empty(); });
  }
  return report;
}

std::string to_text(const PlanReport& report) {
  std::string text = report.total.changes() ? "a backfill would " + rows_text(report.total)
                                            : std::string("a backfill would write nothing");
  text += ", and leave " + std::to_string(report.total.unchanged) + " rows as they are; as of " +
          format_day(report.as_of) + "\n";
  for (const std::string& note : report.notes) text += "note: " + printable(note) + "\n";
  for (const PlanReport::Level& level : report.levels) {
    text += level.table + " " + printable(level.level) + ": " + rows_text(level.rows) + "\n";
    for (const auto& [day, rows] : level.days) text += "  " + printable(day) + "  " + rows_text(rows) + "\n";
  }
  return text;
}

std::string to_json(const PlanReport& report) {
  boost::json::array levels;
  for (const PlanReport::Level& level : report.levels) {
    boost::json::object days;
    for (const auto& [day, rows] : level.days) days[printable(day)] = to_object(rows);
    boost::json::object one = to_object(level.rows);
    one["table"] = level.table;
    one["level"] = printable(level.level);
    one["days"] = std::move(days);
    levels.push_back(std::move(one));
  }
  boost::json::array notes;
  for (const std::string& note : report.notes) notes.emplace_back(printable(note));
  return boost::json::serialize(boost::json::object{{"as_of", format_day(report.as_of)},
                                                    {"inserted", report.total.inserted},
                                                    {"updated", report.total.updated},
                                                    {"deleted", report.total.deleted},
                                                    {"unchanged", report.total.unchanged},
                                                    {"levels", std::move(levels)},
                                                    {"notes", std::move(notes)}});
}

}  // namespace admetrics
