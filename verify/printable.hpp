#pragma once

#include <string>
#include <string_view>

namespace admetrics::verification {

/// Source texts may hold anything; what we print is one line of valid UTF-8.
std::string printable(std::string_view text);

}  // namespace admetrics::verification
