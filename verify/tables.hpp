#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace admetrics::verification {

enum class ColumnKind : std::uint8_t {
  kText,
  kList,     // a JSON array of user ids
  kCount,    // an integer
  kDecimal,  // an integer of `digits` decimals on our side, SQLite's NUMERIC on the other
};

/// A column that is compared.
struct Column {
  std::string_view name;
  ColumnKind kind = ColumnKind::kText;
  int digits = 0;
  std::string_view sql_type;
  std::string_view expression;  // over the table's `expected_from`
};

/// A virtual column that repeats another one. Compared where it exists.
struct Mirror {
  std::string_view name;
  std::string_view of;
};

struct KeyColumn {
  std::string_view name;
  std::string_view expression;
};

/// One of the four materialized tables, and the SQL that says what it must hold.
struct Table {
  std::string_view name;
  std::vector<KeyColumn> keys;
  std::vector<Column> columns;
  std::vector<Mirror> mirrors;
  std::string_view extra_definitions;  // the columns that are not compared
  std::string_view expected_from;
  std::string_view expected_order;  // gives the key columns' order by bytes
  bool mapping = false;             // has no `date` to leave rows out by
};

/// daily_mixpanel_metrics, its breakdown, id_name_mapping, id_hierarchy_mapping.
std::span<const Table> tables();

}  // namespace admetrics::verification
