#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sources/sqlite/tables.hpp"

/// The raw tables of `metrics.md` section 1 as the landing database has them.
namespace admetrics::source {

/// How a column's values are written in a change log.
enum class ColumnKind : std::uint8_t {
  kText,
  kNumber,
  kDay,   // an encoded number may stand for `YYYY-MM-DD`
  kTime,  // an encoded number may stand for a time of day on a day
};

struct LandingColumn {
  std::string_view name;
  ColumnKind kind = ColumnKind::kText;
};

inline constexpr std::size_t kLandingColumnsMax = 13;
inline constexpr std::size_t kLandingKeyMax = 3;

struct LandingTable {
  ChangeKind kind;
  std::string_view name;
  std::size_t key_columns;                 // the first so many columns are the primary key
  std::array<std::size_t, 2> owner;        // the columns that name what gets dirty; kLandingColumnsMax: none
  std::span<const LandingColumn> columns;  // what is read of a record; everything else is ignored
};

/// All ten, in the order of `ChangeKind`.
std::span<const LandingTable> landing_tables();
/// By its name, in any case; nullptr: none of ours.
const LandingTable* find_landing_table(std::string_view name);
/// A column's place by its name, in any case; kLandingColumnsMax: none of ours.
std::size_t find_column(const LandingTable& table, std::string_view name);
/// Where `table` stands in `landing_tables()`.
std::size_t index_of(const LandingTable& table);

/// Creates tables, indexes and what the change log's own records need; nothing that is there already.
std::string landing_schema_sql();

}  // namespace admetrics::source
