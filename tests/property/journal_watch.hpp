#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/world.hpp"

namespace admetrics {

/// Holds the change journal against what the tables were: whatever differs between the tables of any earlier epoch and
/// now must be among the keys that the journal lists since that epoch.
class JournalWatch {
 public:
  /// Remembers what stands now as a state of the ledger's last epoch.
  void remember(support::World& world);
  /// What the journal should have listed and has not. After an epoch that was taken.
  std::vector<std::string> missing(support::World& world);
  /// Rows of which the journal cannot say when and why they changed last.
  static std::vector<std::string> unexplained(support::World& world);

 private:
  std::string ledger_;
  std::multimap<std::uint64_t, support::StoredTables> states_;
};

}  // namespace admetrics
