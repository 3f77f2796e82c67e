#include "daemon/plan_command.hpp"

#include <filesystem>
#include <iostream>

#include "daemon/console.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/system_clock.hpp"
#include "verify/plan.hpp"

namespace admetrics {

int plan_command(const std::string& file, const RunOptions& run, bool json) {
  const auto config = load_config(file);
  if (!config) return exit_code::kConfig;
  const SystemClock clock;
  VerifyOptions options;
  options.product_db = config->product_db;
  options.ads_db = config->ads_db;
  options.sink_db = config->sink_path;
  options.reporting = config->reporting;
  options.as_of = run.as_of ? run.as_of : config->as_of;
  if (!options.as_of) options.as_of = config->reporting.zone.day_of(clock.now());
  options.since = run.since;
  options.until = run.until;
  options.temp_dir = std::filesystem::is_directory(config->state_dir) ? config->state_dir : std::string();
  options.progress = [](const VerifyProgress& progress) { show_progress("plan: " + progress.phase); };
  const auto report = plan_backfill(options);
  end_progress();
  if (!report) return fail(report.error());
  std::cout << (json ? to_json(*report) + "\n" : to_text(*report)) << std::flush;
  return exit_code::kFine;
}

}  // namespace admetrics
