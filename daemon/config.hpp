#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/day.hpp"
#include "core/base/result.hpp"
#include "core/model/reporting.hpp"

namespace admetrics {

/// What a running pipeline takes over without a break.
struct Tunables {
  std::int64_t scan_interval_ms = 60'000;
  std::int64_t hold_torn_days_max_ms = 3'600'000;  // 0: nothing is held
  std::int64_t memory_limit_bytes = std::int64_t{6} << 30;
  std::int64_t commit_interval_ms = 0;

  bool operator==(const Tunables&) const = default;
};

/// The configuration file, parsed, checked and with every path made absolute. Constant from then on.
struct Config {
  std::string file;
  // [source.sqlite]
  std::string product_db;
  std::string ads_db;
  bool capture_triggers = true;
  // [sink.sqlite]
  std::string sink_path;
  // [state]
  std::string state_dir;
  // [reporting] and [events]
  Reporting reporting;
  std::optional<Day> as_of;
  // [engine]
  std::size_t workers = 0;
  Tunables tunables;
  // [http]
  std::string http_listen = "127.0.0.1:8787";
  std::string http_token_file;
  // [log]
  std::string log_level = "info";
  bool log_json = false;

  /// Where the running daemon takes orders: a Unix socket.
  [[nodiscard]] std::string control_socket() const;
  /// Whether a pipeline that runs under this configuration has to start again for `next`.
  [[nodiscard]] bool needs_new_pipeline(const Config& next) const;
  /// Takes everything else of `next`.
  void take_over(const Config& next);
};

/// One mistake in a configuration file.
struct ConfigMistake {
  std::int64_t line = 0;  // 0: the file as a whole
  std::string key;
  std::string what;
};

struct ConfigResult {
  Config config;
  std::vector<ConfigMistake> mistakes;  // empty: the configuration is good

  [[nodiscard]] bool good() const { return mistakes.empty(); }
  /// One line a mistake, "FILE:LINE: KEY: what is wrong".
  [[nodiscard]] std::vector<std::string> lines() const;
};

/// Reads and checks `file`, naming every mistake.
ConfigResult read_config(const std::string& file);

}  // namespace admetrics
