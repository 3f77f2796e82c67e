#include "demo/rows.hpp"

#include <array>

namespace admetrics::demo {
namespace {

void bind_optional(sqlite::Statement& statement, int index, const std::optional<std::string_view>& text) {
  if (text) {
    statement.bind(index, *text);
  } else {
    statement.bind_null(index);
  }
}

void bind_money(sqlite::Statement& statement, int index, std::int64_t cents) {
  statement.bind(index, static_cast<double>(cents) / 100.0);
}

void bind_rate(sqlite::Statement& statement, int index, std::int32_t ten_thousandths) {
  if (ten_thousandths < 0) {
    statement.bind_null(index);
  } else {
    statement.bind(index, static_cast<double>(ten_thousandths) / 10'000.0);
  }
}

void append_two_digits(std::string& text, std::int64_t number) {
  text += static_cast<char>('0' + number / 10);
  text += static_cast<char>('0' + number % 10);
}

void append_clock(std::string& text, std::int64_t second_of_day) {
  append_two_digits(text, second_of_day / 3'600);
  text += ':';
  append_two_digits(text, second_of_day / 60 % 60);
  text += ':';
  append_two_digits(text, second_of_day % 60);
}

Day day_of(std::int64_t second) {
  std::int64_t day = second / kDaySeconds;
  if (second % kDaySeconds < 0) --day;
  return Day{static_cast<std::int32_t>(day)};
}

std::string_view device_of(Store store) {
  switch (store) {
    case Store::kApple: return "iPhone15,2";
    case Store::kGoogle: return "Pixel 8";
    case Store::kStripe: return "web";
  }
  return "";
}

}  // namespace

std::string_view name_of(MetaTable table) {
  switch (table) {
    case MetaTable::kDaily: return "ad_performance_daily";
    case MetaTable::kCountry: return "ad_performance_daily_country";
    case MetaTable::kRegion: return "ad_performance_daily_region";
    case MetaTable::kDevice: return "ad_performance_daily_device";
  }
  return "";
}

std::string_view key_of(MetaTable table) {
  switch (table) {
    case MetaTable::kDaily: return "";
    case MetaTable::kCountry: return "country";
    case MetaTable::kRegion: return "region";
    case MetaTable::kDevice: return "device";
  }
  return "";
}

Result<UserRows> UserRows::prepare(sqlite::Connection& connection, std::string_view verb) {
  UserRows rows;
  ADM_ASSIGN(rows.insert_,
             connection.prepare(std::string(verb) +
                                " INTO mixpanel_user (distinct_id, abi_ad_id, abi_campaign_id, abi_ad_set_id, "
                                "has_abi_attribution, country, region, profile_json, first_seen, last_updated, "
                                "valid_user) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"));
  return rows;
}

Status UserRows::write(const UserRow& row) {
  insert_.bind(1, row.distinct_id);
  bind_optional(insert_, 2, row.ad_id);
  bind_optional(insert_, 3, row.campaign_id);
  bind_optional(insert_, 4, row.adset_id);
  insert_.bind(5, std::int64_t{row.attributed ? 1 : 0});
  bind_optional(insert_, 6, row.country);
  bind_optional(insert_, 7, row.region);
  insert_.bind(8, row.profile_json);
  insert_.bind(9, row.first_seen);
  insert_.bind(10, row.last_updated);
  return insert_.run();
}

Result<EventRows> EventRows::prepare(sqlite::Connection& connection, std::string_view verb) {
  EventRows rows;
  ADM_ASSIGN(rows.insert_,
             connection.prepare(std::string(verb) +
                                " INTO mixpanel_event (event_uuid, event_name, distinct_id, event_time, revenue_usd, "
                                "raw_amount, currency, is_late_event, trial_expiration_at_calc, event_json) "
                                "VALUES (?, ?, ?, ?, ?5, ?5, 'USD', ?6, ?7, ?8)"));
  return rows;
}

Status EventRows::write(const EventRow& row) {
  insert_.bind(1, row.uuid);
  insert_.bind(2, row.name);
  insert_.bind(3, row.distinct_id);
  insert_.bind(4, row.time);
  if (!row.revenue_text.empty()) {
    insert_.bind(5, row.revenue_text);
  } else if (row.revenue_cents) {
    bind_money(insert_, 5, *row.revenue_cents);
  } else {
    insert_.bind_null(5);
  }
  insert_.bind(6, std::int64_t{row.late ? 1 : 0});
  bind_optional(insert_, 7, row.trial_expiration);
  insert_.bind(8, row.json);
  return insert_.run();
}

Result<ProductRows> ProductRows::prepare(sqlite::Connection& connection, std::string_view verb) {
  ProductRows rows;
  ADM_ASSIGN(rows.insert_,
             connection.prepare(std::string(verb) +
                                " INTO user_product_metrics (distinct_id, product_id, credited_date, country, region, "
                                "device, current_status, current_value, value_status, trial_conversion_rate, "
                                "trial_converted_to_refund_rate, initial_purchase_to_refund_rate, price_bucket, "
                                "last_updated_ts, valid_lifecycle, store) "
                                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?)"));
  return rows;
}

Status ProductRows::write(const ProductRow& row) {
  const Product& product = products()[row.use->product];
  const std::string credited = format_day(row.use->credited);
  const bool settled = row.use->status != ProductStatus::kTrialPending;
  insert_.bind(1, row.distinct_id);
  insert_.bind(2, product.id);
  insert_.bind(3, credited);
  bind_optional(insert_, 4, row.country);
  bind_optional(insert_, 5, row.region);
  insert_.bind(6, device_of(row.store));
  insert_.bind(7, name_of(row.use->status));
  bind_money(insert_, 8, row.use->value_cents);
  insert_.bind(9, settled ? std::string_view("final_value") : std::string_view("pending_trial"));
  if (!row.rate_text.empty()) {
    insert_.bind(10, row.rate_text);
  } else {
    bind_rate(insert_, 10, row.use->conversion_rate);
  }
  bind_rate(insert_, 11, row.use->trial_refund_rate);
  bind_rate(insert_, 12, row.use->purchase_refund_rate);
  bind_money(insert_, 13, product.price_cents);
  insert_.bind(14, row.last_updated);
  insert_.bind(15, name_of(row.store));
  return insert_.run();
}

Result<MetaRows> MetaRows::prepare(sqlite::Connection& connection, std::string_view verb, MetaTable table) {
  MetaRows rows;
  rows.daily_ = table == MetaTable::kDaily;
  const std::string key(key_of(table));
  ADM_ASSIGN(rows.insert_,
             connection.prepare(std::string(verb) + " INTO " + std::string(name_of(table)) +
                                " (ad_id, date, adset_id, campaign_id, ad_name, adset_name, campaign_name, spend, "
                                "impressions, clicks, meta_trials, meta_purchases" +
                                (rows.daily_ ? "" : ", " + key) + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?" +
                                (rows.daily_ ? ")" : ", ?)")));
  return rows;
}

Status MetaRows::write(const MetaRow& row) {
  insert_.bind(1, row.ad_id);
  insert_.bind(2, row.date);
  insert_.bind(3, row.adset_id);
  insert_.bind(4, row.campaign_id);
  insert_.bind(5, row.ad_name);
  insert_.bind(6, row.adset_name);
  insert_.bind(7, row.campaign_name);
  bind_money(insert_, 8, row.numbers.spend_cents);
  insert_.bind(9, row.numbers.impressions);
  insert_.bind(10, row.numbers.clicks);
  insert_.bind(11, row.numbers.trials);
  insert_.bind(12, row.numbers.purchases);
  if (!daily_) insert_.bind(13, row.value);
  return insert_.run();
}

std::string format_event_time(std::int64_t second) {
  const Day day = day_of(second);
  std::string text = format_day(day) + "T";
  append_clock(text, second - day.value * kDaySeconds);
  return text + "+00:00";
}

/// Nearly always the usual form; now and then another one that means the same moment.
void RowComposer::compose_time(std::int64_t second, std::uint64_t variety) {
  const std::uint64_t drawn = Random::scramble(variety) % 1'000;
  if (drawn >= 15) {
    time_ = format_event_time(second);
    return;
  }
  const bool west = drawn < 3;
  const std::int64_t shown = west ? second - std::int64_t{5} * 3'600 : second;
  const Day day = day_of(shown);
  time_ = format_day(day);
  time_ += drawn < 8 ? 'T' : ' ';
  append_clock(time_, shown - day.value * kDaySeconds);
  if (west) {
    time_ += "-05:00";
  } else if (drawn < 8) {
    time_ += ".250Z";
  }
}

void RowComposer::compose_event_json(const PersonEvent& event, std::string_view distinct_id, std::string_view uuid) {
  json_.clear();
  json_ += R"({"event":")";
  json_ += name_of(event.kind);
  json_ += R"(","properties":{"distinct_id":")";
  json_ += distinct_id;
  json_ += R"(","$insert_id":")";
  json_ += uuid;
  json_ += R"(","time":)";
  json_ += std::to_string(event.second);
  json_ += R"(,"store":")";
  json_ += name_of(event.store);
  json_ += R"(","product_id":")";
  json_ += products()[event.product].id;
  json_ += R"(","$app_version":"4.12.3","trace":")";
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::size_t kTail = 3;
  std::uint64_t bits = stream_seed({static_cast<std::uint64_t>(event.second), event.user, event.ordinal});
  while (json_.size() + kTail < static_cast<std::size_t>(event_json_bytes_)) {
    json_ += kHex[bits & 15U];
    bits = (bits >> 4U) | (bits << 60U);
  }
  json_ += R"("}})";
}

UserRow RowComposer::user(const Person& person, std::int64_t updated) {
  UserRow row;
  row.distinct_id = person.id;
  row.attributed = person.flagged;
  const Day arrived = day_of(person.arrived);
  if (person.ad) {
    const AdSet& adset = world_->adsets()[world_->adset_of(*person.ad, arrived)];
    row.campaign_id = world_->campaigns()[adset.campaign].id;
    if (!person.campaign_known) {
      row.ad_id = world_->ads()[*person.ad].id;
      row.adset_id = adset.id;
    }
  } else if (person.arrived % 20 == 0) {
    row.ad_id = row.campaign_id = row.adset_id = "";  // some loaders write nothing as an empty text
  }
  if (person.country != nullptr) row.country = person.country->code;
  if (!person.region.empty()) row.region = person.region;
  json_ = R"({"$os":")";
  json_ += person.store == Store::kApple ? "iOS" : person.store == Store::kGoogle ? "Android" : "Web";
  json_ += R"(","$user_id":")" + person.id.substr(0, 8) + R"("})";
  row.profile_json = json_;
  time_ = format_event_time(person.arrived);
  row.first_seen = time_;
  updated_ = format_event_time(updated);
  row.last_updated = updated_;
  return row;
}

EventRow RowComposer::event(const PersonEvent& event, std::string_view distinct_id, std::string_view uuid) {
  EventRow row;
  row.uuid = uuid;
  row.name = name_of(event.kind);
  row.distinct_id = distinct_id;
  compose_time(event.second, stream_seed({event.user, event.ordinal}));
  row.time = time_;
  if (event.cents != 0 || event.user % 2 == 0) row.revenue_cents = event.cents;  // nothing is 0, or it is NULL
  if (event.kind == EventKind::kTrialStarted) {
    expiration_ = format_event_time(event.second + kTrialDays * kDaySeconds);
    row.trial_expiration = expiration_;
  }
  compose_event_json(event, distinct_id, uuid);
  row.json = json_;
  return row;
}

ProductRow RowComposer::product(const Person& person, const ProductUse& use, std::int64_t updated) {
  ProductRow row;
  row.distinct_id = person.id;
  row.use = &use;
  if (person.country != nullptr) row.country = person.country->code;
  if (!person.region.empty()) row.region = person.region;
  row.store = person.store;
  updated_ = format_event_time(updated);
  row.last_updated = updated_;
  return row;
}

}  // namespace admetrics::demo
