#include "daemon/calendar.hpp"

#include <boost/json.hpp>
#include <cstdio>
#include <iostream>
#include <set>

#include "core/engine/codec.hpp"
#include "daemon/config.hpp"
#include "daemon/console.hpp"
#include "daemon/exit_codes.hpp"
#include "state/ledger_store.hpp"

namespace admetrics {
namespace {

/// What the position tells of torn days; nothing where it is none that we know.
source::TornDays torn_days_of(const std::string& position) {
  source::TornDays torn;
  boost::json::error_code not_json;
  const boost::json::value parsed = boost::json::parse(position, not_json);
  const auto* root = parsed.if_object();
  const auto* part = root != nullptr && root->contains("torn") ? root->at("torn").if_object() : nullptr;
  if (part == nullptr || !part->contains("known") || !part->contains("held")) return torn;
  const auto* known = part->at("known").if_string();
  const auto* held = part->at("held").if_string();
  if (known == nullptr || held == nullptr || !torn.parse(*known, *held)) return {};
  return torn;
}

boost::json::object to_json(const CalendarDay& day) {
  return {{"day", format_day(day.day)},
          {"begins_at", format_timestamp(day.begins_at)},
          {"hours", day.hours},
          {"trial_day", format_day(day.trial_day)},
          {"users", day.users},
          {"main_rows", day.main_rows},
          {"breakdown_rows", day.breakdown_rows}};
}

}  // namespace

Result<Calendar> read_calendar(sqlite::Connection& ledger, const Reporting& reporting, int days,
                               std::int64_t hold_torn_days_max_seconds) {
  ADM_TRY(ledger.begin_read());
  sqlite::Transaction moment(ledger);
  Calendar calendar;
  ADM_ASSIGN(const std::string as_of, ledger.query_text("SELECT value FROM header WHERE name = 'as_of'"));
  const auto today = parse_day(as_of);
  if (!today) {
    return Error{Errc::kNotFound, "read the calendar", ledger.path(),
                 "no epoch was committed yet; `admetricsd run` does"};
  }
  calendar.as_of = *today;
  for (int i = 1; i <= days && calendar.as_of.value + i < kLastDay.value; ++i) {
    CalendarDay day;
    day.day = Day{calendar.as_of.value + i};
    day.begins_at = reporting.zone.start_of(day.day);
    constexpr std::int64_t kSecondsPerHour = 3'600;
    day.hours = (reporting.zone.start_of(Day{day.day.value + 1}).seconds - day.begins_at.seconds) / kSecondsPerHour;
    day.trial_day = Day{day.day.value - reporting.trial_length_days};
    calendar.days.push_back(day);
  }

  struct Rows {
    std::set<Entity> main;
    std::set<std::pair<Entity, std::pair<Breakdown, DictionaryId>>> breakdown;
  };
  std::vector<Rows> rows(calendar.days.size());
  Status unreadable;
  ADM_TRY(read_ledger_users(ledger, [&](BytesView bytes) {
    if (!unreadable.ok()) return;
    const auto user = decode_user(bytes);
    if (!user) {
      unreadable = user.error();
      return;
    }
    if (user->trial_day == kNoDay || calendar.days.empty()) return;
    const std::int64_t at = std::int64_t{user->trial_day.value} - calendar.days.front().trial_day.value;
    if (at < 0 || at >= static_cast<std::int64_t>(calendar.days.size())) return;
    const auto index = static_cast<std::size_t>(at);
    ++calendar.days[index].users;
    for (const Level level : kLevels) {
      const DictionaryId id = user->ids[index_of(level)];
      if (id.value == 0) continue;
      const Entity entity(level, id);
      rows[index].main.insert(entity);
      for (const Breakdown breakdown : {Breakdown::kCountry, Breakdown::kRegion, Breakdown::kDevice})
        rows[index].breakdown.insert({entity, {breakdown, user->value_of(breakdown)}});
    }
  }));
  ADM_TRY(unreadable);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    calendar.days[i].main_rows = static_cast<std::int64_t>(rows[i].main.size());
    calendar.days[i].breakdown_rows = static_cast<std::int64_t>(rows[i].breakdown.size());
  }

  ADM_ASSIGN(const std::string position, ledger.query_text("SELECT value FROM header WHERE name = 'position'"));
  const source::TornDays torn = torn_days_of(position);
  calendar.held = torn.held();
  if (!calendar.held.empty() && hold_torn_days_max_seconds > 0)
    calendar.given_up_at = Instant{torn.deadline_seconds(hold_torn_days_max_seconds), 0};
  return calendar;
}

int calendar_command(const CalendarArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return exit_code::kConfig;
  auto ledger = sqlite::Connection::open(config->state_dir + "/ledger.db", sqlite::OpenMode::kReadOnly, kBusyTimeoutMs);
  if (!ledger) return fail(ledger.error());
  auto calendar =
      read_calendar(**ledger, config->reporting, arguments.days, config->tunables.hold_torn_days_max_ms / 1'000);
  if (!calendar) return fail(calendar.error());
  calendar->pinned = config->as_of.has_value();

  if (arguments.json) {
    boost::json::array days;
    for (const CalendarDay& day : calendar->days) days.push_back(to_json(day));
    boost::json::array held;
    for (const source::HeldDay& day : calendar->held)
      held.push_back({{"day", format_day(day.day)}, {"since", format_timestamp({day.since_seconds, 0})}});
    boost::json::object out{{"as_of", format_day(calendar->as_of)},
                            {"pinned", calendar->pinned},
                            {"time_zone", config->reporting.zone.name()},
                            {"trial_length_days", config->reporting.trial_length_days},
                            {"days", std::move(days)}};
    out["torn_days"] = {
        {"held", std::move(held)},
        {"given_up_at",
         calendar->given_up_at ? boost::json::value(format_timestamp(*calendar->given_up_at)) : boost::json::value()}};
    std::cout << boost::json::serialize(out) << '\n';
    return exit_code::kFine;
  }

  std::printf("the rows are of %s, days in %s, a trial takes %d days\n", format_day(calendar->as_of).c_str(),
              config->reporting.zone.name().c_str(), config->reporting.trial_length_days);
  if (calendar->pinned) std::printf("reporting.as_of pins today: no day begins until it is taken away\n");
  std::printf("%-10s  %-19s  %5s  %-10s  %9s  %9s  %14s\n", "day", "begins at (UTC)", "hours", "trials of", "users",
              "main rows", "breakdown rows");
  for (const CalendarDay& day : calendar->days) {
    constexpr std::size_t kToTheSecond = 19;
    std::printf("%-10s  %-19s  %5lld  %-10s  %9lld  %9lld  %14lld\n", format_day(day.day).c_str(),
                format_timestamp(day.begins_at).substr(0, kToTheSecond).c_str(), static_cast<long long>(day.hours),
                format_day(day.trial_day).c_str(), static_cast<long long>(day.users),
                static_cast<long long>(day.main_rows), static_cast<long long>(day.breakdown_rows));
  }
  for (const source::HeldDay& day : calendar->held) {
    std::printf("torn day %s is held since %s UTC; it is given up at %s UTC unless it is whole before\n",
                format_day(day.day).c_str(), format_timestamp({day.since_seconds, 0}).c_str(),
                calendar->given_up_at ? format_timestamp(*calendar->given_up_at).c_str() : "no time");
  }
  return exit_code::kFine;
}

}  // namespace admetrics
