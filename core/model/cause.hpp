#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace admetrics {

/// Why a row changed. Stored in the ledger's change journal. Add at the end.
enum class Cause : std::uint16_t {
  kEvent = 1 << 0,          // an event of one of its users came, changed or went
  kLateEvent = 1 << 1,      // the same, of a day that had passed: before the day before "today"
  kReAttribution = 1 << 2,  // a user moved to or from another campaign, ad set or ad
  kUser = 1 << 3,           // a user's country or region changed
  kValue = 1 << 4,          // a user's product rows: value, rates, store
  kMeta = 1 << 5,           // a Meta row came, changed or went
  kMapping = 1 << 6,        // a value mapping changed, which re-keyed Meta rows
  kTimePassing = 1 << 7,    // "today" moved: trials became post-trial, or no longer are
  kSettings = 1 << 8,       // the reporting settings changed
  kRepair = 1 << 9,         // the stored row was not what it should have been
  kBackfill = 1 << 10,      // found by a backfill
  kReconcile = 1 << 11,     // found by reading everything, because nobody knew what had changed
  kFirstFill = 1 << 12,     // the ledger began
  kNotKnown = 1 << 13,      // before the journal began
  kAudit = 1 << 14,         // found by the self-audit
};

inline constexpr std::array<Cause, 15> kCauses{
    Cause::kEvent,    Cause::kLateEvent, Cause::kReAttribution, Cause::kUser,     Cause::kValue,
    Cause::kMeta,     Cause::kMapping,   Cause::kTimePassing,   Cause::kSettings, Cause::kRepair,
    Cause::kBackfill, Cause::kReconcile, Cause::kFirstFill,     Cause::kNotKnown, Cause::kAudit,
};

/// `event`, `late_event`, …: what programs read.
std::string_view name_of(Cause cause);
/// The same for people: "a late event".
std::string_view words_of(Cause cause);

/// Several causes at once.
class Causes {
 public:
  constexpr Causes() = default;
  constexpr Causes(Cause cause) : bits_(static_cast<std::uint16_t>(cause)) {}
  static constexpr Causes from_bits(std::uint16_t bits) {
    Causes causes;
    causes.bits_ = bits;
    return causes;
  }

  [[nodiscard]] constexpr std::uint16_t bits() const { return bits_; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  [[nodiscard]] constexpr bool has(Cause cause) const { return (bits_ & static_cast<std::uint16_t>(cause)) != 0; }
  [[nodiscard]] constexpr bool has_any(Causes others) const { return (bits_ & others.bits_) != 0; }
  constexpr Causes& operator|=(Causes other) {
    bits_ |= other.bits_;
    return *this;
  }
  friend constexpr Causes operator|(Causes a, Causes b) { return a |= b; }
  constexpr bool operator==(const Causes&) const = default;

 private:
  std::uint16_t bits_ = 0;
};

/// In the order of `kCauses`.
std::vector<Cause> list_of(Causes causes);

}  // namespace admetrics
