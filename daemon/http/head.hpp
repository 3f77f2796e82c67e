#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "core/base/day.hpp"
#include "daemon/http/message.hpp"

namespace admetrics::http {

/// What the transport adds to a handler's answer.
struct HeadOptions {
  Instant now;
  bool keep_alive = true;
  bool old_client = false;                   // speaks HTTP/1.0: keeping alive has to be said
  bool gzip = false;                         // the body is compressed
  std::optional<std::size_t> content_bytes;  // none: until the connection is closed
  std::optional<std::string> origin;         // for Access-Control-Allow-Origin
  bool varies_by_origin = false;
};

/// The status line and fields, up to the empty line.
std::string head_of(const Response& response, const HeadOptions& options);

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
std::string http_date(Instant now);

std::string_view reason_of(unsigned status);

}  // namespace admetrics::http
