#pragma once

#include "core/engine/ports.hpp"
#include "core/model/row_history.hpp"
#include "core/sqlite/database.hpp"

namespace admetrics {

/// What the change journal says of `row`; `ledger` is a connection to the ledger's file, where a daemon may be running. A
/// ledger that has no journal yet gives an empty history.
Result<RowHistory> read_row_history(sqlite::Connection& ledger, const SinkRow& row);

}  // namespace admetrics
