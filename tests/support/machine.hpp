#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "core/base/clock.hpp"
#include "core/engine/engine.hpp"
#include "core/model/reporting.hpp"
#include "sinks/sqlite/sqlite_sink.hpp"
#include "sources/sqlite/sqlite_source.hpp"
#include "state/ledger_store.hpp"
#include "tests/support/faults.hpp"

namespace admetrics::support {

/// Stands still until told; each moment is another one.
class FakeClock : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return now_; }
  [[nodiscard]] std::int64_t steady_micros() const override { return steady_micros_.fetch_add(1); }
  void tick() { ++now_.seconds; }

 private:
  Instant now_{1'767'225'600, 0};  // 2026-01-01
  mutable std::atomic<std::int64_t> steady_micros_{0};
};

struct MachineOptions {
  std::string product_db;
  std::string ads_db;
  std::string sink_db;
  std::string state_dir;
  bool triggers = true;
  std::size_t shards = 3;
  std::size_t workers = 2;
  std::int64_t scan_bytes = 0;
  std::string zone = "UTC";
  int trial_length_days = 7;
  EventNames names;
};

/// The daemon's pipeline without the daemon: source, ledger, sink and engine wired as `daemon/pipeline` does it, in this
/// process, on a clock that stands still. What goes wrong goes wrong where `faults` says.
class Machine {
 public:
  Machine(const MachineOptions& options, const Clock& clock, Faults& faults);

  [[nodiscard]] const Reporting& reporting() const { return reporting_; }
  [[nodiscard]] source::SqliteSource& source() { return *source_; }
  [[nodiscard]] SqliteLedger& ledger() { return *ledger_; }
  [[nodiscard]] Engine& engine() { return *engine_; }

 private:
  Reporting reporting_;
  std::unique_ptr<SqliteLedger> ledger_;
  std::unique_ptr<source::SqliteSource> source_;
  std::unique_ptr<sink::SqliteSink> sink_;
  std::unique_ptr<FaultyLedger> faulty_ledger_;
  std::unique_ptr<FaultySource> faulty_source_;
  std::unique_ptr<FaultySink> faulty_sink_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace admetrics::support
