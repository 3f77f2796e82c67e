#include "tests/property/simulator.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <filesystem>
#include <utility>

#include "tests/support/look.hpp"
#include "tests/support/must.hpp"

namespace admetrics {
namespace {

using support::World;

constexpr Day kBaseDay{20'512};  // 2026-02-28
constexpr int kDaysPlayed = 12;
constexpr std::size_t kHistoryShown = 150;

constexpr std::array<std::string_view, 13> kMoments{
    support::kSnapshotTaken,  support::kSinkBegin,     support::kSinkWriteCells,  support::kSinkWriteNames,
    support::kSinkCommit,     support::kSinkCommitted, support::kLedgerBegin,     support::kLedgerPutUser,
    support::kLedgerPutAdDay, support::kLedgerCommit,  support::kLedgerCommitted, support::kAcknowledge,
    support::kAcknowledged};
// Most accidents between a sink and the ledger: there the two disagree.
constexpr std::array<int, 13> kMomentWeights{2, 1, 1, 1, 2, 4, 1, 2, 1, 6, 2, 1, 1};

const std::vector<std::string>& zones() {
  static const std::vector<std::string> kZones{"UTC",          "UTC",          "Europe/Berlin",    "America/New_York",
                                               "Asia/Kolkata", "Pacific/Apia", "America/St_Johns", "Etc/GMT+12"};
  return kZones;
}

}  // namespace

support::WorldOptions Simulator::drawn_options(Random& random) {
  support::WorldOptions options;
  options.source.product_wal = random.chance(0.75);
  options.source.ads_wal = random.chance(0.75);
  options.source.recursive_triggers = random.chance(0.3);
  options.sink_in_product_db = random.chance(0.3);
  options.machine.triggers = random.chance(0.8);
  options.machine.shards = static_cast<std::size_t>(random.one_of({1, 2, 3, 16}));
  options.machine.workers = static_cast<std::size_t>(random.between(1, 4));
  // So little that a full scan takes several passes.
  options.machine.scan_bytes = random.chance(0.2) ? 8'192 : 0;
  options.machine.zone = random.one_of(zones());
  return options;
}

Simulator::Simulator(std::uint64_t seed, int epochs)
    : seed_(seed), epochs_(epochs), random_(seed), options_(drawn_options(random_)), look_random_(seed ^ 0x5eed) {}

void Simulator::note(const std::string& act) { history_.push_back(act); }

std::optional<std::string> Simulator::run() {
  try {
    world_ = std::make_unique<World>(options_);
    world_->today = kBaseDay;
    world_->source().trace = [this](const std::string& sql) { note("  " + sql); };
    pipeline_ = std::make_unique<DrawnPipeline>(world_->source(), random_, Day{kBaseDay.value - kDaysPlayed},
                                                Day{kBaseDay.value});
    pipeline_->fill();
    run_epoch({});
    for (int epoch = 1; epoch < epochs_ && failures_.empty(); ++epoch) step();
    if (failures_.empty()) check_verify();
    if (failures_.empty()) failures_ = JournalWatch::unexplained(*world_);
  } catch (const std::exception& thrown) {
    failures_.push_back(thrown.what());
  }
  if (failures_.empty()) return std::nullopt;
  std::string text = "ADMETRICS_SEED=" + std::to_string(seed_) + " (" + std::to_string(options_.machine.shards) +
                     " shards, " + std::to_string(options_.machine.workers) + " workers, " + options_.machine.zone +
                     (options_.source.product_wal ? ", WAL" : ", DELETE") +
                     (options_.machine.triggers ? ", triggers" : ", scan") +
                     (options_.sink_in_product_db ? ", sink in the product database" : "") + ")\n" +
                     support::told(failures_) + "after\n";
  const std::size_t from = history_.size() > kHistoryShown ? history_.size() - kHistoryShown : 0;
  if (from > 0) text += "… " + std::to_string(from) + " acts, and then\n";
  for (std::size_t i = from; i < history_.size(); ++i) text += history_[i] + '\n';
  return text;
}

void Simulator::step() {
  Expectation expectation;
  const bool in_vain = random_.chance(0.15);
  expectation.nothing_changes = in_vain;
  if (in_vain) {
    note("in vain:");
    for (std::int64_t acts = random_.between(1, 2); acts > 0; --acts) pipeline_->act_in_vain();
  } else {
    for (std::int64_t acts = random_.between(0, 4); acts > 0; --acts) pipeline_->act();
    if (random_.chance(0.05)) pipeline_->touch_all_users();
    if (random_.chance(0.15)) move_today();
  }
  change_daemon(expectation);
  if (random_.chance(0.25)) draw_fault();
  run_epoch(expectation);
  if (random_.chance(0.1)) {
    note("trim the change log");
    support::must(world_->machine().source().trim());
  }
  if (random_.chance(0.1)) check_verify();
  if (failures_.empty() && history_.size() % 8 == 0) failures_ = JournalWatch::unexplained(*world_);
}

void Simulator::move_today() {
  const std::int64_t days = random_.one_of({1L, 1L, 1L, 2L, 7L, 30L, -1L, -3L, -30L});
  world_->today.value += static_cast<std::int32_t>(days);
  note("today " + format_day(world_->today));
}

void Simulator::change_daemon(Expectation& expectation) {
  static constexpr std::array<int, 11> kWeights{70, 10, 3, 3, 3, 2, 3, 3, 2, 2, 1};
  support::MachineOptions& options = world_->machine_options();
  switch (random_.weighted(kWeights)) {
    case 0: return;
    case 1: note("restart"); return world_->restart();
    case 2:
      options.shards = static_cast<std::size_t>(random_.one_of({1, 2, 3, 16}));
      options.workers = static_cast<std::size_t>(random_.between(1, 4));
      note("restart with " + std::to_string(options.shards) + " shards, " + std::to_string(options.workers) +
           " workers");
      return world_->restart();
    case 3:
      expectation.nothing_changes = false;
      options.trial_length_days = static_cast<int>(random_.one_of({3, 7, 7, 14}));
      options.names.trial_started = random_.one_of({"RC Trial started", "RC Trial started", "RC Initial purchase"});
      options.names.refund_contains = random_.one_of({"cancel", "cancel", "CANCELlation", "sub"});
      note("restart with trials of " + std::to_string(options.trial_length_days) + " days, started by " +
           options.names.trial_started + ", refunded by " + options.names.refund_contains);
      return world_->restart();
    case 4:
      expectation.nothing_changes = false;
      options.zone = random_.one_of(zones());
      note("restart in " + options.zone);
      return world_->restart();
    case 5:
      options.triggers = !options.triggers;
      note(options.triggers ? "restart with triggers" : "restart with scan");
      return world_->restart();
    case 6:
      note("backfill");
      world_->request.reconcile = true;
      audit_pending_ = true;
      return;
    case 7:
      tamper_with_sink();
      audit_pending_ = true;
      expectation.rows_are_ours = false;
      return;
    case 8: note("restart without the ledger"); return world_->restart_without_ledger();
    case 9:
      if (options_.sink_in_product_db) return;
      note("the sink is gone");
      world_->lose_sink();
      expectation.rows_are_ours = false;
      return;
    default:
      if (options_.sink_in_product_db) return;
      if (world_->has_backup()) {
        note("restore the product database");
        expectation.nothing_changes = false;
        world_->restore_source_and_restart();
      } else {
        note("back up the product database");
        world_->back_up_source();
      }
  }
}

void Simulator::tamper_with_sink() {
  const std::string sql = random_.one_of(
      {"DELETE FROM daily_mixpanel_metrics; DELETE FROM daily_mixpanel_metrics_breakdown",
       "DELETE FROM daily_mixpanel_metrics WHERE metric_id % 3 = 0",
       "DELETE FROM daily_mixpanel_metrics_breakdown WHERE metric_id % 2 = 0",
       "UPDATE OR REPLACE daily_mixpanel_metrics SET meta_spend = meta_spend + 1, trial_users_list = '[]' WHERE "
       "metric_id % 4 = 0",
       "UPDATE OR REPLACE daily_mixpanel_metrics_breakdown SET breakdown_value = breakdown_value || '?' WHERE "
       "metric_id % 5 = 0",
       "UPDATE OR REPLACE daily_mixpanel_metrics SET date = '1999-01-01' WHERE metric_id = (SELECT max(metric_id) FROM "
       "daily_mixpanel_metrics)",
       "UPDATE OR REPLACE daily_mixpanel_metrics SET entity_type = 'planet' WHERE metric_id = (SELECT max(metric_id) "
       "FROM "
       "daily_mixpanel_metrics)",
       "UPDATE OR REPLACE daily_mixpanel_metrics_breakdown SET date = 'yesterday' WHERE metric_id % 7 = 0",
       "DELETE FROM id_name_mapping; UPDATE id_hierarchy_mapping SET adset_id = 's?'",
       "INSERT INTO id_name_mapping (entity_type, entity_id, canonical_name) VALUES ('ad', 'stranger', 'x'), "
       "('planet', "
       "'x', 'y'); INSERT INTO id_hierarchy_mapping (ad_id, adset_id, campaign_id) VALUES ('stranger', 'x', 'y')"});
  note("somebody else: " + sql);
  world_->sink_sql(sql);
  tampered_ = true;
}

void Simulator::draw_look() {
  if (!look_random_.chance(0.25)) return;
  const support::MachineOptions& machine = world_->machine_options();
  if (!std::filesystem::exists(machine.sink_db)) return;
  auto everything = support::everything_to_look_at(machine, world_->machine().ledger().path(),
                                                   machine.state_dir + "/look-" + std::to_string(++looks_) + ".db");
  if (!everything) return;  // there are no tables yet, or no longer
  const double share = look_random_.one_of({1.0, 0.5, 0.1});
  const auto some = [&](auto& keys) { std::erase_if(keys, [&](const auto&) { return !look_random_.chance(share); }); };
  some(everything->users);
  some(everything->ad_days);
  some(everything->rows);
  note("look at " + std::to_string(everything->size()) + " keys");
  support::look_at(*everything, world_->request);
}

void Simulator::draw_fault() {
  const std::string_view moment = kMoments[random_.weighted(kMomentWeights)];
  const int nth = static_cast<int>(random_.one_of({1, 1, 1, 2, 3}));
  if (random_.chance(0.6)) {
    note("kill at " + std::string(moment) + ' ' + std::to_string(nth));
    world_->kill_at(moment, nth);
    return;
  }
  note("fail at " + std::string(moment) + ' ' + std::to_string(nth));
  world_->fail_at(moment, nth, random_.one_of({Errc::kBusy, Errc::kIo, Errc::kFull}));
}

void Simulator::run_epoch(Expectation expectation) {
  constexpr int kFaultsInARowMax = 4;
  support::StoredTables before;
  if (expectation.rows_are_ours && history_.size() > 1 && world_->machine().engine().header().epoch.value != 0) {
    before = world_->stored();
  } else {
    expectation.rows_are_ours = false;
  }
  for (int faults = 0;; ++faults) {
    world_->request.audit = audit_pending_;
    draw_look();
    const bool armed = world_->fault_pending();
    if (armed && random_.chance(0.4)) {
      world_->request.retry_sink = [](const std::string&, const Error&, int attempt) { return attempt < 3; };
    }
    journal_.remember(*world_);
    auto report = world_->try_epoch();
    const bool spent = armed && !world_->fault_pending();
    world_->disarm();
    if (report.ok() && !world_->killed()) {
      audit_pending_ = false;
      note("epoch " + std::to_string(report->epoch.value) + (report->committed ? "" : ": nothing new") +
           (report->reason.empty() ? "" : ", " + report->reason));
      return check(before, *report, expectation, !spent);
    }
    if (!spent) {
      failures_.push_back("the epoch failed by itself: " + report.error().line());
      return;
    }
    if (world_->killed()) {
      world_->revive();
    } else if (random_.chance(0.3)) {
      note("restart");
      world_->restart();
    }
    // What stands now is what the next attempt begins with.
    if (expectation.rows_are_ours) before = world_->stored();
    if (random_.chance(0.5)) {
      expectation.nothing_changes = false;
      pipeline_->act();
      if (random_.chance(0.2)) move_today();
    }
    if (faults < kFaultsInARowMax && random_.chance(0.5)) draw_fault();
  }
}

void Simulator::check(const support::StoredTables& before, const EpochReport& report, Expectation expectation,
                      bool receipt_known) {
  const support::StoredTables after = world_->stored();
  failures_ = support::differences(world_->recomputed(), after);
  if (!std::exchange(tampered_, false)) {
    for (const Mismatch& mismatch : report.mismatches.first)
      failures_.push_back("a false alarm: " + std::string(name_of(mismatch.kind)) + ": " + mismatch.key);
  }
  if (failures_.empty()) failures_ = journal_.missing(*world_);
  if (!failures_.empty() || !expectation.rows_are_ours) return;
  const SinkReceipt* receipt =
      receipt_known && report.committed && report.receipts.size() == 1 ? &report.receipts.front() : nullptr;
  failures_ = support::broken_promises(before, after, world_->committed_at(), receipt);
  if (!report.committed && before != after) failures_.push_back("rows changed, and no epoch was committed");
  if (expectation.nothing_changes && before != after) failures_.push_back("an act in vain changed rows");
}

void Simulator::check_verify() {
  note("verify");
  const auto report = world_->verified();
  if (!report.ok()) {
    failures_.push_back("verify: " + report.error().line());
    return;
  }
  if (!report->equal()) failures_.push_back("verify found differences that the recomputation did not");
  const std::vector<std::string> expected = support::rejects_of(*report);
  const std::vector<std::string> kept = world_->rejects();
  const auto missing_in = [&](const std::vector<std::string>& others, const std::string& line) {
    return std::find(others.begin(), others.end(), line) == others.end();
  };
  for (const std::string& line : expected) {
    if (missing_in(kept, line)) failures_.push_back("rejects, by verify alone: " + line);
  }
  for (const std::string& line : kept) {
    if (missing_in(expected, line)) failures_.push_back("rejects, by the ledger alone: " + line);
  }
}

}  // namespace admetrics
