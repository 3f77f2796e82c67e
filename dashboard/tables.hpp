#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/sqlite/database.hpp"
#include "dashboard/request.hpp"
#include "dashboard/totals.hpp"

namespace admetrics::dashboard {

/// Which commit a snapshot shows.
struct Snapshot {
  std::string ledger;  // empty: the tables were not written by a daemon (a recomputation)
  std::int64_t epoch = 0;
  std::string position;
  std::string as_of;
  std::string committed_at;

  bool operator==(const Snapshot&) const = default;
};

struct TablesOptions {
  std::string path;
  int busy_timeout_ms = 2'000;
  int cache_kib = 8'192;
};

/// Tables: the materialized tables, read-only, one snapshot at a time.
///
/// Threads:    one at a time.
/// Invariants: (1) between `begin` and `end` everything that is read is of one commit;
///             (2) every statement finds its rows by an index (`sql()`, and the test of their plans);
///             (3) nothing is held between requests: a transaction lives as long as one answer is made.
class Tables {
 public:
  /// Opens nothing yet: the file may come later.
  explicit Tables(TablesOptions options);
  ~Tables();

  /// Opens a snapshot, and the file where that is needed (it may have been replaced). kNotFound or kSchema while there
  /// is nothing to read: no file, no tables, or no commit yet.
  Result<Snapshot> begin();
  /// Opens the very snapshot that `other` has open, so that two threads can read one answer. kUnsupported where the file
  /// does not allow it.
  Status begin_beside(Tables& other);
  void end();

  using VisitRow = std::function<Status(const Row&)>;
  enum class Lists : std::uint8_t { kNone, kAll };

  /// The rows of every entity of a level: one entity after the other, each one's ascending by day.
  Status visit_level(Level level, Breakdown breakdown, const Range& range, Lists lists, const VisitRow& visit);
  /// The rows of one entity, ascending by day.
  Status visit_entity(Level level, std::string_view entity_id, Breakdown breakdown,
                      const std::optional<std::string>& breakdown_value, const Range& range, const VisitRow& visit);

  /// The first and the last day that any entity has a row on.
  Result<std::optional<Range>> days();
  /// Empty when the entity has none.
  Result<std::string> name_of_entity(Level level, std::string_view entity_id);
  /// By `id_hierarchy_mapping`: a campaign's ad sets, an ad set's ads.
  Status visit_children(Level level, std::string_view entity_id, const std::function<void(std::string_view)>& visit);

  /// Every statement that reads rows, for the test of their plans.
  static std::vector<std::string> sql();

 private:
  struct Statements;
  Status open();
  Status visit(sqlite::Statement& statement, Lists lists, const VisitRow& visit);

  const TablesOptions options_;
  std::string file_;  // identity of the file that is open
  std::unique_ptr<sqlite::Connection> database_;
  std::unique_ptr<Statements> statements_;
};

}  // namespace admetrics::dashboard
