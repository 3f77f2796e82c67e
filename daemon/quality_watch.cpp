#include "daemon/quality_watch.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/log.hpp"
#include "quality/quality.hpp"

namespace admetrics {
namespace {

constexpr std::size_t kFindingsShown = 3;
constexpr std::int64_t kFirstLookMs = 1'000;  // after a start: soon, but not in its way

}  // namespace

QualityWatch::QualityWatch(QualityConfig config, std::string sink_db, const Clock& clock, Board& board)
    : config_(config), sink_db_(std::move(sink_db)), clock_(&clock), board_(&board) {
  if (config_.interval_ms > 0) thread_ = std::thread([this] { run(); });
}

QualityWatch::~QualityWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_.store(true);
  }
  woken_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void QualityWatch::run() {
  std::int64_t pause_ms = std::min(kFirstLookMs, config_.interval_ms);
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (woken_.wait_for(lock, std::chrono::milliseconds(pause_ms), [&] { return stop_.load(); })) return;
    }
    pause_ms = config_.interval_ms;
    const auto status = board_->status();
    // Before the first epoch is through the tables are not what they shall be.
    if (!status->caught_up) {
      pause_ms = std::min(kFirstLookMs, config_.interval_ms);
    } else if (status->last_epoch.epoch.value != epoch_looked_at_ || epoch_looked_at_ == 0) {
      epoch_looked_at_ = status->last_epoch.epoch.value;
      look();
    }
  }
}

void QualityWatch::look() {
  quality::Options options;
  options.sink_db = sink_db_;
  const auto today = parse_day(board_->status()->as_of);
  options.until = today;
  if (today)
    options.since =
        Day{std::max<std::int32_t>(kFirstDay.value, today->value - static_cast<std::int32_t>(config_.days) + 1)};
  options.tolerance_percent = config_.tolerance_percent;
  options.findings_max = kFindingsShown;
  options.stop = &stop_;
  auto report = quality::look(options);
  if (!report) {
    if (report.error().code != Errc::kInterrupted) log_warning(report.error().line());
    return;
  }
  board_->note_quality({clock_->now().seconds, std::move(report).value()});
}

}  // namespace admetrics
