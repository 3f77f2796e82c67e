#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/day.hpp"
#include "core/base/result.hpp"

namespace admetrics {

/// The reporting time zone, any IANA name. Immutable; any thread may ask, with a cursor of its own.
class TimeZone {
 public:
  /// Fails with kConfig when the zone is unknown to the machine's time-zone database.
  static Result<TimeZone> find(std::string_view name);

  /// Remembers the last offset's range, because neighbouring questions mostly fall into the same one.
  struct Cursor {
    std::int64_t begin_seconds = 1;
    std::int64_t end_seconds = 0;
    std::int64_t offset_seconds = 0;
  };

  /// The calendar day of `instant` in this zone.
  [[nodiscard]] Day day_of(Instant instant, Cursor& cursor) const;
  [[nodiscard]] Day day_of(Instant instant) const {
    Cursor cursor;
    return day_of(instant, cursor);
  }
  /// The first moment of `day` in this zone.
  [[nodiscard]] Instant start_of(Day day) const;
  /// The second (since 1970, UTC) at which clocks in this zone show `wall_seconds` since 1970-01-01 00:00:00 of their own. A time
  /// that they show twice is the first; one that they skip is counted on from before the gap.
  [[nodiscard]] std::int64_t utc_of_wall_seconds(std::int64_t wall_seconds) const;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  struct Zone;
  std::string name_;
  std::shared_ptr<const Zone> zone_;
};

}  // namespace admetrics
