#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace admetrics::http {

struct Target {
  std::string path;                                         // decoded
  std::vector<std::pair<std::string, std::string>> values;  // decoded, in order
};

/// Takes a request's target apart; nothing when it is no target.
std::optional<Target> parse_target(std::string_view text);

}  // namespace admetrics::http
