#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/sqlite/database.hpp"

/// The raw tables of `metrics.md` section 1: what we read of them, and what a change in them makes dirty.
namespace admetrics::source {

/// What a change record is about. Stored in the change log. Add at the end.
enum class ChangeKind : std::uint8_t {
  kUser = 1,
  kEvent = 2,
  kProduct = 3,
  kCountryMapping = 4,
  kDeviceMapping = 5,
  kProcessedDay = 6,
  kHeartbeat = 7,  // no table's: written by the daemon itself, to see that records come through
  kMetaDaily = 10,
  kMetaCountry = 11,
  kMetaRegion = 12,
  kMetaDevice = 13,
};

struct RawTable {
  ChangeKind kind;
  std::string_view name;
  bool required;
  std::span<const std::string_view> key;      // columns that name what gets dirty: one or two
  std::span<const std::string_view> columns;  // all columns that are read, the key's included
};

std::span<const RawTable> product_tables();  // of the product database
std::span<const RawTable> ads_tables();      // of the ads database

/// Which of `tables` exist here; fails with kSchema, naming it, when a required table or a column is missing.
Result<std::vector<const RawTable*>> present_tables(sqlite::Connection& database, std::span<const RawTable> tables);

}  // namespace admetrics::source
