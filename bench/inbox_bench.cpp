#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "core/engine/inbox.hpp"
#include "core/engine/user_shard.hpp"

/// The lock-free road between workers: a message from a producer's batch to the shard that applies it.
namespace admetrics {
namespace {

constexpr std::size_t kShards = 16;
constexpr std::int64_t kMessages = 1 << 18;

/// One thread posts and drains: what the road itself costs.
void HandOverAlone(benchmark::State& state) {
  std::vector<std::unique_ptr<Inbox<CellChange>>> inboxes;
  for (std::size_t i = 0; i < kShards; ++i) inboxes.push_back(std::make_unique<Inbox<CellChange>>());
  std::uint64_t applied = 0;
  const auto apply = [&](const CellChange& change) { applied += change.user.value; };
  for (auto _ : state) {
    const auto post = [&](std::size_t shard, std::vector<CellChange>&& batch) {
      inboxes[shard]->post(std::move(batch), apply);
    };
    Outbox<CellChange, decltype(post)> outbox(kShards, post);
    for (std::int64_t i = 0; i < kMessages; ++i) {
      outbox.add(static_cast<std::size_t>(i) % kShards, CellChange{{}, UserRef{1}, CellChange::Member::kStays, {}, {}});
    }
    outbox.flush();
    for (auto& inbox : inboxes) inbox->drain(apply);
  }
  if (applied != static_cast<std::uint64_t>(state.iterations() * kMessages)) state.SkipWithError("messages were lost");
  state.SetItemsProcessed(state.iterations() * kMessages);
}
BENCHMARK(HandOverAlone)->Unit(benchmark::kMillisecond);

/// All threads post to all shards, and help to drain what is full, as workers do.
class Crowd : public benchmark::Fixture {
 public:
  void SetUp(const benchmark::State& state) override {
    if (state.thread_index() != 0) return;
    shards_ = std::vector<Shard>(kShards);
  }

 protected:
  struct Shard {
    std::unique_ptr<Inbox<CellChange>> inbox = std::make_unique<Inbox<CellChange>>();
    std::uint64_t applied = 0;  // whoever has claimed the inbox
  };
  void post(std::size_t index, std::vector<CellChange>&& batch) {
    Shard& shard = shards_[index];
    shard.inbox->post(std::move(batch), [&](const CellChange& change) { shard.applied += change.user.value; });
  }
  std::vector<Shard> shards_;
};

BENCHMARK_DEFINE_F(Crowd, HandOver)(benchmark::State& state) {
  for (auto _ : state) {
    const auto send = [this](std::size_t shard, std::vector<CellChange>&& batch) { post(shard, std::move(batch)); };
    Outbox<CellChange, decltype(send)> outbox(kShards, send);
    for (std::int64_t i = 0; i < kMessages; ++i) {
      outbox.add(static_cast<std::size_t>(i) % kShards, CellChange{{}, UserRef{1}, CellChange::Member::kStays, {}, {}});
    }
    outbox.flush();
  }
  state.SetItemsProcessed(state.iterations() * kMessages);
}
BENCHMARK_REGISTER_F(Crowd, HandOver)->Threads(1)->Threads(2)->Threads(4)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace admetrics
