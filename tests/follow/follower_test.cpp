// Sinks that follow drawn histories: down, slow, failing at every step, replaced; in the end each holds what a recomputation says.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "follow/follower.hpp"
#include "sinks/changefeed/changefeed_sink.hpp"
#include "tests/property/drawn_pipeline.hpp"
#include "tests/property/random.hpp"
#include "tests/support/world.hpp"

namespace admetrics::follow {
namespace {

#ifdef ADMETRICS_SANITIZED
constexpr std::uint64_t kSeeds = 2;
#else
constexpr std::uint64_t kSeeds = 12;
#endif

/// What a sink shall do wrong; shared between the test and the follower's thread.
struct Trouble {
  std::atomic<bool> down{false};
  std::atomic<int> fail_in{0};  // the so manieth call from now fails; 0: none
  std::atomic<bool> lose_reply{false};

  bool hit() {
    int left = fail_in.load();
    while (left > 0 && !fail_in.compare_exchange_weak(left, left - 1)) {
    }
    return left == 1;
  }
};

/// A change feed's sink that fails as told.
class TroubledSink : public FollowingSink {
 public:
  TroubledSink(sink::ChangefeedSinkOptions options, Trouble& trouble)
      : inner_(std::move(options)), trouble_(&trouble) {}

  [[nodiscard]] const std::string& name() const override { return inner_.name(); }
  Result<SinkState> open() override {
    if (trouble_->down.load()) return failure();
    return inner_.open();
  }
  [[nodiscard]] bool replaced() const override { return trouble_->down.load() || inner_.replaced(); }
  Status visit_keys(const std::function<void(const SinkKey&)>& visit) override {
    return trouble_->hit() ? failure() : inner_.visit_keys(visit);
  }
  Status begin(const CommitHeader& header, bool purge) override {
    return trouble_->hit() ? failure() : inner_.begin(header, purge);
  }
  Status write_cells(std::span<const CellWrite> cells) override {
    return trouble_->hit() ? failure() : inner_.write_cells(cells);
  }
  Status write_names(std::span<const NameWrite> names) override {
    return trouble_->hit() ? failure() : inner_.write_names(names);
  }
  Status write_hierarchies(std::span<const HierarchyWrite> hierarchies) override {
    return inner_.write_hierarchies(hierarchies);
  }
  void amend(const CommitHeader& header) override { inner_.amend(header); }
  Result<SinkReceipt> commit() override {
    if (trouble_->down.load() || trouble_->hit()) return failure();
    auto receipt = inner_.commit();
    if (trouble_->lose_reply.exchange(false)) return failure();
    return receipt;
  }
  void rollback() override { inner_.rollback(); }

 private:
  static Error failure() { return {Errc::kIo, "reach the server", "nowhere", "the test says so"}; }

  sink::ChangefeedSink inner_;
  Trouble* trouble_;
};

/// A pipeline with a daemon, and one sink that follows.
class Followed {
 public:
  explicit Followed(std::uint64_t seed, std::size_t step_keys)
      : random_(seed), world_({}), pipeline_(world_.source(), random_, Day{kLast.value - 40}, kLast) {
    world_.today = kLast;
    options_.sink = "troubled";
    options_.retry_first_ms = 1;
    options_.retry_last_ms = 4;
    options_.step_keys = step_keys;
    options_.make = [this](const std::atomic<bool>& stop) {
      sink::ChangefeedSinkOptions feed;
      feed.state_path = path();
      feed.files.path = folder_.file("rows.ndjson");
      feed.files.stop = &stop;
      return std::make_unique<TroubledSink>(feed, trouble);
    };
    begin();
  }

  void begin() {
    followers_ = std::make_unique<Followers>(
        std::vector{options_}, clock_,
        [this] {
          const std::lock_guard lock(mutex_);
          woken_ = true;
          changed_.notify_one();
        },
        [](bool, const std::string&) {});
  }
  /// As the pipeline does it: serves until nobody asks for anything.
  void serve_a_little() {
    while (followers_->serve(world_.machine().engine())) {
    }
  }
  /// Until the sink stands where the ledger stands.
  void await_level() {
    Engine& engine = world_.machine().engine();
    while (followers_->one_behind(engine.header().epoch)) {
      if (followers_->serve(engine)) continue;
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::milliseconds(20), [&] { return woken_; });
      woken_ = false;
    }
  }
  /// Its database is gone: whoever opens it again finds nothing.
  void lose_sink() {
    followers_.reset();
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path() + suffix);
    begin();
  }
  void stop() { followers_.reset(); }

  [[nodiscard]] std::vector<std::string> wrong() {
    return support::differences(world_.recomputed(), support::read_tables(path()));
  }
  [[nodiscard]] Standing standing() { return followers_->standings(world_.machine().engine().header().epoch).front(); }
  [[nodiscard]] std::string path() const { return folder_.file("feed.db"); }
  Random& random() { return random_; }
  support::World& world() { return world_; }
  DrawnPipeline& pipeline() { return pipeline_; }

  Trouble trouble;

 private:
  static constexpr Day kLast{20'512};  // 2026-02-28

  Random random_;
  support::World world_;
  DrawnPipeline pipeline_;
  support::TempFolder folder_;
  support::FakeClock clock_;
  FollowerOptions options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  std::unique_ptr<Followers> followers_;
};

TEST(Follower, EndsEqualWhateverGoesWrong) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Followed followed(seed, seed % 3 == 0 ? 7 : 200);  // small steps: many of them between two epochs
    Random& random = followed.random();
    followed.pipeline().fill();
    followed.world().epoch();
    for (int round = 0; round < 25; ++round) {
      switch (random.below(10)) {
        case 0: followed.trouble.down = true; break;
        case 1: followed.trouble.fail_in = static_cast<int>(random.between(1, 12)); break;
        case 2: followed.trouble.lose_reply = true; break;
        case 3: followed.lose_sink(); break;
        case 4: followed.world().restart(); break;
        case 5: followed.world().restart_without_ledger(); break;
        case 6: followed.world().today = Day{followed.world().today.value + 1}; break;
        case 7: followed.pipeline().touch_all_users(); break;
        default: break;
      }
      for (std::int64_t acts = random.between(0, 4); acts > 0; --acts) followed.pipeline().act();
      followed.world().epoch();
      followed.serve_a_little();
      if (random.chance(0.4)) followed.trouble.down = false;
      if (!followed.trouble.down && random.chance(0.3)) {
        followed.await_level();
        ASSERT_THAT(followed.wrong(), testing::IsEmpty());
      }
    }
    followed.trouble.down = false;
    followed.trouble.fail_in = 0;
    followed.await_level();
    ASSERT_THAT(followed.wrong(), testing::IsEmpty());
  }
}

TEST(Follower, AfterABreakOnlyWhatChangedIsOffered) {
  Followed followed(7, 1'000);
  followed.pipeline().fill();
  followed.world().epoch();
  followed.await_level();
  const std::int64_t offered = followed.standing().rows_inserted_total;
  ASSERT_GT(offered, 100);
  followed.stop();
  for (int i = 0; i < 3; ++i) {
    followed.world().source().update("mixpanel_user", {{"country", "QQ" + std::to_string(i)}}, {});
    followed.world().epoch();
    followed.pipeline().act();
    followed.world().epoch();
  }
  followed.begin();
  followed.await_level();
  EXPECT_TRUE(followed.standing().behind_why.empty());
  EXPECT_EQ(followed.standing().commits_total, 1) << "epochs that passed are taken together";
  EXPECT_THAT(followed.wrong(), testing::IsEmpty());
}

TEST(Follower, TellsHowFarBehindItIsAndWhy) {
  Followed followed(3, 1'000);
  followed.pipeline().fill();
  followed.world().epoch();
  followed.await_level();
  EXPECT_EQ(followed.standing().lag_epochs, 0);
  EXPECT_EQ(followed.standing().state, State::kFollowing);
  followed.trouble.down = true;
  followed.world().source().update("mixpanel_user", {{"country", "QQ"}}, {});
  followed.world().epoch();
  while (followed.standing().last_error.empty()) followed.serve_a_little();
  EXPECT_EQ(followed.standing().lag_epochs, 1);
  EXPECT_GT(followed.standing().lag_seconds, 0);
  EXPECT_THAT(followed.standing().last_error, testing::HasSubstr("the test says so"));
  followed.trouble.down = false;
  followed.await_level();
  EXPECT_EQ(followed.standing().lag_epochs, 0);
  EXPECT_EQ(followed.standing().last_error, "");
}

}  // namespace
}  // namespace admetrics::follow
