#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "core/engine/engine.hpp"

namespace admetrics::support {

/// A row of one of the four tables, apart from its key.
struct StoredRow {
  std::int64_t metric_id = 0;  // of the metric tables
  std::string created_at;      // of the mapping tables
  std::string written_at;      // computed_at or updated_at
  std::vector<std::string> values;

  bool operator==(const StoredRow&) const = default;
};

struct StoredTable {
  std::string name;
  std::vector<std::string> columns;       // of `values`
  std::map<std::string, StoredRow> rows;  // by key columns, joined by '|'

  bool operator==(const StoredTable&) const = default;
};

/// Everything that the four tables hold. Values are texts as they would be typed in SQL, so that 5 and 5.0 differ.
struct StoredTables {
  std::array<StoredTable, 4> tables;

  [[nodiscard]] std::size_t row_count() const;
  [[nodiscard]] const StoredTable& table(std::string_view name) const;
  bool operator==(const StoredTables&) const = default;
};

/// Of a sink, or of what `recompute_into` wrote.
StoredTables read_tables(const std::string& path);

}  // namespace admetrics::support
