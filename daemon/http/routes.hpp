#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/message.hpp"

namespace admetrics::http {

struct Route {
  std::string path;  // exact; with a final "*" everything that begins so
  std::vector<Method> methods{Method::kGet};
  bool open = false;  // needs no token
  Handler handle;
};

/// Which path takes what. Constant once the server has it.
class Routes {
 public:
  void add(Route route) { routes_.push_back(std::move(route)); }
  /// The first that fits; null when none does.
  [[nodiscard]] const Route* find(std::string_view path) const;
  [[nodiscard]] const std::vector<Route>& all() const { return routes_; }

 private:
  std::vector<Route> routes_;
};

/// "GET, HEAD, OPTIONS": what a route takes.
std::string allowed_methods(const Route& route);

/// Whether an Authorization field carries one of `tokens`. Takes as long for a wrong one as for the right one.
bool is_authorized(std::string_view authorization, const std::vector<std::string>& tokens);

/// Whether a Host field names this server: an IP address, a name without a dot, `*.localhost`, or one of `names`, with any port.
/// Another name means that a page of a stranger had its own name resolve to this address (DNS rebinding): its scripts
/// would then read answers as if they came from its own server.
bool is_own_host(std::string_view host, const std::vector<std::string>& names);

/// Which origin may read an answer: the value of Access-Control-Allow-Origin, or none.
std::optional<std::string> allowed_origin(std::string_view origin, const std::vector<std::string>& allowed);

/// Whether an Accept-Encoding field takes gzip.
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace admetrics::http
