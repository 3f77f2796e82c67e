#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/day.hpp"

namespace admetrics::dashboard {

/// JsonText: writes JSON, front to back.
///
/// Numbers are written from whole numbers, so that 12.34 is 12.34; stored lists are spliced in. A library that builds a
/// document first would copy every user id twice, and knows doubles only.
///
/// Names are ours and need no escapes.
class JsonText {
 public:
  JsonText& open_object() { return open('{'); }
  JsonText& close_object() { return close('}'); }
  JsonText& open_array() { return open('['); }
  JsonText& close_array() { return close(']'); }
  /// Opens the next member of an object.
  JsonText& name(std::string_view name);

  JsonText& text(std::string_view value);
  JsonText& flag(bool value) { return raw(value ? "true" : "false"); }
  JsonText& null() { return raw("null"); }
  JsonText& whole(std::int64_t value);
  /// `scaled` / 10^`digits`, without trailing zeros.
  JsonText& decimal(std::int64_t scaled, int digits);
  JsonText& day(Day value) { return text(format_day(value)); }
  /// JSON as it stands.
  JsonText& raw(std::string_view json);

  /// Room for a value that is written by appending to it.
  std::string& value();

  void reserve(std::size_t bytes) { out_.reserve(bytes); }
  [[nodiscard]] std::size_t size() const { return out_.size(); }
  /// The document. What is not UTF-8 in texts of the tables becomes U+FFFD, because JSON has no other.
  std::string take();

 private:
  JsonText& open(char bracket);
  JsonText& close(char bracket);
  void separate();

  std::string out_;
  bool separate_ = false;  // something stands before the next name or value
};

/// Appends `text` in quotes, escaped.
void append_quoted(std::string_view text, std::string& out);

}  // namespace admetrics::dashboard
