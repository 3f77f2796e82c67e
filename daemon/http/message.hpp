#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/http/content.hpp"

namespace admetrics::http {

enum class Method : std::uint8_t {
  kGet,
  kPost
};  // HEAD is a GET whose body stays here; OPTIONS is answered by the routes

std::string_view name_of(Method method);

/// A request as a handler sees it.
struct Request {
  Method method = Method::kGet;
  std::string path;                                         // decoded
  std::vector<std::pair<std::string, std::string>> values;  // of the query, decoded, in order
  std::string body;
  std::string if_none_match;
  std::string last_event_id;

  /// Whether the client holds what has this tag.
  [[nodiscard]] bool has(std::string_view etag) const;
};

/// What a handler answers.
struct Response {
  unsigned status = 200;
  std::string_view content_type = "application/json";
  ContentPtr content;  // none: no body
  std::string etag;
  std::vector<std::pair<std::string_view, std::string>> fields;  // further ones
  /// An event stream: this writes its beginning, on the server's thread, and `Server::publish` goes on with it.
  std::function<std::string()> stream;

  static Response json(unsigned status, std::string text);
};

/// Gives the answer: once, from any thread.
using Respond = std::function<void(Response)>;
using Handler = std::function<void(Request, Respond)>;

}  // namespace admetrics::http
