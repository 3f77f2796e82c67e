#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sources/sqlite/torn_days.hpp"

namespace admetrics::source {

/// The pipeline's two databases; they may be one file.
enum Side : std::size_t { kProduct = 0, kAds = 1 };

/// One database's part of a position.
struct SidePosition {
  std::string generation;  // of the change log
  std::int64_t seq = 0;    // the last change record that was taken
  std::string signature;   // of the raw tables' declarations
  std::string file;        // identity
  std::string mark;        // which state of the file it was

  bool operator==(const SidePosition&) const = default;
};

/// How far the ledger has come: a value, kept as text in the ledger and in every sink.
struct Position {
  std::array<SidePosition, 2> sides;
  TornDays torn;
  bool holding = false;        // users changed by event records after `held_from_seq` are held
  bool held_everyone = false;  // and so is everybody else; then no record is needed to know whom to read
  std::int64_t held_from_seq = 0;

  /// Records of the product database up to here are not needed any more.
  [[nodiscard]] std::int64_t product_done_seq() const {
    return holding && !held_everyone ? held_from_seq : sides[kProduct].seq;
  }

  /// `capture`: the way of capture, as the configuration names it. Equal positions give equal texts.
  [[nodiscard]] std::string json(std::string_view capture) const;
  /// Nothing when there is no position, when it cannot be read, or when it is of another way of capture.
  static std::optional<Position> parse(const std::string& text, std::string_view capture);

  bool operator==(const Position&) const = default;
};

}  // namespace admetrics::source
