#include "backfill/self_audit.hpp"

#include <algorithm>
#include <utility>

namespace admetrics::backfill {
namespace {

constexpr double kMicros = 1e6;
constexpr std::int64_t kRetryMicros = 60'000'000;  // after a plan that failed
constexpr std::int64_t kDrawnShare = 8;            // of a share: drawn; and as many that changed lately
constexpr std::int64_t kItemsToTell = 512;         // after so many it is known how long one takes

}  // namespace

SelfAudit::SelfAudit(std::string path, Places places, const Clock& clock, std::uint64_t seed,
                     std::function<void()> wake)
    : clock_(&clock), list_(std::move(path), std::move(places), clock, std::move(wake)), random_(seed) {}

std::int64_t SelfAudit::wall_micros() const {
  const Instant now = clock_->now();
  return now.seconds * 1'000'000 + now.nanos / 1'000;
}

double SelfAudit::cycle_seconds() const { return static_cast<double>(settings_.every_seconds) / 2; }

void SelfAudit::rest_after(std::int64_t micros) {
  const double rest = static_cast<double>(std::max<std::int64_t>(0, micros)) * (1 / settings_.cpu_share - 1);
  rest_until_micros_ = clock_->steady_micros() + static_cast<std::int64_t>(rest);
}

std::int64_t SelfAudit::ready_at_micros() {
  if (settings_.every_seconds == 0) return INT64_MAX;
  const Progress progress = list_.progress();
  if (progress.state == Progress::State::kPlanning) return INT64_MAX;  // its end wakes
  const std::int64_t now = clock_->steady_micros();
  if (planning_since_micros_ != 0) {
    rest_after(now - std::exchange(planning_since_micros_, 0));
    if (progress.state == Progress::State::kFailed)
      rest_until_micros_ = std::max(rest_until_micros_, now + kRetryMicros);
  }
  // By the calendar, which goes on while the daemon does not run. A clock that is set back delays it by as much.
  const double elapsed =
      std::max(0.0, static_cast<double>(wall_micros()) - static_cast<double>(progress.started_at_seconds) * kMicros);
  double due = 0;  // since the cycle's start
  switch (progress.state) {
    case Progress::State::kNone:
    case Progress::State::kCancelled: break;
    case Progress::State::kRunning:
      if (progress.items_total > 0) {
        due = cycle_seconds() * kMicros * static_cast<double>(progress.items_done) /
              static_cast<double>(progress.items_total);
      }
      break;
    case Progress::State::kDone: due = cycle_seconds() * kMicros; break;
    case Progress::State::kFailed: due = elapsed; break;  // at its rest's end
    case Progress::State::kPlanning:
    case Progress::State::kPaused: return INT64_MAX;
  }
  const auto left = static_cast<std::int64_t>(std::max(0.0, due - elapsed));
  return std::max(rest_until_micros_, now + left);
}

Status SelfAudit::begin_cycle() {
  const Progress last = list_.progress();
  Request request;
  request.strange_keys = true;
  // A cycle that was given up has not seen everything.
  if (last.state == Progress::State::kDone) {
    request.unseen_since_seconds = last.started_at_seconds;
  } else {
    request.unseen_since_seconds =
        last.request.unseen_since_seconds != 0 ? last.request.unseen_since_seconds : last.started_at_seconds;
  }
  planning_since_micros_ = clock_->steady_micros();
  return list_.start(request);
}

Result<Share> SelfAudit::share(std::int64_t items_max, const std::function<Status(std::size_t, Share&)>& recent) {
  static_cast<void>(ready_at_micros());  // a plan that is through is paid for before anything else is
  const Progress progress = list_.progress();
  if (progress.state != Progress::State::kRunning) {
    ADM_TRY(begin_cycle());
    return Share{};
  }
  const std::int64_t drawn = items_max / kDrawnShare;
  ADM_ASSIGN(Share share, list_.share(items_max - 2 * drawn));
  if (share.items == 0) return share;  // at its end, and noted as done
  std::vector<std::int64_t> items(static_cast<std::size_t>(drawn));
  std::uniform_int_distribution<std::int64_t> any(1, std::max<std::int64_t>(1, progress.items_total));
  for (std::int64_t& item : items) item = any(random_);
  ADM_TRY(list_.draw(items, share));
  if (drawn > 0) ADM_TRY(recent(static_cast<std::size_t>(drawn), share));
  return share;
}

Status SelfAudit::taken(const Share& share, std::int64_t micros) {
  rest_after(micros);
  verified_ += share.size();
  busy_micros_ += static_cast<double>(micros);
  items_busy_ += share.items;
  return list_.taken(share);
}

AuditProgress SelfAudit::progress() const {
  AuditProgress progress;
  progress.settings = settings_;
  progress.cycle = list_.progress();
  progress.verified_total = verified_;
  if (settings_.every_seconds == 0) return progress;
  const Progress& cycle = progress.cycle;
  std::int64_t since = cycle.started_at_seconds;
  if (cycle.state != Progress::State::kDone && cycle.request.unseen_since_seconds != 0)
    since = cycle.request.unseen_since_seconds;
  if (cycle.state != Progress::State::kNone)
    progress.oldest_unverified_seconds =
        std::max(0.0, static_cast<double>(wall_micros()) / kMicros - static_cast<double>(since));
  if (items_busy_ >= kItemsToTell) {
    const double seconds_an_item = busy_micros_ / kMicros / static_cast<double>(items_busy_);
    progress.cycle_seconds_needed = static_cast<double>(cycle.items_total) * seconds_an_item / settings_.cpu_share;
    progress.share_too_small = progress.cycle_seconds_needed > cycle_seconds();
  }
  return progress;
}

}  // namespace admetrics::backfill
