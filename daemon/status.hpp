#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backfill/backfill.hpp"
#include "core/engine/engine.hpp"
#include "core/sqlite/lock_meter.hpp"
#include "daemon/auditor.hpp"
#include "daemon/verification.hpp"
#include "follow/standing.hpp"
#include "quality/quality.hpp"
#include "sources/changelog/changelog_source.hpp"
#include "sources/sqlite/sqlite_source.hpp"
#include "state/ledger_store.hpp"

namespace admetrics {

/// How far memory in use stands below `engine.memory_limit`.
enum class MemoryLevel : std::uint8_t {
  kNormal,
  kHigh,  // above 80 %: batches are halved
  kOver,  // above the limit: work slows down
};
std::string_view name_of(MemoryLevel level);

/// How the last SIGHUP ended.
struct ReloadOutcome {
  std::int64_t accepted_total = 0;
  std::int64_t refused_total = 0;
  bool last_accepted = false;
  std::int64_t last_at_seconds = 0;  // 0: there was none
  std::string last_text;             // what it did, or the first mistake
};

/// What has last come the whole way: from the source through an epoch into the sinks and the ledger.
struct Passage {
  std::int64_t last_at_seconds = 0;   // 0: nothing yet
  std::int64_t heartbeats_total = 0;  // records of our own, sent when nothing else went
  std::int64_t heartbeat_micros = 0;  // how long the last of these took
  std::int64_t interval_ms = 0;       // within which something comes through; 0: nothing is sent
};

/// What changes by itself next.
struct NextDay {
  std::string day;  // "": today is pinned, or not known yet
  std::int64_t begins_at_seconds = 0;
  std::int64_t main_rows = 0;  // with users of the day whose trials are over then
};

/// The last look at what the rows say about the data behind them.
struct QualityOutcome {
  std::int64_t at_seconds = 0;  // 0: there was none
  quality::Report report;
};

/// What the daemon tells about itself. Written by the pipeline, read by anyone.
struct DaemonStatus {
  std::string phase = "starting";  // starting, catching_up, streaming, waiting, paused, stopping
  std::int64_t started_at_seconds = 0;
  std::int64_t written_at_seconds = 0;
  bool caught_up = false;  // the state is loaded, and the first epoch of this run is through
  std::string as_of;
  std::string position;
  std::int64_t lag_records = 0;
  double lag_seconds = 0;  // since the oldest change that is not yet visible was noticed
  EpochReport last_epoch;
  std::string last_epoch_at;
  std::int64_t epochs = 0;
  std::int64_t rows_inserted_total = 0;
  std::int64_t rows_updated_total = 0;
  std::int64_t rows_deleted_total = 0;
  std::int64_t rows_unchanged_total = 0;
  std::int64_t failures_total = 0;
  std::string last_error;
  std::vector<follow::Standing> sinks;  // the one that epochs wait for first
  source::HeldBack held_back;
  std::optional<source::ChangelogState> changelog;  // none: the source is tables
  backfill::Progress backfill;
  SelfAuditStatus self_audit;
  ReloadOutcome reload;
  Passage passage;
  NextDay next_day;
  Verification verification;
  source::LogSize change_log;
  std::vector<sqlite::LockHolds> locks;
  std::shared_ptr<const QualityOutcome> quality;  // null: nobody has looked yet
  std::int64_t users = 0;
  std::int64_t ledger_memory_bytes = 0;
  std::int64_t resident_memory_bytes = 0;
  std::int64_t memory_limit_bytes = 0;
  MemoryLevel memory_level = MemoryLevel::kNormal;
  std::vector<SqliteLedger::RejectCount> rejects;
  std::vector<UnmappedValue> unmapped;
};

/// The document that `status --json` prints.
std::string to_json(const DaemonStatus& status);

/// Replaces `state_dir`/status.json at once, so that a reader sees one whole document.
Status write_status_file(const std::string& state_dir, const DaemonStatus& status);

/// This process's resident memory, in bytes; 0 when it cannot be told.
std::int64_t resident_memory_bytes();

}  // namespace admetrics
