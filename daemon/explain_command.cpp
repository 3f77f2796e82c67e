#include "daemon/explain_command.hpp"

#include <iostream>

#include "daemon/console.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/explain_row.hpp"

namespace admetrics {

int explain_command(const ExplainArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return exit_code::kConfig;
  ExplainOptions options;
  options.as_of = arguments.as_of;
  options.entity_id = arguments.entity_id;
  options.date = *arguments.date;
  options.level = parse_level(arguments.entity_type).value_or(Level::kCampaign);  // it was checked
  if (!arguments.breakdown.empty()) {
    const auto breakdown = parse_breakdown_value(arguments.breakdown);
    if (!breakdown) {
      return fail({Errc::kUsage, "explain", "--breakdown " + arguments.breakdown,
                   "give country=VALUE, region=VALUE or device=VALUE"});
    }
    options.breakdown = breakdown->breakdown;
    options.value = breakdown->value;
  }
  // Whether the row agrees is asked of all its columns, whichever are shown.
  auto explanation = explain_row(*config, options, arguments.column);
  if (!explanation) return fail(explanation.error());
  std::cout << (arguments.json ? to_json(*explanation) + "\n"
                               : to_text(*explanation, static_cast<std::size_t>(arguments.users)))
            << std::flush;
  return explanation->agrees() ? exit_code::kFine : exit_code::kNo;
}

}  // namespace admetrics
