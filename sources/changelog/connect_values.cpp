#include "sources/changelog/connect_values.hpp"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "core/base/day.hpp"
#include "sources/changelog/digest.hpp"

namespace admetrics::source {
namespace {

constexpr std::size_t kSchemasKeptMax = 256;

/// Kafka Connect's Decimal: base64 of a big-endian two's complement number without its point. "": it is none.
std::string_view write_decimal(std::string_view base64, int scale, Scratch& out) {
  std::array<std::uint8_t, 12> bytes{};  // 96 bits: more digits than any DECIMAL of ours
  std::size_t size = 0;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : base64) {
    if (c == '=') break;
    int digit = -1;
    if (c >= 'A' && c <= 'Z') digit = c - 'A';
    if (c >= 'a' && c <= 'z') digit = c - 'a' + 26;
    if (c >= '0' && c <= '9') digit = c - '0' + 52;
    if (c == '+') digit = 62;
    if (c == '/') digit = 63;
    if (digit < 0) return {};
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    if (size == bytes.size()) return {};
    bytes[size++] = static_cast<std::uint8_t>(bits >> held);
  }
  if (size == 0 || scale < 0 || scale > 18) return {};
  __extension__ using Wide = __int128;
  Wide number = (bytes[0] & 0x80) != 0 ? -1 : 0;
  for (std::size_t i = 0; i < size; ++i) number = number * 256 + bytes[i];
  const bool negative = number < 0;
  if (negative) number = -number;
  char* at = out.data() + out.size();
  int digits = 0;
  do {
    if (digits == scale && scale > 0) *--at = '.';
    *--at = static_cast<char>('0' + static_cast<int>(number % 10));
    number /= 10;
    ++digits;
  } while (number > 0 || digits <= scale);
  if (negative) *--at = '-';
  return {at, static_cast<std::size_t>(out.data() + out.size() - at)};
}

Encodings read_schema(std::string_view schema, const LandingTable& table) {
  Encodings all{};
  simdjson::dom::parser parser;
  simdjson::dom::array envelope_fields;
  const simdjson::padded_string text(schema);
  if (parser.parse(text)["fields"].get(envelope_fields) != simdjson::SUCCESS) return all;
  for (const simdjson::dom::element part : envelope_fields) {
    std::string_view role;
    simdjson::dom::array columns;
    if (part["field"].get(role) != simdjson::SUCCESS || part["fields"].get(columns) != simdjson::SUCCESS) continue;
    if (role != "after" && role != "before") continue;
    for (const simdjson::dom::element column : columns) {
      std::string_view name;
      std::string_view type;
      if (column["field"].get(name) != simdjson::SUCCESS || column["name"].get(type) != simdjson::SUCCESS) continue;
      const std::size_t index = find_column(table, name);
      if (index == kLandingColumnsMax) continue;
      using Kind = Encoding::Kind;
      if (type == "io.debezium.time.Date" || type == "org.apache.kafka.connect.data.Date")
        all[index] = {Kind::kDays, 0};
      if (type == "io.debezium.time.Timestamp" || type == "org.apache.kafka.connect.data.Timestamp")
        all[index] = {Kind::kMillis, 0};
      if (type == "io.debezium.time.MicroTimestamp") all[index] = {Kind::kMicros, 0};
      if (type == "io.debezium.time.NanoTimestamp") all[index] = {Kind::kNanos, 0};
      if (type == "org.apache.kafka.connect.data.Decimal") {
        std::string_view scale;
        int places = 0;
        if (column["parameters"]["scale"].get(scale) == simdjson::SUCCESS)
          std::from_chars(scale.data(), scale.data() + scale.size(), places);
        all[index] = {Kind::kDecimal, places};
      }
    }
  }
  return all;
}

}  // namespace

struct ConnectValues::Impl {
  simdjson::dom::parser small;
  std::unordered_map<std::uint64_t, Encodings> schemas;  // by their digest, and the table's
};

ConnectValues::ConnectValues() : impl_(std::make_unique<Impl>()) {}
ConnectValues::~ConnectValues() = default;

const Encodings* ConnectValues::encodings(std::string_view schema, bool known_connector, const LandingTable& table) {
  static const auto by_magnitude = [] {
    Encodings all{};
    all.fill({Encoding::Kind::kByMagnitude, 0});
    return all;
  }();
  if (schema.empty()) return known_connector ? &by_magnitude : nullptr;
  Digest digest;
  digest.add(schema);
  digest.add(index_of(table));
  auto& schemas = impl_->schemas;
  if (const auto found = schemas.find(digest.value()); found != schemas.end()) return &found->second;
  if (schemas.size() >= kSchemasKeptMax) schemas.clear();
  return &(schemas[digest.value()] = read_schema(schema, table));
}

Value ConnectValues::decoded(const Value& value, const Encoding& encoding, ColumnKind kind, Scratch& scratch) {
  using Kind = Encoding::Kind;
  if (encoding.kind == Kind::kAsIs) return value;
  if (encoding.kind == Kind::kDecimal) {
    if (value.kind != Value::Kind::kText) return value;
    const std::string_view text = write_decimal(value.text, encoding.scale, scratch);
    return text.empty() ? value : Value::of(text);
  }
  if (value.kind != Value::Kind::kInteger) return value;
  const std::int64_t number = value.integer;
  Kind unit = encoding.kind;
  if (unit == Kind::kByMagnitude) {
    constexpr std::int64_t kDaysMax = 3'000'000;
    constexpr std::int64_t kMillisMax = 100'000'000'000'000;  // the year 5138
    constexpr std::int64_t kMicrosMax = 100'000'000'000'000'000;
    const std::int64_t size = number < 0 ? -(number + 1) : number;
    unit = size < kDaysMax && kind == ColumnKind::kDay ? Kind::kDays
           : size < kMillisMax                         ? Kind::kMillis
           : size < kMicrosMax                         ? Kind::kMicros
                                                       : Kind::kNanos;
  }
  std::int64_t seconds = 0;
  std::int64_t micros = 0;
  switch (unit) {
    case Kind::kDays:
      if (number < kFirstDay.value || number > kLastDay.value) return value;
      seconds = number * 86'400;
      break;
    case Kind::kMillis:
      seconds = floor_div(number, 1'000);
      micros = (number - seconds * 1'000) * 1'000;
      break;
    case Kind::kMicros:
      seconds = floor_div(number, 1'000'000);
      micros = number - seconds * 1'000'000;
      break;
    case Kind::kNanos:
      seconds = floor_div(number, 1'000'000'000);
      micros = (number - seconds * 1'000'000'000) / 1'000;
      break;
    case Kind::kAsIs:
    case Kind::kDecimal:
    case Kind::kByMagnitude: return value;
  }
  constexpr std::size_t kDayLetters = 10;
  std::size_t size = write_time(seconds, micros, scratch.data());
  if (size == 0) return value;
  if (kind == ColumnKind::kDay) size = kDayLetters;
  return Value::of(std::string_view(scratch.data(), size));
}

Value ConnectValues::variable_decimal(const Value& value, Scratch& buffer) {
  const simdjson::padded_string text(value.text);
  simdjson::dom::object parts;
  std::int64_t scale = 0;
  std::string_view digits;
  if (impl_->small.parse(text).get(parts) != simdjson::SUCCESS || parts["scale"].get(scale) != simdjson::SUCCESS ||
      parts["value"].get(digits) != simdjson::SUCCESS || scale < 0 || scale > 18) {
    return value;
  }
  const std::string_view number = write_decimal(digits, static_cast<int>(scale), buffer);
  return number.empty() ? value : Value::of(number);
}

std::size_t write_time(std::int64_t seconds, std::int64_t micros, char* out) {
  constexpr std::int64_t kDaySeconds = 86'400;
  std::int64_t day = seconds / kDaySeconds;
  std::int64_t second = seconds % kDaySeconds;
  if (second < 0) {
    second += kDaySeconds;
    --day;
  }
  if (day < kFirstDay.value || day > kLastDay.value) return 0;
  const std::string date = format_day(Day{static_cast<std::int32_t>(day)});
  char* at = std::copy(date.begin(), date.end(), out);
  const auto two = [&](char before, std::int64_t number) {
    *at++ = before;
    *at++ = static_cast<char>('0' + number / 10);
    *at++ = static_cast<char>('0' + number % 10);
  };
  two(' ', second / 3'600);
  two(':', second / 60 % 60);
  two(':', second % 60);
  if (micros != 0) {
    *at++ = '.';
    for (std::int64_t unit = 100'000; unit > 0; unit /= 10) *at++ = static_cast<char>('0' + micros / unit % 10);
  }
  return static_cast<std::size_t>(at - out);
}

}  // namespace admetrics::source
