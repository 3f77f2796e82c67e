#include "daemon/memory_guard.hpp"

#include <malloc.h>

#include <string>

#include "daemon/log.hpp"

namespace admetrics {
namespace {

constexpr std::int64_t kHighPercent = 80;
constexpr std::int64_t kOverPercent = 100;
constexpr std::int64_t kCalmPercent = 5;  // so much lower a level ends: at its edge it would come and go by the batch
constexpr std::int64_t kGiveBackEveryMicros = 1'000'000;
// A full scan may have a quarter. The ledger may have the rest but what SQLite and an epoch's batches need.
constexpr std::int64_t kScanShare = 4;
constexpr std::int64_t kRenderShare = 8;
constexpr std::int64_t kReservePercent = 20;

MemoryLevel level_of(std::int64_t resident, std::int64_t limit, MemoryLevel before) {
  if (limit == 0) return MemoryLevel::kNormal;
  const auto above = [&](std::int64_t percent, MemoryLevel level) {
    return resident > limit / 100 * (before >= level ? percent - kCalmPercent : percent);
  };
  if (above(kOverPercent, MemoryLevel::kOver)) return MemoryLevel::kOver;
  return above(kHighPercent, MemoryLevel::kHigh) ? MemoryLevel::kHigh : MemoryLevel::kNormal;
}

std::size_t squeeze_of(MemoryLevel level) {
  switch (level) {
    case MemoryLevel::kNormal: return 1;
    case MemoryLevel::kHigh: return 2;
    case MemoryLevel::kOver: return 16;
  }
  return 1;
}

}  // namespace

void MemoryGuard::give_memory_back() { ::malloc_trim(0); }

void MemoryGuard::look(std::int64_t limit_bytes, std::int64_t now_micros) {
  std::int64_t resident = resident_();
  if (limit_bytes > 0 && resident > limit_bytes &&
      (given_back_micros_ == INT64_MIN || now_micros - given_back_micros_ >= kGiveBackEveryMicros)) {
    given_back_micros_ = now_micros;
    give_back_();
    resident = resident_();
  }
  const MemoryLevel before = std::exchange(level_, level_of(resident, limit_bytes, level_));
  if (level_ != before && limit_bytes > 0) {
    const std::string state = std::to_string(resident >> 20) + " of " + std::to_string(limit_bytes >> 20) +
                              " MiB (engine.memory_limit) in use";
    switch (level_) {
      case MemoryLevel::kNormal: log_info("memory: " + state + ", batches are of their usual size again"); break;
      case MemoryLevel::kHigh: log_warning("memory: " + state + ", batches are halved"); break;
      case MemoryLevel::kOver: log_warning("memory: " + state + ", work slows down"); break;
    }
  }
  limits_.scan_bytes = limit_bytes / kScanShare;
  limits_.render_bytes = limit_bytes / kRenderShare;
  limits_.state_bytes = limit_bytes / 100 * (100 - kReservePercent);
  limits_.squeeze = squeeze_of(level_);
}

}  // namespace admetrics
