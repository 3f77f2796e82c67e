#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/day.hpp"
#include "demo/market.hpp"
#include "demo/random.hpp"

/// The invented advertiser: its campaigns, what they spend on a day, the people they bring. Everything here
/// is a pure function of the world's seed, so nothing needs to be kept to be known again.
namespace admetrics::demo {

inline constexpr std::int64_t kDaySeconds = 86'400;
inline constexpr std::int64_t kTrialDays = 7;

struct Campaign {
  std::string id;
  std::string name;
  std::string later_name;
  Day renamed_on = kNoDay;  // kNoDay: never
  std::uint32_t spend_weight = 1;
  Day launched;
  std::vector<std::uint8_t> countries;  // where it advertises, the most important first
};

struct AdSet {
  std::string id;
  std::string name;
  std::uint32_t campaign = 0;
};

struct Ad {
  std::string id;
  std::string name;
  std::uint32_t adset = 0;
  std::uint32_t later_adset = 0;
  Day moved_on = kNoDay;  // from then on the ad is in `later_adset`, of the same campaign
  Day first;
  Day last;
  std::uint32_t spend_weight = 1;
};

/// The ads that run on a day, and how the day's money and people spread over them.
struct DayMarket {
  Day day;
  std::int64_t first_user = 0;
  std::int64_t user_count = 0;
  std::vector<std::uint32_t> ads;
  std::vector<std::uint64_t> weight_until;  // cumulative, beside `ads`
  std::int64_t budget_cents = 0;
};

struct MetaNumbers {
  std::int64_t spend_cents = 0;
  std::int64_t impressions = 0;
  std::int64_t clicks = 0;
  std::int64_t trials = 0;
  std::int64_t purchases = 0;

  [[nodiscard]] bool none() const {
    return spend_cents == 0 && impressions == 0 && clicks == 0 && trials == 0 && purchases == 0;
  }
};

/// A breakdown value and its share of an ad's day.
struct Slice {
  std::string_view value;
  std::uint64_t weight = 0;
};

enum class ProductStatus : std::uint8_t {
  kTrialPending,
  kTrialCancelled,
  kTrialExpired,
  kConverted,
  kPurchased,
  kRefunded
};
std::string_view name_of(ProductStatus status);

struct ProductUse {
  std::uint8_t product = 0;
  Day credited;
  ProductStatus status = ProductStatus::kTrialPending;
  std::int32_t value_cents = 0;
  std::int32_t conversion_rate = -1;  // in 1/10000; −1: none
  std::int32_t trial_refund_rate = -1;
  std::int32_t purchase_refund_rate = -1;
};

struct PersonEvent {
  std::int64_t second = 0;  // since 1970
  std::uint32_t user = 0;
  std::int32_t cents = 0;
  std::uint16_t ordinal = 0;
  EventKind kind = EventKind::kAppOpen;
  std::uint8_t product = 0;
  Store store = Store::kApple;
};

struct Person {
  std::string id;
  std::optional<std::uint32_t> ad;   // none: came by themselves
  bool campaign_known = false;       // a campaign id and nothing finer
  bool flagged = false;              // has_abi_attribution
  const Country* country = nullptr;  // none: unknown
  std::string_view region;           // empty: unknown
  Store store = Store::kApple;
  std::int64_t arrived = 0;
  bool listed = true;  // has a row in mixpanel_user
  std::vector<ProductUse> products;
  std::vector<PersonEvent> events;
};

class World {
 public:
  World(std::uint64_t seed, Day first_day, int days, std::int64_t users, std::int64_t ads);

  /// Works for days outside the demo's own range too: the live pipeline asks for today.
  [[nodiscard]] DayMarket market_on(Day day) const;
  /// The numbers that the ad platform reports for `market.ads[index]`.
  [[nodiscard]] MetaNumbers meta_numbers(const DayMarket& market, std::size_t index) const;

  /// A person who arrives on the market's day, at a drawn moment unless `arrived` says it; what would happen
  /// after `known_until` has not happened yet.
  void imagine_person(std::uint32_t user, const DayMarket& market, std::optional<std::int64_t> arrived,
                      std::int64_t known_until, Person& person) const;

  // How an ad's day splits; equal for equal arguments.
  [[nodiscard]] std::vector<Slice> country_slices(std::uint32_t ad, Day day) const;
  [[nodiscard]] std::vector<Slice> region_slices(std::uint32_t ad, Day day) const;
  [[nodiscard]] std::vector<Slice> device_slices(std::uint32_t ad, Day day) const;

  [[nodiscard]] const std::vector<Campaign>& campaigns() const { return campaigns_; }
  [[nodiscard]] const std::vector<AdSet>& adsets() const { return adsets_; }
  [[nodiscard]] const std::vector<Ad>& ads() const { return ads_; }
  [[nodiscard]] std::uint32_t adset_of(std::uint32_t ad, Day day) const;
  [[nodiscard]] const std::string& campaign_name_on(std::uint32_t campaign, Day day) const;
  [[nodiscard]] std::string person_id(std::uint32_t user) const;
  [[nodiscard]] std::string event_id(std::uint32_t user, std::uint32_t ordinal) const;

 private:
  void found_campaigns(std::int64_t ads);
  void spread_users(std::int64_t users);

  const std::uint64_t seed_;
  const Day first_day_;
  const int days_;
  std::vector<Campaign> campaigns_;
  std::vector<AdSet> adsets_;
  std::vector<Ad> ads_;
  std::vector<std::int64_t> users_until_;  // per day, cumulative; one more than days
};

/// Cuts `total` along `slices` so that the parts add up to it exactly.
std::vector<MetaNumbers> split(const MetaNumbers& total, const std::vector<Slice>& slices);

/// A version-4 UUID from two random words.
std::string uuid_from(Random& random);

}  // namespace admetrics::demo
