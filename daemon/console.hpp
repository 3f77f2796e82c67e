#pragma once

#include <optional>
#include <string>

#include "core/base/result.hpp"
#include "daemon/config.hpp"

/// What every subcommand says in the same way.
namespace admetrics {

/// One line on standard error; gives the exit code.
int fail(const Error& error);

/// The configuration, or nothing after its mistakes were printed.
std::optional<Config> load_config(const std::string& file);

/// A line that moves, on a terminal only.
void show_progress(const std::string& text);
void end_progress();

/// As it is where it stands on one line, else as JSON writes it.
std::string one_line(const std::string& text);

/// How long a command waits for another's lock on a database.
inline constexpr int kBusyTimeoutMs = 5'000;

}  // namespace admetrics
