#include "daemon/http/routes.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace admetrics::http {
namespace {

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

std::string_view next_word(std::string_view& text, std::string_view separators) {
  const std::size_t from = std::min(text.find_first_not_of(separators), text.size());
  text.remove_prefix(from);
  const std::string_view word = text.substr(0, text.find_first_of(separators));
  text.remove_prefix(word.size());
  return word;
}

/// Looks at every byte of `given`, equal or not, and never stops early.
bool equals_in_constant_time(std::string_view given, std::string_view secret) {
  volatile unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto expected = static_cast<unsigned char>(secret[i % secret.size()]);
    difference = difference | (static_cast<unsigned char>(given[i]) ^ static_cast<unsigned>(expected));
  }
  return difference == 0;
}

}  // namespace

const Route* Routes::find(std::string_view path) const {
  const auto fits = [&](const Route& route) {
    const std::string_view wanted = route.path;
    return wanted.ends_with('*') ? path.starts_with(wanted.substr(0, wanted.size() - 1)) : path == wanted;
  };
  const auto found = std::find_if(routes_.begin(), routes_.end(), fits);
  return found == routes_.end() ? nullptr : &*found;
}

std::string allowed_methods(const Route& route) {
  std::string text;
  for (const Method method : route.methods) {
    text += std::string(name_of(method)) + (method == Method::kGet ? ", HEAD, " : ", ");
  }
  return text + "OPTIONS";
}

bool is_authorized(std::string_view authorization, const std::vector<std::string>& tokens) {
  if (tokens.empty()) return true;
  const std::string_view scheme = next_word(authorization, " ");
  const std::string_view token = next_word(authorization, " ");
  bool good = false;
  for (const std::string& secret : tokens) good = equals_in_constant_time(token, secret) || good;
  return good && equals_ignoring_case(scheme, "bearer") &&
         authorization.find_first_not_of(' ') == std::string_view::npos;
}

bool is_own_host(std::string_view host, const std::vector<std::string>& names) {
  if (host.starts_with('[')) return true;  // an IPv6 address: nobody's name
  host = host.substr(0, host.find(':'));
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.find('.') == std::string_view::npos) return true;
  in_addr address;
  if (::inet_pton(AF_INET, std::string(host).c_str(), &address) == 1) return true;
  constexpr std::string_view kLocal = ".localhost";
  if (host.size() > kLocal.size() && equals_ignoring_case(host.substr(host.size() - kLocal.size()), kLocal))
    return true;
  return std::any_of(names.begin(), names.end(), [&](const auto& name) { return equals_ignoring_case(host, name); });
}

std::optional<std::string> allowed_origin(std::string_view origin, const std::vector<std::string>& allowed) {
  if (origin.empty()) return std::nullopt;
  for (const std::string& one : allowed) {
    if (one == "*") return "*";
    if (one == origin) return one;
  }
  return std::nullopt;
}

bool accepts_gzip(std::string_view accept_encoding) {
  bool any = false;
  while (!accept_encoding.empty()) {
    std::string_view entry = accept_encoding.substr(0, accept_encoding.find(','));
    accept_encoding.remove_prefix(std::min(entry.size() + 1, accept_encoding.size()));
    const std::string_view coding = next_word(entry, " \t;");
    bool refused = false;
    for (;;) {
      const std::string_view parameter = next_word(entry, " \t;");
      if (parameter.empty()) break;
      // A weight of nothing but zeros: "q=0", "q=0.000".
      if (parameter.starts_with("q=") || parameter.starts_with("Q="))
        refused = parameter.substr(2).find_first_not_of("0.") == std::string_view::npos;
    }
    if (equals_ignoring_case(coding, "gzip")) return !refused;
    if (coding == "*") any = !refused;
  }
  return any;
}

}  // namespace admetrics::http
