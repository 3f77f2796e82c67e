#pragma once

#include <cstdint>
#include <string_view>

#include "core/model/keys.hpp"

namespace admetrics {

/// A source cell as it was read, before anyone judged it. Views live until the reader's next row.
struct RawValue {
  enum class Kind : std::uint8_t { kNull, kInteger, kReal, kText, kBlob };

  Kind kind = Kind::kNull;
  std::int64_t integer = 0;
  double real = 0;
  std::string_view text;  // the CAST(… AS TEXT) of any kind; "" for NULL
};

/// A row of `mixpanel_user` (`metrics.md` section 1).
struct RawUser {
  RawValue distinct_id;
  std::string_view ids[3];  // by Level; "" for NULL
  std::string_view country;
  std::string_view region;
  RawValue has_attribution;
};

/// A row of `mixpanel_event`.
struct RawEvent {
  RawValue distinct_id;
  RawValue event_uuid;
  std::string_view name;
  RawValue time;
  RawValue revenue_usd;
};

/// A row of `user_product_metrics`.
struct RawProduct {
  RawValue distinct_id;
  RawValue user_product_id;
  RawValue product_id;
  RawValue credited_date;
  std::string_view store;
  RawValue current_value;
  RawValue rates[3];  // trial conversion, trial converted to refund, initial purchase to refund
};

/// A row of `ad_performance_daily` (breakdown kNone) or of one of its three breakdown tables.
struct RawMeta {
  Breakdown breakdown = Breakdown::kNone;
  RawValue ad_id;
  RawValue date;
  std::string_view ids[2];    // campaign, ad set (by Level); the ad's is `ad_id`
  std::string_view names[3];  // by Level
  std::string_view value;     // the breakdown's own text, before any mapping; "" for NULL
  RawValue spend;
  RawValue counts[4];  // impressions, clicks, trials, purchases
};

/// What a reader calls for each row of the product database. Called on the reader's thread.
class UserRowVisitor {
 public:
  virtual ~UserRowVisitor() = default;
  virtual void on_user(const RawUser& row) = 0;
  virtual void on_event(const RawEvent& row) = 0;
  virtual void on_product(const RawProduct& row) = 0;
};

/// What a reader calls for each row of the ads database.
class MetaRowVisitor {
 public:
  virtual ~MetaRowVisitor() = default;
  virtual void on_meta(const RawMeta& row) = 0;
};

}  // namespace admetrics
