#pragma once

#include <string>
#include <vector>

#include "core/sqlite/database.hpp"
#include "core/sqlite/shape.hpp"

namespace admetrics::sink {

inline constexpr std::string_view kStateTable = "_admetrics_sink";
inline constexpr std::string_view kKeysTable = "_admetrics_sink_keys";

/// The statements that create every table and index of ours that may be missing (`metrics.md` sections 5 and 6).
std::string create_missing_sql();

/// The part of it that only readers need: indexes by which the dashboard finds rows. The tables must exist.
std::string create_reading_indexes_sql();

/// Every table of ours: the four that dashboards read, then our bookkeeping.
const std::vector<std::string>& our_tables();
/// What `create_missing_sql` makes of each, in that order.
Result<std::vector<sqlite::TableShape>> wanted_shapes();

/// What is missing or differs, table by table. Required: we could not write, or what we wrote would not stand.
Result<std::vector<sqlite::ShapeDifference>> schema_differences(sqlite::Connection& database);
std::vector<sqlite::ShapeDifference> differences_between(const sqlite::TableShape& wanted,
                                                         const sqlite::TableShape& found);

/// Unique keys that two rows of ours could share, so that the second would be refused.
std::vector<const sqlite::IndexShape*> too_narrow_keys(const sqlite::TableShape& wanted,
                                                       const sqlite::TableShape& found);

/// Fails with kSchema, naming the table and `schema migrate`, when a table stands in an older or foreign shape.
Status check_shape(sqlite::Connection& database);

}  // namespace admetrics::sink
