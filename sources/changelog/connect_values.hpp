#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "sources/changelog/record.hpp"

/// Days, times and decimals as Debezium and Kafka Connect write them, back to what stood in the table.
namespace admetrics::source {

/// How a column was written.
struct Encoding {
  enum class Kind : std::uint8_t { kAsIs, kDays, kMillis, kMicros, kNanos, kDecimal, kByMagnitude };
  Kind kind = Kind::kAsIs;
  int scale = 0;
};
using Encodings = std::array<Encoding, kLandingColumnsMax>;

/// Room for the text of one value.
constexpr std::size_t kScratchBytes = 48;
using Scratch = std::array<char, kScratchBytes>;

constexpr std::int64_t floor_div(std::int64_t number, std::int64_t by) {
  return number / by - (number % by < 0 ? 1 : 0);
}

/// Writes `YYYY-MM-DD HH:MM:SS` and, where there is one, a fraction of six digits. 0: no day of ours.
std::size_t write_time(std::int64_t seconds, std::int64_t micros, char* out);

/// Threads: one at a time.
class ConnectValues {
 public:
  ConnectValues();
  ConnectValues(const ConnectValues&) = delete;
  ConnectValues& operator=(const ConnectValues&) = delete;
  ~ConnectValues();

  /// By the record's schema (a JSON object, "": it has none); without one by magnitude, of a connector that is known.
  /// nullptr: everything is as it stands. Valid until the next call.
  const Encodings* encodings(std::string_view schema, bool known_connector, const LandingTable& table);
  /// The value in words of the table, where need be written to `scratch`.
  static Value decoded(const Value& value, const Encoding& encoding, ColumnKind kind, Scratch& scratch);
  /// Debezium's VariableScaleDecimal, of columns that declare no scale: `{"scale":2,"value":"base64"}`.
  Value variable_decimal(const Value& value, Scratch& scratch);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace admetrics::source
