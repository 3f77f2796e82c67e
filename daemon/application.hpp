#pragma once

#include "daemon/config.hpp"
#include "daemon/pipeline.hpp"

namespace admetrics {

/// `admetricsd run`: signals, file notification and the pipeline, until SIGTERM. Gives the exit code.
/// SIGHUP reads the configuration again: a wrong one is refused whole, and the old one goes on.
int run_daemon(Config config, const RunOptions& options);

}  // namespace admetrics
