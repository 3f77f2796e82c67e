#pragma once

#include <string>
#include <vector>

#include "core/engine/engine.hpp"
#include "tests/support/stored_tables.hpp"

namespace admetrics::support {

/// What stands otherwise than it should, each in a line; empty when every value of every row is right.
std::vector<std::string> differences(const StoredTables& expected, const StoredTables& stored);

/// What a commit may do to rows (`metrics.md` section 5): a row whose values did not change is not touched, one that
/// did keeps its `metric_id` and is dated by the commit, a new one has a new id. The receipt counts what happened.
/// `receipt` is none where the engine lost it.
std::vector<std::string> broken_promises(const StoredTables& before, const StoredTables& after,
                                         const std::string& committed_at, const SinkReceipt* receipt);

/// At most `most` of them, one a line.
std::string told(const std::vector<std::string>& lines, std::size_t most = 25);

}  // namespace admetrics::support
