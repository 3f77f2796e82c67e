#include "daemon/auditor.hpp"

#include <algorithm>
#include <utility>

#include "daemon/log.hpp"

namespace admetrics {
namespace {

constexpr std::int64_t kBusyMicros = 250'000;     // before it is looked again whether the tables are free
constexpr std::int64_t kCompareAgainFactor = 10;  // all rows are compared for at most a tenth of the time
constexpr std::size_t kMismatchesKept = 20;       // in the status
constexpr std::size_t kMismatchLinesMax = 50;     // in the log, within each of these:
constexpr std::int64_t kTellMicros = 60'000'000;

std::string why(const Mismatch& mismatch) {
  if (mismatch.kind == Mismatch::Kind::kForeignWrite) return "somebody else wrote or deleted its stored row";
  std::string text = "no change record named it, and reading it again gave something else";
  for (const Cause cause : list_of(mismatch.causes)) text += std::string(": ") + std::string(words_of(cause));
  return text;
}

}  // namespace

bool Auditor::foreign_work_due() {
  foreign_.add(sink_->take_foreign_work());
  return foreign_.any() && (foreign_.everything.empty() || clock_->steady_micros() >= compare_at_micros_);
}

void Auditor::compare_foreign_work(EpochRequest& request) {
  request.users.clear();
  request.ad_days.clear();
  request.rows = foreign_.added;
  request.wish = Cause::kAudit;
  request.purge = foreign_.strange_keys;
  request.audit = !foreign_.everything.empty();
  request.audit_since.reset();
  request.audit_until.reset();
  request.audit_reason = foreign_.everything;
  comparing_ = true;
  if (request.audit) log_warning("self-audit: " + foreign_.everything + "; every row is compared");
}

void Auditor::take_share(EpochRequest& request, std::int64_t items_max) {
  share_began_micros_ = clock_->steady_micros();
  // Beside a writer who takes his time there is nothing to wait for, and nothing that fails.
  if (!sink_->is_free()) return list_->put_off(kBusyMicros);
  if (seen_changes_.epoch.value == 0) seen_changes_.epoch = engine_->header().epoch;
  auto share = list_->share(items_max, [this](std::size_t rows_max, backfill::Share& into) {
    auto scanned =
        engine_->scan_changes(seen_changes_, rows_max, [&](const SinkKey& key) { into.rows.push_back(key); });
    return scanned ? Status() : Status(scanned.error());
  });
  if (!share) {
    log_warning("self-audit: " + share.error().line());
    list_->not_taken(clock_->steady_micros() - share_began_micros_);
    return;
  }
  share_ = std::move(share).value();
  if (share_.items == 0) return;
  request.wish = Cause::kAudit;
  request.users = share_.users;
  request.ad_days = share_.ad_days;
  request.rows.insert(request.rows.end(), share_.rows.begin(), share_.rows.end());
  request.purge = request.purge || share_.strange_keys;
}

void Auditor::end_epoch(const EpochReport* report) {
  if (std::exchange(comparing_, false) && report != nullptr) {
    if (!foreign_.everything.empty())
      compare_at_micros_ = clock_->steady_micros() + report->total_micros * kCompareAgainFactor;
    foreign_ = {};
  }
  if (report != nullptr) note_mismatches(report->mismatches);
  if (share_.items == 0) return;
  const std::int64_t micros = clock_->steady_micros() - share_began_micros_;
  if (report == nullptr) {
    list_->not_taken(micros);
  } else if (Status taken = list_->taken(share_, micros); !taken.ok()) {
    log_warning("self-audit: " + taken.error().line());
  }
  share_ = {};
}

void Auditor::note_mismatches(const Mismatches& mismatches) {
  if (mismatches.empty()) return;
  std::int64_t all = 0;
  for (std::size_t kind = 0; kind < mismatches.counts.size(); ++kind) {
    status_.mismatches_total[kind] += mismatches.counts[kind];
    all += mismatches.counts[kind];
  }
  const std::int64_t now = clock_->steady_micros();
  if (now - told_since_micros_ > kTellMicros) {
    told_since_micros_ = now;
    told_ = 0;
  }
  const std::size_t lines = std::min(mismatches.first.size(), kMismatchLinesMax - told_);
  for (std::size_t i = 0; i < lines; ++i)
    log_warning("self-audit: " + mismatches.first[i].key + ": " + why(mismatches.first[i]) + "; repaired");
  const bool any_room = told_ < kMismatchLinesMax;
  told_ += lines;
  const std::int64_t more = all - static_cast<std::int64_t>(lines);
  if (more > 0 && any_room) log_warning("self-audit: and " + std::to_string(more) + " more, all repaired");

  const std::string at = format_timestamp(clock_->now());
  auto& last = status_.last_mismatches;
  for (const Mismatch& mismatch : mismatches.first) last.insert(last.begin(), {at, mismatch});
  if (last.size() > kMismatchesKept) last.resize(kMismatchesKept);
}

const SelfAuditStatus& Auditor::status() {
  backfill::AuditProgress progress = list_->progress();
  const backfill::AuditProgress& before = status_.progress;
  using Stand = backfill::Progress::State;
  if (progress.cycle.state == Stand::kFailed && before.cycle.state != Stand::kFailed)
    log_warning("self-audit: its list could not be made: " + progress.cycle.error);
  if (progress.share_too_small && !before.share_too_small) {
    log_warning(
        "self-audit: audit.cpu_share is too small to look at everything within audit.every: a cycle takes about " +
        std::to_string(static_cast<std::int64_t>(progress.cycle_seconds_needed)) + " s, half of audit.every is " +
        std::to_string(progress.settings.every_seconds / 2) + " s");
  }
  status_.progress = std::move(progress);
  return status_;
}

}  // namespace admetrics
