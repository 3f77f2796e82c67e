#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/cause.hpp"

namespace admetrics {

/// Something that nothing said had changed, and that was not what it should have been. The epoch that finds it repairs it.
struct Mismatch {
  enum class Kind : std::uint8_t {
    kMissedChange,  // read again, a user or an (ad, day) gives something else, and no change record named it
    kForeignWrite,  // a stored row was not what the ledger says: somebody else wrote, or deleted, it
  };
  static constexpr std::size_t kKinds = 2;

  Kind kind = Kind::kMissedChange;
  std::string key;  // for people: `user u1`, `ad a1 2026-01-18`, `campaign c1 2026-01-18 country=US`
  Causes causes;    // of a missed change: what differs
};
/// `missed_change`, `foreign_write`.
std::string_view name_of(Mismatch::Kind kind);

/// Those that one epoch found.
struct Mismatches {
  std::array<std::int64_t, Mismatch::kKinds> counts{};  // by kind; of the second, rows
  std::vector<Mismatch> first;                          // the first kMismatchesListedMax

  void add(Mismatch mismatch);
  void add(Mismatches&& others);
  [[nodiscard]] std::int64_t count(Mismatch::Kind kind) const { return counts[static_cast<std::size_t>(kind)]; }
  [[nodiscard]] bool empty() const { return counts == std::array<std::int64_t, Mismatch::kKinds>{}; }
};

}  // namespace admetrics
