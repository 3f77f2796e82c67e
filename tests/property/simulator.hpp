#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/property/drawn_pipeline.hpp"
#include "tests/property/journal_watch.hpp"
#include "tests/property/random.hpp"
#include "tests/support/world.hpp"

namespace admetrics {

/// Draws a history of the source, of the daemon and of their accidents, plays it on one thread with a clock that stands
/// still, and holds every committed epoch against the independent recomputation. The same seed plays the same history.
class Simulator {
 public:
  Simulator(std::uint64_t seed, int epochs);

  /// What went wrong, with the history that led to it; nothing when all was well.
  std::optional<std::string> run();

 private:
  struct Expectation {
    bool nothing_changes = false;  // nothing was done that could change a row
    bool rows_are_ours = true;     // nobody else wrote into our tables since the last epoch
  };

  static support::WorldOptions drawn_options(Random& random);
  void step();
  /// Runs epochs until one succeeds, and checks what it left.
  void run_epoch(Expectation expectation);
  void draw_fault();
  void change_daemon(Expectation& expectation);
  void tamper_with_sink();
  /// Lets the epoch look at keys, some or all, as the self-audit does.
  void draw_look();
  void move_today();
  void check(const support::StoredTables& before, const EpochReport& report, Expectation expectation,
             bool receipt_known);
  void check_verify();
  void note(const std::string& act);

  const std::uint64_t seed_;
  const int epochs_;
  Random random_;
  const support::WorldOptions options_;
  std::unique_ptr<support::World> world_;
  std::unique_ptr<DrawnPipeline> pipeline_;
  bool audit_pending_ = false;
  bool tampered_ = false;  // somebody else wrote into our tables, and no epoch has looked yet
  Random look_random_;     // of its own: the histories stay what they were
  int looks_ = 0;
  JournalWatch journal_;
  std::vector<std::string> history_;
  std::vector<std::string> failures_;
};

}  // namespace admetrics
