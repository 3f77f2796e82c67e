#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "verify/tables.hpp"
#include "verify/verify.hpp"
#include "verify/workspace.hpp"

namespace admetrics::verification {

/// Step one, inside the read transaction: the raw tables' read columns, with every cell read, into the scratch database.
/// Adds to the notes what is missing but may be.
Status distil(Workspace& workspace, const VerifyOptions& options, std::vector<std::string>& notes);

/// Step two, without the sources: the tables `figure`, `name` and `hierarchy`, which `tables()` selects from.
Status compute(Workspace& workspace, const VerifyOptions& options, Day as_of);

Result<std::vector<RejectCount>> count_rejects(Workspace& workspace);

/// The SELECT that gives what `table` must hold, keys first, in key order. Decimals are integers of the last place.
std::string expected_sql(const Table& table);

/// `AND`-conditions that keep the part of the rows that was asked for; over an entity's type and id and a day's text.
std::string scope_by_text(const VerifyOptions& options, const std::string& type, const std::string& id,
                          const std::string& date);

/// Days with events that the pipeline has not declared whole.
Result<std::string> torn_days_note(Workspace& workspace);

}  // namespace admetrics::verification
