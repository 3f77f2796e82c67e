#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// The stored lists of users: compact JSON arrays of texts (`metrics.md` section 5). They are spliced, not parsed: an id
/// goes from the table to the answer as the bytes that it is.
namespace admetrics::dashboard {

/// How many ids a list holds. A text that is no such list holds what can be read of it.
std::int64_t count_ids(std::string_view list);

/// Appends the ids of several lists to `out` as one JSON array, ascending by bytes.
void append_merged(const std::vector<std::string_view>& lists, std::string& out);

}  // namespace admetrics::dashboard
