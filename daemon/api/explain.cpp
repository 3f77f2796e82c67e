#include "daemon/api/explain.hpp"

namespace admetrics::api {
namespace {

constexpr std::size_t kTextMax = 500;  // of an id or a value: longer than any, shorter than a nuisance

}  // namespace

dashboard::Parsed<ExplainQuestion> parse_explain(const dashboard::Parameters& parameters) {
  dashboard::Parsed<ExplainQuestion> parsed;
  const auto text = [&](std::string_view name) -> std::optional<std::string> {
    std::optional<std::string> found;
    for (const auto& [key, value] : parameters) {
      if (key != name) continue;
      if (found) parsed.mistakes.push_back(std::string(name) + " is given more than once");
      found = value;
    }
    if (found && found->size() > kTextMax) parsed.mistakes.push_back(std::string(name) + " is too long");
    return found;
  };
  ExplainOptions& row = parsed.request.row;
  const auto level = parse_level(text("entity_type").value_or(""));
  if (!level) parsed.mistakes.emplace_back("entity_type must be campaign, adset or ad");
  row.level = level.value_or(Level::kCampaign);
  row.entity_id = text("entity_id").value_or("");
  if (row.entity_id.empty()) parsed.mistakes.emplace_back("entity_id is missing");
  const auto day = parse_day(text("date").value_or(""));
  if (!day) parsed.mistakes.emplace_back("date must be a day such as 2025-07-31");
  row.date = day.value_or(kNoDay);
  if (const auto breakdown = text("breakdown"); breakdown && !breakdown->empty()) {
    const auto value = parse_breakdown_value(*breakdown);
    if (!value) parsed.mistakes.emplace_back("breakdown must be country=VALUE, region=VALUE or device=VALUE");
    if (value) {
      row.breakdown = value->breakdown;
      row.value = value->value;
    }
  }
  parsed.request.column = text("column").value_or("");
  return parsed;
}

}  // namespace admetrics::api
