#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace admetrics {

/// Why a source row does not count (`metrics.md` sections 2 and 8). Stored in the ledger. Add at the end.
enum class RejectReason : std::uint8_t {
  kBadKey = 1,    // a key column is NULL, empty, a blob, or no calendar day
  kBadTime = 2,   // event_time is no time
  kBadMoney = 3,  // text, a blob, an infinity or an absurd size where money must be
  kBadRate = 4,   // the same where a rate must be
  kBadCount = 5,  // the same, or a fraction, where a count must be
};

constexpr std::string_view name_of(RejectReason reason) {
  switch (reason) {
    case RejectReason::kBadKey: return "bad_key";
    case RejectReason::kBadTime: return "bad_time";
    case RejectReason::kBadMoney: return "bad_money";
    case RejectReason::kBadRate: return "bad_rate";
    case RejectReason::kBadCount: return "bad_count";
  }
  return "unknown";
}

/// A source row that was judged and does not count: kept until it is corrected or gone.
struct Reject {
  std::string table;
  std::string row_key;  // the row's own key columns, joined by '|'
  RejectReason reason = RejectReason::kBadKey;
  std::string column;
  std::string text;  // the unreadable value, cut to kRejectTextBytesMax

  auto operator<=>(const Reject&) const = default;
};

inline constexpr std::size_t kRejectTextBytesMax = 200;

}  // namespace admetrics
