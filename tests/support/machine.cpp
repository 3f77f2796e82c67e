#include "tests/support/machine.hpp"

#include "tests/support/must.hpp"

namespace admetrics::support {

Machine::Machine(const MachineOptions& options, const Clock& clock, Faults& faults)
    : reporting_{must(TimeZone::find(options.zone)), options.trial_length_days, options.names} {
  // Distinct from any ledger before it on this machine, as a drawn identity is.
  static std::atomic<int> ledgers{0};
  ledger_ = must(SqliteLedger::open_folder(options.state_dir, "ledger-" + std::to_string(++ledgers)));
  source::SqliteSourceOptions source;
  source.product_db = options.product_db;
  source.ads_db = options.ads_db;
  source.triggers = options.triggers;
  source_ = std::make_unique<source::SqliteSource>(source);
  sink_ = std::make_unique<sink::SqliteSink>(sink::SqliteSinkOptions{options.sink_db});
  faulty_ledger_ = std::make_unique<FaultyLedger>(*ledger_, faults);
  faulty_source_ = std::make_unique<FaultySource>(*source_, faults);
  faulty_sink_ = std::make_unique<FaultySink>(*sink_, faults);
  EngineOptions engine;
  engine.workers = options.workers;
  engine.shards = options.shards;
  engine.memory.scan_bytes = options.scan_bytes;
  engine_ = std::make_unique<Engine>(reporting_, engine, clock, *faulty_source_, *faulty_ledger_,
                                     std::vector<Sink*>{faulty_sink_.get()});
}

}  // namespace admetrics::support
