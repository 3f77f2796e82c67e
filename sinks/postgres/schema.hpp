#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/row.hpp"
#include "sinks/postgres/connection.hpp"
#include "sinks/postgres/settings.hpp"

/// The four tables and our bookkeeping as PostgreSQL declares them (`metrics.md` sections 5 and 6): as in SQLite, but that
/// whole numbers are BIGINT, times TIMESTAMP in UTC, ids compared by bytes, and that columns repeated for old dashboards are
/// left out.
namespace admetrics::sink::postgres {

/// A column of ours. `digits` and `fraction` are those of a DECIMAL(digits, fraction), 0 for other types.
struct Column {
  std::string name;
  std::string type;        // as format_type prints it
  std::string definition;  // behind the type
  int digits = 0;
  int fraction = 0;
};

struct Table {
  std::string name;
  std::vector<Column> columns;
  std::vector<std::string> key;  // unique
};

struct Index {
  std::string name;
  std::string table;
  std::string columns;
};

inline constexpr std::string_view kStateTable = "_admetrics_sink";
inline constexpr std::string_view kKeysTable = "_admetrics_sink_keys";
/// Ids that are too long for an index stand shortened in the tables, and whole here.
inline constexpr std::string_view kLongTable = "_admetrics_sink_long_ids";

std::vector<Table> wanted_tables(UserLists lists);
std::vector<Index> wanted_indexes();

/// How many digits the standing DECIMAL columns of a metric table hold; 0: any number.
using Digits = std::array<int, kNumberCount>;
struct Standing {
  Digits main{};
  Digits breakdown{};
};

/// What `prepare_schema` would do to the schema, for people; nothing is written.
Result<std::vector<std::string>> missing_in_schema(Connection& connection, const PostgresSinkOptions& options);

/// Creates what is missing, adds columns that an older version did not have, and fails with kSchema, naming table and column,
/// where something stands in a shape that would not keep what we write. Writes nothing where all is there.
Result<Standing> prepare_schema(Connection& connection, const PostgresSinkOptions& options);

}  // namespace admetrics::sink::postgres
