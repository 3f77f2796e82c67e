#pragma once

#include <string>

#include "core/sqlite/database.hpp"

namespace admetrics::sink {

inline constexpr std::string_view kStateTable = "_admetrics_sink";
inline constexpr std::string_view kKeysTable = "_admetrics_sink_keys";

/// The statements that create every table and index of ours that may be missing (`metrics.md` sections 5 and 6).
std::string create_missing_sql();

/// The part of it that only readers need: indexes by which the dashboard finds rows. The tables must exist.
std::string create_reading_indexes_sql();

/// Fails with kSchema, naming the table and `schema migrate`, when a table stands in an older or foreign shape.
Status check_shape(sqlite::Connection& database);

}  // namespace admetrics::sink
