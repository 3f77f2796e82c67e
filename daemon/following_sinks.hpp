#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "daemon/config.hpp"
#include "follow/follower.hpp"
#include "sinks/postgres/settings.hpp"

namespace admetrics {

/// The sinks that follow behind [sink.sqlite], as configured.
std::vector<follow::FollowerOptions> following_sinks(const Config& config);

/// The database in which the sink changefeed keeps the rows as it last told them.
std::string changefeed_state(const Config& config);
sink::PostgresSinkOptions postgres_options(const Config& config);

/// Makes a sink that follows forget where it stands: the next run compares each of its rows. No daemon may be running.
Status forget_position(const Config& config, const std::string& name);

/// The rows of a sink as an SQLite database: the sink's own, or a copy of one moment that is gone with this object.
class SinkDatabase {
 public:
  /// `name` as in the configuration: "sqlite", "postgres", "changefeed". kConfig: it is not configured.
  static Result<SinkDatabase> open(const Config& config, const std::string& name);
  SinkDatabase(SinkDatabase&& other) noexcept;
  SinkDatabase& operator=(SinkDatabase&&) = delete;
  ~SinkDatabase();

  [[nodiscard]] const std::string& path() const { return path_; }
  /// True: it does not change any more, whatever the daemon does.
  [[nodiscard]] bool is_copy() const { return !folder_.empty(); }

 private:
  SinkDatabase() = default;

  std::string path_;
  std::string folder_;  // of the copy
};

}  // namespace admetrics
