#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

/// Fixed facts of the invented market: countries, stores, products, devices, events.
namespace admetrics::demo {

struct Country {
  std::string_view code;       // as the product knows it
  std::string_view meta_name;  // as the ad platform reports it
  std::uint32_t weight;
  std::array<std::string_view, 4> regions;
  bool mapped;  // listed in meta_country_mapping
};
std::span<const Country> countries();

enum class Store : std::uint8_t { kApple, kGoogle, kStripe };
std::string_view name_of(Store store);         // as the product's tables spell it
std::string_view mapped_name_of(Store store);  // as meta_device_mapping spells it

struct Device {
  std::string_view meta_name;
  Store store;
  std::uint32_t weight;
  bool mapped;
};
std::span<const Device> devices();

struct Product {
  std::string_view id;
  std::int32_t price_cents;
  bool trial;  // begins with a trial; otherwise bought at once
  bool monthly;
  std::uint32_t weight;
};
std::span<const Product> products();

enum class EventKind : std::uint8_t {
  kAppOpen,
  kPageView,
  kPaywallViewed,
  kOnboardingDone,
  kContentSaved,
  kSearch,
  kShare,
  kTrialStarted,
  kTrialCancelled,
  kTrialConverted,
  kInitialPurchase,
  kRenewal,
  kUnsubscribed,  // named as a refund is, but no money goes back
  kRefund,
};
std::string_view name_of(EventKind kind);

/// The kinds that a person's everyday use is drawn from.
inline constexpr EventKind kFirstEveryday = EventKind::kAppOpen;
inline constexpr std::uint32_t kEverydayKinds = 7;

}  // namespace admetrics::demo
