#include "quality/quality.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "dashboard/tables.hpp"

namespace admetrics::quality {
namespace {

using dashboard::Range;
using dashboard::Row;
using dashboard::Tables;

/// Days without Meta's side between two that have it: a campaign that was paused stays away for longer.
constexpr std::int32_t kMissingDaysMax = 3;
/// Over all campaigns a longer gap than that is no gap but a time without data.
constexpr std::int32_t kMissingDaysOfAllMax = 31;

using Days = std::map<Day, DayQuality>;

/// A number that a breakdown shares with its main row.
struct Shared {
  const char* column;
  std::int64_t Row::*member;
  bool exact;  // metrics.md section 7 rule 4: what we count ourselves adds up
};
constexpr std::array<Shared, 7> kShared{{{"meta_spend", &Row::spend, false},
                                         {"meta_impressions", &Row::impressions, false},
                                         {"meta_clicks", &Row::clicks, false},
                                         {"meta_trial_count", &Row::meta_trials, false},
                                         {"meta_purchase_count", &Row::meta_purchases, false},
                                         {"trial_users_count", &Row::trials, true},
                                         {"purchase_users_count", &Row::purchases, true}}};
constexpr std::size_t kSpend = 0;
using Numbers = std::array<Int128, kShared.size()>;

void add(const Row& row, Numbers& numbers) {
  for (std::size_t i = 0; i < kShared.size(); ++i) numbers[i] += row.*kShared[i].member;
}

std::int64_t whole(Int128 number) {
  return static_cast<std::int64_t>(std::clamp<Int128>(number, INT64_MIN, INT64_MAX));
}

std::string number_text(std::size_t shared, std::int64_t number) {
  if (shared != kSpend) return std::to_string(number);
  const std::uint64_t size = number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
  const std::string cents = std::to_string(size % 100);
  return std::string(number < 0 ? "-" : "") + std::to_string(size / 100) + (cents.size() == 1 ? ".0" : ".") + cents;
}

/// The largest of each check, so that a frequent one does not hide the others.
void keep_largest(Report& report, std::size_t most_of_each) {
  const auto order = [](const Finding& a, const Finding& b) {
    return std::tuple(a.check, b.spend_cents, b.day, a.level, std::string_view(a.entity_id), a.breakdown) <
           std::tuple(b.check, a.spend_cents, a.day, b.level, std::string_view(b.entity_id), b.breakdown);
  };
  std::sort(report.findings.begin(), report.findings.end(), order);
  std::array<std::size_t, kChecks.size()> seen{};
  std::erase_if(report.findings,
                [&](const Finding& finding) { return ++seen[index_of(finding.check)] > most_of_each; });
}

/// One level over the range.
class LevelLook {
 public:
  LevelLook(Tables& tables, const Options& options, Level level, const Range& range, Report& report, Days& days)
      : tables_(&tables), options_(&options), level_(level), range_(range), report_(&report), days_(&days) {}

  Status run() {
    ADM_TRY(visit(Breakdown::kNone, [&](const Row& row) {
      Cell& cell = cells_[std::pair(std::string(row.entity_id), row.day)];
      cell.main = true;
      add(row, cell.numbers);
      ++report_->rows;
      if (level_ != Level::kCampaign) return;
      DayQuality& day = (*days_)[row.day];
      ++day.rows;
      day.spend_cents = saturating_sum(day.spend_cents, row.spend);
      day.users = saturating_sum(day.users, saturating_sum(row.trials, row.purchases));
    }));
    for (const auto& [key, cell] : cells_) look_at(key.first, key.second, cell);
    look_for_missing_days();
    for (const Breakdown breakdown : kBreakdowns) {
      for (auto& [key, cell] : cells_) {
        cell.parts = {};
        cell.part_count = 0;
      }
      ADM_TRY(visit(breakdown, [&](const Row& row) {
        Cell& cell = cells_[std::pair(std::string(row.entity_id), row.day)];
        add(row, cell.parts);
        ++cell.part_count;
      }));
      for (const auto& [key, cell] : cells_) compare(key.first, key.second, breakdown, cell);
    }
    return {};
  }

 private:
  struct Cell {
    bool main = false;  // false: breakdown rows without a main row, which nobody should have written
    Numbers numbers{};
    Numbers parts{};
    std::int64_t part_count = 0;

    [[nodiscard]] Int128 users() const { return numbers[5] + numbers[6]; }
    [[nodiscard]] Int128 meta_conversions() const { return numbers[3] + numbers[4]; }
    [[nodiscard]] bool delivered() const { return numbers[kSpend] != 0 || numbers[1] != 0 || numbers[2] != 0; }
  };

  static std::int64_t saturating_sum(std::int64_t a, std::int64_t b) { return whole(Int128{a} + b); }

  template <class OnRow>
  Status visit(Breakdown breakdown, OnRow&& on_row) {
    return tables_->visit_level(level_, breakdown, range_, Tables::Lists::kNone, [&](const Row& row) -> Status {
      if (options_->stop != nullptr && options_->stop->load(std::memory_order_relaxed))  // relaxed: a hint
        return Error{Errc::kInterrupted, "look at the data's quality", options_->sink_db, "asked to stop"};
      on_row(row);
      return {};
    });
  }

  void note(Finding finding) {
    finding.level = level_;
    ++report_->counts[index_of(finding.check)][admetrics::index_of(level_)];
    ++(*days_)[finding.day].findings[index_of(finding.check)];
    // Kept a while beyond what is asked for, so that sorting is rare.
    report_->findings.push_back(std::move(finding));
    if (report_->findings.size() >= 2 * kChecks.size() * options_->findings_max + 1'000)
      keep_largest(*report_, options_->findings_max);
  }

  Finding finding(Check check, const std::string& entity_id, Day day, Int128 spend, std::string text) const {
    Finding found;
    found.check = check;
    found.entity_id = entity_id;
    found.day = day;
    found.spend_cents = whole(spend);
    found.text = std::move(text);
    return found;
  }

  void look_at(const std::string& id, Day day, const Cell& cell) {
    const std::string meta_trials = number_text(3, whole(cell.numbers[3]));
    const std::string meta_purchases = number_text(4, whole(cell.numbers[4]));
    const std::string spend = number_text(kSpend, whole(cell.numbers[kSpend]));
    if (cell.meta_conversions() > 0 && cell.users() == 0) {
      note(finding(Check::kAttributionGap, id, day, cell.numbers[kSpend],
                   "Meta reports " + meta_trials + " trials and " + meta_purchases +
                       " purchases; no user is attributed to it on this day"));
    }
    if (cell.users() > 0 && !cell.delivered() && cell.meta_conversions() == 0) {
      note(finding(Check::kTrackingGap, id, day, 0,
                   std::to_string(whole(cell.numbers[5])) + " trials and " + std::to_string(whole(cell.numbers[6])) +
                       " purchases of users; Meta reports nothing for it on this day"));
    }
    if (cell.numbers[kSpend] > 0 && cell.users() == 0 && cell.meta_conversions() == 0) {
      note(finding(Check::kSpendWithoutData, id, day, cell.numbers[kSpend],
                   spend + " spent (" + std::to_string(whole(cell.numbers[1])) + " impressions, " +
                       std::to_string(whole(cell.numbers[2])) + " clicks), and no trial or purchase on either side"));
    }
  }

  /// An entity that Meta delivered before and after, and not on the days between.
  void look_for_missing_days() {
    const std::string* entity = nullptr;
    Day last = kNoDay;
    Int128 last_spend = 0;
    for (const auto& [key, cell] : cells_) {
      if (!cell.delivered()) continue;
      const auto& [id, day] = key;
      if (entity != nullptr && *entity == id) {
        const std::int32_t missing = day.value - last.value - 1;
        for (std::int32_t i = 1; missing <= kMissingDaysMax && i <= missing; ++i) {
          note(finding(Check::kDayWithoutData, id, Day{last.value + i}, (last_spend + cell.numbers[kSpend]) / 2,
                       "nothing from Meta, between " + format_day(last) + " and " + format_day(day)));
        }
      }
      entity = &id;
      last = day;
      last_spend = cell.numbers[kSpend];
    }
  }

  void compare(const std::string& id, Day day, Breakdown breakdown, const Cell& cell) {
    Finding found = finding(Check::kBreakdownTotals, id, day, 0, "");
    found.breakdown = breakdown;
    const std::string rows = std::string(name_of(breakdown)) + " rows";
    for (std::size_t i = 0; i < kShared.size(); ++i) {
      const Int128 parent = cell.numbers[i];
      const Int128 difference = parent > cell.parts[i] ? parent - cell.parts[i] : cell.parts[i] - parent;
      // Each row's cents are rounded on their own.
      const Int128 rounding = i == kSpend ? cell.part_count : 0;
      const double share = std::fabs(static_cast<double>(parent > cell.parts[i] ? parent : cell.parts[i]));
      const double allowed = kShared[i].exact ? 0 : share * options_->tolerance_percent / 100;
      if (difference <= rounding || static_cast<double>(difference) <= allowed) continue;
      if (i == kSpend) found.spend_cents = whole(difference);
      found.gaps.push_back({kShared[i].column, whole(parent), whole(cell.parts[i])});
      found.text += (found.text.empty() ? "" : "; ") + std::string(kShared[i].column) + " is " +
                    number_text(i, whole(parent)) + ", its " + rows + " add up to " +
                    number_text(i, whole(cell.parts[i]));
    }
    if (!cell.main) found.text = "there are " + rows + " without a main row";
    if (!found.text.empty()) note(std::move(found));
  }

  Tables* tables_;
  const Options* options_;
  const Level level_;
  const Range range_;
  Report* report_;
  Days* days_;
  std::map<std::pair<std::string, Day>, Cell> cells_;
};

/// Days on which a whole side is missing, over all campaigns, between days that have it.
void look_at_days(Report& report, Days& days) {
  const auto note_missing = [&](auto has, const char* text) {
    std::vector<Day> missing;
    Day last = kNoDay;
    for (const auto& [day, quality] : days) {
      if (!has(quality)) continue;
      const std::int32_t gap = last == kNoDay ? 0 : day.value - last.value - 1;
      for (std::int32_t i = 1; gap <= kMissingDaysOfAllMax && i <= gap; ++i) missing.push_back(Day{last.value + i});
      last = day;
    }
    for (const Day day : missing) {
      ++report.counts[index_of(Check::kDayWithoutData)][admetrics::index_of(Level::kCampaign)];
      ++days[day].findings[index_of(Check::kDayWithoutData)];
      Finding found;
      found.check = Check::kDayWithoutData;
      found.day = day;
      found.spend_cents = days[day].spend_cents;
      found.text = text;
      report.findings.push_back(std::move(found));
    }
  };
  note_missing([](const DayQuality& day) { return day.spend_cents != 0; }, "no campaign has any spend on this day");
  note_missing([](const DayQuality& day) { return day.users != 0; }, "no user has a trial or a purchase on this day");
}

}  // namespace

std::string_view name_of(Check check) {
  switch (check) {
    case Check::kBreakdownTotals: return "breakdown_totals";
    case Check::kAttributionGap: return "attribution_gap";
    case Check::kTrackingGap: return "tracking_gap";
    case Check::kSpendWithoutData: return "spend_without_data";
    case Check::kDayWithoutData: return "day_without_data";
  }
  return "";
}

std::string_view meaning_of(Check check) {
  switch (check) {
    case Check::kBreakdownTotals: return "country, region or device rows do not add up to their main row";
    case Check::kAttributionGap: return "Meta reports trials or purchases, and no user is attributed";
    case Check::kTrackingGap: return "users are attributed, and Meta reports nothing";
    case Check::kSpendWithoutData: return "money was spent, and no trial or purchase on either side";
    case Check::kDayWithoutData: return "a day without data between days that have it";
  }
  return "";
}

std::int64_t Report::count(Check check) const {
  std::int64_t sum = 0;
  for (const std::int64_t count : counts[index_of(check)]) sum += count;
  return sum;
}

std::int64_t Report::count() const {
  std::int64_t sum = 0;
  for (const Check check : kChecks) sum += count(check);
  return sum;
}

Result<Report> look(const Options& options) {
  Tables tables({options.sink_db, options.busy_timeout_ms});
  ADM_ASSIGN(const dashboard::Snapshot snapshot, tables.begin());
  Report report;
  report.epoch = snapshot.epoch;
  report.as_of = snapshot.as_of;
  report.tolerance_percent = options.tolerance_percent;
  ADM_ASSIGN(const std::optional<Range> stored, tables.days());
  if (!stored) {
    report.since = options.since.value_or(kFirstDay);
    report.until = options.until.value_or(report.since);
    return report;
  }
  // Outside the stored days nothing can be found.
  const Range range{std::max(options.since.value_or(stored->start), stored->start),
                    std::min(options.until.value_or(stored->end), stored->end)};
  report.since = options.since.value_or(stored->start);
  report.until = options.until.value_or(stored->end);
  if (range.start > range.end) return report;
  Days days;
  for (const Level level : kLevels) ADM_TRY(LevelLook(tables, options, level, range, report, days).run());
  tables.end();
  look_at_days(report, days);
  keep_largest(report, options.findings_max);
  for (auto& [day, quality] : days) {
    quality.day = day;
    report.days.push_back(quality);
  }
  return report;
}

}  // namespace admetrics::quality
