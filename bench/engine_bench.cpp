#include <benchmark/benchmark.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/engine/codec.hpp"
#include "core/engine/renderer.hpp"
#include "core/engine/state.hpp"

/// The engine's parts without SQLite, on one core.
namespace admetrics {
namespace {

constexpr std::size_t kShards = 16;
constexpr std::uint32_t kCountries = 40;
constexpr std::uint32_t kRegions = 200;
constexpr std::uint32_t kDays = 90;
constexpr std::uint32_t kUsersPerAd = 230;  // as the sample source has them
constexpr Day kFirst{20'000};

std::string user_name(std::uint32_t user) {
  std::array<char, 64> text;
  const int length = std::snprintf(text.data(), text.size(), "%08x-1b1c-4e02-9a57-0f2f3a1d4c5e", user * 2'654'435'761U);
  return {text.data(), static_cast<std::size_t>(length)};
}

/// A population in memory: every user attributed at three levels, half of them with a purchase on a later day.
struct Town {
  explicit Town(std::uint32_t users) : state(kShards), ads(std::max(1U, users / kUsersPerAd)) {
    for (std::uint32_t i = 0; i < users; ++i) {
      names.push_back(user_name(i));
      contributions.push_back(contribution(i));
      homes.push_back(contributions.back().ids);
    }
    for (std::uint32_t i = 0; i < users; ++i) apply(i, contributions[i]);
    end_epoch();
  }

  DictionaryId text(const char* what, std::uint32_t number) {
    return state.dictionary.intern(what + std::to_string(number));
  }

  UserContribution contribution(std::uint32_t user) {
    const std::uint32_t ad = user % ads;
    UserContribution c;
    c.ids = {text("campaign", ad / 25), text("adset", ad / 5), text("ad", ad)};
    c.values = {text("C", user % kCountries), text("R", user % kRegions), text("STORE", user % 3)};
    c.trial_day = Day{kFirst.value + static_cast<std::int32_t>(user / ads % kDays)};
    if (user % 2 == 1) c.purchase_day = Day{c.trial_day.value + 9};
    c.revenue_micros = 9'990'000;
    c.value_micros = 31'420'000 + user;
    c.rate_nanos = {421'300'000, 100'000'000, 0};
    c.rate_counts = {1, 1, 0};
    c.converted = user % 3 == 0;
    return c;
  }

  void apply(std::uint32_t user, const UserContribution& next) {
    const std::string& name = names[user];
    state.users[state.user_shard_of(hash_of_user(name))].apply(name, next, [&](const CellChange& change) {
      ++cell_changes;
      state.row_shard(change.cell).apply(change);
    });
  }
  void end_epoch() {
    for (UserShard& shard : state.users) shard.end_epoch();
    for (RowShard& shard : state.rows) shard.end_epoch();
  }

  State state;
  std::uint32_t ads;
  std::vector<std::string> names;
  std::vector<UserContribution> contributions;
  std::vector<std::array<DictionaryId, 3>> homes;
  std::int64_t cell_changes = 0;
};

constexpr std::uint32_t kUsers = 200'000;
constexpr std::uint32_t kChangesPerEpoch = 8'192;

Town& town() {
  static const auto kTown = std::make_unique<Town>(kUsers);
  return *kTown;
}

/// Minus old, plus new: a user's next contribution to the cells and rows that it touches, an epoch's end included.
template <class Change>
void apply_changes(benchmark::State& state, Change&& change) {
  Town& t = town();
  t.cell_changes = 0;
  std::uint32_t user = 0;
  std::uint32_t in_epoch = 0;
  for (auto _ : state) {
    user = (user + 7'919) % kUsers;
    change(user, t.contributions[user]);
    t.apply(user, t.contributions[user]);
    if (++in_epoch == kChangesPerEpoch) {
      t.end_epoch();
      in_epoch = 0;
    }
  }
  t.end_epoch();
  state.SetItemsProcessed(state.iterations());
  state.counters["cells/change"] =
      static_cast<double>(t.cell_changes) / static_cast<double>(std::max<std::int64_t>(state.iterations(), 1));
}

void ApplyNothingChanged(benchmark::State& state) {
  apply_changes(state, [](std::uint32_t, UserContribution&) {});
}
BENCHMARK(ApplyNothingChanged);

void ApplyNewValue(benchmark::State& state) {
  apply_changes(state, [](std::uint32_t, UserContribution& c) { ++c.value_micros; });
}
BENCHMARK(ApplyNewValue);

void ApplyReattribution(benchmark::State& state) {
  const Town& t = town();
  apply_changes(state, [&](std::uint32_t user, UserContribution& c) {
    // To another ad and back: the user leaves the ad's cells, enters others, and stays in most ad sets and campaigns.
    c.ids = c.ids == t.homes[user] ? t.homes[(user + 1) % kUsers] : t.homes[user];
  });
}
BENCHMARK(ApplyReattribution);

/// A whole cell, the main row and all its breakdown rows, of as many users as the argument says.
void RenderCellOfUsers(benchmark::State& state) {
  const auto members = static_cast<std::uint32_t>(state.range(0));
  Town t(1);
  t.ads = 1;
  RenderCell cell;
  for (std::uint32_t i = 0; i < members; ++i) {
    t.names.resize(std::max<std::size_t>(t.names.size(), i + 1));
    t.names[i] = user_name(i);
    UserContribution c = t.contribution(i);
    c.trial_day = kFirst;
    c.purchase_day = i % 2 == 1 ? kFirst : kNoDay;
    t.apply(i, c);
    cell.key = CellKey{Entity(Level::kAd, c.ids[2]), kFirst};
  }
  t.end_epoch();
  cell.whole = true;
  const MetaSums sums{12'345'678, 10'000, 250, 20, 3, 1};
  cell.meta.values.push_back({Breakdown::kNone, {}, sums});
  Renderer renderer(t.state, Day{kFirst.value + 30}, 7);
  std::size_t rows = 0;
  for (auto _ : state) {
    const CellWrite write = renderer.render(cell);
    rows = write.breakdowns.size() + 1;
    benchmark::DoNotOptimize(write.main);
  }
  state.counters["rows"] = static_cast<double>(rows);
  state.counters["rows/s"] = benchmark::Counter(static_cast<double>(rows) * static_cast<double>(state.iterations()),
                                                benchmark::Counter::kIsRate);
}
BENCHMARK(RenderCellOfUsers)->Arg(1)->Arg(5)->Arg(50)->Arg(500)->Arg(5'000);

void EncodeUser(benchmark::State& state) {
  const UserContribution& c = town().contributions[1];
  Bytes bytes;
  for (auto _ : state) {
    encode(c, bytes);
    benchmark::DoNotOptimize(bytes.data());
  }
  state.SetItemsProcessed(state.iterations());
  state.counters["bytes"] = static_cast<double>(bytes.size());
}
BENCHMARK(EncodeUser);

void DecodeUser(benchmark::State& state) {
  Bytes bytes;
  encode(town().contributions[1], bytes);
  for (auto _ : state) benchmark::DoNotOptimize(decode_user(bytes));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(DecodeUser);

/// What a restart does for each user, beside reading it from the ledger's file.
void LoadUsers(benchmark::State& state) {
  const Town& t = town();
  constexpr std::uint32_t kLoaded = 50'000;
  for (auto _ : state) {
    State fresh(kShards);
    for (std::uint32_t i = 0; i < kLoaded; ++i) {
      UserShard& shard = fresh.users[fresh.user_shard_of(hash_of_user(t.names[i]))];
      const UserRef user = shard.load(t.names[i], t.contributions[i]);
      for_each_cell(t.contributions[i], [&](CellKey cell) { fresh.row_shard(cell).load(cell, user); });
    }
    state.counters["bytes/user"] = static_cast<double>(fresh.memory_bytes()) / kLoaded;
  }
  state.SetItemsProcessed(state.iterations() * kLoaded);
}
BENCHMARK(LoadUsers)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace admetrics
