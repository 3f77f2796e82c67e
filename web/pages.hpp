#pragma once

#include <span>
#include <string_view>

namespace admetrics::web {

struct Page {
  std::string_view path;  // as it is asked for: "/", "/assets/page.js"
  std::string_view content_type;
  std::string_view bytes;
};

/// Everything below this folder that is served.
std::span<const Page> pages();

}  // namespace admetrics::web
