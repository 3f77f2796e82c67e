#include "core/metrics/meta.hpp"

#include <algorithm>

#include "core/base/check.hpp"
#include "core/metrics/contribution.hpp"
#include "core/metrics/facts.hpp"

namespace admetrics {
namespace {

constexpr std::array<std::string_view, 4> kMetaTables{"ad_performance_daily", "ad_performance_daily_country",
                                                      "ad_performance_daily_region", "ad_performance_daily_device"};

std::map<std::string, std::string, std::less<>> active_entries(const std::vector<ValueMapping::Row>& rows) {
  std::map<std::string, std::string, std::less<>> entries;
  for (const auto& row : rows) {
    if (row.active) entries.emplace(row.from, row.to);
  }
  return entries;
}

}  // namespace

ValueMapping ValueMapping::country(const std::vector<Row>& rows) {
  ValueMapping mapping;
  mapping.active_ = active_entries(rows);
  return mapping;
}

ValueMapping ValueMapping::device(const std::vector<Row>& rows) {
  ValueMapping mapping;
  if (rows.empty()) {
    mapping.active_ = {{"iphone", "APP_STORE"},          {"ipad", "APP_STORE"}, {"android_smartphone", "PLAY_STORE"},
                       {"android_tablet", "PLAY_STORE"}, {"desktop", "STRIPE"}, {"unknown", "STRIPE"}};
  } else {
    mapping.active_ = active_entries(rows);
  }
  return mapping;
}

std::optional<std::string_view> ValueMapping::find(std::string_view raw) const {
  const auto found = active_.find(raw);
  if (found == active_.end()) return std::nullopt;
  return found->second;
}

void MetaSums::add(const MetaSums& other, int sign) {
  spend_micros += sign * other.spend_micros;
  impressions += sign * other.impressions;
  clicks += sign * other.clicks;
  trials += sign * other.trials;
  purchases += sign * other.purchases;
  rows += sign * other.rows;
}

std::optional<MetaPart> meta_part_of(const RawMeta& row, const Mappings& mappings, DictionaryCache& dictionary,
                                     std::vector<Reject>& rejects) {
  constexpr std::array<std::string_view, 4> kCountColumns{"impressions", "clicks", "meta_trials", "meta_purchases"};
  const auto reject = [&](RejectReason reason, std::string_view column, const RawValue& value) {
    std::string key = std::string(row.ad_id.text) + '|' + std::string(row.date.text);
    if (row.breakdown != Breakdown::kNone) key += '|' + std::string(row.value);
    rejects.push_back(make_reject(kMetaTables[index_of(row.breakdown)], std::move(key), reason, column, value));
    return std::nullopt;
  };
  if (!readable_key(row.ad_id)) return reject(RejectReason::kBadKey, "ad_id", row.ad_id);
  if (!readable_key(row.date) || !parse_day(row.date.text)) return reject(RejectReason::kBadKey, "date", row.date);
  const auto spend = read_money(row.spend);
  if (!spend) return reject(RejectReason::kBadMoney, "spend", row.spend);
  std::array<std::int64_t, 4> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto count = read_count(row.counts[i]);
    if (!count) return reject(RejectReason::kBadCount, kCountColumns[i], row.counts[i]);
    counts[i] = *count;
  }

  MetaPart part;
  part.breakdown = row.breakdown;
  for (std::size_t i = 0; i < part.ids.size(); ++i) part.ids[i] = dictionary.intern(row.ids[i]);
  for (std::size_t i = 0; i < part.names.size(); ++i) part.names[i] = dictionary.intern(row.names[i]);
  part.raw_value = dictionary.intern(row.value);
  if (row.breakdown != Breakdown::kNone) {
    std::string_view value = row.value;
    if (!value.empty() && row.breakdown == Breakdown::kCountry) value = mappings.country.find(value).value_or(value);
    if (!value.empty() && row.breakdown == Breakdown::kDevice) value = mappings.device.find(value).value_or(value);
    part.value = dictionary.intern(value.empty() ? kUnknownValue : value);
  }
  part.sums = MetaSums{*spend, counts[0], counts[1], counts[2], counts[3], 1};
  return part;
}

void MetaCell::apply(const MetaPart& part, Level level, int sign) {
  const auto key = std::pair(part.breakdown, part.value);
  auto value = std::lower_bound(values.begin(), values.end(), key,
                                [](const Value& a, const auto& b) { return std::pair(a.breakdown, a.value) < b; });
  if (value == values.end() || std::pair(value->breakdown, value->value) != key) {
    value = values.insert(value, Value{part.breakdown, part.value, {}});
  }
  value->sums.add(part.sums, sign);
  ADM_CHECK(value->sums.rows >= 0);
  if (value->sums.rows == 0) {
    ADM_CHECK(value->sums == MetaSums{});  // withdrawing what was given leaves no trace
    values.erase(value);
  }

  const DictionaryId name_id = part.names[index_of(level)];
  if (name_id.value == 0) return;
  auto name =
      std::lower_bound(names.begin(), names.end(), name_id, [](const Name& a, DictionaryId b) { return a.name < b; });
  if (name == names.end() || name->name != name_id) name = names.insert(name, Name{name_id, 0});
  name->rows += sign;
  ADM_CHECK(name->rows >= 0);
  if (name->rows == 0) names.erase(name);
}

const MetaSums* MetaCell::find(Breakdown breakdown, DictionaryId value) const {
  const auto key = std::pair(breakdown, value);
  const auto found = std::lower_bound(values.begin(), values.end(), key, [](const Value& a, const auto& b) {
    return std::pair(a.breakdown, a.value) < b;
  });
  if (found == values.end() || std::pair(found->breakdown, found->value) != key) return nullptr;
  return &found->sums;
}

}  // namespace admetrics
