#include "daemon/telemetry.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "admetrics_build_info.hpp"
#include "core/sqlite/database.hpp"
#include "sources/changelog/record.hpp"

namespace admetrics {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

const Buckets kEpochSeconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300};
const Buckets kRequestSeconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60};
const Buckets kKeys{1, 3, 10, 30, 100, 300, 1'000, 10'000, 100'000, 1'000'000};

double seconds_of(std::int64_t micros) { return static_cast<double>(micros) / 1e6; }

/// A counter of what somebody else counts, from 0 at each of his beginnings.
struct Follower {
  Counter* counter = nullptr;
  std::int64_t seen = 0;

  void follow(std::int64_t total) {
    counter->Increment(static_cast<double>(total - (total < seen ? 0 : seen)));
    seen = total;
  }
};

/// One gauge for each value that a state may have: 1 for the one that it has, 0 for the others.
class StateSet {
 public:
  StateSet(Family<Gauge>& family, const char* label, const std::vector<std::string_view>& states) {
    for (const std::string_view state : states) {
      gauges_.emplace_back(state, &family.Add({{label, std::string(state)}}));
    }
  }
  void set(std::string_view now) const {
    for (const auto& [state, gauge] : gauges_) gauge->Set(state == now ? 1 : 0);
  }

 private:
  std::vector<std::pair<std::string_view, Gauge*>> gauges_;
};

}  // namespace

struct Telemetry::Metrics {
  prometheus::Registry registry;

  Family<Counter>& counters(const char* name, const char* help) {
    return BuildCounter().Name(name).Help(help).Register(registry);
  }
  Family<Gauge>& gauges(const char* name, const char* help) {
    return BuildGauge().Name(name).Help(help).Register(registry);
  }
  Family<Histogram>& histograms(const char* name, const char* help) {
    return BuildHistogram().Name(name).Help(help).Register(registry);
  }

  // Epochs.
  Counter& epochs = counters("admetricsd_epochs_total", "Epochs that were committed.").Add({});
  Histogram& epoch_seconds =
      histograms("admetricsd_epoch_duration_seconds", "How long an epoch took.").Add({}, kEpochSeconds);
  Family<Histogram>& stage_seconds =
      histograms("admetricsd_epoch_stage_duration_seconds", "How long each stage of an epoch took.");
  Histogram& stage_read = stage_seconds.Add({{"stage", "read"}}, kEpochSeconds);
  Histogram& stage_render = stage_seconds.Add({{"stage", "render_and_write"}}, kEpochSeconds);
  Histogram& stage_commit = stage_seconds.Add({{"stage", "commit"}}, kEpochSeconds);
  Histogram& stage_ledger = stage_seconds.Add({{"stage", "ledger"}}, kEpochSeconds);
  Family<Counter>& keys = counters("admetricsd_dirty_keys_total", "Keys whose facts were read again.");
  Counter& keys_users = keys.Add({{"kind", "user"}});
  Counter& keys_ad_days = keys.Add({{"kind", "ad_day"}});
  Histogram& epoch_keys = histograms("admetricsd_epoch_dirty_keys", "Dirty keys of an epoch.").Add({}, kKeys);
  Counter& reconciliations =
      counters("admetricsd_reconciliations_total", "Epochs that read the whole source again.").Add({});
  Counter& audits =
      counters("admetricsd_audits_total", "Epochs that compared stored rows with what they should be.").Add({});
  Counter& records = counters("admetricsd_change_records_total", "Change records that epochs took.").Add({});
  Family<Counter>& table_rows =
      counters("admetricsd_table_rows_total", "Rows that were offered to the sink, by table and what became of them.");
  Family<Counter>& rows =
      counters("admetricsd_rows_total", "Rows that were offered to the sink, by what became of them.");
  Counter& rows_inserted = rows.Add({{"result", "inserted"}});
  Counter& rows_updated = rows.Add({{"result", "updated"}});
  Counter& rows_deleted = rows.Add({{"result", "deleted"}});
  Counter& rows_unchanged = rows.Add({{"result", "unchanged"}});
  Histogram& freshness = histograms("admetricsd_freshness_seconds",
                                    "From noticing the oldest change of an epoch until its rows were visible.")
                             .Add({}, kEpochSeconds);
  Gauge& last_epoch = gauges("admetricsd_last_epoch_timestamp_seconds", "When the last epoch was committed.").Add({});
  Gauge& last_epoch_id = gauges("admetricsd_last_epoch_id", "The number of the last epoch.").Add({});

  // As the status says.
  StateSet phase{gauges("admetricsd_phase", "1 for what the pipeline is doing, 0 for the rest."),
                 "phase",
                 {"starting", "catching_up", "streaming", "waiting", "paused", "stopping"}};
  Gauge& heartbeat =
      gauges("admetricsd_heartbeat_timestamp_seconds", "When the pipeline last gave a sign of life.").Add({});
  Follower failures{&counters("admetricsd_failures_total", "Failed attempts, each followed by another.").Add({})};
  Gauge& failing = gauges("admetricsd_failing", "1 while the last attempt is one that failed.").Add({});
  Gauge& up = gauges("admetricsd_caught_up", "1 when the first epoch of this run is through.").Add({});
  Gauge& started = gauges("admetricsd_start_timestamp_seconds", "When the pipeline started.").Add({});
  Gauge& lag_records = gauges("admetricsd_lag_records", "Change records that wait.").Add({});
  Gauge& lag_seconds =
      gauges("admetricsd_lag_seconds", "How long the oldest change that is not visible has waited.").Add({});
  Gauge& held_days =
      gauges("admetricsd_held_days", "Days that the pipeline is reloading: changed rows wait for them.").Add({});
  Gauge& held_seconds = gauges("admetricsd_held_seconds", "How long the first of these days has been held.").Add({});
  Gauge& held_users = gauges("admetricsd_held_users", "Users whose changes wait for these days.").Add({});
  Gauge& held_everyone = gauges("admetricsd_held_everyone", "1 while all users wait for them.").Add({});
  Gauge& changelog_bytes =
      gauges("admetricsd_changelog_waiting_bytes", "Bytes of the change log that were not read yet.").Add({});
  Gauge& changelog_records =
      gauges("admetricsd_changelog_records", "Records of the change log that were read, ever.").Add({});
  Family<Gauge>& dead_letters =
      gauges("admetricsd_changelog_dead_letters", "Lines of the change log that were not understood, ever, by reason.");
  Gauge& dead_letters_dropped =
      gauges("admetricsd_changelog_dead_letters_dropped", "Of these, those that are gone for want of room, ever.")
          .Add({});
  Gauge& tombstones =
      gauges("admetricsd_changelog_tombstones", "Deletions that are remembered against late records.").Add({});
  Gauge& tombstones_forgotten =
      gauges("admetricsd_changelog_tombstones_forgotten", "Deletions that were forgotten, ever.").Add({});
  Gauge& changelog_other_tables =
      gauges("admetricsd_changelog_other_tables", "Records of tables that are none of ours, ever.").Add({});
  Gauge& changelog_transactions =
      gauges("admetricsd_changelog_open_transactions", "Transactions of the change log whose end is awaited.").Add({});
  Gauge& changelog_transaction_seconds =
      gauges("admetricsd_changelog_open_transaction_seconds", "How long the first of these has been awaited.").Add({});
  Gauge& log_records =
      gauges("admetricsd_change_log_records", "Change records that stand in the source, taken ones included.").Add({});
  Gauge& log_bytes = gauges("admetricsd_change_log_bytes", "About how much room these records take.").Add({});
  Gauge& passage_at = gauges("admetricsd_end_to_end_timestamp_seconds",
                             "When something last came the whole way from the source to the ledger: a change, or a "
                             "heartbeat where there was none.")
                          .Add({});
  Gauge& heartbeat_seconds =
      gauges("admetricsd_end_to_end_heartbeat_duration_seconds", "How long the last heartbeat took for the whole way.")
          .Add({});
  Gauge& heartbeat_interval = gauges("admetricsd_end_to_end_heartbeat_interval_seconds",
                                     "After how long without a commit a heartbeat is sent; 0: never.")
                                  .Add({});
  Follower heartbeats{
      &counters("admetricsd_end_to_end_heartbeats_total", "Heartbeats that came the whole way.").Add({})};
  Family<Histogram>& lock_seconds =
      histograms("admetricsd_write_lock_held_seconds", "How long we held a database's write lock, by what for.");
  Gauge& verified_at =
      gauges("admetricsd_last_verification_timestamp_seconds", "When `verify` last ended; 0: never.").Add({});
  StateSet verified{gauges("admetricsd_last_verification", "1 for how `verify` last ended."),
                    "result",
                    {"equal", "different", "unknown", "none"}};
  Gauge& users = gauges("admetricsd_users", "Users in memory.").Add({});
  Gauge& resident = gauges("admetricsd_memory_resident_bytes", "Resident memory of the process.").Add({});
  Gauge& ledger_bytes = gauges("admetricsd_memory_ledger_bytes", "Memory of the contributions and cells.").Add({});
  Gauge& memory_limit = gauges("admetricsd_memory_limit_bytes", "The configured limit.").Add({});
  StateSet memory_level{gauges("admetricsd_memory_level", "1 for how memory in use stands to the limit."),
                        "level",
                        {name_of(MemoryLevel::kNormal), name_of(MemoryLevel::kHigh), name_of(MemoryLevel::kOver)}};
  Family<Counter>& reloads = counters("admetricsd_config_reloads_total", "Reloads of the configuration, by result.");
  Follower reloads_accepted{&reloads.Add({{"result", "accepted"}})};
  Follower reloads_refused{&reloads.Add({{"result", "refused"}})};
  Gauge& reload_good =
      gauges("admetricsd_config_last_reload_successful", "0 when the last reload was refused, else 1.").Add({});
  Gauge& reload_at =
      gauges("admetricsd_config_last_reload_timestamp_seconds", "When the last reload ended; 0: there was none.")
          .Add({});
  StateSet backfill_state{gauges("admetricsd_backfill_state", "1 for how the last backfill stands."), "state", [] {
                            using Stand = backfill::Progress::State;
                            std::vector<std::string_view> names;
                            for (const Stand state : {Stand::kNone, Stand::kPlanning, Stand::kRunning, Stand::kPaused,
                                                      Stand::kDone, Stand::kFailed, Stand::kCancelled}) {
                              names.push_back(name_of(state));
                            }
                            return names;
                          }()};
  Gauge& backfill_items = gauges("admetricsd_backfill_items", "Keys and rows that the backfill looks at.").Add({});
  Gauge& backfill_items_done = gauges("admetricsd_backfill_items_done", "Those that it has looked at.").Add({});
  Gauge& audit_oldest = gauges("admetricsd_audit_oldest_unverified_seconds",
                               "No key has gone unverified by the self-audit for longer than this.")
                            .Add({});
  Gauge& audit_every =
      gauges("admetricsd_audit_every_seconds", "Within what time every key shall be verified; 0: not at all.").Add({});
  Gauge& audit_too_small =
      gauges("admetricsd_audit_share_too_small", "1 when audit.cpu_share is too small for audit.every.").Add({});
  Follower audit_verified{
      &counters("admetricsd_audit_verified_total", "Keys and rows that the self-audit has looked at.").Add({})};
  Family<Counter>& audit_mismatches = counters("admetricsd_audit_mismatches_total",
                                               "What the self-audit found different and repaired, by what it was.");
  std::array<Follower, Mismatch::kKinds> audit_found{
      {{&audit_mismatches.Add({{"kind", std::string(name_of(Mismatch::Kind::kMissedChange))}})},
       {&audit_mismatches.Add({{"kind", std::string(name_of(Mismatch::Kind::kForeignWrite))}})}}};
  Family<Gauge>& quality =
      gauges("admetricsd_data_quality_findings", "What the rows say about the data behind them, by check and level.");
  Gauge& quality_at =
      gauges("admetricsd_data_quality_timestamp_seconds", "When that was last looked at; 0: not yet.").Add({});
  Family<Gauge>& rejects = gauges("admetricsd_rejected_rows", "Source rows that cannot be read, by table and reason.");
  Family<Gauge>& unmapped = gauges("admetricsd_unmapped_values", "Values that no mapping covers, by breakdown.");

  // Sinks.
  Family<Gauge>& sink_epoch = gauges("admetricsd_sink_epoch", "The epoch that a sink's rows are of, by sink.");
  Family<Gauge>& sink_lag_epochs = gauges("admetricsd_sink_lag_epochs", "Epochs that a sink lacks, by sink.");
  Family<Gauge>& sink_lag_seconds =
      gauges("admetricsd_sink_lag_seconds", "How long a sink has been behind the ledger, by sink.");
  Family<Gauge>& sink_failing =
      gauges("admetricsd_sink_failing", "1 while a sink's last attempt is one that failed, by sink.");
  Family<Counter>& sink_failures = counters("admetricsd_sink_failures_total", "Failed attempts, by sink.");
  Family<Counter>& sink_commits = counters("admetricsd_sink_commits_total", "Transactions of a sink, by sink.");
  struct SinkGauges {
    Gauge* epoch = nullptr;
    Gauge* lag_epochs = nullptr;
    Gauge* lag_seconds = nullptr;
    Gauge* failing = nullptr;
    Follower failures{};
    Follower commits{};
  };

  // HTTP.
  Family<Counter>& requests = counters("admetricsd_http_requests_total", "Requests, by route, method and status.");
  Family<Histogram>& request_seconds =
      histograms("admetricsd_http_request_duration_seconds", "From the whole request to its answer, by route.");
  Counter& request_bytes = counters("admetricsd_http_response_bytes_total", "Bytes of bodies that were sent.").Add({});
  Gauge& connections = gauges("admetricsd_http_connections", "Open connections.").Add({});
  Gauge& streams = gauges("admetricsd_http_streams", "Open event streams.").Add({});

  Gauge& build = gauges("admetricsd_build_info", "1, with what was built.")
                     .Add({{"version", std::string(build_info::kVersion)},
                           {"revision", std::string(build_info::kGitDescribe)},
                           {"sqlite", std::string(sqlite::library_version())}});

  std::mutex mutex;  // guards what follows and the followers, and that one text is made at a time
  std::map<std::pair<std::string, std::string>, Gauge*> reject_gauges;
  std::map<std::string, Gauge*> unmapped_gauges;
  std::map<std::string, SinkGauges> sink_gauges;
  /// A histogram of what somebody else counts.
  struct LockFollower {
    Histogram* histogram = nullptr;
    sqlite::LockHolds seen;
  };
  std::map<std::pair<std::string, std::string>, LockFollower> lock_followers;

  Metrics() { build.Set(1); }

  void take_holds(const sqlite::LockHolds& holds) {
    LockFollower& follower = lock_followers[std::pair(holds.database, holds.work)];
    if (follower.histogram == nullptr) {
      Buckets bounds;
      for (const std::int64_t micros : sqlite::LockHolds::kBoundsMicros) bounds.push_back(seconds_of(micros));
      follower.histogram = &lock_seconds.Add({{"database", holds.database}, {"work", holds.work}}, bounds);
    }
    // Another pipeline counts from 0.
    for (std::size_t i = 0; i < holds.counts.size(); ++i) {
      if (holds.counts[i] < follower.seen.counts[i]) follower.seen = {};
    }
    std::vector<double> increments;
    for (std::size_t i = 0; i < holds.counts.size(); ++i)
      increments.push_back(static_cast<double>(holds.counts[i] - follower.seen.counts[i]));
    follower.histogram->ObserveMultiple(increments, seconds_of(holds.sum_micros - follower.seen.sum_micros));
    follower.seen = holds;
  }

  void take(const DaemonStatus& status) {
    phase.set(status.phase);
    heartbeat.Set(static_cast<double>(status.written_at_seconds));
    failures.follow(status.failures_total);
    failing.Set(status.last_error.empty() ? 0 : 1);
    up.Set(status.caught_up ? 1 : 0);
    started.Set(static_cast<double>(status.started_at_seconds));
    lag_records.Set(static_cast<double>(status.lag_records));
    lag_seconds.Set(status.lag_seconds);
    std::int64_t longest_hold = 0;
    for (const source::HeldDay& held : status.held_back.days)
      longest_hold = std::max(longest_hold, status.written_at_seconds - held.since_seconds);
    held_days.Set(static_cast<double>(status.held_back.days.size()));
    held_seconds.Set(static_cast<double>(longest_hold));
    held_users.Set(static_cast<double>(status.held_back.users));
    held_everyone.Set(status.held_back.everyone ? 1 : 0);
    if (status.changelog) {
      changelog_bytes.Set(static_cast<double>(status.changelog->bytes_waiting));
      changelog_records.Set(static_cast<double>(status.changelog->records_total));
      for (const auto& [reason, count] : status.changelog->dead_letters)
        dead_letters.Add({{"reason", reason}}).Set(static_cast<double>(count));
      dead_letters_dropped.Set(static_cast<double>(status.changelog->dead_letters_dropped_total));
      tombstones.Set(static_cast<double>(status.changelog->tombstones));
      tombstones_forgotten.Set(static_cast<double>(status.changelog->tombstones_forgotten_total));
      changelog_other_tables.Set(static_cast<double>(status.changelog->other_tables_total));
      changelog_transactions.Set(static_cast<double>(status.changelog->transactions_open));
      changelog_transaction_seconds.Set(static_cast<double>(status.changelog->oldest_transaction_seconds));
    }
    log_records.Set(static_cast<double>(status.change_log.records));
    log_bytes.Set(static_cast<double>(status.change_log.bytes));
    passage_at.Set(static_cast<double>(status.passage.last_at_seconds));
    heartbeat_seconds.Set(seconds_of(status.passage.heartbeat_micros));
    heartbeat_interval.Set(static_cast<double>(status.passage.interval_ms) / 1e3);
    heartbeats.follow(status.passage.heartbeats_total);
    for (const sqlite::LockHolds& holds : status.locks) take_holds(holds);
    const Verification& last = status.verification;
    verified_at.Set(static_cast<double>(last.at_seconds));
    verified.set(last.at_seconds == 0 ? "none" : !last.known ? "unknown" : last.equal ? "equal" : "different");
    users.Set(static_cast<double>(status.users));
    resident.Set(static_cast<double>(resident_memory_bytes()));
    ledger_bytes.Set(static_cast<double>(status.ledger_memory_bytes));
    memory_limit.Set(static_cast<double>(status.memory_limit_bytes));
    memory_level.set(name_of(status.memory_level));
    reloads_accepted.follow(status.reload.accepted_total);
    reloads_refused.follow(status.reload.refused_total);
    reload_good.Set(status.reload.last_at_seconds == 0 || status.reload.last_accepted ? 1 : 0);
    reload_at.Set(static_cast<double>(status.reload.last_at_seconds));
    backfill_state.set(name_of(status.backfill.state));
    backfill_items.Set(static_cast<double>(status.backfill.items_total));
    backfill_items_done.Set(static_cast<double>(status.backfill.items_done));
    audit_oldest.Set(status.self_audit.progress.oldest_unverified_seconds);
    audit_every.Set(static_cast<double>(status.self_audit.progress.settings.every_seconds));
    audit_too_small.Set(status.self_audit.progress.share_too_small ? 1 : 0);
    audit_verified.follow(status.self_audit.progress.verified_total);
    for (std::size_t kind = 0; kind < audit_found.size(); ++kind)
      audit_found[kind].follow(status.self_audit.mismatches_total[kind]);
    if (status.quality) {
      quality_at.Set(static_cast<double>(status.quality->at_seconds));
      for (const quality::Check check : quality::kChecks) {
        for (const Level level : kLevels) {
          quality.Add({{"check", std::string(quality::name_of(check))}, {"level", std::string(name_of(level))}})
              .Set(static_cast<double>(status.quality->report.counts[quality::index_of(check)][index_of(level)]));
        }
      }
    }
    // A reason that is gone is 0, not absent: whoever watches it sees it fall.
    for (const auto& [key, gauge] : reject_gauges) gauge->Set(0);
    for (const auto& count : status.rejects) {
      const std::string table(count.table);
      const std::string reason(name_of(count.reason));
      Gauge*& gauge = reject_gauges[std::pair(table, reason)];
      if (gauge == nullptr) gauge = &rejects.Add({{"table", table}, {"reason", reason}});
      gauge->Set(static_cast<double>(count.rows));
    }
    for (auto known = sink_gauges.begin(); known != sink_gauges.end();) {
      const bool there = std::any_of(status.sinks.begin(), status.sinks.end(),
                                     [&](const follow::Standing& sink) { return sink.sink == known->first; });
      if (!there) {  // taken out of the configuration: nobody waits for it
        for (const auto& [family, gauge] :
             {std::pair(&sink_epoch, known->second.epoch), std::pair(&sink_lag_epochs, known->second.lag_epochs),
              std::pair(&sink_lag_seconds, known->second.lag_seconds), std::pair(&sink_failing, known->second.failing)})
          family->Remove(gauge);
        sink_failures.Remove(known->second.failures.counter);
        sink_commits.Remove(known->second.commits.counter);
      }
      known = there ? std::next(known) : sink_gauges.erase(known);
    }
    for (const follow::Standing& sink : status.sinks) {
      SinkGauges& gauges = sink_gauges[sink.sink];
      if (gauges.epoch == nullptr) {
        const std::map<std::string, std::string> label{{"sink", sink.sink}};
        gauges = {&sink_epoch.Add(label),   &sink_lag_epochs.Add(label), &sink_lag_seconds.Add(label),
                  &sink_failing.Add(label), {&sink_failures.Add(label)}, {&sink_commits.Add(label)}};
      }
      gauges.epoch->Set(sink.epoch ? static_cast<double>(sink.epoch->value) : 0);
      gauges.lag_epochs->Set(static_cast<double>(sink.lag_epochs));
      gauges.lag_seconds->Set(sink.lag_seconds);
      gauges.failing->Set(sink.last_error.empty() ? 0 : 1);
      gauges.failures.follow(sink.failures_total);
      gauges.commits.follow(sink.commits_total);
    }
    for (const auto& [key, gauge] : unmapped_gauges) gauge->Set(0);
    for (const UnmappedValue& value : status.unmapped) {
      const std::string breakdown(name_of(value.breakdown));
      Gauge*& gauge = unmapped_gauges[breakdown];
      if (gauge == nullptr) gauge = &unmapped.Add({{"breakdown", breakdown}});
      gauge->Increment();
    }
  }
};

Telemetry::Telemetry() : metrics_(std::make_unique<Metrics>()) {
  // From 0 on, so that the first one is seen to come.
  for (const source::BadRecord reason : source::kBadRecords)
    metrics_->dead_letters.Add({{"reason", std::string(source::name_of(reason))}});
}
Telemetry::~Telemetry() = default;

void Telemetry::note_epoch(const EpochEvent& event) {
  const EpochReport& report = event.report;
  Metrics& m = *metrics_;
  m.epochs.Increment();
  m.epoch_seconds.Observe(seconds_of(report.total_micros));
  m.stage_read.Observe(seconds_of(report.read_micros));
  m.stage_render.Observe(seconds_of(report.render_micros));
  m.stage_commit.Observe(seconds_of(report.commit_micros));
  m.stage_ledger.Observe(seconds_of(report.ledger_micros));
  m.keys_users.Increment(static_cast<double>(report.users_read));
  m.keys_ad_days.Increment(static_cast<double>(report.ad_days_read));
  m.epoch_keys.Observe(static_cast<double>(report.users_read + report.ad_days_read));
  if (report.reconciled) m.reconciliations.Increment();
  if (report.audited) m.audits.Increment();
  m.records.Increment(static_cast<double>(report.records));
  for (const SinkReceipt& receipt : report.receipts) {
    m.rows_inserted.Increment(static_cast<double>(receipt.inserted));
    m.rows_updated.Increment(static_cast<double>(receipt.updated));
    m.rows_deleted.Increment(static_cast<double>(receipt.deleted));
    m.rows_unchanged.Increment(static_cast<double>(receipt.unchanged));
    for (const TableReceipt& table : receipt.tables) {
      const std::string name(table.table);
      const auto count = [&](const char* result, std::int64_t rows) {
        m.table_rows.Add({{"table", name}, {"result", result}}).Increment(static_cast<double>(rows));
      };
      count("inserted", table.inserted);
      count("updated", table.updated);
      count("deleted", table.deleted);
      count("unchanged", table.unchanged);
    }
  }
  if (event.fresh_micros > 0) m.freshness.Observe(seconds_of(event.fresh_micros));
  m.last_epoch.Set(static_cast<double>(event.committed_at_millis) / 1e3);
  m.last_epoch_id.Set(static_cast<double>(report.epoch.value));
}

void Telemetry::note_request(std::string_view route, std::string_view method, unsigned status, double seconds,
                             std::size_t bytes) {
  // Any text may stand where a method should: only those that mean something become labels.
  const bool known = method == "GET" || method == "HEAD" || method == "POST" || method == "OPTIONS";
  const std::string label(route.empty() ? "none" : route);
  metrics_->requests
      .Add({{"route", label}, {"method", known ? std::string(method) : "other"}, {"status", std::to_string(status)}})
      .Increment();
  metrics_->request_seconds.Add({{"route", label}}, kRequestSeconds).Observe(seconds);
  metrics_->request_bytes.Increment(static_cast<double>(bytes));
}

void Telemetry::note_connections(std::size_t connections, std::size_t streams) {
  metrics_->connections.Set(static_cast<double>(connections));
  metrics_->streams.Set(static_cast<double>(streams));
}

std::string Telemetry::text(const DaemonStatus& status) {
  const std::lock_guard lock(metrics_->mutex);
  metrics_->take(status);
  return prometheus::TextSerializer().Serialize(metrics_->registry.Collect());
}

}  // namespace admetrics
