#include "dashboard/json_text.hpp"

#include <simdjson.h>

#include <array>
#include <charconv>

namespace admetrics::dashboard {
namespace {

constexpr std::array<std::int64_t, 5> kPowersOfTen{1, 10, 100, 1'000, 10'000};

/// How many bytes of well-formed UTF-8 begin at `text`; 0 where there are none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (length > text.size()) return 0;
  return simdjson::validate_utf8(text.data(), length) ? length : 0;
}

std::string repaired(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

}  // namespace

void append_quoted(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (code >= 0x20) {
      out += c;
    } else {
      out += "\\u00";
      out += kHex[code >> 4];
      out += kHex[code & 15];
    }
  }
  out += '"';
}

void JsonText::separate() {
  if (separate_) out_ += ',';
  separate_ = true;
}

JsonText& JsonText::open(char bracket) {
  separate();
  out_ += bracket;
  separate_ = false;
  return *this;
}

JsonText& JsonText::close(char bracket) {
  out_ += bracket;
  separate_ = true;
  return *this;
}

JsonText& JsonText::name(std::string_view name) {
  separate();
  out_ += '"';
  out_ += name;
  out_ += "\":";
  separate_ = false;
  return *this;
}

JsonText& JsonText::text(std::string_view value) {
  append_quoted(value, this->value());
  return *this;
}

JsonText& JsonText::raw(std::string_view json) {
  value() += json;
  return *this;
}

JsonText& JsonText::whole(std::int64_t value) { return decimal(value, 0); }

JsonText& JsonText::decimal(std::int64_t scaled, int digits) {
  std::array<char, 24> text;
  const std::int64_t scale = kPowersOfTen[static_cast<std::size_t>(digits)];
  const std::int64_t before = scaled / scale;
  std::int64_t after = scaled % scale;
  std::string& out = value();
  if (before == 0 && after < 0) out += '-';
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), before).ptr);
  if (after == 0) return *this;
  after = after < 0 ? -after : after;
  out += '.';
  for (std::int64_t place = scale / 10; after != 0; place /= 10) {
    out += static_cast<char>('0' + after / place);
    after %= place;
  }
  return *this;
}

std::string& JsonText::value() {
  separate();
  return out_;
}

std::string JsonText::take() {
  if (!simdjson::validate_utf8(out_.data(), out_.size())) out_ = repaired(out_);
  return std::move(out_);
}

}  // namespace admetrics::dashboard
