#include "core/model/keys.hpp"

namespace admetrics {

std::string_view name_of(Level level) {
  switch (level) {
    case Level::kCampaign: return "campaign";
    case Level::kAdset: return "adset";
    case Level::kAd: return "ad";
  }
  return "";
}

std::string_view name_of(Breakdown breakdown) {
  switch (breakdown) {
    case Breakdown::kNone: return "";
    case Breakdown::kCountry: return "country";
    case Breakdown::kRegion: return "region";
    case Breakdown::kDevice: return "device";
  }
  return "";
}

std::optional<Level> parse_level(std::string_view name) {
  for (const Level level : kLevels) {
    if (name_of(level) == name) return level;
  }
  return std::nullopt;
}

std::optional<Breakdown> parse_breakdown(std::string_view name) {
  for (const Breakdown breakdown : kBreakdowns) {
    if (name_of(breakdown) == name) return breakdown;
  }
  return std::nullopt;
}

}  // namespace admetrics
