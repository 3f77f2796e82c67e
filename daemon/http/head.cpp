#include "daemon/http/head.hpp"

#include <array>

namespace admetrics::http {
namespace {

void add(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

}  // namespace

std::string_view reason_of(unsigned status) {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 421: return "Misdirected Request";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Status";
  }
}

std::string http_date(Instant now) {
  static constexpr std::array<std::string_view, 7> kWeekdays{"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  static constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string text = format_timestamp(now);  // YYYY-MM-DD HH:MM:SS.mmm
  constexpr std::int64_t kSecondsADay = 86'400;
  const std::int64_t days = now.seconds / kSecondsADay;  // the first of them was a Thursday
  const auto month = static_cast<std::size_t>((text[5] - '0') * 10 + text[6] - '1');
  return std::string(kWeekdays[static_cast<std::size_t>(days) % kWeekdays.size()]) + ", " + text.substr(8, 2) + ' ' +
         std::string(kMonths[month]) + ' ' + text.substr(0, 4) + ' ' + text.substr(11, 8) + " GMT";
}

std::string head_of(const Response& response, const HeadOptions& options) {
  std::string out =
      "HTTP/1.1 " + std::to_string(response.status) + ' ' + std::string(reason_of(response.status)) + "\r\n";
  add(out, "Date", http_date(options.now));
  if (response.content) add(out, "Content-Type", response.content_type);
  if (options.content_bytes) add(out, "Content-Length", std::to_string(*options.content_bytes));
  if (options.gzip) add(out, "Content-Encoding", "gzip");
  if (!response.etag.empty()) add(out, "ETag", response.etag);
  bool cached = false;
  for (const auto& [name, value] : response.fields) {
    add(out, name, value);
    cached = cached || name == "Cache-Control";
  }
  // Kept, but asked for again each time: the tag makes that cheap.
  if (!cached) add(out, "Cache-Control", response.etag.empty() ? "no-store" : "private, no-cache");
  add(out, "Vary",
      options.varies_by_origin ? "Accept-Encoding, Authorization, Origin" : "Accept-Encoding, Authorization");
  if (options.origin) {
    add(out, "Access-Control-Allow-Origin", *options.origin);
    add(out, "Access-Control-Expose-Headers", "ETag");
  }
  add(out, "X-Content-Type-Options", "nosniff");
  if (!options.keep_alive) {
    add(out, "Connection", "close");
  } else if (options.old_client) {
    add(out, "Connection", "keep-alive");
  }
  return out + "\r\n";
}

}  // namespace admetrics::http
