#include "core/metrics/contribution.hpp"

namespace admetrics {
namespace {

std::string device_of(const ProductFacts& products) {
  if (!products.store) return std::string(kUnknownValue);
  std::string device = products.store->store;
  for (char& c : device) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return device;
}

}  // namespace

UserContribution contribution_of(const UserFacts& facts, DictionaryCache& dictionary) {
  const EventFacts& events = facts.events;
  const AttributionFacts& attribution = facts.attribution;
  if (!attribution.present || !attribution.attributed()) return {};
  if (events.trial_day == kNoDay && events.purchase_day == kNoDay) return {};

  const auto known = [&](DictionaryId id) { return id.value != 0 ? id : dictionary.intern(kUnknownValue); };
  UserContribution contribution;
  contribution.ids = attribution.ids;
  contribution.values = {known(attribution.country), known(attribution.region),
                         dictionary.intern(device_of(facts.products))};
  contribution.trial_day = events.trial_day;
  contribution.purchase_day = events.purchase_day;
  contribution.revenue_micros = events.revenue_micros;
  contribution.refunds_micros = events.refunds_micros;
  contribution.value_micros = facts.products.value_micros;
  for (std::size_t i = 0; i < contribution.rate_nanos.size(); ++i) {
    contribution.rate_nanos[i] = facts.products.rates[i].nanos;
    contribution.rate_counts[i] = facts.products.rates[i].count;
  }
  contribution.converted = events.converted_at.has_value();
  contribution.trial_refunded =
      events.converted_at && events.refunded_at && *events.refunded_at >= *events.converted_at;
  contribution.purchase_refunded =
      events.purchased_at && events.refunded_at && *events.refunded_at >= *events.purchased_at;
  return contribution;
}

}  // namespace admetrics
