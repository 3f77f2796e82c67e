#pragma once

#include <cstdint>
#include <functional>

#include "core/engine/engine.hpp"
#include "daemon/status.hpp"

namespace admetrics {

/// MemoryGuard: how much of `engine.memory_limit` is in use, in three levels, and what the engine may hold at each.
///
/// Threads: one at a time.
class MemoryGuard {
 public:
  /// `resident`: bytes in use now. `give_back`: returns to the system what can be returned.
  explicit MemoryGuard(std::function<std::int64_t()> resident = resident_memory_bytes,
                       std::function<void()> give_back = give_memory_back)
      : resident_(std::move(resident)), give_back_(std::move(give_back)) {}

  /// Looks again, and says a change of level in the log. Over the limit it gives memory back, at most once a second.
  /// `limit_bytes` 0: none.
  void look(std::int64_t limit_bytes, std::int64_t now_micros);
  [[nodiscard]] MemoryLevel level() const { return level_; }
  [[nodiscard]] const MemoryLimits& limits() const { return limits_; }

 private:
  static void give_memory_back();

  std::function<std::int64_t()> resident_;
  std::function<void()> give_back_;
  MemoryLevel level_ = MemoryLevel::kNormal;
  MemoryLimits limits_;
  std::int64_t given_back_micros_ = INT64_MIN;
};

}  // namespace admetrics
