#pragma once

#include <string_view>

namespace admetrics::api {

/// The OpenAPI 3 description of every path: `openapi.json` beside this file, compiled in.
std::string_view openapi_document();

}  // namespace admetrics::api
