#pragma once

#include <cstddef>
#include <string>

#include "core/base/result.hpp"
#include "verify/tables.hpp"
#include "verify/verify.hpp"
#include "verify/workspace.hpp"

namespace admetrics::verification {

/// How a table's stored rows come into the scratch database.
struct StoredCopy {
  std::string insert;  // up to where the SELECT begins; "": there is nothing to copy
  std::string values;  // what to select from the stored table `t`
  std::string scope;   // `AND`-conditions that keep the rows that were asked for

  [[nodiscard]] std::string select(const std::string& from, const std::string& more) const {
    return insert + "SELECT " + values + " FROM " + from + " WHERE true" + scope + more;
  }
};

/// Makes the table that the rows go into, an empty one again if it is there. Inside a read transaction, which it checks
/// the sink in.
Result<StoredCopy> prepare_stored(Workspace& workspace, const VerifyOptions& options, const Table& table);

/// Copies the stored rows that are asked for into the scratch database, at once, so that the sink need not be read while
/// we compute. Inside the read transaction.
Status copy_stored(Workspace& workspace, const VerifyOptions& options, const Table& table);

/// Puts them in the order of their keys. After the read transaction: nobody has to wait for it.
Status sort_stored(Workspace& workspace, const VerifyOptions& options, const Table& table);

/// Looks on while two tables are walked over. Row by row, in key order.
class RowObserver {
 public:
  virtual ~RowObserver() = default;
  /// The row on either side, keys first, then the table's columns; none where it is missing. `equal`: they agree.
  virtual void on_row(const sqlite::Statement* expected, const sqlite::Statement* stored, bool equal) = 0;
};

/// Walks what must be stored and what is, side by side in key order, and adds what it finds to the report.
/// `only`: a table of keys (k0, k1, …); other rows are not expected, and must not be among the stored ones.
Status compare_table(Workspace& workspace, const VerifyOptions& options, const Table& table, VerifyReport& report,
                     RowObserver* observer = nullptr, const std::string& only = "");

}  // namespace admetrics::verification
