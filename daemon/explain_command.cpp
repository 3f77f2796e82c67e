#include "daemon/explain_command.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include "daemon/console.hpp"
#include "daemon/exit_codes.hpp"
#include "explain/explain.hpp"

namespace admetrics {

int explain_command(const ExplainArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return exit_code::kConfig;
  ExplainOptions options;
  options.product_db = config->product_db;
  options.ads_db = config->ads_db;
  options.sink_db = config->sink_path;
  options.reporting = config->reporting;
  options.as_of = arguments.as_of;
  options.entity_id = arguments.entity_id;
  options.date = *arguments.date;
  options.temp_dir = std::filesystem::is_directory(config->state_dir) ? config->state_dir : std::string();
  for (const Level level : kLevels) {
    if (name_of(level) == arguments.entity_type) options.level = level;
  }
  if (!arguments.breakdown.empty()) {
    const std::size_t equals = arguments.breakdown.find('=');
    const std::string type = arguments.breakdown.substr(0, equals);
    const auto found = std::find_if(kBreakdowns.begin(), kBreakdowns.end(),
                                    [&](Breakdown breakdown) { return name_of(breakdown) == type; });
    if (equals == std::string::npos || found == kBreakdowns.end()) {
      return fail({Errc::kUsage, "explain", "--breakdown " + arguments.breakdown,
                   "give country=VALUE, region=VALUE or device=VALUE"});
    }
    options.breakdown = *found;
    options.value = arguments.breakdown.substr(equals + 1);
  }
  auto explanation = explain(options);
  if (!explanation) return fail(explanation.error());
  const bool agrees = explanation->agrees();
  if (!arguments.column.empty()) {
    std::erase_if(explanation->columns, [&](const auto& column) { return column.name != arguments.column; });
    if (explanation->columns.empty()) {
      return fail({Errc::kUsage, "explain", "--column " + arguments.column, "no such column in " + explanation->table});
    }
  }
  std::cout << (arguments.json ? to_json(*explanation) + "\n"
                               : to_text(*explanation, static_cast<std::size_t>(arguments.users)))
            << std::flush;
  return agrees ? exit_code::kFine : exit_code::kNo;
}

}  // namespace admetrics
