#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

namespace admetrics {

/// Where an epoch is, for people who wait.
struct EpochProgress {
  const char* stage = "";  // "load", "read", "compare", "render", "commit"
  std::int64_t done = 0;
  std::int64_t total = 0;  // 0: not known
};

/// What a long stage has done so far: any thread counts, and the one that made it tells.
class StageProgress {
 public:
  /// `on_progress` may be empty; `total` 0: not known.
  StageProgress(const char* stage, std::int64_t total, const std::function<void(const EpochProgress&)>& on_progress)
      : stage_(stage), total_(total), on_progress_(&on_progress) {}

  void add(std::int64_t done) { done_.fetch_add(done, std::memory_order_relaxed); }  // relaxed: only looked at
  /// Only where something was done since: whoever feeds a watchdog with it feeds it with work, not with waiting.
  void tell() {
    const std::int64_t done = done_.load(std::memory_order_relaxed);
    if (done == told_ || !*on_progress_) return;
    told_ = done;
    (*on_progress_)(EpochProgress{stage_, done, total_});
  }

 private:
  const char* stage_;
  const std::int64_t total_;
  const std::function<void(const EpochProgress&)>* on_progress_;
  std::atomic<std::int64_t> done_{0};
  std::int64_t told_ = 0;
};

}  // namespace admetrics
