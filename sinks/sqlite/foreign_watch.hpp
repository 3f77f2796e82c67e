#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/engine/ports.hpp"
#include "core/sqlite/database.hpp"

namespace admetrics::sink {

/// What somebody else did to the tables, as far as can be seen without reading them.
struct ForeignWork {
  std::string everything;      // why every row has to be compared; "": it need not be
  std::vector<SinkKey> added;  // keys of rows that somebody added
  bool strange_keys = false;   // and some whose key is none that anybody could have wanted

  [[nodiscard]] bool any() const { return !everything.empty() || !added.empty() || strange_keys; }
  /// One list stays, however often somebody adds to it before it is taken.
  void add(ForeignWork&& more);
};

/// ForeignWatch: notices that somebody else empties the tables, or adds, removes or replaces rows at their ends.
///
/// A look costs some microseconds where nobody else has committed, and a few more where somebody has. What is changed in the
/// middle is left to the self-audit.
class ForeignWatch {
 public:
  /// As the tables stand now they are as they should be, or the sink's state says what has to be looked at.
  static Result<ForeignWatch> open(sqlite::Connection& database);

  /// Looks where somebody else has committed since the last look. Between epochs, or before an epoch's first row.
  Status look();
  /// In an epoch's transaction, after its rows: how the tables stand now is ours.
  Status note_own_rows();
  /// What was found since it was asked last.
  ForeignWork take() { return std::exchange(found_, {}); }

 private:
  static constexpr std::size_t kTables = 4;
  /// Of each table: its first and last row number where that is its key, else whether it has rows.
  using Edges = std::array<std::pair<std::int64_t, std::int64_t>, kTables>;

  explicit ForeignWatch(sqlite::Connection& database) : database_(&database) {}
  Result<Edges> read_edges();
  Status look_at_table(std::size_t table, const Edges& then, const Edges& now, ForeignWork& found);

  sqlite::Connection* database_;
  sqlite::Statement data_version_;
  std::array<sqlite::Statement, kTables> select_edges_;
  Edges edges_;  // as the last commit left them, or as they were found
  std::int64_t seen_data_version_ = -1;
  ForeignWork found_;
};

}  // namespace admetrics::sink
