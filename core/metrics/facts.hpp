#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/day.hpp"
#include "core/model/dictionary.hpp"
#include "core/model/raw.hpp"
#include "core/model/reject.hpp"
#include "core/model/reporting.hpp"

namespace admetrics {

/// Sum and count of the rates that are present, in 1e-9 units.
struct RateSum {
  std::int64_t nanos = 0;
  std::uint32_t count = 0;

  bool operator==(const RateSum&) const = default;
};

/// What a user's events amount to (`metrics.md` section 3). Folding is commutative: order does not matter.
struct EventFacts {
  Day trial_day = kNoDay;
  Day purchase_day = kNoDay;
  std::optional<Instant> converted_at;  // earliest
  std::optional<Instant> purchased_at;  // earliest
  std::optional<Instant> refunded_at;   // latest
  std::int64_t revenue_micros = 0;
  std::int64_t refunds_micros = 0;
  Day newest_day = kNoDay;  // of any event that counts; no row holds it, it tells late events from fresh ones

  void merge(const EventFacts& other);
  bool operator==(const EventFacts&) const = default;
};

/// What a user's product rows amount to.
struct ProductFacts {
  /// What orders the rows that name a store: NULL first, then bytes. Ties go to the greatest store (docs/metrics.md).
  struct StoreRank {
    std::optional<std::string> credited_date;
    std::optional<std::string> product_id;
    std::string store;  // as it was read; upper-cased when it becomes a value
    auto operator<=>(const StoreRank&) const = default;
  };

  std::int64_t value_micros = 0;
  std::array<RateSum, 3> rates;
  std::optional<StoreRank> store;

  void merge(ProductFacts&& other);
  bool operator==(const ProductFacts&) const = default;
};

/// What the user row says. Absent row: nobody to attribute to.
struct AttributionFacts {
  bool present = false;
  std::array<DictionaryId, 3> ids;  // by Level; 0 when not attributed
  DictionaryId country;             // 0 when NULL or empty
  DictionaryId region;

  [[nodiscard]] bool attributed() const { return ids[0].value != 0 || ids[1].value != 0 || ids[2].value != 0; }
  bool operator==(const AttributionFacts&) const = default;
};

struct UserFacts {
  AttributionFacts attribution;
  EventFacts events;
  ProductFacts products;
};

/// Judges source rows and folds them into facts. Holds a time-zone cursor and a dictionary cache: one per thread.
class FactFolder {
 public:
  FactFolder(const Reporting& reporting, Dictionary& dictionary) : reporting_(&reporting), dictionary_(dictionary) {}

  /// Whether an event of this name matters; only such rows are judged (`metrics.md` section 8).
  [[nodiscard]] bool relevant(std::string_view event_name) const;

  [[nodiscard]] DictionaryCache& dictionary() { return dictionary_; }

  // Each folds the row into the facts, or appends why the whole row does not count.
  void fold_user(const RawUser& row, AttributionFacts& facts, std::vector<Reject>& rejects);
  void fold_event(const RawEvent& row, EventFacts& facts, std::vector<Reject>& rejects);
  void fold_product(const RawProduct& row, ProductFacts& facts, std::vector<Reject>& rejects) const;

 private:
  const Reporting* reporting_;
  DictionaryCache dictionary_;
  TimeZone::Cursor cursor_;
};

/// A key column's text, or nothing when it is NULL, empty or a blob.
std::optional<std::string_view> readable_key(const RawValue& value);

// Money in micro-dollars (NULL: 0), a count (NULL: 0), a rate in 1e-9 units; nothing when unreadable.
std::optional<std::int64_t> read_money(const RawValue& value);
std::optional<std::int64_t> read_count(const RawValue& value);
std::optional<std::int64_t> read_rate(const RawValue& value);  // not for NULL, which is "absent"
/// True when it is a non-zero number.
bool read_flag(const RawValue& value);

/// A reject of `column` in the row that `row_key` names.
Reject make_reject(std::string_view table, std::string row_key, RejectReason reason, std::string_view column,
                   const RawValue& value);

}  // namespace admetrics
