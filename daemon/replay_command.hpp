#pragma once

#include <string>

namespace admetrics {

struct ReplayArguments {
  std::string config;
  std::string dead_letters;  // "": the configured file
};

/// Puts the dead letters that are understood by now back into the change log's way: each once. A running daemon takes them up,
/// or the next one. Exit code 1 where some are still not understood.
int replay_command(const ReplayArguments& arguments);

}  // namespace admetrics
