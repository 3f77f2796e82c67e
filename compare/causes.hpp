#pragma once

#include <string>
#include <vector>

#include "compare/compare.hpp"
#include "core/sqlite/database.hpp"

namespace admetrics::comparison {

/// What a column speaks of. A row's cause is looked for in this order.
enum class Topic : std::uint8_t { kMembers, kMeta, kLifecycle, kRevenue, kEstimate, kDerived };
Topic topic_of(const std::string& column);

/// Gathers the rows that differ, and then says why. In a scratch database, so that memory stays bounded.
class Causes {
 public:
  /// Makes its tables in the connection's main database.
  static Result<Causes> create(sqlite::Connection& connection);

  /// A row of both sides that differs. `topics`: a bit for each topic with a difference; `tiny`: all are within rounding.
  Status row(bool main, const std::vector<std::string>& key, unsigned topics, bool tiny);
  /// A row of one side only.
  Status lone_row(bool main, const std::vector<std::string>& key, bool here);
  /// A user whom only one side has in this list of a main row.
  Status member(bool purchase, const std::vector<std::string>& key, const std::string& user, bool here);

  /// `here_lists`, `there_lists`: names of the trial and the purchase list in either main table.
  Result<std::vector<Cause>> explain(const std::vector<std::string>& here_lists,
                                     const std::vector<std::string>& there_lists);

 private:
  Status put_row(bool main, const std::vector<std::string>& key, unsigned topics, bool tiny, std::int64_t place);
  explicit Causes(sqlite::Connection& connection) : connection_(&connection) {}
  sqlite::Connection* connection_;
  sqlite::Statement put_row_;
  sqlite::Statement put_member_;
};

}  // namespace admetrics::comparison
