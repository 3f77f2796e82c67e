#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/fixed.hpp"
#include "core/model/dictionary.hpp"
#include "core/model/keys.hpp"
#include "core/model/raw.hpp"
#include "core/model/reject.hpp"

namespace admetrics {

/// How a Meta breakdown value becomes the Mixpanel side's value (`metrics.md` section 4).
class ValueMapping {
 public:
  /// One row of a mapping table, active or not.
  struct Row {
    std::string from;
    std::string to;  // "" for NULL
    bool active = false;
  };

  static ValueMapping country(const std::vector<Row>& rows);
  /// While there are no rows at all, the defaults of `metrics.md` section 4 hold.
  static ValueMapping device(const std::vector<Row>& rows);

  /// The Mixpanel side of `raw`, or nothing when no active row covers it.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view raw) const;
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& entries() const { return active_; }

  bool operator==(const ValueMapping&) const = default;

 private:
  std::map<std::string, std::string, std::less<>> active_;
};

struct Mappings {
  ValueMapping country;
  ValueMapping device;

  bool operator==(const Mappings&) const = default;
};

/// Sums over Meta rows. Exact: 2⁶³ rows of the largest cells fit.
struct MetaSums {
  Int128 spend_micros = 0;
  Int128 impressions = 0;
  Int128 clicks = 0;
  Int128 trials = 0;
  Int128 purchases = 0;
  std::int64_t rows = 0;

  void add(const MetaSums& other, int sign);
  bool operator==(const MetaSums&) const = default;
  auto operator<=>(const MetaSums&) const = default;
};

/// One Meta row's contribution.
struct MetaPart {
  Breakdown breakdown = Breakdown::kNone;
  std::array<DictionaryId, 2> ids;    // campaign, ad set; 0: not named
  std::array<DictionaryId, 3> names;  // by Level; 0: no name
  DictionaryId raw_value;             // before mapping; 0: NULL or empty
  DictionaryId value;                 // after mapping; 0 for the daily table
  MetaSums sums;

  auto operator<=>(const MetaPart&) const = default;
};

/// All that the Meta rows of one ad on one day give: the ledger's other unit. Sorted, so equal means equal.
using MetaContribution = std::vector<MetaPart>;

/// Judges a Meta row and turns it into its part; nothing when it is a reject (appended).
/// `key` of the row is not judged when its day or ad is already known to be unreadable.
std::optional<MetaPart> meta_part_of(const RawMeta& row, const Mappings& mappings, DictionaryCache& dictionary,
                                     std::vector<Reject>& rejects);

/// What Meta rows amount to for one entity on one day.
struct MetaCell {
  struct Value {
    Breakdown breakdown = Breakdown::kNone;  // kNone: the daily rows
    DictionaryId value;
    MetaSums sums;
    bool operator==(const Value&) const = default;
  };
  struct Name {
    DictionaryId name;
    std::int64_t rows = 0;
    bool operator==(const Name&) const = default;
  };

  std::vector<Value> values;  // sorted by (breakdown, value); none has 0 rows
  std::vector<Name> names;    // sorted by name; none has 0 rows

  /// Adds (+1) or withdraws (−1) a row that counts for this cell's entity.
  void apply(const MetaPart& part, Level level, int sign);
  [[nodiscard]] const MetaSums* find(Breakdown breakdown, DictionaryId value) const;
  [[nodiscard]] bool empty() const { return values.empty() && names.empty(); }
  bool operator==(const MetaCell&) const = default;
};

/// Calls `visit(Entity, const MetaPart&)` for each entity that the part counts for.
template <class Visit>
void for_each_entity(DictionaryId ad, const MetaPart& part, Visit&& visit) {
  visit(Entity(Level::kAd, ad), part);
  for (const Level level : {Level::kAdset, Level::kCampaign}) {
    const DictionaryId id = part.ids[index_of(level)];
    if (id.value != 0) visit(Entity(level, id), part);
  }
}

}  // namespace admetrics
