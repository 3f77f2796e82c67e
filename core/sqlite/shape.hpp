#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/sqlite/database.hpp"

/// What a table looks like, and how two looks differ. The wanted look is not written down a second time: it is read
/// from a database in memory in which the tables were just created.
namespace admetrics::sqlite {

struct ColumnShape {
  std::string name;  // lower case: SQL names ignore it
  std::string type;  // as it was declared
  bool not_null = false;
  std::optional<std::string> default_value;  // as SQL
  int primary_key = 0;                       // place in the primary key, from 1; 0: none
  bool generated = false;
};

struct IndexShape {
  std::string name;
  bool unique = false;
  bool partial = false;
  bool of_statement = false;         // made by CREATE INDEX, not by a constraint
  std::vector<std::string> columns;  // lower case; "" for an expression
};

struct TableShape {
  std::string name;
  bool exists = false;
  bool is_view = false;
  bool without_rowid = false;
  std::vector<ColumnShape> columns;
  std::vector<IndexShape> indexes;
  std::string sql;

  [[nodiscard]] const ColumnShape* column(std::string_view name) const;
  [[nodiscard]] const IndexShape* index(std::string_view name) const;
  /// The one column that is the row's number, when there is one.
  [[nodiscard]] std::string row_number_column() const;
  /// Whether no two rows can have equal values in exactly these columns.
  [[nodiscard]] bool has_unique_key(const std::vector<std::string>& columns) const;
};

/// The look of `table`; one that does not exist has no columns.
Result<TableShape> read_shape(Connection& database, std::string_view table);

/// The looks that `sql` gives to `tables`.
Result<std::vector<TableShape>> shapes_of(const std::string& sql, const std::vector<std::string>& tables);

/// Whether a column of type `found` keeps what we would store in one of type `wanted` as it is: numbers as numbers,
/// texts as texts.
bool keeps_values_alike(std::string_view wanted, std::string_view found);
/// Whether two declared types are the same words.
bool same_type(std::string_view a, std::string_view b);

struct ShapeDifference {
  enum class Kind : std::uint8_t { kTable, kColumn, kType, kKey, kIndex };

  Kind kind = Kind::kTable;
  bool required = true;  // false: things work without, but slower, or with less
  std::string table;
  std::string name;  // of the column, key or index; the table's for kTable
  std::string what;  // "is missing", "is TEXT, should be DECIMAL(10,2)"

  /// "column daily_mixpanel_metrics.meta_spend is missing"
  [[nodiscard]] std::string text() const;
};

std::string_view name_of(ShapeDifference::Kind kind);

}  // namespace admetrics::sqlite
