#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/day.hpp"

/// Days whose events are being reloaded (pitfalls.md, torn days): the pipeline deletes a day's events and its row in
/// `processed_event_days`, commits, inserts again in further transactions, and puts the row back when the day is whole.
namespace admetrics::source {

/// A day that was there and is missing.
struct HeldDay {
  Day day;
  std::int64_t since_seconds = 0;  // when it was found missing, UTC

  bool operator==(const HeldDay&) const = default;
};

/// TornDays: which event days were whole, and which of them are missing now. A value; part of the source's position.
class TornDays {
 public:
  /// A change record names this day: it was there, if only for a moment between two looks.
  void was_there(Day day);
  /// The days that are whole now. Days that were and are not any more are held, until they are back, or until days have
  /// been held for `hold_max_seconds` without a break. Gives the days that were given up.
  std::vector<Day> update(std::vector<Day> whole, std::int64_t now_seconds, std::int64_t hold_max_seconds);
  [[nodiscard]] const std::vector<HeldDay>& held() const { return held_; }
  /// When the held days are given up, in seconds UTC; INT64_MAX when none is held.
  [[nodiscard]] std::int64_t deadline_seconds(std::int64_t hold_max_seconds) const;

  // As two texts of digits and signs, to be kept.
  [[nodiscard]] std::string known_text() const;
  [[nodiscard]] std::string held_text() const;
  /// Takes what these gave. False: it is not that.
  bool parse(std::string_view whole, std::string_view held);

  bool operator==(const TornDays&) const = default;

 private:
  std::vector<Day> known_;     // whole now, or held; ascending
  std::vector<HeldDay> held_;  // ascending
};

}  // namespace admetrics::source
