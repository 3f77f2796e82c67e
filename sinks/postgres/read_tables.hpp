#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "sinks/postgres/settings.hpp"

namespace admetrics::sink {

/// Somebody who is given whole tables; texts are those that were written, numbers are decimal, days YYYY-MM-DD.
struct TableReader {
  std::function<Status(std::string_view table, const std::vector<std::string>& columns)> on_table;
  std::function<Status(std::span<const std::optional<std::string>> values)> on_row;
};

/// Reads the four tables and our position (as `_admetrics_sink`) at one moment, without writing anything. kNotFound: there are
/// none. Threads: any.
Status read_postgres_tables(const PostgresSinkOptions& options, const TableReader& reader);

/// Makes the sink forget where it stands: whoever opens it next compares every row.
Status forget_postgres_position(const PostgresSinkOptions& options);

/// What an `open` would create there, for people; nothing is written. kSchema: something stands in another shape.
Result<std::vector<std::string>> missing_in_postgres(const PostgresSinkOptions& options);

}  // namespace admetrics::sink
