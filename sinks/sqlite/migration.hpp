#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sinks/sqlite/backup.hpp"

namespace admetrics::sink {

/// One thing that a migration does.
struct MigrationStep {
  std::string text;              // for people
  std::vector<std::string> sql;  // run in order, in the one transaction
};

struct MigrationPlan {
  std::vector<MigrationStep> steps;  // none: everything stands as it should
  std::vector<TableRows> kept;       // rows that stand in our tables, and stay
};

/// What has to be done to the tables that stand there. Writes nothing. Fails with kSchema when it cannot be done without
/// guessing: rows without a key, two rows with one key, a view in a table's place.
Result<MigrationPlan> plan_migration(sqlite::Connection& database);

struct MigrationReport {
  MigrationPlan plan;
  std::optional<Backup> backup;  // none: there was nothing to do
};

struct MigrationOptions {
  std::string database;  // created when it is missing
  std::string backup_folder;
  Instant now;
  int busy_timeout_ms = 5'000;
};

/// Makes the tables what `run` needs: backup, then one transaction. Every row that stands is kept. Killed at any moment it
/// leaves the tables as they were or as they shall be; repeated it does nothing.
Result<MigrationReport> migrate(const MigrationOptions& options);

}  // namespace admetrics::sink
