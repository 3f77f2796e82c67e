#pragma once

#include <span>
#include <vector>

#include "core/sqlite/database.hpp"
#include "core/sqlite/shape.hpp"
#include "sources/sqlite/tables.hpp"

namespace admetrics::source {

/// The tables and columns that we read, as a pipeline declares them; and the indexes that make looking up one user or one
/// ad's day quick.
const char* wanted_product_sql();
const char* wanted_ads_sql();

/// What is missing or differs in the product database, or in the ads database. Required: we could not read it, or would
/// misread it. The rest costs time, or is a table that may be absent.
Result<std::vector<sqlite::ShapeDifference>> product_differences(sqlite::Connection& database);
Result<std::vector<sqlite::ShapeDifference>> ads_differences(sqlite::Connection& database);

}  // namespace admetrics::source
