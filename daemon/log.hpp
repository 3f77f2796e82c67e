#pragma once

#include <string>

#include "core/base/result.hpp"

namespace admetrics {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };

/// One record a line on standard error, as text for people or as JSON, with a priority where the journal reads it. A warning or
/// an error that is repeated word for word comes ever more rarely, with the number of times. Any thread.
void set_up_log(const std::string& level, bool json);
void log_line(LogLevel level, const std::string& message);
/// What became of somebody's order: told each time.
void log_outcome(LogLevel level, const std::string& message);
inline void log_info(const std::string& message) { log_line(LogLevel::kInfo, message); }
inline void log_warning(const std::string& message) { log_line(LogLevel::kWarning, message); }
inline void log_error(const Error& error) { log_line(LogLevel::kError, error.line()); }

}  // namespace admetrics
