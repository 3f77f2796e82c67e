#include "sinks/postgres/text.hpp"

#include "core/base/storable_text.hpp"

namespace admetrics::sink::postgres {

bool looks_short(std::string_view stored) {
  constexpr std::size_t kDigestLetters = 64;
  return stored.size() >= kDigestLetters + kShortMark.size() &&
         stored.substr(0, stored.size() - kDigestLetters).ends_with(kShortMark);
}

void append_copy_value(std::string_view stored, std::string& out) {
  for (;;) {
    const std::size_t at = stored.find_first_of("\\\n\r\t");
    out += stored.substr(0, at);
    if (at == std::string_view::npos) return;
    out += '\\';
    out += stored[at] == '\n' ? 'n' : stored[at] == '\r' ? 'r' : stored[at] == '\t' ? 't' : '\\';
    stored.remove_prefix(at + 1);
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
