#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/clock.hpp"
#include "core/engine/engine.hpp"
#include "core/engine/following_sink.hpp"
#include "follow/standing.hpp"

namespace admetrics::follow {

/// Makes a sink; whatever it does shall end soon after `stop` is true.
using MakeSink = std::function<std::unique_ptr<FollowingSink>(const std::atomic<bool>& stop)>;

struct FollowerOptions {
  std::string sink;
  MakeSink make;
  std::int64_t retry_first_ms = 200;
  std::int64_t retry_last_ms = 30'000;
  std::size_t step_keys = 1'024;  // rendered at a time: some milliseconds in which no epoch can begin
};

/// Follower: keeps one sink where the ledger stands, at the sink's own pace.
///
/// It asks for what its sink lacks; the pipeline renders that between epochs, step by step, and the follower writes it, with
/// the ledger's epoch as its position, in one transaction: readers of that sink never see half of an epoch either
/// (`metrics.md` section 7). Epochs that pass meanwhile are taken together. Nothing is kept for a sink that is down; when it
/// returns, it says where it stands, and the change journal says what it lacks.
///
/// Threads: the sink belongs to a thread of its own; `serve` to the pipeline's; the rest to any.
class Follower {
 public:
  /// `wake` tells the pipeline that `serve` has something to do. `log` gets lines for people.
  Follower(FollowerOptions options, const Clock& clock, std::function<void()> wake,
           std::function<void(bool warning, const std::string& line)> log);
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

  /// Gives what is asked for, one step; false: nothing is asked for, or nothing is new.
  bool serve(Engine& engine);
  /// Whether the sink stands at `epoch` of the ledger.
  [[nodiscard]] bool stands_at(EpochId epoch) const;
  [[nodiscard]] Standing standing(EpochId ledger_epoch) const;
  void ask_to_stop();

 private:
  struct Order {
    std::uint64_t number = 0;  // the answer to an older one is not wanted any more
    bool begin = true;         // else: go on
    std::string ledger;        // that the sink's rows are of; "": none
    EpochId epoch;
  };
  struct Delivery {
    std::uint64_t number = 0;
    CatchUpStep step = CatchUpStep::kStartAgain;
    bool everything = false;
    CommitHeader header;
    RenderedRows rows;
    std::optional<Error> error;  // rendering failed
  };

  void run();
  /// Opens the sink and follows until something fails.
  Status follow(FollowingSink& sink);
  Status take(FollowingSink& sink, Delivery first, const SinkState& at);
  /// Waits for a delivery; none: asked to stop. While nothing comes, looks whether the sink still stands.
  Result<std::optional<Delivery>> ask(const FollowingSink& sink, Order order);
  void wait_to_retry(int attempt);
  void note(const std::function<void(Standing&)>& change);

  // Fixed after construction.
  const FollowerOptions options_;
  const Clock* clock_;
  const std::function<void()> wake_;
  const std::function<void(bool, const std::string&)> log_;
  // The pipeline's thread.
  std::optional<CatchUp> catch_up_;
  // The follower's thread.
  std::string ledger_;  // of what the sink holds
  EpochId epoch_;
  std::int64_t opened_at_micros_ = 0;
  std::uint64_t orders_given_ = 0;
  // Any thread.
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::optional<Order> order_;
  std::optional<Delivery> delivery_;
  Standing standing_;
  std::string standing_ledger_;
  std::int64_t level_micros_ = 0;  // when it last stood where the ledger stood
  std::string served_ledger_;      // the ledger's identity, once it is known
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// All sinks that follow. Threads: as `Follower`.
class Followers {
 public:
  Followers(std::vector<FollowerOptions> options, const Clock& clock, const std::function<void()>& wake,
            const std::function<void(bool, const std::string&)>& log);
  ~Followers();

  /// One step for each; false: nobody needed one.
  bool serve(Engine& engine);
  /// The first sink that does not stand at `epoch`; none: all do.
  [[nodiscard]] std::optional<std::string> one_behind(EpochId epoch) const;
  [[nodiscard]] std::vector<Standing> standings(EpochId ledger_epoch) const;

 private:
  std::vector<std::unique_ptr<Follower>> followers_;
};

}  // namespace admetrics::follow
