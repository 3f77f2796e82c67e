#include "sources/changelog/record.hpp"

#include <charconv>

namespace admetrics::source {

std::optional<std::int64_t> whole_number(const Value& value) {
  if (value.kind == Value::Kind::kInteger) return value.integer;
  if (value.kind != Value::Kind::kText || value.text.empty()) return std::nullopt;
  std::int64_t number = 0;
  const char* const end = value.text.data() + value.text.size();
  const auto [rest, error] = std::from_chars(value.text.data(), end, number);
  return error == std::errc() && rest == end ? std::optional(number) : std::nullopt;
}

std::string_view trimmed(std::string_view line) {
  const auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  while (!line.empty() && blank(line.front())) line.remove_prefix(1);
  return line;
}

std::string_view name_of(BadRecord reason) {
  switch (reason) {
    case BadRecord::kNotJson: return "not_json";
    case BadRecord::kNotUtf8: return "not_utf8";
    case BadRecord::kTooLong: return "too_long";
    case BadRecord::kUnknownShape: return "unknown_shape";
    case BadRecord::kUnknownTable: return "unknown_table";
    case BadRecord::kUnknownOp: return "unknown_op";
    case BadRecord::kNoKey: return "no_key";
    case BadRecord::kNoRow: return "no_row";
    case BadRecord::kTorn: return "torn";
    case BadRecord::kDamagedFile: return "damaged_file";
  }
  return "";
}

}  // namespace admetrics::source
