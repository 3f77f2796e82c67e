#include "daemon/status.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace admetrics {

std::string_view name_of(MemoryLevel level) {
  switch (level) {
    case MemoryLevel::kNormal: return "normal";
    case MemoryLevel::kHigh: return "high";
    case MemoryLevel::kOver: return "over";
  }
  return "";
}

namespace {

boost::json::object json_of(const SelfAuditStatus& audit) {
  const backfill::AuditProgress& progress = audit.progress;
  const backfill::Progress& cycle = progress.cycle;
  const bool begun = cycle.state != backfill::Progress::State::kNone;
  boost::json::object totals;
  for (const auto kind : {Mismatch::Kind::kMissedChange, Mismatch::Kind::kForeignWrite})
    totals[name_of(kind)] = audit.mismatches_total[static_cast<std::size_t>(kind)];
  boost::json::array last;
  for (const SelfAuditStatus::Found& found : audit.last_mismatches) {
    boost::json::array causes;
    for (const Cause cause : list_of(found.mismatch.causes)) causes.push_back(boost::json::string(name_of(cause)));
    last.push_back({{"at", found.at},
                    {"kind", name_of(found.mismatch.kind)},
                    {"key", found.mismatch.key},
                    {"causes", std::move(causes)}});
  }
  const auto known = [](bool is, auto value) { return is ? boost::json::value(value) : boost::json::value(); };
  return {{"every_seconds", progress.settings.every_seconds},
          {"cpu_share", progress.settings.cpu_share},
          {"cycle_state", name_of(cycle.state)},
          {"cycle_started_at", known(begun, format_timestamp({cycle.started_at_seconds, 0}))},
          {"items_done", cycle.items_done},
          {"items_total", cycle.items_total},
          {"cycle_seconds_needed", known(progress.cycle_seconds_needed >= 0, progress.cycle_seconds_needed)},
          {"share_too_small", progress.share_too_small},
          {"oldest_unverified_seconds", progress.oldest_unverified_seconds},
          {"verified_total", progress.verified_total},
          {"mismatches_total", std::move(totals)},
          {"last_mismatches", std::move(last)},
          {"error", cycle.error}};
}

}  // namespace

std::string to_json(const DaemonStatus& status) {
  const auto milliseconds = [](std::int64_t micros) { return static_cast<double>(micros) / 1'000.0; };
  boost::json::object root;
  root["pid"] = ::getpid();
  root["phase"] = status.phase;
  root["started_at"] = format_timestamp({status.started_at_seconds, 0});
  root["uptime_seconds"] = status.written_at_seconds - status.started_at_seconds;
  root["written_at"] = format_timestamp({status.written_at_seconds, 0});
  root["caught_up"] = status.caught_up;
  root["as_of"] = status.as_of;
  boost::json::error_code not_json;
  root["position"] = status.position.empty() ? boost::json::value() : boost::json::parse(status.position, not_json);
  root["lag_records"] = status.lag_records;
  root["lag_seconds"] = status.lag_seconds;
  if (status.epochs > 0) {
    const EpochReport& epoch = status.last_epoch;
    SinkReceipt receipt;
    if (!epoch.receipts.empty()) receipt = epoch.receipts.front();
    root["last_epoch"] = {{"id", epoch.epoch.value},
                          {"at", status.last_epoch_at},
                          {"records", epoch.records},
                          {"reconciled", epoch.reconciled},
                          {"reason", epoch.reason},
                          {"users_read", epoch.users_read},
                          {"ad_days_read", epoch.ad_days_read},
                          {"cells_rendered", epoch.cells_rendered},
                          {"rows_written", receipt.written()},
                          {"rows_inserted", receipt.inserted},
                          {"rows_updated", receipt.updated},
                          {"rows_deleted", receipt.deleted},
                          {"duration_ms", milliseconds(epoch.total_micros)},
                          {"read_ms", milliseconds(epoch.read_micros)},
                          {"render_and_write_ms", milliseconds(epoch.render_micros)},
                          {"commit_ms", milliseconds(epoch.commit_micros)},
                          {"ledger_ms", milliseconds(epoch.ledger_micros)}};
  } else {
    root["last_epoch"] = nullptr;
  }
  root["epochs_total"] = status.epochs;
  root["rows_written_total"] = status.rows_inserted_total + status.rows_updated_total + status.rows_deleted_total;
  root["rows_inserted_total"] = status.rows_inserted_total;
  root["rows_updated_total"] = status.rows_updated_total;
  root["rows_deleted_total"] = status.rows_deleted_total;
  root["rows_unchanged_total"] = status.rows_unchanged_total;
  root["failures_total"] = status.failures_total;
  root["last_error"] = status.last_error.empty() ? boost::json::value() : boost::json::value(status.last_error);
  boost::json::array sinks;
  for (const follow::Standing& sink : status.sinks) {
    sinks.push_back(
        {{"sink", sink.sink},
         {"state", name_of(sink.state)},
         {"epoch", sink.epoch ? boost::json::value(sink.epoch->value) : boost::json::value()},
         {"lag_epochs", sink.lag_epochs},
         {"lag_seconds", sink.lag_seconds},
         {"behind_why", sink.behind_why},
         {"commits_total", sink.commits_total},
         {"rows_inserted_total", sink.rows_inserted_total},
         {"rows_updated_total", sink.rows_updated_total},
         {"rows_deleted_total", sink.rows_deleted_total},
         {"rows_unchanged_total", sink.rows_unchanged_total},
         {"failures_total", sink.failures_total},
         {"last_error", sink.last_error.empty() ? boost::json::value() : boost::json::value(sink.last_error)}});
  }
  root["sinks"] = std::move(sinks);
  boost::json::array held_days;
  for (const source::HeldDay& held : status.held_back.days) {
    held_days.push_back({{"day", format_day(held.day)},
                         {"since", format_timestamp({held.since_seconds, 0})},
                         {"seconds", std::max<std::int64_t>(0, status.written_at_seconds - held.since_seconds)}});
  }
  root["held_back"] = {
      {"days", std::move(held_days)}, {"users", status.held_back.users}, {"everyone", status.held_back.everyone}};
  if (status.changelog) {
    const source::ChangelogState& log = *status.changelog;
    boost::json::object dead;
    for (const auto& [reason, count] : log.dead_letters) dead[reason] = count;
    root["changelog"] = {{"where", log.where},
                         {"bytes_waiting", log.bytes_waiting},
                         {"records_total", log.records_total},
                         {"other_tables_total", log.other_tables_total},
                         {"dead_letters", std::move(dead)},
                         {"dead_letters_dropped_total", log.dead_letters_dropped_total},
                         {"tombstones", log.tombstones},
                         {"tombstones_forgotten_total", log.tombstones_forgotten_total},
                         {"transactions_open", log.transactions_open},
                         {"oldest_transaction_seconds", log.oldest_transaction_seconds},
                         {"ended", log.ended}};
  } else {
    root["changelog"] = nullptr;
  }
  const backfill::Progress& backfill = status.backfill;
  if (backfill.state != backfill::Progress::State::kNone) {
    const auto optional_day = [](const std::optional<Day>& day) {
      return day ? boost::json::value(format_day(*day)) : boost::json::value();
    };
    root["backfill"] = {
        {"state", name_of(backfill.state)},
        {"since", optional_day(backfill.request.since)},
        {"until", optional_day(backfill.request.until)},
        {"entity_type",
         backfill.request.level ? boost::json::value(name_of(*backfill.request.level)) : boost::json::value()},
        {"entity_id", backfill.request.level ? boost::json::value(backfill.request.entity_id) : boost::json::value()},
        {"keys_per_second_max", backfill.request.keys_per_second},
        {"started_at", format_timestamp({backfill.started_at_seconds, 0})},
        {"ended_at", backfill.ended_at_seconds == 0
                         ? boost::json::value()
                         : boost::json::value(format_timestamp({backfill.ended_at_seconds, 0}))},
        {"items_done", backfill.items_done},
        {"items_total", backfill.items_total},
        {"day", backfill.day},
        {"seconds_left", backfill.seconds_left < 0 ? boost::json::value() : boost::json::value(backfill.seconds_left)},
        {"error", backfill.error}};
  } else {
    root["backfill"] = nullptr;
  }
  root["self_audit"] = json_of(status.self_audit);
  if (status.reload.last_at_seconds != 0) {
    root["reload"] = {{"accepted", status.reload.last_accepted},
                      {"at", format_timestamp({status.reload.last_at_seconds, 0})},
                      {"text", status.reload.last_text},
                      {"accepted_total", status.reload.accepted_total},
                      {"refused_total", status.reload.refused_total}};
  } else {
    root["reload"] = nullptr;
  }
  root["last_verification"] = to_json(status.verification);
  root["passage"] = {{"last_at", status.passage.last_at_seconds == 0
                                     ? boost::json::value()
                                     : boost::json::value(format_timestamp({status.passage.last_at_seconds, 0}))},
                     {"heartbeats_total", status.passage.heartbeats_total},
                     {"heartbeat_ms", milliseconds(status.passage.heartbeat_micros)}};
  if (status.next_day.day.empty()) {
    root["next_day"] = nullptr;
  } else {
    root["next_day"] = {{"day", status.next_day.day},
                        {"begins_at", format_timestamp({status.next_day.begins_at_seconds, 0})},
                        {"main_rows", status.next_day.main_rows}};
  }
  root["change_log"] = {{"records", status.change_log.records}, {"bytes", status.change_log.bytes}};
  boost::json::array locks;
  for (const sqlite::LockHolds& holds : status.locks) {
    locks.push_back({{"database", holds.database},
                     {"work", holds.work},
                     {"holds", holds.count()},
                     {"max_ms", milliseconds(holds.max_micros)},
                     {"total_ms", milliseconds(holds.sum_micros)}});
  }
  root["write_locks"] = std::move(locks);
  root["data_quality"] = nullptr;
  if (status.quality) {
    boost::json::object quality = boost::json::parse(quality::to_summary_json(status.quality->report)).as_object();
    quality["at"] = format_timestamp({status.quality->at_seconds, 0});
    root["data_quality"] = std::move(quality);
  }
  root["users"] = status.users;
  root["memory"] = {{"resident_bytes", status.resident_memory_bytes},
                    {"ledger_bytes", status.ledger_memory_bytes},
                    {"limit_bytes", status.memory_limit_bytes},
                    {"level", name_of(status.memory_level)}};
  boost::json::array rejects;
  for (const auto& count : status.rejects) {
    rejects.push_back({{"table", count.table}, {"reason", name_of(count.reason)}, {"rows", count.rows}});
  }
  root["rejects"] = std::move(rejects);
  boost::json::array unmapped;
  for (const UnmappedValue& value : status.unmapped) {
    unmapped.push_back({{"breakdown", name_of(value.breakdown)}, {"value", value.value}, {"rows", value.rows}});
  }
  root["unmapped"] = std::move(unmapped);
  return boost::json::serialize(root);
}

Status write_status_file(const std::string& state_dir, const DaemonStatus& status) {
  const std::string path = state_dir + "/status.json";
  const std::string draft = path + ".new";
  {
    std::ofstream out(draft, std::ios::trunc);
    out << to_json(status) << '\n';
    if (!out.flush()) return Error{Errc::kIo, "write the status", draft, std::strerror(errno)};
  }
  if (std::rename(draft.c_str(), path.c_str()) != 0)
    return Error{Errc::kIo, "write the status", path, std::strerror(errno)};
  return {};
}

std::int64_t resident_memory_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::int64_t total_pages = 0;
  std::int64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * ::sysconf(_SC_PAGESIZE);
}

}  // namespace admetrics
