#include "core/base/storable_text.hpp"

#include <simdjson.h>

#include <cstdint>

namespace admetrics {
namespace {

// U+10FE00 … U+10FEFF are F4 8F B8 80 … F4 8F BB BF.
constexpr std::string_view kReservedStart = "\xf4\x8f";
constexpr std::size_t kReservedLength = 4;

bool is_reserved(std::string_view text) {
  if (text.size() < kReservedLength || !text.starts_with(kReservedStart)) return false;
  const auto third = static_cast<std::uint8_t>(text[2]);
  return third >= 0xb8 && third <= 0xbb && (static_cast<std::uint8_t>(text[3]) & 0xc0) == 0x80;
}

void append_byte(std::uint8_t byte, std::string& out) {
  out += kReservedStart;
  out += static_cast<char>(0xb8 | (byte >> 6));
  out += static_cast<char>(0x80 | (byte & 0x3f));
}

/// The length of the well-formed character that `text` begins with; 0: none.
std::size_t character_length(std::string_view text) {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (text.size() < length || !simdjson::validate_utf8(text.data(), length)) return 0;
  return length;
}

}  // namespace

void append_storable(std::string_view text, std::string& out) {
  const bool plain = simdjson::validate_utf8(text.data(), text.size()) && text.find('\0') == std::string_view::npos &&
                     text.find(kReservedStart) == std::string_view::npos;
  if (plain) {
    out += text;
    return;
  }
  while (!text.empty()) {
    std::size_t length = character_length(text);
    const bool stands = length > 0 && text[0] != '\0' && !is_reserved(text);
    if (length == 0) length = 1;
    if (stands) {
      out += text.substr(0, length);
    } else {
      for (const char c : text.substr(0, length)) append_byte(static_cast<std::uint8_t>(c), out);
    }
    text.remove_prefix(length);
  }
}

std::string storable(std::string_view text) {
  std::string out;
  append_storable(text, out);
  return out;
}

std::string original(std::string_view stored) {
  std::string out;
  for (;;) {
    const std::size_t at = stored.find(kReservedStart);
    out += stored.substr(0, at);
    if (at == std::string_view::npos) return out;
    stored.remove_prefix(at);
    if (is_reserved(stored)) {
      out += static_cast<char>(((static_cast<std::uint8_t>(stored[2]) & 0x03) << 6) |
                               (static_cast<std::uint8_t>(stored[3]) & 0x3f));
      stored.remove_prefix(kReservedLength);
    } else {
      out += stored.substr(0, kReservedStart.size());
      stored.remove_prefix(kReservedStart.size());
    }
  }
}

}  // namespace admetrics
