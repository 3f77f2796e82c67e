#include <benchmark/benchmark.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "core/base/day.hpp"
#include "core/base/fixed.hpp"
#include "core/base/time_zone.hpp"
#include "core/metrics/contribution.hpp"
#include "core/metrics/facts.hpp"
#include "core/model/reporting.hpp"

/// What a source row costs before the engine sees it: texts to times and days, numbers to micro-dollars, rows to facts.
namespace admetrics {
namespace {

/// A year of event times, an hour and a bit apart, in the three spellings that a pipeline mixes.
std::vector<std::string> event_times() {
  constexpr int kTimes = 8'192;
  constexpr std::int64_t kStepSeconds = 3'847;
  const std::int64_t start = day_from_civil(2026, 1, 1).value * std::int64_t{86'400};
  std::vector<std::string> times;
  for (int i = 0; i < kTimes; ++i) {
    std::string time = format_timestamp(Instant{start + i * kStepSeconds, 125'000'000});
    if (i % 3 == 1) time[10] = 'T', time += 'Z';
    if (i % 3 == 2) time.resize(19), time += "+02:00";
    times.push_back(std::move(time));
  }
  return times;
}

void ParseEventTime(benchmark::State& state) {
  const std::vector<std::string> times = event_times();
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(parse_instant(times[next]));
    next = (next + 1) % times.size();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ParseEventTime);

void LocalDayOfInstant(benchmark::State& state, const char* zone_name) {
  const TimeZone zone = TimeZone::find(zone_name).value();
  std::vector<Instant> instants;
  for (const std::string& time : event_times()) instants.push_back(*parse_instant(time));
  TimeZone::Cursor cursor;
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(zone.day_of(instants[next], cursor));
    next = (next + 1) % instants.size();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(LocalDayOfInstant, utc, "UTC");
BENCHMARK_CAPTURE(LocalDayOfInstant, berlin, "Europe/Berlin");

void ReadMoneyFromReal(benchmark::State& state) {
  std::array<double, 256> amounts;
  for (std::size_t i = 0; i < amounts.size(); ++i) amounts[i] = static_cast<double>(i * 37 + 99) / 100;
  std::size_t next = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(scaled_from_double(amounts[next], 6, kMoneyMicrosMax));
    next = (next + 1) % amounts.size();
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ReadMoneyFromReal);

void ReadMoneyFromInteger(benchmark::State& state) {
  std::int64_t dollars = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(scaled_from_integer(dollars, 6, kMoneyMicrosMax));
    dollars = (dollars + 37) % 1'000;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(ReadMoneyFromInteger);

RawValue text(std::string_view text) { return {RawValue::Kind::kText, 0, 0, text}; }
RawValue real(double number) { return {RawValue::Kind::kReal, 0, number, {}}; }

/// One user row, five events of which four matter, one product row: to facts, and on to a contribution.
void FoldOneUsersRows(benchmark::State& state) {
  const Reporting reporting{TimeZone::find("Europe/Berlin").value(), 7, {}};
  Dictionary dictionary;
  FactFolder folder(reporting, dictionary);
  RawUser user;
  user.distinct_id = text("b1f7c2de-1b1c-4e02-9a57-0f2f3a1d4c5e");
  user.ids[0] = "120210000000000001";
  user.ids[1] = "120210000000000017";
  user.ids[2] = "120210000000000123";
  user.country = "US";
  user.region = "California";
  user.has_attribution = RawValue{RawValue::Kind::kInteger, 1, 0, "1"};
  const auto event = [&](std::string_view name, std::string_view time, RawValue revenue) {
    return RawEvent{user.distinct_id, text("5e8a2a0c-93d5-4ef4-8c2b-7a0c6d1e9f00"), name, text(time), revenue};
  };
  const std::array<RawEvent, 5> events{event("App opened", "2026-03-01 09:00:00", {}),
                                       event("RC Trial started", "2026-03-01T10:00:00Z", {}),
                                       event("RC Trial converted", "2026-03-08T10:00:12.5Z", real(9.99)),
                                       event("RC Initial purchase", "2026-03-09 11:30:00+02:00", real(49.95)),
                                       event("RC Cancellation", "2026-03-20T08:15:00Z", real(-9.99))};
  RawProduct product;
  product.distinct_id = user.distinct_id;
  product.user_product_id = text("17");
  product.product_id = text("premium_yearly");
  product.credited_date = text("2026-03-01");
  product.store = "app_store";
  product.current_value = real(31.42);
  product.rates[0] = real(0.4213);
  product.rates[1] = real(0.1);
  product.rates[2] = {};

  std::vector<Reject> rejects;
  for (auto _ : state) {
    UserFacts facts;
    folder.fold_user(user, facts.attribution, rejects);
    for (const RawEvent& one : events) folder.fold_event(one, facts.events, rejects);
    folder.fold_product(product, facts.products, rejects);
    benchmark::DoNotOptimize(contribution_of(facts, folder.dictionary()));
  }
  if (!rejects.empty()) state.SkipWithError("a row that should be readable was rejected");
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(FoldOneUsersRows);

}  // namespace
}  // namespace admetrics
