#pragma once

#include <cstddef>

#include "core/base/result.hpp"
#include "verify/tables.hpp"
#include "verify/verify.hpp"
#include "verify/workspace.hpp"

namespace admetrics::verification {

/// Copies the stored rows that are asked for into the scratch database, so that the sink need not be read while we
/// compute. Inside the read transaction.
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
Status compare_table(Workspace& workspace, const VerifyOptions& options, const Table& table, VerifyReport& report,
                     RowObserver* observer = nullptr);

}  // namespace admetrics::verification
