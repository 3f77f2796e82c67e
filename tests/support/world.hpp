#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/comparison.hpp"
#include "tests/support/machine.hpp"
#include "tests/support/source_builder.hpp"
#include "tests/support/temp_folder.hpp"
#include "verify/verify.hpp"

namespace admetrics::support {

struct WorldOptions {
  SourceBuilder::Options source;
  bool sink_in_product_db = false;
  MachineOptions machine;  // its paths are the world's to choose
};

/// A pipeline's databases, a daemon beside them, and what must be true between the two.
class World {
 public:
  explicit World(WorldOptions options);

  [[nodiscard]] SourceBuilder& source() { return source_; }
  [[nodiscard]] Machine& machine() { return *machine_; }
  [[nodiscard]] MachineOptions& machine_options() { return options_.machine; }  // hold from the next restart on

  /// "Today" in the reporting zone.
  Day today{20'454};  // 2026-01-01

  // ── Epochs ──
  /// What the next epoch shall do besides; forgotten once it has.
  EpochRequest request;
  /// Runs an epoch; an error is the caller's to judge.
  Result<EpochReport> try_epoch();
  /// Runs an epoch that must succeed.
  EpochReport epoch();
  /// What `computed_at` says of rows that the last epoch wrote.
  [[nodiscard]] std::string committed_at() const;

  // ── What goes wrong ──
  /// The daemon ends in good order between two epochs, and starts again.
  void restart();
  /// The same, but the state folder is gone when it starts.
  void restart_without_ledger();
  /// The sink's file is gone; only where it is a file of its own.
  void lose_sink();
  /// The product database is copied aside, and put back over itself later: the pipeline's operator restores a backup
  /// while the daemon is down.
  void back_up_source();
  [[nodiscard]] bool has_backup() const { return !backup_.empty(); }
  void restore_source_and_restart();
  /// At the `nth` passing of `moment`, that call fails with `code`: the daemon lives and hears of it.
  void fail_at(std::string_view moment, int nth = 1, Errc code = Errc::kIo);
  /// At the `nth` passing of `moment`, power fails: see `killed` and `revive`.
  void kill_at(std::string_view moment, int nth = 1);
  [[nodiscard]] bool killed() const { return image_.has_value(); }
  [[nodiscard]] bool fault_pending() const { return faults_.armed(); }
  void disarm() { faults_.disarm(); }
  /// After a kill: the disk is as it was at that instant; daemon and pipeline start again.
  void revive();

  // ── What is true ──
  [[nodiscard]] const std::string& sink_db() const { return options_.machine.sink_db; }
  StoredTables stored() { return read_tables(sink_db()); }
  /// From scratch, over the source as it is.
  StoredTables recomputed();
  /// Stored against recomputed; empty when equal.
  std::vector<std::string> wrong() { return differences(recomputed(), stored()); }
  Result<VerifyReport> verified();
  /// Any SQL on the sink, as somebody else would run it.
  void sink_sql(const std::string& statements);
  /// `table: reason: rows`, in order, as the ledger counts them.
  std::vector<std::string> rejects();

 private:
  [[nodiscard]] VerifyOptions verify_options() const;

  TempFolder folder_;
  WorldOptions options_;
  FakeClock clock_;
  Faults faults_;
  SourceBuilder source_;
  std::unique_ptr<Machine> machine_;
  std::optional<DiskImage> image_;
  std::string backup_;
  int recomputations_ = 0;
};

/// `table: reason: rows`, in order, as `verify` counts them.
std::vector<std::string> rejects_of(const VerifyReport& report);

}  // namespace admetrics::support
