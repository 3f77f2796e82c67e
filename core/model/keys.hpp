#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/day.hpp"
#include "core/base/strong.hpp"

namespace admetrics {

/// The levels that a user or a Meta row is attributed to, each alone (`metrics.md` section 3).
/// Stored in the ledger. Add at the end.
enum class Level : std::uint8_t { kCampaign = 0, kAdset = 1, kAd = 2 };
inline constexpr std::array<Level, 3> kLevels{Level::kCampaign, Level::kAdset, Level::kAd};

/// Which split of a day a row belongs to; `kNone` is the main table. Stored in the ledger. Add at the end.
enum class Breakdown : std::uint8_t { kNone = 0, kCountry = 1, kRegion = 2, kDevice = 3 };
inline constexpr std::array<Breakdown, 3> kBreakdowns{Breakdown::kCountry, Breakdown::kRegion, Breakdown::kDevice};

/// The names that the tables use: `campaign`, `adset`, `ad`; `country`, `region`, `device`.
std::string_view name_of(Level level);
std::string_view name_of(Breakdown breakdown);
/// By such a name; of `kBreakdowns`, those that split a day.
std::optional<Level> parse_level(std::string_view name);
std::optional<Breakdown> parse_breakdown(std::string_view name);

constexpr std::size_t index_of(Level level) { return static_cast<std::size_t>(level); }
constexpr std::size_t index_of(Breakdown breakdown) { return static_cast<std::size_t>(breakdown); }

/// A level and an id of it, in 32 bits.
struct Entity {
  std::uint32_t packed = 0;

  constexpr Entity() = default;
  constexpr Entity(Level level, DictionaryId id) : packed((static_cast<std::uint32_t>(level) << kIdBits) | id.value) {}

  [[nodiscard]] constexpr Level level() const { return static_cast<Level>(packed >> kIdBits); }
  [[nodiscard]] constexpr DictionaryId id() const { return DictionaryId{packed & ((1U << kIdBits) - 1)}; }
  constexpr auto operator<=>(const Entity&) const = default;

  static constexpr unsigned kIdBits = 30;
};

/// An entity on a day: one main row and its breakdown rows. The unit that a row shard owns.
struct CellKey {
  Entity entity;
  Day day;

  constexpr auto operator<=>(const CellKey&) const = default;
  /// Well mixed; the same on every machine.
  [[nodiscard]] constexpr std::uint64_t hash() const {
    std::uint64_t x = (static_cast<std::uint64_t>(entity.packed) << 32) | static_cast<std::uint32_t>(day.value);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
  }
};

/// One stored row: a cell's main row (`kNone`, value 0) or one breakdown value of it.
struct RowKey {
  CellKey cell;
  Breakdown breakdown = Breakdown::kNone;
  DictionaryId value;

  constexpr auto operator<=>(const RowKey&) const = default;
};

/// A Meta row's key as the source spells it; NULL and blobs are "" (they are rejected, by this key).
struct AdDayKey {
  std::string ad_id;
  std::string date;

  auto operator<=>(const AdDayKey&) const = default;
};

}  // namespace admetrics
