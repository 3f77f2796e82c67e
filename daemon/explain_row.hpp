#pragma once

#include <optional>
#include <string>

#include "daemon/config.hpp"
#include "explain/explain.hpp"

namespace admetrics {

/// One row's explanation with what the ledger's journal says of its last change: behind the command and the HTTP side.
/// `options` names the row and the bounds; the databases are the configuration's. `column`: only that one; "": all.
/// kUsage: there is no such column. Threads: any; calls share nothing.
Result<Explanation> explain_row(const Config& config, ExplainOptions options, const std::string& column);

/// `country=US`; nothing when it is no such thing. The value may be empty.
struct BreakdownValue {
  Breakdown breakdown = Breakdown::kNone;
  std::string value;
};
std::optional<BreakdownValue> parse_breakdown_value(const std::string& text);

}  // namespace admetrics
