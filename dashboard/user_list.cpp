#include "dashboard/user_list.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace admetrics::dashboard {
namespace {

/// An id as it is stored, without its quotes.
struct Id {
  std::uint64_t head = 0;  // the first eight bytes as a number, so that most comparisons are one
  std::string_view text;

  explicit Id(std::string_view stored) : text(stored) {
    std::array<unsigned char, 8> bytes{};
    std::memcpy(bytes.data(), stored.data(), std::min(stored.size(), bytes.size()));
    for (const unsigned char byte : bytes) head = head << 8 | byte;
  }
  bool operator<(const Id& other) const { return head != other.head ? head < other.head : text < other.text; }
};

/// Calls `visit(id, escaped)` for each id.
template <class Visit>
void for_each_id(std::string_view list, Visit&& visit) {
  if (list.size() < 2 || list.front() != '[') return;
  const char* at = list.data() + 1;
  const char* const end = list.data() + list.size();
  while (at < end) {
    const auto* open = static_cast<const char*>(std::memchr(at, '"', static_cast<std::size_t>(end - at)));
    if (open == nullptr) return;
    const char* const begin = open + 1;
    const char* close = begin;
    bool escaped = false;
    for (;;) {
      close = static_cast<const char*>(std::memchr(close, '"', static_cast<std::size_t>(end - close)));
      if (close == nullptr) return;
      // A quote after an odd number of backslashes belongs to the id.
      const char* backslash = close;
      while (backslash > begin && backslash[-1] == '\\') --backslash;
      if ((close - backslash) % 2 == 0) break;
      escaped = true;
      ++close;
    }
    const std::string_view id(begin, static_cast<std::size_t>(close - begin));
    visit(id, escaped || std::memchr(id.data(), '\\', id.size()) != nullptr);
    at = close + 1;
  }
}

/// What an id means: its escapes undone, as SQLite writes them.
std::string unescaped(std::string_view id) {
  std::string out;
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (id[i] != '\\' || i + 1 == id.size()) {
      out += id[i];
      continue;
    }
    switch (id[++i]) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': {
        unsigned code = 0;
        for (int digit = 0; digit < 4 && i + 1 < id.size(); ++digit) {
          const char c = id[++i];
          code = code * 16 + static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        }
        out += static_cast<char>(code & 0xff);  // control characters only are written this way
        break;
      }
      default: out += id[i];
    }
  }
  return out;
}

}  // namespace

std::int64_t count_ids(std::string_view list) {
  std::int64_t count = 0;
  for_each_id(list, [&](std::string_view, bool) { ++count; });
  return count;
}

void append_merged(const std::vector<std::string_view>& lists, std::string& out) {
  std::vector<Id> ids;
  bool any_escaped = false;
  for (const std::string_view list : lists) {
    for_each_id(list, [&](std::string_view id, bool escaped) {
      ids.emplace_back(id);
      any_escaped = any_escaped || escaped;
    });
  }
  if (lists.size() > 1) {
    if (any_escaped) {
      std::stable_sort(ids.begin(), ids.end(),
                       [](const Id& a, const Id& b) { return unescaped(a.text) < unescaped(b.text); });
    } else {
      std::sort(ids.begin(), ids.end());
    }
  }
  out += '[';
  for (const Id& id : ids) {
    out += '"';
    out += id.text;
    out += "\",";
  }
  if (ids.empty()) {
    out += ']';
  } else {
    out.back() = ']';
  }
}

}  // namespace admetrics::dashboard
