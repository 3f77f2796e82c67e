#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/day.hpp"
#include "core/sqlite/database.hpp"
#include "demo/world.hpp"

/// The source's rows as the pipeline writes them. A row's views must live until `write` returns.
namespace admetrics::demo {

struct UserRow {
  std::string_view distinct_id;
  std::optional<std::string_view> ad_id;
  std::optional<std::string_view> campaign_id;
  std::optional<std::string_view> adset_id;
  bool attributed = false;
  std::optional<std::string_view> country;
  std::optional<std::string_view> region;
  std::string_view profile_json;
  std::string_view first_seen;
  std::string_view last_updated;
};

struct EventRow {
  std::string_view uuid;
  std::string_view name;
  std::string_view distinct_id;
  std::string_view time;
  std::optional<std::int64_t> revenue_cents;
  std::string_view revenue_text;  // unless empty, instead of the number: a mistake of the pipeline's
  bool late = false;
  std::optional<std::string_view> trial_expiration;
  std::string_view json;
};

struct ProductRow {
  std::string_view distinct_id;
  const ProductUse* use = nullptr;
  std::optional<std::string_view> country;
  std::optional<std::string_view> region;
  Store store = Store::kApple;
  std::string_view last_updated;
  std::string_view rate_text;  // unless empty, instead of the conversion rate: a mistake of the pipeline's
};

struct MetaRow {
  std::string_view ad_id;
  std::string_view date;
  std::string_view value;  // country, region or device; not for the daily table
  std::string_view adset_id;
  std::string_view campaign_id;
  std::string_view ad_name;
  std::string_view adset_name;
  std::string_view campaign_name;
  MetaNumbers numbers;
};

enum class MetaTable : std::uint8_t { kDaily, kCountry, kRegion, kDevice };
std::string_view name_of(MetaTable table);
std::string_view key_of(MetaTable table);  // the breakdown's column; empty for the daily table

// `verb` is "INSERT", "INSERT OR IGNORE" or "INSERT OR REPLACE".

class UserRows {
 public:
  static Result<UserRows> prepare(sqlite::Connection& connection, std::string_view verb);
  Status write(const UserRow& row);

 private:
  sqlite::Statement insert_;
};

class EventRows {
 public:
  static Result<EventRows> prepare(sqlite::Connection& connection, std::string_view verb);
  Status write(const EventRow& row);

 private:
  sqlite::Statement insert_;
};

class ProductRows {
 public:
  static Result<ProductRows> prepare(sqlite::Connection& connection, std::string_view verb);
  Status write(const ProductRow& row);

 private:
  sqlite::Statement insert_;
};

class MetaRows {
 public:
  static Result<MetaRows> prepare(sqlite::Connection& connection, std::string_view verb, MetaTable table);
  Status write(const MetaRow& row);

 private:
  sqlite::Statement insert_;
  bool daily_ = true;
};

/// `YYYY-MM-DDTHH:MM:SS+00:00`, the pipeline's usual form.
std::string format_event_time(std::int64_t second);

/// Turns what a person is and does into rows; the rows look into it, so one row at a time.
class RowComposer {
 public:
  RowComposer(const World& world, int event_json_bytes) : world_(&world), event_json_bytes_(event_json_bytes) {}

  UserRow user(const Person& person, std::int64_t updated);
  EventRow event(const PersonEvent& event, std::string_view distinct_id, std::string_view uuid);
  ProductRow product(const Person& person, const ProductUse& use, std::int64_t updated);

 private:
  void compose_time(std::int64_t second, std::uint64_t variety);
  void compose_event_json(const PersonEvent& event, std::string_view distinct_id, std::string_view uuid);

  const World* world_;
  const int event_json_bytes_;
  std::string json_;
  std::string time_;
  std::string expiration_;
  std::string updated_;
};

}  // namespace admetrics::demo
