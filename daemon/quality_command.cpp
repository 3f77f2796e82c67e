#include "daemon/quality_command.hpp"

#include <iostream>

#include "daemon/console.hpp"
#include "daemon/exit_codes.hpp"
#include "quality/quality.hpp"

namespace admetrics {

int quality_command(const QualityArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return exit_code::kConfig;
  quality::Options options;
  options.sink_db = config->sink_path;
  options.since = arguments.since;
  options.until = arguments.until;
  options.tolerance_percent = arguments.tolerance_percent.value_or(config->quality.tolerance_percent);
  options.findings_max = static_cast<std::size_t>(arguments.findings);
  options.busy_timeout_ms = kBusyTimeoutMs;
  const auto report = quality::look(options);
  if (!report) return fail(report.error());
  std::cout << (arguments.json ? to_json(*report) + "\n" : to_text(*report)) << std::flush;
  return report->count() == 0 ? exit_code::kFine : exit_code::kNo;
}

}  // namespace admetrics
