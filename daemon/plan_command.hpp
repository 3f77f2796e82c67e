#pragma once

#include <string>

#include "daemon/pipeline.hpp"

namespace admetrics {

/// `run --backfill --plan`: prints what the backfill would write, and writes nothing; gives the exit code.
int plan_command(const std::string& config, const RunOptions& options, bool json);

}  // namespace admetrics
