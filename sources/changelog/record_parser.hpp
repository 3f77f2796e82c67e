#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time_zone.hpp"
#include "sources/changelog/record.hpp"

namespace admetrics::source {

/// Which shapes are looked for.
enum class LogFormat : std::uint8_t { kAuto, kDebezium, kPlain, kMixpanel };

/// From the properties of Mixpanel's raw export to columns: of several names the first that is there and not null.
struct MixpanelMapping {
  using Names = std::vector<std::string>;

  Names event_uuid{"$insert_id"};
  Names distinct_id{"distinct_id", "$distinct_id"};
  Names event_time{"time"};  // seconds since 1970, or milliseconds when it is that large
  Names revenue_usd{"revenue_usd", "revenue", "$revenue"};
  // Of the user, by the event that tells it last.
  Names abi_ad_id{"abi_ad_id"};
  Names abi_campaign_id{"abi_campaign_id"};
  Names abi_ad_set_id{"abi_ad_set_id"};
  Names country{"mp_country_code", "$country_code", "country_code", "country"};
  Names region{"$region", "region"};
  Names has_abi_attribution{"has_abi_attribution"};  // where no event tells: whether any of the three ids is there
  std::string time_zone = "UTC";                     // whose clock `event_time` counts by: the Mixpanel project's

  bool operator==(const MixpanelMapping&) const = default;
};

/// Where a line stands in what `parse` was given.
struct LogLine {
  std::size_t at = 0;
  std::string_view text;  // without its line break
};

class RecordVisitor {
 public:
  virtual ~RecordVisitor() = default;
  virtual Status on_record(const Record& record, const LogLine& line) = 0;
  virtual Status on_bad(BadRecord reason, const LogLine& line) = 0;
};

/// RecordParser: lines of NDJSON to records.
///
/// Threads:    one at a time.
/// Invariants: (1) every line that is not blank is visited once, in order: as a record or as a bad one. Only a line that
///             holds two, one written behind the torn half of another, is visited twice;
///             (2) no bytes make it fail: what cannot be read is visited as bad.
class RecordParser {
 public:
  /// Fails with kConfig when the mapping's time zone is unknown.
  static Result<RecordParser> create(LogFormat format, const MixpanelMapping& mapping);
  RecordParser(RecordParser&&) noexcept;
  RecordParser& operator=(RecordParser&&) noexcept;
  ~RecordParser();

  /// How many readable bytes must lie behind the text that is parsed.
  static std::size_t padding();

  /// Visits each line of `lines`; the last one needs no line break. Fails only as the visitor does.
  Status parse(std::string_view lines, RecordVisitor& visitor);
  /// Whether `line` is one whole record or one whole JSON object of no known shape, or ends in such a record: nothing more
  /// belongs to it.
  bool is_whole(std::string_view line);

 private:
  struct Impl;
  explicit RecordParser(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace admetrics::source
