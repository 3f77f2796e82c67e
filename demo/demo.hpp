#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/day.hpp"
#include "core/base/result.hpp"

/// A sample source: what a marketing team's pipeline would have written, and how it goes on writing.
namespace admetrics::demo {

inline constexpr std::int64_t kUsersMax = 20'000'000;
inline constexpr int kDaysMax = 3'650;
inline constexpr std::int64_t kAdsMax = 100'000;
inline constexpr int kEventJsonBytesMax = 65'536;

/// How far `write_source` is; told once per day written and at the end of each stage.
struct DemoProgress {
  const char* stage = "";  // "rows", "indexes", "done"
  std::int64_t days_done = 0;
  std::int64_t days_total = 0;
  std::int64_t users = 0;
  std::int64_t events = 0;
  std::int64_t products = 0;
  std::int64_t meta_rows = 0;
};

struct DemoOptions {
  std::string dir;
  std::int64_t users = 50'000;
  int days = 90;
  std::uint64_t seed = 1;
  std::optional<Day> last_day;  // required: the caller knows what today is, this room does not
  std::int64_t ads = 0;         // 0: users / 200, between 10 and 5000
  int event_json_bytes = 300;
  std::function<void(const DemoProgress&)> progress;
};

/// Creates `dir` with `mixpanel_data.db`, `meta_analytics.db` (both in WAL mode) and, when there is none,
/// `admetricsd.toml`. Equal options give equal content. Databases that this function wrote earlier are
/// replaced once the new ones are whole; any other file of those names is refused (kUsage), and so is a
/// database that somebody has open (kBusy).
Status write_source(const DemoOptions& options);

/// LivePipeline: goes on writing to a source that `write_source` made, one act at a time.
///
/// Threads:    one at a time.
/// Invariants: (1) breakdown rows of an ad and day add up to its daily row after every step;
///             (2) a reload that a killed process left behind is finished by the next one;
///             (3) the same source, seed and clock give the same acts.
class LivePipeline {
 public:
  /// Fails with kUsage on databases that `write_source` did not make. `clock` must outlive the pipeline.
  static Result<LivePipeline> open(const std::string& dir, std::uint64_t seed, const Clock& clock);

  LivePipeline(LivePipeline&&) noexcept;
  LivePipeline& operator=(LivePipeline&&) noexcept;
  ~LivePipeline();

  /// One transaction of the pipeline; says what it did. A day reload takes several steps, and its days are
  /// torn in between. A lock that others hold longer than ten seconds is no error: the step says that it
  /// waited in vain, changed nothing, and may be called again.
  Result<std::string> step();

  /// True while a day reload is under way, so that the caller can finish it before it stops.
  [[nodiscard]] bool reloading() const;

 private:
  struct Body;
  explicit LivePipeline(std::unique_ptr<Body> body);
  std::unique_ptr<Body> body_;
};

}  // namespace admetrics::demo
