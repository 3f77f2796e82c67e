#pragma once

#include <string>

#include "daemon/explain_row.hpp"
#include "dashboard/parameters.hpp"

namespace admetrics::api {

/// What a client wants explained.
struct ExplainQuestion {
  ExplainOptions row;
  std::string column;
};

dashboard::Parsed<ExplainQuestion> parse_explain(const dashboard::Parameters& parameters);

}  // namespace admetrics::api
