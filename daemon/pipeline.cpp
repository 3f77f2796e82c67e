#include "daemon/pipeline.hpp"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>
#include <thread>
#include <utility>

#include "daemon/following_sinks.hpp"
#include "daemon/log.hpp"

namespace admetrics {
namespace {

constexpr std::int64_t kPollMs = 250;  // the fallback when a notification does not come
constexpr std::int64_t kTrimAfterIdleMicros = 2'000'000;
// `verify` looks at the change log many times a second; it gets on even when it is starved of the processor for a while.
constexpr std::int64_t kKeepAcknowledgedMicros = 15'000'000;
constexpr std::int64_t kStatusEveryMicros = 200'000;
constexpr std::int64_t kVerificationEveryMicros = 2'000'000;
constexpr std::int64_t kNextDayEveryMicros = 60'000'000;
constexpr std::int64_t kProgressLogEveryMicros = 5'000'000;
constexpr std::int64_t kProgressLineEveryMicros = 200'000;
constexpr std::int64_t kMindMemoryEveryMicros = 100'000;
constexpr std::int64_t kRetryFirstMs = 50;
constexpr std::int64_t kRetryLastMs = 10'000;
constexpr std::int64_t kOnceRetryMicros = 60'000'000;  // `run --once` waits this long for a lock, then says so
// `run --once` keeps nobody from their rows meanwhile: where nobody else writes, a first fill goes in long transactions.
constexpr std::int64_t kFillAloneMicros = 1'000'000;
constexpr std::int64_t kShareItems = 256;           // some milliseconds, so that what streams hardly waits
constexpr std::int64_t kLargeEpochCells = 100'000;  // gives its memory back when it is done

/// Whether waiting may mend it.
bool may_pass(Errc code) {
  switch (code) {
    case Errc::kBusy:
    case Errc::kFull:
    case Errc::kIo:
    case Errc::kReplaced: return true;
    case Errc::kNotFound:
    case Errc::kReadOnly:
    case Errc::kCorrupt:
    case Errc::kSchema:
    case Errc::kOutOfMemory:
    case Errc::kUsage:
    case Errc::kConfig:
    case Errc::kInterrupted:
    case Errc::kUnsupported:
    case Errc::kInternal: return false;
  }
  return false;
}

std::string draw_identity() {
  std::random_device device;
  std::string identity;
  constexpr std::string_view kHex = "0123456789abcdef";
  for (int i = 0; i < 32; ++i) identity += kHex[device() % kHex.size()];
  return identity;
}

std::string milliseconds(std::int64_t micros) {
  std::array<char, 32> text;
  const int length = std::snprintf(text.data(), text.size(), "%.1f ms", static_cast<double>(micros) / 1'000.0);
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace

Pipeline::Pipeline(const Config& config, const RunOptions& options, const Clock& clock, Board& board, Orders& orders,
                   std::function<void()> on_open)
    : config_(&config),
      options_(options),
      clock_(&clock),
      board_(&board),
      orders_(&orders),
      on_open_(std::move(on_open)),
      terminal_(::isatty(STDERR_FILENO) == 1),
      locks_(clock),
      tunables_(config.tunables) {
  status_.started_at_seconds = clock.now().seconds;
  orders.listen([this] { notify(); });
}

Pipeline::~Pipeline() {
  orders_->listen(nullptr);
  followers_.reset();  // they notify us
}

void Pipeline::set_tunables(const Tunables& tunables) {
  {
    const std::lock_guard lock(mutex_);
    tunables_ = tunables;
  }
  notify();
}

Tunables Pipeline::tunables() const {
  const std::lock_guard lock(mutex_);
  return tunables_;
}

void Pipeline::notify() {
  {
    const std::lock_guard lock(mutex_);
    notified_ = true;
  }
  woken_.notify_one();
}

void Pipeline::stop() {
  stop_.store(true);
  notify();
}

void Pipeline::wait(std::int64_t milliseconds) {
  beat();
  std::unique_lock lock(mutex_);
  const auto pause = std::chrono::milliseconds(std::min(milliseconds, kPollMs));
  woken_.wait_for(lock, pause, [&] { return notified_ || stop_.load(); });
  notified_ = false;
}

void Pipeline::pause(std::int64_t micros) {
  beat();
  std::unique_lock lock(mutex_);
  woken_.wait_for(lock, std::chrono::microseconds(micros), [&] { return stop_.load(); });
}

Day Pipeline::today() const {
  if (options_.as_of) return *options_.as_of;
  if (config_->as_of) return *config_->as_of;
  return config_->reporting.zone.day_of(clock_->now());
}

Status Pipeline::open_changelog() {
  const ChangelogConfig& config = config_->changelog;
  source::ChangelogOptions log;
  log.path = config.path;
  log.format = config.format;
  log.mixpanel = config.mixpanel;
  log.landing_db = config_->landing_db;
  log.dead_letters = config.dead_letters;
  log.dead_letters_max_bytes = config.dead_letters_size_max_bytes;
  log.tombstones_max = config.tombstones_max;
  log.replay_folder = config_->replay_folder();
  log.hold_transactions_max_seconds = config.hold_transactions_max_ms / 1'000;
  log.hold_transactions_max_bytes = config.hold_transactions_size_max_bytes;
  log.once = options_.once;
  log.clock = clock_;
  log.stop = &stop_;
  log.rows_read = &rows_read_;
  changelog_ = std::make_unique<source::ChangelogSource>(std::move(log), *source_);
  ADM_TRY(changelog_->open());
  status_.changelog = changelog_->state();  // what the last run left: what comes on top is news
  return {};
}

void Pipeline::note_changelog() {
  if (!changelog_) return;
  for (const std::string& warning : changelog_->take_warnings()) log_warning(warning);
  const source::ChangelogState now = changelog_->state();
  const auto dead = [](const source::ChangelogState& state) {
    std::int64_t sum = 0;
    for (const auto& [reason, count] : state.dead_letters) sum += count;
    return sum;
  };
  if (status_.changelog && dead(now) > dead(*status_.changelog)) {
    log_warning(std::to_string(dead(now) - dead(*status_.changelog)) +
                " lines of the change log were not understood: see " + config_->changelog.dead_letters);
  }
  if (now.ended && !(status_.changelog && status_.changelog->ended))
    log_info("standard input has ended: all of it was read");
  status_.changelog = now;
}

Status Pipeline::open() {
  for (const std::string& path : {config_->product_db, config_->ads_db}) {
    std::error_code error;
    if (!config_->reads_changelog() && !std::filesystem::exists(path, error)) {
      return Error{Errc::kNotFound, "open the source", path,
                   "no such file; the pipeline creates it, or `admetricsd demo` does"};
    }
  }
  ADM_ASSIGN(ledger_, SqliteLedger::open_folder(config_->state_dir, draw_identity()));
  source::SqliteSourceOptions source;
  source.product_db = config_->product_db;
  source.ads_db = config_->ads_db;
  source.triggers = config_->capture_triggers;
  source.recorded_by_writer = config_->reads_changelog();
  source.stop = &stop_;
  source.rows_read = &rows_read_;
  source.hold_torn_days_max_seconds = tunables().hold_torn_days_max_ms / 1'000;
  source.clock = clock_;
  source.locks = &locks_;
  source.keep_acknowledged_micros = kKeepAcknowledgedMicros;
  source.pause = [this](std::int64_t micros) { pause(micros); };
  source_ = std::make_unique<source::SqliteSource>(source);
  if (config_->reads_changelog()) ADM_TRY(open_changelog());
  sink::SqliteSinkOptions sink;
  sink.path = config_->sink_path;
  constexpr std::int64_t kCacheShare = 16;
  if (tunables().memory_limit_bytes > 0)
    sink.large_cache_bytes = std::min(sink.large_cache_bytes, tunables().memory_limit_bytes / kCacheShare);
  sink.clock = clock_;
  sink.locks = &locks_;
  sink.stop = &stop_;
  sink.rows_removed = &rows_read_;
  // A file of our own keeps nobody waiting.
  const std::string place = sqlite::file_identity(config_->sink_path);
  if (!place.empty() &&
      (place == sqlite::file_identity(config_->product_db) || place == sqlite::file_identity(config_->ads_db)))
    sink.pause = [this](std::int64_t micros) { pause(micros); };
  if (options_.once) sink.hold_alone_micros = kFillAloneMicros;
  sink_ = std::make_unique<sink::SqliteSink>(sink);
  EngineOptions engine;
  engine.workers = config_->workers != 0 ? config_->workers : std::max(1U, std::thread::hardware_concurrency());
  engine_ = std::make_unique<Engine>(config_->reporting, engine, *clock_,
                                     changelog_ ? static_cast<Source&>(*changelog_) : *source_, *ledger_,
                                     std::vector<Sink*>{sink_.get()});
  const backfill::Places places{config_->product_db, config_->ads_db, ledger_->path(), config_->sink_path};
  followers_ = std::make_unique<follow::Followers>(
      following_sinks(*config_), *clock_, [this] { notify(); },
      [](bool warning, const std::string& line) { log_line(warning ? LogLevel::kWarning : LogLevel::kInfo, line); });
  backfill_ =
      std::make_unique<backfill::Backfill>(config_->state_dir + "/backfill.db", places, *clock_, [this] { notify(); });
  if (Status resumed = backfill_->resume_after_restart(); !resumed.ok()) log_warning(resumed.error().line());
  audit_ = std::make_unique<backfill::SelfAudit>(config_->state_dir + "/audit.db", places, *clock_,
                                                 std::random_device{}(), [this] { notify(); });
  audit_->set(tunables().audit);
  auditor_ = std::make_unique<Auditor>(*audit_, *engine_, *sink_, *clock_);
  if (Status resumed = audit_->resume_after_restart(); !resumed.ok()) log_warning(resumed.error().line());
  if (sqlite::library_has_wal_reset_race()) {
    log_warning(
        std::string("SQLite ") + sqlite::library_version() +
        " has the WAL-reset race: writing beside the pipeline may lose a transaction; build with the bundled SQLite");
  }
  const std::string from = changelog_ ? "the change log " + config_->changelog.path + " into " + config_->landing_db
                                      : config_->product_db + " and " + config_->ads_db + ", capture by " +
                                            (config_->capture_triggers ? "triggers" : "scan");
  log_info("reading " + from + ", writing " + config_->sink_path + ", " + std::to_string(engine.workers) +
           " workers, days in " + config_->reporting.zone.name());
  passed_micros_ = clock_->steady_micros();
  write_status("catching_up", true);
  on_open_();
  return {};
}

Status Pipeline::run() {
  ADM_TRY(open());
  bool first = true;
  while (!stop_.load()) {
    orders_->begin_round();
    if (!wait_while_paused()) break;
    ADM_ASSIGN(const bool done, run_epoch(first));
    if (!done) break;
    first = false;
    caught_up_.store(true);
    const source::HeldBack& held = source_->held_back();
    orders_->end_round(held.users == 0 && !held.everyone);
    if (options_.once) {
      // What was recorded while the epoch ran belongs to the next run.
      if (Status trimmed = source_->trim(); !trimmed.ok()) log_warning(trimmed.error().line());
      ADM_TRY(wait_for_followers());
      break;
    }
    wait_for_work();
  }
  const bool interrupted = stop_.load() && first;
  write_status("stopping", true);
  if (interrupted && options_.once)
    return Error{Errc::kInterrupted, "catch up", config_->product_db, "asked to stop before the end"};
  return {};
}

void Pipeline::mind_memory() {
  memory_.look(tunables().memory_limit_bytes, clock_->steady_micros());
  status_.memory_level = memory_.level();
  engine_->set_memory_limits(memory_.limits());
}

bool Pipeline::wait_while_paused() {
  if (orders_->paused()) log_info("paused: changes are recorded, no epoch begins");
  bool was = false;
  while (!stop_.load() && orders_->paused()) {
    was = true;
    write_status("paused", false);
    wait(kPollMs);
    orders_->begin_round();
  }
  if (was && !stop_.load()) log_info("resumed");
  return !stop_.load();
}

EpochRequest Pipeline::request_for(bool first) {
  const Tunables tunables = this->tunables();
  mind_memory();
  // Over the limit time shall pass: what waits in the change log needs no memory.
  constexpr std::int64_t kSlowMs = 50;
  if (memory_.level() == MemoryLevel::kOver) wait(kSlowMs);
  source_->set_hold_torn_days_max(tunables.hold_torn_days_max_ms / 1'000);
  EpochRequest request;
  request.as_of = today();
  // With nobody to keep waiting, everything in one epoch is quicker than share by share.
  request.reconcile = first && options_.backfill && options_.once;
  request.audit = request.reconcile;
  request.audit_since = options_.since;
  request.audit_until = options_.until;
  if (!first && !options_.once) {
    take_backfill_share(request);
    if (auditor_->foreign_work_due()) {
      share_ = {};  // waits: what is found now is no find of a backfill's
      auditor_->compare_foreign_work(request);
    } else if (std::exchange(audit_due_, false) && share_.items == 0) {
      auditor_->take_share(request, share_items());
    }
  }
  request.commit_always = heartbeat_sent_micros_ != 0;
  request.stop = &stop_;
  request.on_progress = [this](const EpochProgress& progress) { tell_progress(progress); };
  request.retry_sink = [this](const std::string& sink, const Error& error, int attempt) {
    Error named = error;
    named.operation = "write sink " + sink + ": " + named.operation;
    return may_pass(error.code) && wait_to_retry(named, attempt);
  };
  return request;
}

bool Pipeline::wait_to_retry(const Error& error, int attempt) {
  ++status_.failures_total;
  status_.last_error = error.line();
  const std::int64_t now = clock_->steady_micros();
  if (attempt == 1) retry_until_micros_ = now + kOnceRetryMicros;
  if (stop_.load() || (options_.once && (now > retry_until_micros_ || error.code != Errc::kBusy))) return false;
  const std::int64_t pause_ms = std::min(kRetryLastMs, kRetryFirstMs << std::min(attempt - 1, 10));
  // The first time, and then at growing distances: a lock held for minutes is not a thousand lines.
  if ((attempt & (attempt - 1)) == 0) {
    log_warning(error.line() + "; attempt " + std::to_string(attempt) + ", trying again in " +
                std::to_string(pause_ms) + " ms");
  }
  write_status("waiting", true);
  const std::int64_t until = clock_->steady_micros() + pause_ms * 1'000;
  while (!stop_.load() && clock_->steady_micros() < until) wait((until - clock_->steady_micros()) / 1'000 + 1);
  return !stop_.load();
}

Result<bool> Pipeline::run_epoch(bool first) {
  for (int attempt = 1;; ++attempt) {
    if (stop_.load()) return false;
    epoch_started_micros_ = clock_->steady_micros();
    progress_told_micros_ = epoch_started_micros_;
    auto report = engine_->run_epoch(request_for(first));
    if (progress_line_open_) {
      std::fputs("\r\033[K", stderr);
      progress_line_open_ = false;
    }
    if (report) {
      if (share_.items > 0) {
        if (Status taken = backfill_->taken(share_); !taken.ok()) log_warning(taken.error().line());
        share_ = {};
      }
      auditor_->end_epoch(&*report);
      note_epoch(*report);
      if (!report->mismatches.empty()) write_status("streaming", true);
      if (first && options_.backfill && !options_.once) begin_backfill(*report);
      return true;
    }
    auditor_->end_epoch(nullptr);
    const Error& error = report.error();
    if (stop_.load() || error.code == Errc::kInterrupted) return false;
    // Before the first epoch an operator watches: what waiting does not mend is said at once. Later the cause may pass
    // (a table that is being recreated, a database that is being replaced), and nothing is lost by waiting.
    const bool someone_watches = (first && !options_.reloaded) || options_.once;
    if (someone_watches && !may_pass(error.code)) return std::move(report).error();
    if (!wait_to_retry(error, attempt)) {
      if (stop_.load()) return false;
      return std::move(report).error();
    }
  }
}

Status Pipeline::wait_for_followers() {
  std::int64_t until = clock_->steady_micros() + kOnceRetryMicros;
  const EpochId epoch = engine_->header().epoch;
  while (!stop_.load() && epoch.value > 0) {
    if (followers_->serve(*engine_)) until = clock_->steady_micros() + kOnceRetryMicros;
    const auto behind = followers_->one_behind(epoch);
    if (!behind) break;
    write_status("waiting", false);
    if (clock_->steady_micros() > until) {
      const auto standings = followers_->standings(epoch);
      const auto it =
          std::find_if(standings.begin(), standings.end(), [&](const auto& sink) { return sink.sink == *behind; });
      return Error{Errc::kBusy, "write sink " + *behind, config_->file,
                   "it is not up to date, the others are: " +
                       (it == standings.end() || it->last_error.empty() ? "it does not answer" : it->last_error)};
    }
    wait(kPollMs);
  }
  return {};
}

void Pipeline::wait_for_work() {
  followers_->serve(*engine_);  // even where the source never rests
  // A notification may come a moment before the commit can be seen: look again soon, then ever more rarely.
  constexpr std::array<std::int64_t, 9> kLookAgainMicros{50, 100, 200, 400, 800, 2'000, 5'000, 15'000, 50'000};
  std::size_t looks = 0;
  const std::int64_t idle_since = clock_->steady_micros();
  bool trimmed = false;
  if (!config_->capture_triggers) {
    const std::int64_t since = clock_->steady_micros();
    const auto left_ms = [&] { return (since - clock_->steady_micros()) / 1'000 + tunables().scan_interval_ms; };
    while (!stop_.load() && !orders_->waiting() && !orders_->paused() && !backfill_->ready() && left_ms() > 0) {
      if (auditor_->foreign_work_due()) return;
      if (audit_ready()) {
        // Where the source has changed, it would be read whole, before its time.
        const auto changed = source_->has_changes();
        audit_due_ = changed.ok() && !*changed;
        if (audit_due_) return;
      }
      write_status("streaming", false);
      if (!followers_->serve(*engine_)) wait(std::min(left_ms(), kPollMs));
    }
    send_heartbeat_when_due();
    return;
  }
  while (!stop_.load()) {
    if (orders_->waiting() || orders_->paused()) return;
    if (source_changed()) {
      noticed_micros_ = clock_->steady_micros();
      const auto left_ms = [&] {
        return (noticed_micros_ - clock_->steady_micros()) / 1'000 + tunables().commit_interval_ms;
      };
      while (!stop_.load() && !orders_->waiting() && left_ms() > 0) wait(std::min(left_ms(), kPollMs));
      return;
    }
    if (backfill_->ready() || auditor_->foreign_work_due()) return;
    if (followers_->serve(*engine_)) continue;
    audit_due_ = audit_ready();
    if (audit_due_) return;
    if (!trimmed && clock_->steady_micros() - idle_since > kTrimAfterIdleMicros) {
      const auto all = source_->trim_some();
      if (!all) log_warning(all.error().line());
      trimmed = !all || *all;
    }
    if (send_heartbeat_when_due()) return;
    write_status("streaming", false);
    beat();
    bool woken = false;
    const std::int64_t share_at_micros = std::min(backfill_->ready_at_micros(), audit_ready_at_micros());
    {
      std::unique_lock lock(mutex_);
      std::int64_t pause_micros = looks < kLookAgainMicros.size() ? kLookAgainMicros[looks] : kPollMs * 1'000;
      pause_micros = std::min(pause_micros, std::max<std::int64_t>(0, share_at_micros - clock_->steady_micros()));
      woken = woken_.wait_for(lock, std::chrono::microseconds(pause_micros), [&] { return notified_ || stop_.load(); });
      notified_ = false;
    }
    looks = woken ? 0 : looks + 1;
  }
}

void Pipeline::note_epoch(const EpochReport& report) {
  const std::int64_t noticed_micros = std::exchange(noticed_micros_, 0);
  status_.last_error.clear();
  note_changelog();
  if (!report.warning.empty()) log_warning(report.warning);
  if (report.committed) {
    note_passage();
    status_.last_epoch = report;
    const Instant now = clock_->now();
    status_.last_epoch_at = format_timestamp(now);
    const std::int64_t fresh_micros = noticed_micros == 0 ? 0 : clock_->steady_micros() - noticed_micros;
    board_->announce({report, now.seconds * 1'000 + now.nanos / 1'000'000, fresh_micros});
    ++status_.epochs;
    SinkReceipt receipt;
    if (!report.receipts.empty()) receipt = report.receipts.front();
    status_.rows_inserted_total += receipt.inserted;
    status_.rows_updated_total += receipt.updated;
    status_.rows_deleted_total += receipt.deleted;
    status_.rows_unchanged_total += receipt.unchanged;
    std::string line = "epoch " + std::to_string(report.epoch.value) + ": " + std::to_string(report.records) +
                       " records, " + std::to_string(report.users_read) + " users, " +
                       std::to_string(report.ad_days_read) + " ad-days, rows +" + std::to_string(receipt.inserted) +
                       " ~" + std::to_string(receipt.updated) + " -" + std::to_string(receipt.deleted) + ", " +
                       milliseconds(report.total_micros);
    if (!report.reason.empty()) line += " (everything was read: " + report.reason + ')';
    log_line(report.reconciled || report.audited ? LogLevel::kInfo : LogLevel::kDebug, line);
    if (report.cells_rendered > kLargeEpochCells || report.reconciled) ::malloc_trim(0);
  } else if (status_.epochs == 0 && !caught_up_.load()) {
    log_info("nothing is new since epoch " + std::to_string(report.epoch.value));
  }
  note_held_days();
  look_ahead(clock_->steady_micros());
  if (report.committed || !caught_up_.load()) {
    if (const auto counts = ledger_->reject_counts(); counts.ok()) status_.rejects = *counts;
    status_.unmapped = engine_->unmapped();
  }
  const bool output_is_a_feed = config_->changefeed.enabled && config_->changefeed.path == "-";
  if (options_.once && !options_.quiet && !output_is_a_feed) {
    std::printf("epoch %llu: rows inserted %lld, updated %lld, deleted %lld, unchanged %lld; %s\n",
                static_cast<unsigned long long>(report.epoch.value),
                static_cast<long long>(report.receipts.empty() ? 0 : report.receipts.front().inserted),
                static_cast<long long>(report.receipts.empty() ? 0 : report.receipts.front().updated),
                static_cast<long long>(report.receipts.empty() ? 0 : report.receipts.front().deleted),
                static_cast<long long>(report.receipts.empty() ? 0 : report.receipts.front().unchanged),
                milliseconds(report.total_micros).c_str());
    std::fflush(stdout);
  }
  write_status("streaming", status_.epochs <= 1);
}

bool Pipeline::send_heartbeat_when_due() {
  const std::int64_t every_micros = tunables().heartbeat_interval_ms * 1'000;
  const std::int64_t now = clock_->steady_micros();
  if (every_micros == 0 || heartbeat_sent_micros_ != 0 || now - passed_micros_ < every_micros) return false;
  if (Status written = source_->write_heartbeat(); !written.ok()) {
    passed_micros_ = now;  // the next one is due in its time; what hinders this one hinders an epoch too, which says so
    return false;
  }
  heartbeat_sent_micros_ = now;
  return true;
}

void Pipeline::note_passage() {
  const std::int64_t now = clock_->steady_micros();
  status_.passage.last_at_seconds = clock_->now().seconds;
  if (heartbeat_sent_micros_ != 0) {
    ++status_.passage.heartbeats_total;
    status_.passage.heartbeat_micros = now - heartbeat_sent_micros_;
  }
  heartbeat_sent_micros_ = 0;
  passed_micros_ = now;
}

bool Pipeline::source_changed() {
  if (today() != engine_->header().as_of || sink_->replaced()) return true;
  if (changelog_) {
    const auto written = changelog_->has_changes();
    if (!written.ok() || *written) return true;
  }
  const auto changed = source_->has_changes();
  return !changed.ok() || *changed;
}

void Pipeline::begin_backfill(const EpochReport& first_epoch) {
  // A ledger that begins has just read and written everything.
  if (first_epoch.epoch.value <= 1 && first_epoch.reconciled) return;
  backfill::Request request;
  request.since = options_.since;
  request.until = options_.until;
  const Status started = backfill_->start(request);
  log_info(started.ok() ? "backfill: planning" : "backfill: the one that was left open goes on");
}

std::int64_t Pipeline::share_items() const {
  return status_.memory_level == MemoryLevel::kNormal ? kShareItems : kShareItems / 2;
}

void Pipeline::take_backfill_share(EpochRequest& request) {
  share_ = {};
  if (!backfill_->ready()) return;
  auto share = backfill_->share(share_items());
  const backfill::Progress progress = backfill_->progress();
  if (!share) {
    log_warning("backfill: " + share.error().line());
  } else if (progress.state == backfill::Progress::State::kDone) {
    log_info("backfill: done, " + std::to_string(progress.items_done) + " keys and rows looked at in " +
             std::to_string(progress.ended_at_seconds - progress.started_at_seconds) + " s");
  } else {
    share_ = std::move(share).value();
    request.users = share_.users;
    request.ad_days = share_.ad_days;
    request.rows = share_.rows;
  }
}

std::int64_t Pipeline::audit_ready_at_micros() {
  audit_->set(tunables().audit);
  const bool may = status_.memory_level != MemoryLevel::kOver && status_.held_back.days.empty() &&
                   !status_.held_back.everyone && !backfill_->progress().open();
  return may ? audit_->ready_at_micros() : INT64_MAX;
}

void Pipeline::note_held_days() {
  const source::HeldBack& now = source_->held_back();
  const auto held_in = [](const source::HeldBack& held, Day day) {
    return std::any_of(held.days.begin(), held.days.end(), [&](const auto& h) { return h.day == day; });
  };
  for (const source::HeldDay& held : now.days) {
    if (held_in(status_.held_back, held.day)) continue;
    log_info(
        "day " + format_day(held.day) +
        " is being reloaded: its row in processed_event_days is gone; users with changed events are held back until "
        "it is back, for at most " +
        std::to_string(tunables().hold_torn_days_max_ms / 1'000) + " s");
  }
  for (const source::HeldDay& held : status_.held_back.days) {
    const bool given_up = std::find(now.given_up.begin(), now.given_up.end(), held.day) != now.given_up.end();
    if (given_up) {
      log_warning(
          "day " + format_day(held.day) +
          " was held back for too long: what is there of it counts from now on; the pipeline never put its row in "
          "processed_event_days back");
    } else if (!held_in(now, held.day)) {
      log_info("day " + format_day(held.day) + " is whole again");
    }
  }
  status_.held_back = now;
}

void Pipeline::write_status(const char* phase, bool now) {
  const std::int64_t micros = clock_->steady_micros();
  if (!now && micros - status_written_micros_ < kStatusEveryMicros) return;
  status_written_micros_ = micros;
  status_.phase = phase;
  status_.written_at_seconds = clock_->now().seconds;
  status_.caught_up = caught_up_.load();
  status_.resident_memory_bytes = admetrics::resident_memory_bytes();
  status_.memory_limit_bytes = tunables().memory_limit_bytes;
  if (engine_) {
    status_.as_of = engine_->header().as_of == kNoDay ? "" : format_day(engine_->header().as_of);
    status_.position = engine_->header().position;
    status_.users = static_cast<std::int64_t>(engine_->user_count());
    status_.ledger_memory_bytes = static_cast<std::int64_t>(engine_->memory_bytes());
    const auto pending = source_->pending_records();
    status_.lag_records = pending.ok() ? *pending : 0;
    if (changelog_) {
      note_changelog();
      status_.lag_records += source::records_estimate(*status_.changelog);
    }
    if (const auto size = source_->log_size(); size.ok()) status_.change_log = *size;
  }
  const Tunables tuned = tunables();
  // A scan is all that sends one where the source is never written.
  status_.passage.interval_ms =
      tuned.heartbeat_interval_ms == 0
          ? 0
          : tuned.heartbeat_interval_ms + (config_->capture_triggers ? 0 : tuned.scan_interval_ms);
  status_.locks = locks_.all();
  if (now || micros - verification_read_micros_ > kVerificationEveryMicros) {
    verification_read_micros_ = micros;
    status_.verification = read_verification(config_->state_dir);
  }
  status_.lag_seconds = noticed_micros_ == 0 ? 0 : static_cast<double>(micros - noticed_micros_) / 1e6;
  if (followers_ && engine_) {
    follow::Standing first;
    first.sink = sink_->name();
    first.state = status_.last_error.empty() ? follow::State::kFollowing : follow::State::kWaiting;
    first.epoch = engine_->header().epoch;
    first.failures_total = status_.failures_total;
    first.last_error = status_.last_error;
    first.commits_total = status_.epochs;
    first.rows_inserted_total = status_.rows_inserted_total;
    first.rows_updated_total = status_.rows_updated_total;
    first.rows_deleted_total = status_.rows_deleted_total;
    first.rows_unchanged_total = status_.rows_unchanged_total;
    status_.sinks = followers_->standings(engine_->header().epoch);
    status_.sinks.insert(status_.sinks.begin(), std::move(first));
  }
  if (backfill_) status_.backfill = backfill_->progress();
  if (auditor_) status_.self_audit = auditor_->status();
  board_->publish(status_);
  if (Status written = write_status_file(config_->state_dir, *board_->status()); !written.ok())
    log_warning(written.error().line());
}

void Pipeline::look_ahead(std::int64_t now_micros) {
  const Day as_of = engine_->header().as_of;
  if (options_.as_of || config_->as_of || as_of == kNoDay || as_of == kLastDay) return;
  const Day next{as_of.value + 1};
  const std::string day = format_day(next);
  if (status_.next_day.day == day && now_micros - looked_ahead_micros_ < kNextDayEveryMicros) return;
  looked_ahead_micros_ = now_micros;
  status_.next_day = {day, config_->reporting.zone.start_of(next).seconds,
                      engine_->rows_with_users(Day{next.value - config_->reporting.trial_length_days})};
}

void Pipeline::tell_progress(const EpochProgress& progress) {
  beat();
  // What a full scan held goes back before rows are made: the two never stand side by side.
  if (stage_ != progress.stage && stage_ == "read") ::malloc_trim(0);
  stage_ = progress.stage;
  const std::int64_t now = clock_->steady_micros();
  if (now - memory_minded_micros_ >= kMindMemoryEveryMicros) {
    memory_minded_micros_ = now;
    if (engine_) mind_memory();
  }
  if (now - progress_told_micros_ < (terminal_ ? kProgressLineEveryMicros : kProgressLogEveryMicros)) return;
  progress_told_micros_ = now;
  std::array<char, 160> text;
  const double seconds = static_cast<double>(now - epoch_started_micros_) / 1e6;
  if (progress.total > 0) {
    const double share = static_cast<double>(progress.done) / static_cast<double>(progress.total);
    std::snprintf(text.data(), text.size(), "%s: %lld of %lld (%.0f %%), %.0f s, about %.0f s left", progress.stage,
                  static_cast<long long>(progress.done), static_cast<long long>(progress.total), share * 100, seconds,
                  share > 0 ? seconds / share - seconds : 0);
  } else if (progress.done > 0) {
    std::snprintf(text.data(), text.size(), "%s: %lld so far, %.0f s", progress.stage,
                  static_cast<long long>(progress.done), seconds);
  } else {
    std::snprintf(text.data(), text.size(), "%s: %.0f s", progress.stage, seconds);
  }
  if (terminal_) {
    std::fprintf(stderr, "\r\033[K%s", text.data());
    std::fflush(stderr);
    progress_line_open_ = true;
  } else {
    log_info(text.data());
  }
  write_status("catching_up", false);
}

}  // namespace admetrics
