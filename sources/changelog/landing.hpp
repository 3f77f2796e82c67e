#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/sqlite/database.hpp"
#include "sources/changelog/record.hpp"

namespace admetrics::source {

/// Landing: records become rows of the landing database, whatever order they come in and however often.
///
/// Which of two records of a row is the newer one is decided by what they say of themselves, then by their order in the log;
/// `docs/changelog.md` has the rules.
///
/// Threads:    one at a time; inside the caller's transaction.
/// Invariants: (1) applying a record again changes nothing;
///             (2) what a record made dirty stands in the change log `_admetrics_changes` when `flush` returns.
class Landing {
 public:
  /// `tombstones_max`: how many deletions are remembered; of more the oldest are forgotten.
  Landing(sqlite::Connection& database, std::int64_t tombstones_max);
  ~Landing();
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;

  /// Creates what is missing. Fails with kSchema where a table stands in its way.
  static Status create(sqlite::Connection& database);

  /// Prepares; after a rollback, too.
  Status begin(bool record_changes);
  /// An upsert, a delete, a truncation or an exported event.
  Status apply(const Record& record);
  /// Writes what was gathered. The transaction may be committed after that.
  Status flush();

  /// Deletions that are remembered, and how many were forgotten, ever; as of the last `begin` and what came after it.
  [[nodiscard]] std::int64_t tombstones() const;
  [[nodiscard]] std::int64_t tombstones_forgotten() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace admetrics::source
