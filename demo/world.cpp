#include "demo/world.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/base/check.hpp"

namespace admetrics::demo {
namespace {

// One stream per question, so that a new question leaves the old answers as they were.
enum Stream : std::uint64_t { kCampaigns = 1, kDayUsers, kDaySpend, kAdDay, kPerson, kPersonId, kEventId, kSlices };

constexpr std::int64_t kCentsPerUser = 750;
constexpr std::uint64_t kFirstId = 120'210'000'000'000'000U;

std::uint64_t number_of(Day day) {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(day.value) + 1'000'000);
}

/// 0 is Monday.
std::size_t weekday_of(Day day) { return static_cast<std::size_t>(((day.value + 3) % 7 + 7) % 7); }

/// What the `rank`-th of many gets in a power law, out of a million.
std::uint32_t power_law(std::size_t rank, double exponent) {
  return static_cast<std::uint32_t>(1'000'000.0 / std::pow(static_cast<double>(rank + 1), exponent)) + 1;
}

std::int64_t scaled(std::int64_t total, std::uint64_t part, std::uint64_t whole) {
  ADM_CHECK(whole > 0);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(total) * part / whole);
}

/// A whole number near `numerator` / `denominator`, whose mean is exactly that.
std::int64_t draw_ratio(Random& random, std::int64_t numerator, std::int64_t denominator) {
  const std::int64_t whole = numerator / denominator;
  const auto rest = static_cast<std::uint64_t>(numerator % denominator);
  return whole + (random.below64(static_cast<std::uint64_t>(denominator)) < rest ? 1 : 0);
}

std::uint8_t draw_product(Random& random, bool trial) {
  std::array<std::uint32_t, 16> weights{};
  for (std::size_t i = 0; i < products().size(); ++i) {
    weights[i] = products()[i].trial == trial ? products()[i].weight : 0;
  }
  return static_cast<std::uint8_t>(random.weighted(std::span(weights).first(products().size())));
}

std::uint8_t draw_country(Random& random) {
  std::array<std::uint32_t, 32> weights{};
  for (std::size_t i = 0; i < countries().size(); ++i) weights[i] = countries()[i].weight;
  return static_cast<std::uint8_t>(random.weighted(std::span(weights).first(countries().size())));
}

constexpr std::array<std::uint32_t, 4> kRegionWeights{45, 27, 18, 10};
constexpr std::array<std::uint32_t, 6> kCampaignCountryWeights{50, 20, 12, 8, 6, 4};

}  // namespace

std::string_view name_of(ProductStatus status) {
  switch (status) {
    case ProductStatus::kTrialPending: return "trial_pending";
    case ProductStatus::kTrialCancelled: return "trial_cancelled";
    case ProductStatus::kTrialExpired: return "trial_expired";
    case ProductStatus::kConverted: return "trial_converted";
    case ProductStatus::kPurchased: return "initial_purchase";
    case ProductStatus::kRefunded: return "refunded";
  }
  return "";
}

std::string uuid_from(Random& random) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text(36, '-');
  std::uint64_t words[2] = {random.next(), random.next()};
  std::size_t at = 0;
  for (std::size_t digit = 0; digit < 32; ++digit) {
    if (at == 8 || at == 13 || at == 18 || at == 23) ++at;
    std::uint64_t& word = words[digit / 16];
    text[at++] = kHex[word & 15U];
    word >>= 4U;
  }
  text[14] = '4';
  text[19] = "89ab"[static_cast<unsigned char>(text[19]) & 3U];
  return text;
}

std::vector<MetaNumbers> split(const MetaNumbers& total, const std::vector<Slice>& slices) {
  std::uint64_t whole = 0;
  for (const Slice& slice : slices) whole += slice.weight;
  std::vector<MetaNumbers> parts;
  parts.reserve(slices.size());
  std::uint64_t until = 0;
  for (const Slice& slice : slices) {
    const std::uint64_t from = until;
    until += slice.weight;
    const auto part = [&](std::int64_t number) { return scaled(number, until, whole) - scaled(number, from, whole); };
    parts.push_back({part(total.spend_cents), part(total.impressions), part(total.clicks), part(total.trials),
                     part(total.purchases)});
  }
  return parts;
}

World::World(std::uint64_t seed, Day first_day, int days, std::int64_t users, std::int64_t ads)
    : seed_(seed), first_day_(first_day), days_(days) {
  found_campaigns(ads);
  spread_users(users);
}

void World::found_campaigns(std::int64_t ads) {
  constexpr std::array<std::string_view, 6> kGoals{"Prospecting", "Retargeting", "Lookalike",
                                                   "Brand",       "Value",       "Broad"};
  constexpr std::array<std::string_view, 5> kAudiences{"25-34", "35-54", "Interest", "Purchasers 1%", "Open"};
  constexpr std::array<std::string_view, 6> kFormats{"Video", "Carousel", "Still", "UGC", "Story", "Reel"};

  Random random(stream_seed({seed_, kCampaigns}));
  std::uint64_t next_id = kFirstId + random.below(1'000'000);
  const auto make_id = [&] {
    next_id += 1 + random.below(740'000);
    return std::to_string(next_id);
  };

  while (static_cast<std::int64_t>(ads_.size()) < ads) {
    const std::size_t rank = campaigns_.size();
    const bool evergreen = rank == 0;  // runs on every day, so that no day is without ads
    Campaign campaign;
    campaign.id = make_id();
    campaign.launched = Day{first_day_.value + (evergreen ? -60 : random.between(-60, std::max(0, days_ - 2)))};
    campaign.spend_weight = power_law(rank, 0.9);
    campaign.countries.push_back(evergreen ? std::uint8_t{0} : draw_country(random));
    const int reach = random.between(1, static_cast<int>(kCampaignCountryWeights.size()));
    for (int i = 1; i < reach; ++i) {
      const std::uint8_t country = draw_country(random);
      if (std::find(campaign.countries.begin(), campaign.countries.end(), country) == campaign.countries.end()) {
        campaign.countries.push_back(country);
      }
    }
    campaign.name = std::string(countries()[campaign.countries.front()].code) + " | " +
                    std::string(kGoals[random.below(kGoals.size())]) + " | " +
                    format_day(campaign.launched).substr(0, 7) + " #" + std::to_string(rank + 1);
    if (random.chance_permille(80)) {
      campaign.later_name = campaign.name + " (scaled)";
      campaign.renamed_on = Day{std::max(campaign.launched.value, first_day_.value) + random.between(3, 30)};
    }

    const auto campaign_index = static_cast<std::uint32_t>(campaigns_.size());
    const auto first_adset = static_cast<std::uint32_t>(adsets_.size());
    const int adset_count = random.between(2, 5);
    for (int s = 0; s < adset_count && static_cast<std::int64_t>(ads_.size()) < ads; ++s) {
      AdSet adset;
      adset.id = make_id();
      adset.name = std::string(kAudiences[random.below(kAudiences.size())]) + " / set " + std::to_string(s + 1);
      adset.campaign = campaign_index;
      const auto adset_index = static_cast<std::uint32_t>(adsets_.size());
      const int ad_count = random.between(3, 8);
      for (int a = 0; a < ad_count && static_cast<std::int64_t>(ads_.size()) < ads; ++a) {
        const bool flagship = evergreen && s == 0 && a == 0;
        Ad ad;
        ad.id = make_id();
        ad.name = std::string(kFormats[random.below(kFormats.size())]) + " " + std::to_string(ads_.size() + 1) + " v" +
                  std::to_string(random.between(1, 4));
        ad.adset = adset_index;
        ad.later_adset = adset_index;
        ad.first = Day{campaign.launched.value + random.between(0, 30)};
        ad.last = Day{ad.first.value + random.between(2, 10) * 7 + random.between(0, 6)};
        if (flagship) {
          ad.first = Day{INT32_MIN + 1};
          ad.last = Day{INT32_MAX};
        }
        ad.spend_weight = power_law(random.below(12), 1.1);
        if (s > 0 && random.chance_permille(15)) {  // now and then an ad moves to another ad set
          ad.later_adset = first_adset;
          ad.moved_on = Day{ad.first.value + random.between(5, 20)};
        }
        ads_.push_back(std::move(ad));
      }
      adsets_.push_back(std::move(adset));
    }
    campaigns_.push_back(std::move(campaign));
  }
}

void World::spread_users(std::int64_t users) {
  constexpr std::array<std::uint64_t, 7> kWeek{95, 92, 94, 98, 104, 112, 108};
  std::vector<std::uint64_t> until{0};
  for (int d = 0; d < days_; ++d) {
    const Day day{first_day_.value + d};
    Random random(stream_seed({seed_, kDayUsers, number_of(day)}));
    const auto growth = std::uint64_t{1'000} + static_cast<std::uint64_t>(300 * d / days_);
    until.push_back(until.back() + kWeek[weekday_of(day)] * growth * (90 + random.below(21)));
  }
  // The weights of 3650 days stay below 2^37, and users below 2^25.
  for (const std::uint64_t part : until) users_until_.push_back(scaled(users, part, until.back()));
}

DayMarket World::market_on(Day day) const {
  DayMarket market;
  market.day = day;
  const int index = std::clamp(day.value - first_day_.value, 0, days_ - 1);
  const auto at = static_cast<std::size_t>(index);
  market.first_user = users_until_[at];
  market.user_count = users_until_[at + 1] - users_until_[at];

  Random random(stream_seed({seed_, kDaySpend, number_of(day)}));
  const auto swing = std::int64_t{90} + static_cast<std::int64_t>(random.below(21));
  market.budget_cents = std::max<std::int64_t>(market.user_count, 1) * kCentsPerUser * swing / 100;

  std::uint64_t until = 0;
  for (std::uint32_t i = 0; i < ads_.size(); ++i) {
    const Ad& ad = ads_[i];
    if (day < ad.first || day > ad.last) continue;
    const Campaign& campaign = campaigns_[adsets_[ad.adset].campaign];
    Random noise(stream_seed({seed_, kAdDay, i, number_of(day)}));
    const std::uint64_t weight =
        std::uint64_t{campaign.spend_weight} * ad.spend_weight / 1'000 * (70 + noise.below(61)) / 100;
    until += std::max<std::uint64_t>(weight, 1);
    market.ads.push_back(i);
    market.weight_until.push_back(until);
  }
  return market;
}

MetaNumbers World::meta_numbers(const DayMarket& market, std::size_t index) const {
  const std::uint64_t whole = market.weight_until.back();
  const std::uint64_t from = index == 0 ? 0 : market.weight_until[index - 1];
  // Weights times money would exceed 64 bits; a billionth of the day is fine enough.
  constexpr double kWhole = 1e9;
  const auto cents_until = [&](std::uint64_t weight) {
    const auto share = static_cast<std::uint64_t>(static_cast<double>(weight) / static_cast<double>(whole) * kWhole);
    return scaled(market.budget_cents, share, static_cast<std::uint64_t>(kWhole));
  };
  MetaNumbers numbers;
  numbers.spend_cents = cents_until(market.weight_until[index]) - cents_until(from);

  Random random(stream_seed({seed_, kAdDay, market.ads[index], number_of(market.day), 1}));
  const std::int64_t cpm_cents = random.between(700, 1'500);
  numbers.impressions = numbers.spend_cents * 1'000 / cpm_cents;
  numbers.clicks = draw_ratio(random, numbers.impressions * random.between(9, 26), 1'000);
  // The platform claims somewhat fewer trials, and somewhat other purchases, than really happen.
  numbers.trials = draw_ratio(random, numbers.spend_cents * random.between(40, 62), kCentsPerUser * 100);
  numbers.purchases = draw_ratio(random, numbers.spend_cents * random.between(8, 24), kCentsPerUser * 100);
  return numbers;
}

std::uint32_t World::adset_of(std::uint32_t ad, Day day) const {
  const Ad& a = ads_[ad];
  return a.moved_on != kNoDay && day >= a.moved_on ? a.later_adset : a.adset;
}

const std::string& World::campaign_name_on(std::uint32_t campaign, Day day) const {
  const Campaign& c = campaigns_[campaign];
  return c.renamed_on != kNoDay && day >= c.renamed_on ? c.later_name : c.name;
}

std::vector<Slice> World::country_slices(std::uint32_t ad, Day day) const {
  const Campaign& campaign = campaigns_[adsets_[ads_[ad].adset].campaign];
  Random random(stream_seed({seed_, kSlices, ad, number_of(day)}));
  std::vector<Slice> slices;
  for (std::size_t i = 0; i < campaign.countries.size(); ++i) {
    slices.push_back({countries()[campaign.countries[i]].meta_name,
                      kCampaignCountryWeights[i] * std::uint64_t{80 + random.below(41)}});
  }
  return slices;
}

std::vector<Slice> World::region_slices(std::uint32_t ad, Day day) const {
  const Campaign& campaign = campaigns_[adsets_[ads_[ad].adset].campaign];
  Random random(stream_seed({seed_, kSlices, ad, number_of(day), 1}));
  std::vector<Slice> slices;
  // Several hundred regions an ad would be true to life and tell nothing more: the two largest countries do.
  for (std::size_t i = 0; i < std::min<std::size_t>(campaign.countries.size(), 2); ++i) {
    const Country& country = countries()[campaign.countries[i]];
    const std::size_t count = i == 0 ? country.regions.size() : 2;
    for (std::size_t r = 0; r < count; ++r) {
      slices.push_back({country.regions[r],
                        std::uint64_t{kCampaignCountryWeights[i]} * kRegionWeights[r] * (80 + random.below(41))});
    }
  }
  if (random.chance_permille(150)) slices.push_back({"unknown", 20'000});
  return slices;
}

std::vector<Slice> World::device_slices(std::uint32_t ad, Day day) const {
  Random random(stream_seed({seed_, kSlices, ad, number_of(day), 2}));
  std::vector<Slice> slices;
  for (const Device& device : devices()) {
    // The small ones are not seen every day.
    if (device.weight < 30 && !random.chance_permille(device.weight * 15)) continue;
    slices.push_back({device.meta_name, device.weight * std::uint64_t{80 + random.below(41)}});
  }
  return slices;
}

std::string World::person_id(std::uint32_t user) const {
  Random random(stream_seed({seed_, kPersonId, user}));
  return uuid_from(random);
}

std::string World::event_id(std::uint32_t user, std::uint32_t ordinal) const {
  Random random(stream_seed({seed_, kEventId, user, ordinal}));
  return uuid_from(random);
}

void World::imagine_person(std::uint32_t user, const DayMarket& market, std::optional<std::int64_t> arrived,
                           std::int64_t known_until, Person& person) const {
  Random random(stream_seed({seed_, kPerson, user}));
  person.id = person_id(user);
  person.ad.reset();
  person.campaign_known = false;
  person.flagged = false;
  person.products.clear();
  person.events.clear();
  person.listed = !random.chance_permille(1);
  const std::int64_t in_day = (std::int64_t{random.below(kDaySeconds)} + random.below(kDaySeconds)) / 2;
  person.arrived = arrived.value_or(market.day.value * kDaySeconds + in_day);

  // Where from: 85 of 100 by an ad, the more it spends the more.
  std::uint8_t country = draw_country(random);
  if (random.chance_permille(850)) {
    const std::uint64_t drawn = random.below64(market.weight_until.back());
    const auto found = std::upper_bound(market.weight_until.begin(), market.weight_until.end(), drawn);
    const std::uint32_t ad = market.ads[static_cast<std::size_t>(found - market.weight_until.begin())];
    const Campaign& campaign = campaigns_[adsets_[ads_[ad].adset].campaign];
    person.ad = ad;
    person.campaign_known = random.chance_permille(20);
    person.flagged = !random.chance_permille(10);
    if (!random.chance_permille(60)) {
      country =
          campaign.countries[random.weighted(std::span(kCampaignCountryWeights).first(campaign.countries.size()))];
    }
  }
  person.country = random.chance_permille(12) ? nullptr : &countries()[country];
  person.region = person.country == nullptr || random.chance_permille(40)
                      ? std::string_view{}
                      : person.country->regions[random.weighted(kRegionWeights)];
  constexpr std::array<std::uint32_t, 3> kStoreWeights{70, 24, 6};
  person.store = static_cast<Store>(random.weighted(kStoreWeights));

  std::uint8_t product = 0;
  const auto happen = [&](EventKind kind, std::int64_t second, std::int32_t cents) {
    const auto ordinal = static_cast<std::uint16_t>(person.events.size());
    person.events.push_back({second, user, cents, ordinal, kind, product, person.store});
  };

  // Everyday use: mostly right after arriving.
  happen(EventKind::kAppOpen, person.arrived, 0);
  const int everyday = random.between(0, 6);
  for (int i = 0; i < everyday; ++i) {
    const auto kind = static_cast<EventKind>(random.below(kEverydayKinds));
    const bool soon = random.chance_permille(800);
    happen(kind, person.arrived + 5 + random.below(soon ? 3'600 : 10 * kDaySeconds), 0);
  }

  const auto draw_rates = [&](ProductUse& use, bool trial) {
    const int country_bonus = person.country == nullptr ? 0 : static_cast<int>(person.country->weight / 10);
    if (random.chance_permille(20)) return;  // not computed yet
    if (trial) {
      use.conversion_rate = 2'200 + country_bonus * 20 + random.between(0, 900);
      use.trial_refund_rate = 400 + random.between(0, 700);
    }
    if (!trial || random.chance_permille(500)) use.purchase_refund_rate = 300 + random.between(0, 600);
  };
  const auto day_of = [](std::int64_t second) { return Day{static_cast<std::int32_t>(second / kDaySeconds)}; };
  const auto expected = [](std::int32_t cents, std::int32_t rate) {
    return static_cast<std::int32_t>(std::int64_t{cents} * std::max(rate, 0) / 10'000);
  };

  const auto start_trial = [&](std::int64_t begin) {
    product = draw_product(random, true);
    const std::int32_t price = products()[product].price_cents;
    ProductUse use;
    use.product = product;
    use.credited = day_of(begin);
    draw_rates(use, true);
    happen(EventKind::kTrialStarted, begin, 0);
    const std::int64_t end = begin + kTrialDays * kDaySeconds;
    if (random.chance_permille(300)) {
      const std::int64_t converted = end + random.below(6 * 3'600);
      happen(EventKind::kTrialConverted, converted, price);
      use.status = converted <= known_until ? ProductStatus::kConverted : ProductStatus::kTrialPending;
      if (random.chance_permille(80)) {
        const std::int64_t refunded = converted + 3'600 + random.below(20 * kDaySeconds);
        happen(EventKind::kRefund, refunded, -price);
        if (refunded <= known_until) use.status = ProductStatus::kRefunded;
      } else if (random.chance_permille(150)) {
        happen(EventKind::kUnsubscribed, converted + random.below(25 * kDaySeconds), 0);
      } else if (products()[product].monthly && random.chance_permille(600)) {
        happen(EventKind::kRenewal, converted + 30 * kDaySeconds, price);
      }
    } else {
      const bool cancels = random.chance_permille(500);
      const std::int64_t cancelled = begin + 600 + random.below(kTrialDays * kDaySeconds - 600);
      if (cancels) happen(EventKind::kTrialCancelled, cancelled, 0);
      if (cancels && cancelled <= known_until) use.status = ProductStatus::kTrialCancelled;
      if (!cancels && end + std::int64_t{6} * 3'600 <= known_until) use.status = ProductStatus::kTrialExpired;
    }
    switch (use.status) {
      case ProductStatus::kTrialPending: use.value_cents = expected(price, use.conversion_rate); break;
      case ProductStatus::kConverted: use.value_cents = price - expected(price, use.trial_refund_rate); break;
      case ProductStatus::kTrialCancelled:
      case ProductStatus::kTrialExpired:
      case ProductStatus::kPurchased:
      case ProductStatus::kRefunded: use.value_cents = 0; break;
    }
    person.products.push_back(use);
  };

  const auto buy = [&](std::int64_t bought) {
    product = draw_product(random, false);
    const std::int32_t price = products()[product].price_cents;
    ProductUse use;
    use.product = product;
    use.credited = day_of(bought);
    use.status = ProductStatus::kPurchased;
    draw_rates(use, false);
    use.value_cents = price - expected(price, use.purchase_refund_rate);
    happen(EventKind::kInitialPurchase, bought, price);
    if (random.chance_permille(60)) {
      const std::int64_t refunded = bought + 1'800 + random.below(14 * kDaySeconds);
      // One in four gets only half back.
      const std::int32_t back = random.chance_permille(250) ? price / 2 : price;
      happen(EventKind::kRefund, refunded, -back);
      if (refunded <= known_until) {
        use.status = ProductStatus::kRefunded;
        use.value_cents = price - back;
      }
    }
    person.products.push_back(use);
  };

  const std::uint32_t path = random.below(1'000);
  if (path < 600) {
    start_trial(person.arrived + 60 + random.below(1'800));
    if (random.chance_permille(20)) {  // tries again with another product: the latest day counts
      const std::int64_t again = person.arrived + 2 * kDaySeconds + random.below(20 * kDaySeconds);
      if (again <= known_until) start_trial(again);
    } else if (random.chance_permille(15)) {
      const std::int64_t bought = person.arrived + random.below(30 * kDaySeconds);
      if (bought <= known_until) buy(bought);
    }
  } else if (path < 660) {
    buy(person.arrived + 120 + random.below(2'400));
  }

  // One product, one row: the later use of the same product replaces the earlier.
  if (person.products.size() == 2 && person.products[0].product == person.products[1].product) {
    person.products.erase(person.products.begin());
  }
  std::erase_if(person.events, [&](const PersonEvent& event) { return event.second > known_until; });
}

}  // namespace admetrics::demo
