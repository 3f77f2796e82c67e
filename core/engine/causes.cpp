#include "core/engine/causes.hpp"

#include <algorithm>

#include "core/engine/ports.hpp"

namespace admetrics {
namespace {

Causes event_of(Day day, Day today) {
  return static_cast<std::int64_t>(day.value) < static_cast<std::int64_t>(today.value) - 1 ? Cause::kLateEvent
                                                                                           : Cause::kEvent;
}

/// What changed in the part of a contribution that events make.
Causes event_causes(const UserContribution& before, const UserContribution& after, const EventFacts& events, Day today,
                    const TimeZone& zone) {
  Causes causes;
  // The latest day counts: of two different ones, the later is the event's that came or went.
  if (before.trial_day != after.trial_day) causes |= event_of(std::max(before.trial_day, after.trial_day), today);
  if (before.purchase_day != after.purchase_day)
    causes |= event_of(std::max(before.purchase_day, after.purchase_day), today);
  if (before.converted != after.converted && events.converted_at)
    causes |= event_of(zone.day_of(*events.converted_at), today);
  const bool refund_changed =
      before.trial_refunded != after.trial_refunded || before.purchase_refunded != after.purchase_refunded;
  if (refund_changed && events.refunded_at) causes |= event_of(zone.day_of(*events.refunded_at), today);
  const bool changed = before.converted != after.converted || refund_changed ||
                       before.revenue_micros != after.revenue_micros || before.refunds_micros != after.refunds_micros;
  if (changed && causes.empty()) {
    causes = events.newest_day == kNoDay ? Causes(Cause::kEvent) : event_of(events.newest_day, today);
  }
  return causes;
}

}  // namespace

Causes causes_of(const UserContribution& before, const UserContribution& after, const UserFacts& facts,
                 std::uint8_t records, Day today, const TimeZone& zone) {
  if (before == after) return {};
  const bool known = records != 0;
  const bool events_touched = (records & kEventRecords) != 0;
  const bool user_touched = (records & kUserRecords) != 0;
  if (before.empty()) {
    // The user's events are new, or stood there and nobody was known to count them for.
    if (known && user_touched && !events_touched) return Cause::kReAttribution;
    return event_causes(before, after, facts.events, today, zone);
  }
  if (after.empty()) {
    Causes causes;
    const bool events_left = facts.events.trial_day != kNoDay || facts.events.purchase_day != kNoDay;
    const bool attributed = facts.attribution.present && facts.attribution.attributed();
    if (!attributed && (!known || user_touched)) causes |= Cause::kReAttribution;
    if (!events_left && (!known || events_touched)) causes |= event_causes(before, after, facts.events, today, zone);
    return causes.empty() ? Causes(Cause::kEvent) : causes;
  }
  Causes causes = event_causes(before, after, facts.events, today, zone);
  if (before.ids != after.ids) causes |= Cause::kReAttribution;
  if (before.value_of(Breakdown::kCountry) != after.value_of(Breakdown::kCountry) ||
      before.value_of(Breakdown::kRegion) != after.value_of(Breakdown::kRegion)) {
    causes |= Cause::kUser;
  }
  if (before.value_of(Breakdown::kDevice) != after.value_of(Breakdown::kDevice) ||
      before.value_micros != after.value_micros || before.rate_nanos != after.rate_nanos ||
      before.rate_counts != after.rate_counts) {
    causes |= Cause::kValue;
  }
  return causes;
}

bool only_mapped_anew(const MetaContribution& withdrawn, const MetaContribution& given) {
  if (withdrawn.size() != given.size()) return false;
  const auto unmapped = [](MetaContribution parts) {
    for (MetaPart& part : parts) part.value = {};
    std::sort(parts.begin(), parts.end());
    return parts;
  };
  return unmapped(withdrawn) == unmapped(given);
}

}  // namespace admetrics
