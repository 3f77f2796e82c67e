#include "core/metrics/facts.hpp"

#include <algorithm>
#include <cmath>

#include "core/base/fixed.hpp"

namespace admetrics {
namespace {

constexpr int kMoneyDigits = 6;
constexpr int kRateDigits = 9;

std::optional<std::int64_t> read_scaled(const RawValue& value, int digits, std::int64_t max) {
  switch (value.kind) {
    case RawValue::Kind::kInteger: return scaled_from_integer(value.integer, digits, max);
    case RawValue::Kind::kReal: return scaled_from_double(value.real, digits, max);
    case RawValue::Kind::kNull:
    case RawValue::Kind::kText:
    case RawValue::Kind::kBlob: return std::nullopt;
  }
  return std::nullopt;
}

char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool contains_ignoring_case(std::string_view text, std::string_view wanted) {
  const auto same = [](char a, char b) { return ascii_lower(a) == ascii_lower(b); };
  return std::search(text.begin(), text.end(), wanted.begin(), wanted.end(), same) != text.end();
}

std::optional<std::string> optional_text(const RawValue& value) {
  if (value.kind == RawValue::Kind::kNull) return std::nullopt;
  return std::string(value.text);
}

}  // namespace

void EventFacts::merge(const EventFacts& other) {
  const auto earliest = [](std::optional<Instant>& mine, const std::optional<Instant>& theirs) {
    if (theirs && (!mine || *theirs < *mine)) mine = theirs;
  };
  trial_day = std::max(trial_day, other.trial_day);
  purchase_day = std::max(purchase_day, other.purchase_day);
  newest_day = std::max(newest_day, other.newest_day);
  earliest(converted_at, other.converted_at);
  earliest(purchased_at, other.purchased_at);
  refunded_at = std::max(refunded_at, other.refunded_at);
  revenue_micros = wrapping_add(revenue_micros, other.revenue_micros);
  refunds_micros = wrapping_add(refunds_micros, other.refunds_micros);
}

void ProductFacts::merge(ProductFacts&& other) {
  value_micros = wrapping_add(value_micros, other.value_micros);
  for (std::size_t i = 0; i < rates.size(); ++i) {
    rates[i].nanos = wrapping_add(rates[i].nanos, other.rates[i].nanos);
    rates[i].count += other.rates[i].count;
  }
  if (store < other.store) store = std::move(other.store);
}

std::optional<std::string_view> readable_key(const RawValue& value) {
  if (value.kind == RawValue::Kind::kNull || value.kind == RawValue::Kind::kBlob || value.text.empty()) {
    return std::nullopt;
  }
  return value.text;
}

std::optional<std::int64_t> read_money(const RawValue& value) {
  if (value.kind == RawValue::Kind::kNull) return 0;
  return read_scaled(value, kMoneyDigits, kMoneyMicrosMax);
}

std::optional<std::int64_t> read_rate(const RawValue& value) { return read_scaled(value, kRateDigits, kRateNanosMax); }

std::optional<std::int64_t> read_count(const RawValue& value) {
  if (value.kind == RawValue::Kind::kNull) return 0;
  if (value.kind == RawValue::Kind::kReal && value.real != std::floor(value.real)) return std::nullopt;
  return read_scaled(value, 0, kCountMax);
}

bool read_flag(const RawValue& value) {
  if (value.kind == RawValue::Kind::kInteger) return value.integer != 0;
  if (value.kind == RawValue::Kind::kReal) return value.real != 0;
  return false;
}

Reject make_reject(std::string_view table, std::string row_key, RejectReason reason, std::string_view column,
                   const RawValue& value) {
  std::size_t length = std::min(value.text.size(), kRejectTextBytesMax);
  // Not within a character: the bytes that continue one look like 10xxxxxx.
  while (length < value.text.size() && length > 0 && (static_cast<unsigned char>(value.text[length]) & 0xC0U) == 0x80U)
    --length;
  std::string text(value.text.substr(0, length));
  if (text.empty() && value.kind == RawValue::Kind::kInteger) text = std::to_string(value.integer);
  if (text.empty() && value.kind == RawValue::Kind::kReal) text = std::to_string(value.real);
  return Reject{std::string(table), std::move(row_key), reason, std::string(column), std::move(text)};
}

bool FactFolder::relevant(std::string_view event_name) const {
  const EventNames& names = reporting_->names;
  return event_name == names.trial_started || event_name == names.initial_purchase ||
         event_name == names.trial_converted || contains_ignoring_case(event_name, names.refund_contains);
}

void FactFolder::fold_user(const RawUser& row, AttributionFacts& facts, std::vector<Reject>& rejects) {
  if (!readable_key(row.distinct_id)) {
    rejects.push_back(make_reject("mixpanel_user", "", RejectReason::kBadKey, "distinct_id", row.distinct_id));
    return;
  }
  facts.present = true;
  if (!read_flag(row.has_attribution)) return;
  for (const Level level : kLevels) facts.ids[index_of(level)] = dictionary_.intern(row.ids[index_of(level)]);
  facts.country = dictionary_.intern(row.country);
  facts.region = dictionary_.intern(row.region);
}

void FactFolder::fold_event(const RawEvent& row, EventFacts& facts, std::vector<Reject>& rejects) {
  if (!relevant(row.name)) return;
  const auto reject = [&](RejectReason reason, std::string_view column, const RawValue& value) {
    rejects.push_back(make_reject("mixpanel_event", std::string(row.event_uuid.text), reason, column, value));
  };
  if (!readable_key(row.event_uuid)) return reject(RejectReason::kBadKey, "event_uuid", row.event_uuid);
  if (!readable_key(row.distinct_id)) return reject(RejectReason::kBadKey, "distinct_id", row.distinct_id);
  const auto time = row.time.kind == RawValue::Kind::kText ? parse_instant(row.time.text) : std::optional<Instant>();
  const Day day = time ? reporting_->zone.day_of(*time, cursor_) : kNoDay;
  // The zone may lead a readable time out of the calendar.
  if (day < kFirstDay || day > kLastDay) return reject(RejectReason::kBadTime, "event_time", row.time);
  const auto revenue = read_money(row.revenue_usd);
  if (!revenue) return reject(RejectReason::kBadMoney, "revenue_usd", row.revenue_usd);

  EventFacts one;
  const EventNames& names = reporting_->names;
  const bool purchase = row.name == names.initial_purchase;
  const bool conversion = row.name == names.trial_converted;
  if (row.name == names.trial_started) one.trial_day = day;
  if (purchase) {
    one.purchase_day = day;
    one.purchased_at = time;
  }
  if (conversion) one.converted_at = time;
  if ((purchase || conversion) && *revenue > 0) one.revenue_micros = *revenue;
  if (*revenue < 0 && contains_ignoring_case(row.name, names.refund_contains)) {
    one.refunded_at = time;
    one.refunds_micros = -*revenue;
  }
  // What says nothing leaves nothing: a cancellation without money.
  if (one != EventFacts{}) one.newest_day = day;
  facts.merge(one);
}

void FactFolder::fold_product(const RawProduct& row, ProductFacts& facts, std::vector<Reject>& rejects) const {
  constexpr std::array<std::string_view, 3> kRateColumns{"trial_conversion_rate", "trial_converted_to_refund_rate",
                                                         "initial_purchase_to_refund_rate"};
  const auto reject = [&](RejectReason reason, std::string_view column, const RawValue& value) {
    rejects.push_back(
        make_reject("user_product_metrics", std::string(row.user_product_id.text), reason, column, value));
  };
  if (!readable_key(row.distinct_id)) return reject(RejectReason::kBadKey, "distinct_id", row.distinct_id);
  const auto value = read_money(row.current_value);
  if (!value) return reject(RejectReason::kBadMoney, "current_value", row.current_value);
  std::array<std::optional<std::int64_t>, 3> rates;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    if (row.rates[i].kind == RawValue::Kind::kNull) continue;
    rates[i] = read_rate(row.rates[i]);
    if (!rates[i]) return reject(RejectReason::kBadRate, kRateColumns[i], row.rates[i]);
  }

  ProductFacts one;
  one.value_micros = *value;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    if (rates[i]) one.rates[i] = RateSum{*rates[i], 1};
  }
  if (!row.store.empty()) {
    one.store = {optional_text(row.credited_date), optional_text(row.product_id), std::string(row.store)};
  }
  facts.merge(std::move(one));
}

}  // namespace admetrics
