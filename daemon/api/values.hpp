#pragma once

#include <string>
#include <string_view>

#include "dashboard/parameters.hpp"

namespace admetrics::api {

/// Adds the members of a JSON object to `values`, as the texts that they would be in a query. Gives what is wrong, or "".
std::string add_json_values(std::string_view json, dashboard::Parameters& values);

}  // namespace admetrics::api
