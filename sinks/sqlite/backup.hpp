#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/day.hpp"
#include "core/sqlite/database.hpp"

namespace admetrics::sink {

struct TableRows {
  std::string table;
  std::int64_t rows = 0;
};

/// A copy of our tables and of whatever hangs on them (indexes, triggers), as they stood at one moment; nobody else's.
/// In a shared file the pipeline's tables go on living, and a restored backup must not take them back in time.
struct Backup {
  std::string path;
  std::string source;      // the database that it was taken of, absolute
  std::string created_at;  // UTC
  std::vector<TableRows> tables;
};

/// Copies our tables as they stand into a new file in `folder`, which is created when it is missing. The file has its
/// name only once it is durable and was opened and checked; what a killed attempt left behind is removed.
Result<Backup> take_backup(const std::string& database, const std::string& folder, Instant now, int busy_timeout_ms);

/// Opens a backup and holds it against what it says of itself. kCorrupt: it cannot be relied on.
Result<Backup> check_backup(const std::string& path);

/// The newest backup of `database` in `folder`; kNotFound when there is none.
Result<Backup> newest_backup(const std::string& database, const std::string& folder);

struct RestoreReport {
  Backup backup;
  std::vector<TableRows> before;  // what the tables held
};

/// Makes our tables what they are in the backup, in one transaction; leaves everything else alone.
Result<RestoreReport> restore_backup(const std::string& database, const Backup& backup, int busy_timeout_ms);

}  // namespace admetrics::sink
