#include "dashboard/parameters.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace admetrics::dashboard {
namespace {

constexpr std::size_t kShownMax = 60;      // of a wrong value, in the message
constexpr std::size_t kEntityIdMax = 500;  // longer than any id, shorter than a nuisance

std::string quoted(std::string_view value) {
  return '"' + std::string(value.substr(0, kShownMax)) + (value.size() > kShownMax ? "…\"" : "\"");
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

/// Takes parameters by name and collects what is wrong with them.
class Reader {
 public:
  explicit Reader(const Parameters& parameters) : parameters_(&parameters) {}

  std::optional<std::string_view> text(std::string_view name) {
    std::optional<std::string_view> found;
    for (const auto& [key, value] : *parameters_) {
      if (key != name) continue;
      if (found) {
        wrong(name, "is given more than once");
        return std::nullopt;
      }
      found = value;
    }
    return found;
  }

  std::optional<Day> day(std::string_view name) {
    const std::size_t before = mistakes.size();
    const auto value = text(name);
    if (!value) {
      if (mistakes.size() == before) wrong(name, "is missing; it is a day such as 2025-07-31");
      return std::nullopt;
    }
    const auto day = parse_day(*value);
    if (!day) wrong(name, "must be a day such as 2025-07-31, not " + quoted(*value));
    return day;
  }

  Range range(const Limits& limits) {
    const auto start = day("start_date");
    const auto end = day("end_date");
    if (!start || !end) return {};
    const Range range{*start, *end};
    if (range.end < range.start) {
      wrong("start_date", "lies after end_date");
    } else if (range.days() > limits.range_days_max) {
      wrong("end_date", "the range has " + std::to_string(range.days()) + " days; at most " +
                            std::to_string(limits.range_days_max) + " are answered at once");
    }
    return range;
  }

  Breakdown breakdown() {
    const auto value = text("breakdown");
    if (!value || *value == "all") return Breakdown::kNone;
    if (const auto breakdown = parse_breakdown(*value)) return *breakdown;
    wrong("breakdown", "must be all, country, region or device, not " + quoted(*value));
    return Breakdown::kNone;
  }

  std::optional<Level> level(std::string_view name) {
    const auto value = text(name);
    if (!value) return std::nullopt;
    if (const auto level = parse_level(*value)) return level;
    wrong(name, "must be campaign, adset or ad, not " + quoted(*value));
    return Level::kCampaign;
  }

  bool flag(std::string_view name, bool usual) {
    const auto value = text(name);
    if (!value) return usual;
    if (equals_ignoring_case(*value, "true") || *value == "1") return true;
    if (equals_ignoring_case(*value, "false") || *value == "0") return false;
    wrong(name, "must be true or false, not " + quoted(*value));
    return usual;
  }

  /// Absent, or a text that may be an entity's id.
  std::optional<std::string> id(std::string_view name) {
    const auto value = text(name);
    if (!value) return std::nullopt;
    if (value->empty()) wrong(name, "must not be empty");
    if (value->size() > kEntityIdMax) wrong(name, "is longer than " + std::to_string(kEntityIdMax) + " bytes");
    return std::string(*value);
  }

  void wrong(std::string_view name, const std::string& what) { mistakes.push_back(std::string(name) + ": " + what); }

  std::vector<std::string> mistakes;

 private:
  const Parameters* parameters_;
};

std::string range_text(const Range& range) { return format_day(range.start) + '/' + format_day(range.end); }

}  // namespace

Parsed<DataRequest> parse_data_request(const Parameters& parameters, const Limits& limits) {
  Reader reader(parameters);
  Parsed<DataRequest> parsed;
  parsed.request.range = reader.range(limits);
  parsed.request.breakdown = reader.breakdown();
  parsed.request.group_by = reader.level("group_by").value_or(Level::kAd);
  parsed.request.include_mixpanel = reader.flag("include_mixpanel", true);
  parsed.request.include_children = reader.flag("include_children", true);
  parsed.request.include_users = reader.flag("include_users", true);
  parsed.request.entity_id = reader.id("entity_id");
  parsed.request.parent_id = reader.id("parent_id");
  if (parsed.request.parent_id && parsed.request.entity_id)
    reader.wrong("parent_id", "cannot be together with entity_id");
  if (parsed.request.parent_id && parsed.request.group_by == Level::kCampaign)
    reader.wrong("parent_id", "needs group_by adset or ad: campaigns are below nothing");
  parsed.mistakes = std::move(reader.mistakes);
  return parsed;
}

Parsed<ChartRequest> parse_chart_request(const Parameters& parameters, const Limits& limits) {
  Reader reader(parameters);
  Parsed<ChartRequest> parsed;
  parsed.request.range = reader.range(limits);
  const std::size_t before = reader.mistakes.size();
  const auto level = reader.level("entity_type");
  if (!level && reader.mistakes.size() == before)
    reader.wrong("entity_type", "is missing; it is campaign, adset or ad");
  parsed.request.level = level.value_or(Level::kCampaign);
  const std::size_t before_id = reader.mistakes.size();
  const auto id = reader.text("entity_id");
  if ((!id || id->empty()) && reader.mistakes.size() == before_id) reader.wrong("entity_id", "is missing");
  if (id && id->size() > kEntityIdMax)
    reader.wrong("entity_id", "is longer than " + std::to_string(kEntityIdMax) + " bytes");
  parsed.request.entity_id = id.value_or("");
  parsed.request.breakdown = reader.breakdown();
  if (const auto value = reader.text("breakdown_value")) {
    if (parsed.request.breakdown == Breakdown::kNone) {
      reader.wrong("breakdown_value", "needs a breakdown: country, region or device");
    } else if (value->empty()) {
      reader.wrong("breakdown_value", "must not be empty; what has no value is \"unknown\"");
    }
    parsed.request.breakdown_value = *value;
  }
  parsed.mistakes = std::move(reader.mistakes);
  return parsed;
}

Parsed<OverviewRequest> parse_overview_request(const Parameters& parameters, const Limits& limits) {
  Reader reader(parameters);
  Parsed<OverviewRequest> parsed;
  parsed.request.range = reader.range(limits);
  parsed.request.breakdown = reader.breakdown();
  parsed.request.group_by = reader.level("group_by").value_or(Level::kCampaign);
  parsed.mistakes = std::move(reader.mistakes);
  return parsed;
}

Parsed<Mode> parse_mode(const Parameters& parameters) {
  Reader reader(parameters);
  Parsed<Mode> parsed{Mode::kPrecomputed, {}};
  if (const auto value = reader.text("mode")) {
    if (*value == "recompute") {
      parsed.request = Mode::kRecompute;
    } else if (*value != "precomputed") {
      reader.wrong("mode", "must be precomputed or recompute, not " + quoted(*value));
    }
  }
  parsed.mistakes = std::move(reader.mistakes);
  return parsed;
}

std::string canonical(const DataRequest& request) {
  return "data " + range_text(request.range) + ' ' + std::string(name_of(request.breakdown)) + ' ' +
         std::string(name_of(request.group_by)) + (request.include_mixpanel ? " both" : " meta") +
         (request.include_children ? "" : " alone") + (request.include_users ? "" : " unnamed") +
         (request.entity_id ? " is " + *request.entity_id : "") +
         (request.parent_id ? " below " + *request.parent_id : "");
}

std::string canonical(const ChartRequest& request) {
  // Texts of the client come last, the id's length before them: no two requests share a text.
  return "chart " + range_text(request.range) + ' ' + std::string(name_of(request.level)) + ' ' +
         std::string(name_of(request.breakdown)) + ' ' + std::to_string(request.entity_id.size()) + ' ' +
         request.entity_id + (request.breakdown_value ? '=' + *request.breakdown_value : "");
}

std::string canonical(const OverviewRequest& request) {
  return "overview " + range_text(request.range) + ' ' + std::string(name_of(request.breakdown)) + ' ' +
         std::string(name_of(request.group_by));
}

}  // namespace admetrics::dashboard
