#include "follow/follower.hpp"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

namespace admetrics::follow {
namespace {

constexpr std::chrono::milliseconds kLookEvery{1'000};  // whether an idle sink still stands

/// Tells keys apart. Two that share a number would keep a stranger's row alive: one chance in 2^64 for each pair.
std::uint64_t number_of(SinkKey::Kind kind, Level level, std::string_view id, Day day) {
  std::uint64_t x = std::hash<std::string_view>()(id);
  for (const std::uint64_t part : {static_cast<std::uint64_t>(kind), static_cast<std::uint64_t>(level),
                                   static_cast<std::uint64_t>(static_cast<std::uint32_t>(day.value))}) {
    x = (x ^ part) * 0x9e3779b97f4a7c15ULL;
    x ^= x >> 29;
  }
  return x;
}

}  // namespace

std::string_view name_of(State state) {
  switch (state) {
    case State::kConnecting: return "connecting";
    case State::kCatchingUp: return "catching_up";
    case State::kFollowing: return "following";
    case State::kWaiting: return "waiting";
  }
  return "";
}

Follower::Follower(FollowerOptions options, const Clock& clock, std::function<void()> wake,
                   std::function<void(bool, const std::string&)> log)
    : options_(std::move(options)), clock_(&clock), wake_(std::move(wake)), log_(std::move(log)) {
  standing_.sink = options_.sink;
  level_micros_ = clock.steady_micros();
  thread_ = std::thread([this] { run(); });
}

Follower::~Follower() {
  ask_to_stop();
  thread_.join();
}

void Follower::ask_to_stop() {
  stop_.store(true);
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
}

void Follower::note(const std::function<void(Standing&)>& change) {
  const std::lock_guard lock(mutex_);
  change(standing_);
}

// ── The pipeline's thread ──

bool Follower::serve(Engine& engine) {
  Order order;
  {
    const std::lock_guard lock(mutex_);
    if (!engine.can_catch_up()) return false;
    served_ledger_ = engine.header().ledger;
    const bool level = standing_.epoch == engine.header().epoch && standing_ledger_ == served_ledger_;
    if (level) level_micros_ = clock_->steady_micros();
    if (!order_) return false;
    if (order_->begin && level) return false;  // nothing is new
    order = *order_;
    order_.reset();
  }
  Delivery delivery;
  delivery.number = order.number;
  const auto give = [&]() -> Status {
    if (order.begin) {
      catch_up_.reset();
      ADM_ASSIGN(catch_up_, engine.begin_catch_up(order.ledger, order.epoch));
    }
    if (!catch_up_) return {};  // begun under another engine: start again
    delivery.everything = catch_up_->everything;
    ADM_ASSIGN(delivery.step, engine.catch_up(*catch_up_, options_.step_keys, delivery.rows));
    if (delivery.step != CatchUpStep::kMore) catch_up_.reset();
    return {};
  };
  if (Status given = give(); !given.ok()) {
    catch_up_.reset();
    delivery.error = given.error();
  }
  const LedgerHeader& header = engine.header();
  delivery.header = {header.ledger, header.epoch, header.position, header.as_of, clock_->now()};
  const std::lock_guard lock(mutex_);
  delivery_ = std::move(delivery);
  changed_.notify_all();
  return true;
}

bool Follower::stands_at(EpochId epoch) const {
  const std::lock_guard lock(mutex_);
  return standing_.epoch == epoch && standing_ledger_ == served_ledger_ && standing_.last_error.empty();
}

Standing Follower::standing(EpochId ledger_epoch) const {
  const std::lock_guard lock(mutex_);
  Standing standing = standing_;
  const bool ours = standing.epoch && standing_ledger_ == served_ledger_ && *standing.epoch <= ledger_epoch;
  standing.lag_epochs = static_cast<std::int64_t>(ledger_epoch.value - (ours ? standing.epoch->value : 0));
  standing.lag_seconds =
      standing.lag_epochs == 0 ? 0 : static_cast<double>(clock_->steady_micros() - level_micros_) / 1e6;
  return standing;
}

// ── The follower's thread ──

void Follower::run() {
  for (int attempt = 1; !stop_.load(); ++attempt) {
    note([](Standing& standing) { standing.state = State::kConnecting; });
    opened_at_micros_ = 0;
    const std::unique_ptr<FollowingSink> sink = options_.make(stop_);
    const Status ended = follow(*sink);
    if (stop_.load()) return;
    // One that worked for a while begins with short pauses again.
    constexpr std::int64_t kWorkedMicros = 10'000'000;
    if (opened_at_micros_ != 0 && clock_->steady_micros() - opened_at_micros_ > kWorkedMicros) attempt = 1;
    const std::string line = "sink " + options_.sink + ": " + ended.error().line();
    note([&](Standing& standing) {
      standing.state = State::kWaiting;
      ++standing.failures_total;
      standing.last_error = ended.error().line();
    });
    // The first time, and then at growing distances: a server that is down for hours is not a thousand lines.
    if ((attempt & (attempt - 1)) == 0) log_(true, line + "; attempt " + std::to_string(attempt) + ", trying again");
    wait_to_retry(attempt);
  }
}

void Follower::wait_to_retry(int attempt) {
  constexpr int kDoublingsMax = 16;
  const std::int64_t pause =
      std::min(options_.retry_last_ms, options_.retry_first_ms << std::min(attempt - 1, kDoublingsMax));
  // Many daemons whose server returns shall not all come at once.
  thread_local std::minstd_rand dice{std::random_device{}()};
  std::uniform_int_distribution<std::int64_t> jittered(pause / 2, pause);
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(jittered(dice)), [&] { return stop_.load(); });
}

Status Follower::follow(FollowingSink& sink) {
  ADM_ASSIGN(SinkState at, sink.open());
  at.last_keys.clear();
  ledger_ = at.fresh ? "" : at.ledger;
  epoch_ = at.fresh ? EpochId{} : at.epoch;
  opened_at_micros_ = clock_->steady_micros();
  const auto tell_where = [&] {
    note([&](Standing& standing) {
      standing.state = State::kFollowing;
      standing.epoch = epoch_;
      standing.last_error.clear();
      standing_ledger_ = ledger_;
    });
  };
  tell_where();
  log_(false, "sink " + options_.sink + ": connected, it stands at epoch " + std::to_string(epoch_.value));
  while (!stop_.load()) {
    ADM_ASSIGN(std::optional<Delivery> delivery, ask(sink, {0, true, ledger_, epoch_}));
    if (!delivery) return {};
    if (Status taken = take(sink, std::move(*delivery), at); !taken.ok()) {
      sink.rollback();
      return taken;
    }
    at.empty = false;
    tell_where();
    wake_();  // whoever waits for this epoch looks
  }
  return {};
}

Status Follower::take(FollowingSink& sink, Delivery delivery, const SinkState& at) {
  if (delivery.error) return std::move(*delivery.error);
  if (delivery.step == CatchUpStep::kStartAgain) return {};
  const bool everything = delivery.everything;
  std::vector<std::uint64_t> given;  // where everything is: what else the sink holds has to go
  std::string why;
  if (everything) {
    why = ledger_.empty() ? "it holds nothing of this ledger"
          : ledger_ != delivery.header.ledger
              ? "it holds rows of another ledger"
              : "nobody knows what it lacks since epoch " + std::to_string(epoch_.value);
    log_(false, "sink " + options_.sink + ": every row is compared, because " + why);
  }
  note([&](Standing& standing) {
    if (everything || delivery.step == CatchUpStep::kMore) standing.state = State::kCatchingUp;
    standing.behind_why = why;
  });
  CommitHeader header = delivery.header;
  ADM_TRY(sink.begin(header, everything));
  for (;;) {
    if (delivery.error) return std::move(*delivery.error);
    if (delivery.step == CatchUpStep::kStartAgain) {
      sink.rollback();
      return {};
    }
    ADM_TRY(sink.write_cells(delivery.rows.cells));
    ADM_TRY(sink.write_names(delivery.rows.names));
    ADM_TRY(sink.write_hierarchies(delivery.rows.hierarchies));
    if (everything && !at.empty) {
      for (const CellWrite& cell : delivery.rows.cells)
        given.push_back(number_of(SinkKey::Kind::kCell, cell.level, cell.entity_id, cell.day));
      for (const NameWrite& name : delivery.rows.names)
        given.push_back(number_of(SinkKey::Kind::kName, name.level, name.entity_id, kNoDay));
      for (const HierarchyWrite& hierarchy : delivery.rows.hierarchies)
        given.push_back(number_of(SinkKey::Kind::kHierarchy, Level::kAd, hierarchy.ad_id, kNoDay));
    }
    header = delivery.header;
    if (delivery.step == CatchUpStep::kDone) break;
    ADM_ASSIGN(std::optional<Delivery> next, ask(sink, {0, false, {}, {}}));
    if (!next) return Error{Errc::kInterrupted, "write sink " + options_.sink, "", "asked to stop"};
    delivery = std::move(*next);
  }
  if (everything && !at.empty) {
    std::sort(given.begin(), given.end());
    std::vector<SinkKey> strangers;
    ADM_TRY(sink.visit_keys([&](const SinkKey& key) {
      const std::uint64_t number = number_of(key.kind, key.level, key.entity_id, key.day);
      if (!std::binary_search(given.begin(), given.end(), number)) strangers.push_back(key);
    }));
    for (const SinkKey& key : strangers) {
      switch (key.kind) {
        case SinkKey::Kind::kCell: {
          const CellWrite gone{key.level, key.entity_id, key.day, true, std::nullopt, {}};
          ADM_TRY(sink.write_cells({&gone, 1}));
          break;
        }
        case SinkKey::Kind::kName: {
          const NameWrite gone{key.level, key.entity_id, std::nullopt, 0, {}};
          ADM_TRY(sink.write_names({&gone, 1}));
          break;
        }
        case SinkKey::Kind::kHierarchy: {
          HierarchyWrite gone;
          gone.ad_id = key.entity_id;
          ADM_TRY(sink.write_hierarchies({&gone, 1}));
          break;
        }
      }
    }
  }
  sink.amend(header);
  ADM_ASSIGN(const SinkReceipt receipt, sink.commit());
  ledger_ = header.ledger;
  epoch_ = header.epoch;
  note([&](Standing& standing) {
    ++standing.commits_total;
    standing.behind_why.clear();
    standing.rows_inserted_total += receipt.inserted;
    standing.rows_updated_total += receipt.updated;
    standing.rows_deleted_total += receipt.deleted;
    standing.rows_unchanged_total += receipt.unchanged;
  });
  if (everything) {
    log_(false, "sink " + options_.sink + ": up to date with epoch " + std::to_string(epoch_.value) + ", rows +" +
                    std::to_string(receipt.inserted) + " ~" + std::to_string(receipt.updated) + " -" +
                    std::to_string(receipt.deleted));
  }
  return {};
}

Result<std::optional<Follower::Delivery>> Follower::ask(const FollowingSink& sink, Order order) {
  const std::uint64_t number = ++orders_given_;
  order.number = number;
  {
    const std::lock_guard lock(mutex_);
    delivery_.reset();
    order_ = std::move(order);
  }
  wake_();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kLookEvery, [&] { return (delivery_ && delivery_->number == number) || stop_.load(); });
      if (stop_.load()) return std::optional<Delivery>();
      if (delivery_ && delivery_->number == number) return std::exchange(delivery_, std::nullopt);
    }
    if (sink.replaced())
      return Error{Errc::kReplaced, "follow the ledger", options_.sink,
                   "the connection is lost, or something else stands there"};
  }
}

// ── All of them ──

Followers::Followers(std::vector<FollowerOptions> options, const Clock& clock, const std::function<void()>& wake,
                     const std::function<void(bool, const std::string&)>& log) {
  for (FollowerOptions& one : options)
    followers_.push_back(std::make_unique<Follower>(std::move(one), clock, wake, log));
}

Followers::~Followers() {
  // All are asked before any is waited for.
  for (const auto& follower : followers_) follower->ask_to_stop();
}

bool Followers::serve(Engine& engine) {
  bool served = false;
  for (const auto& follower : followers_) served = follower->serve(engine) || served;
  return served;
}

std::optional<std::string> Followers::one_behind(EpochId epoch) const {
  for (const auto& follower : followers_) {
    if (!follower->stands_at(epoch)) return follower->standing(epoch).sink;
  }
  return std::nullopt;
}

std::vector<Standing> Followers::standings(EpochId ledger_epoch) const {
  std::vector<Standing> standings;
  for (const auto& follower : followers_) standings.push_back(follower->standing(ledger_epoch));
  return standings;
}

}  // namespace admetrics::follow
