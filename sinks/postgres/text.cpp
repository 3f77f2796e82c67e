#include "sinks/postgres/text.hpp"

#include <algorithm>
#include <array>

#include "core/base/storable_text.hpp"

namespace admetrics::sink::postgres {

bool looks_short(std::string_view stored) {
  constexpr std::size_t kDigestLetters = 64;
  return stored.size() >= kDigestLetters + kShortMark.size() &&
         stored.substr(0, stored.size() - kDigestLetters).ends_with(kShortMark);
}

void append_copy_value(std::string_view stored, std::string& out) {
  static constexpr std::array<bool, 256> kSpecial = [] {
    std::array<bool, 256> special{};
    for (const char c : std::string_view("\\\n\r\t")) special.at(static_cast<unsigned char>(c)) = true;
    return special;
  }();
  const auto is_special = [](char c) { return kSpecial[static_cast<unsigned char>(c)]; };
  for (;;) {
    const auto* const at = std::find_if(stored.begin(), stored.end(), is_special);
    out.append(stored.begin(), at);
    if (at == stored.end()) return;
    out += '\\';
    out += *at == '\n' ? 'n' : *at == '\r' ? 'r' : *at == '\t' ? 't' : '\\';
    stored.remove_prefix(static_cast<std::size_t>(at - stored.begin()) + 1);
  }
}

void replace_json_nul(std::string& json) {
  if (json.find("\\u0000") == std::string::npos) return;
  std::string out;
  for (std::size_t i = 0; i < json.size();) {
    if (json[i] != '\\') {
      out += json[i++];
    } else if (json.compare(i, 6, "\\u0000") == 0) {
      out += storable(std::string_view("\0", 1));
      i += 6;
    } else {
      out += json[i++];
      if (i < json.size()) out += json[i++];
    }
  }
  json = std::move(out);
}

std::string compact_json(std::string_view jsonb_text) {
  std::string out;
  bool in_string = false;
  for (std::size_t i = 0; i < jsonb_text.size(); ++i) {
    const char c = jsonb_text[i];
    if (in_string && c == '\\' && i + 1 < jsonb_text.size()) {
      out += c;
      out += jsonb_text[++i];
      continue;
    }
    if (c == '"') in_string = !in_string;
    if (in_string || c != ' ') out += c;
  }
  // The NUL of a list's text stood as an escape; every other byte as itself.
  const std::string nul = storable(std::string_view("\0", 1));
  for (std::size_t at = out.find(nul); at != std::string::npos; at = out.find(nul, at)) out.replace(at, 4, "\\u0000");
  return out;
}

}  // namespace admetrics::sink::postgres
