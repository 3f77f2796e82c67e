#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "verify/tables.hpp"
#include "verify/verify.hpp"
#include "verify/workspace.hpp"

namespace admetrics::verification {

/// How one raw table's read columns come into the scratch database, with every cell read.
struct RawCopy {
  std::string target;   // in the scratch database
  std::string columns;  // of the target
  std::string schema;
  std::string table;
  std::string values;      // over the raw table `t`
  std::string condition;   // which rows matter
  bool by_ad_day = false;  // found again by (ad_id, date); else by distinct_id

  [[nodiscard]] std::string insert_into(const std::string& into) const {
    return "INSERT INTO main." + into + "(" + columns + ") ";
  }
  [[nodiscard]] std::string select(const std::string& more) const {
    return "SELECT " + values + " FROM " + schema + "." + table + " t WHERE (" + condition + ")" + more;
  }
};

/// Makes the tables that the raw rows go into. Inside a read transaction, which it checks the sources in.
Result<std::vector<RawCopy>> prepare_distil(Workspace& workspace);
/// The mappings and the whole days, again if they were read before. Inside a read transaction.
Status distil_small(Workspace& workspace, std::vector<std::string>& notes);

/// Step one at once, inside the read transaction: the raw tables' read columns, with every cell read, into the scratch database.
/// Adds to the notes what is missing but may be.
Status distil(Workspace& workspace, const VerifyOptions& options, std::vector<std::string>& notes);

/// Step two, without the sources: the tables `figure`, `name` and `hierarchy`, which `tables()` selects from.
Status compute(Workspace& workspace, const VerifyOptions& options, Day as_of);

/// So that it can be computed again, from other raw rows.
Status forget_computed(Workspace& workspace);

Result<std::vector<RejectCount>> count_rejects(Workspace& workspace);

/// The SELECT that gives what `table` must hold, keys first, in key order. Decimals are integers of the last place.
std::string expected_sql(const Table& table);

/// `AND`-conditions that keep the part of the rows that was asked for; over an entity's type and id and a day's text.
std::string scope_by_text(const VerifyOptions& options, const std::string& type, const std::string& id,
                          const std::string& date);

/// Days with events that the pipeline has not declared whole.
Result<std::string> torn_days_note(Workspace& workspace);

}  // namespace admetrics::verification
