#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/base/time_zone.hpp"
#include "sources/changelog/connect_values.hpp"
#include "sources/changelog/envelope.hpp"

/// Mixpanel's raw export: an event and its properties.
namespace admetrics::source {

/// From the properties of Mixpanel's raw export to columns: of several names the first that is there and not null.
struct MixpanelMapping {
  using Names = std::vector<std::string>;

  Names event_uuid{"$insert_id"};
  Names distinct_id{"distinct_id", "$distinct_id"};
  Names event_time{"time"};  // seconds since 1970, or milliseconds when it is that large
  Names revenue_usd{"revenue_usd", "revenue", "$revenue"};
  // Of the user, by the event that tells it last.
  Names abi_ad_id{"abi_ad_id"};
  Names abi_campaign_id{"abi_campaign_id"};
  Names abi_ad_set_id{"abi_ad_set_id"};
  Names country{"mp_country_code", "$country_code", "country_code", "country"};
  Names region{"$region", "region"};
  Names has_abi_attribution{"has_abi_attribution"};  // where no event tells: whether any of the three ids is there
  std::string time_zone = "UTC";                     // whose clock `event_time` counts by: the Mixpanel project's

  bool operator==(const MixpanelMapping&) const = default;
};

/// MixpanelShape: an exported event to a record. Threads: one at a time.
class MixpanelShape {
 public:
  MixpanelShape(const MixpanelMapping& mapping, TimeZone zone);

  /// Texts in the record live until the next one.
  void take(const Envelope& envelope, std::string_view line, Record& record);

 private:
  static constexpr std::size_t kTargets = 10;
  struct Target {
    std::size_t target;
    std::size_t rank;
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  Value event_time(const Value& time, Record& record);

  const TimeZone zone_;
  std::unordered_map<std::string, std::vector<Target>, TextHash, std::equal_to<>> properties_;
  Scratch uuid_, time_;
};

}  // namespace admetrics::source
