#include "sources/changelog/mixpanel_shape.hpp"

#include <utility>

#include "core/base/day.hpp"
#include "sources/changelog/digest.hpp"

namespace admetrics::source {

MixpanelShape::MixpanelShape(const MixpanelMapping& mapping, TimeZone zone) : zone_(std::move(zone)) {
  const std::array<const MixpanelMapping::Names*, kTargets> lists{
      &mapping.event_uuid, &mapping.distinct_id,        &mapping.event_time,    &mapping.revenue_usd,
      &mapping.abi_ad_id,  &mapping.abi_campaign_id,    &mapping.abi_ad_set_id, &mapping.country,
      &mapping.region,     &mapping.has_abi_attribution};
  for (std::size_t target = 0; target < lists.size(); ++target) {
    for (std::size_t rank = 0; rank < lists[target]->size(); ++rank)
      properties_[(*lists[target])[rank]].push_back({target, rank});
  }
}

void MixpanelShape::take(const Envelope& envelope, std::string_view line, Record& record) {
  std::array<Value, kTargets> found;
  std::array<std::size_t, kTargets> ranks{};
  for (const Member& member : envelope.properties) {
    if (member.value.kind <= Value::Kind::kNull) continue;
    const auto mapped = properties_.find(member.name);
    if (mapped == properties_.end()) continue;
    for (const Target& target : mapped->second) {
      if (found[target.target].given() && ranks[target.target] <= target.rank) continue;
      found[target.target] = member.value;
      ranks[target.target] = target.rank;
    }
  }
  const auto& [uuid, distinct_id, time, revenue, ad, campaign, ad_set, country, region, attributed] = found;
  record.kind = RecordKind::kEvent;
  record.table = find_landing_table("mixpanel_event");
  record.cells[0] = uuid;
  record.cells[1] = Value::of(envelope.event);
  record.cells[2] = distinct_id.given() ? distinct_id : Value::null();
  record.cells[3] = time.given() ? event_time(time, record) : Value::null();
  record.cells[4] = revenue.given() ? revenue : Value::null();
  if (uuid.empty()) {
    // Every event of the export has one. An event without it is told from others by all that it says.
    constexpr std::string_view kHex = "0123456789abcdef";
    std::uint64_t digest = digest_of(trimmed(line));
    for (std::size_t i = 0; i < 16; ++i, digest >>= 4) uuid_[i] = kHex[digest & 15];
    record.cells[0] = Value::of(std::string_view(uuid_.data(), 16));
  }
  record.user = {ad, campaign, ad_set, country, region, attributed};
}

Value MixpanelShape::event_time(const Value& time, Record& record) {
  double seconds_and_fraction = 0;
  std::int64_t millis = 0;
  constexpr std::int64_t kSecondsMax = 100'000'000'000;  // more are milliseconds
  if (const auto number = whole_number(time)) {
    if (*number <= -kSecondsMax * 1'000 || *number >= kSecondsMax * 1'000) return time;
    millis = *number >= kSecondsMax || *number <= -kSecondsMax ? *number : *number * 1'000;
  } else if (time.kind == Value::Kind::kReal) {
    seconds_and_fraction = time.real();
    if (!(seconds_and_fraction > -1e11 && seconds_and_fraction < 1e11)) return time;
    millis = static_cast<std::int64_t>(seconds_and_fraction * 1'000 + (seconds_and_fraction < 0 ? -0.5 : 0.5));
  } else {
    if (const auto instant = parse_instant(time.text))
      record.event_ms = instant->seconds * 1'000 + instant->nanos / 1'000'000;
    return time;
  }
  std::int64_t seconds = floor_div(millis, 1'000);
  const std::int64_t micros = (millis - seconds * 1'000) * 1'000;
  seconds = zone_.utc_of_wall_seconds(seconds);
  record.event_ms = seconds * 1'000 + micros / 1'000;
  const std::size_t size = write_time(seconds, micros, time_.data());
  return size == 0 ? time : Value::of(std::string_view(time_.data(), size));
}

}  // namespace admetrics::source
