#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backfill/audit_settings.hpp"
#include "core/base/day.hpp"
#include "core/base/result.hpp"
#include "core/model/reporting.hpp"
#include "sources/changelog/record_parser.hpp"

namespace admetrics {

/// [http]: what is served, to whom, and what it may cost.
struct HttpConfig {
  std::string listen = "127.0.0.1:8787";  // "": nothing is served
  std::string address = "127.0.0.1";      // of `listen`
  std::uint16_t port = 8787;
  std::string token_file;
  std::vector<std::string> tokens;  // read from it
  bool allow_remote = false;        // other hosts may come without a token
  std::vector<std::string> host_names;
  std::vector<std::string> cors_origins;
  bool hide_user_ids = false;
  bool recompute_always = false;
  std::int64_t range_days_max = 400;
  std::int64_t rows_max = 500'000;
  std::int64_t connections_max = 512;
  std::int64_t streams_max = 256;
  std::int64_t head_size_max_bytes = std::int64_t{16} << 10;
  std::int64_t body_size_max_bytes = std::int64_t{64} << 10;
  std::int64_t cache_size_bytes = std::int64_t{128} << 20;
  std::int64_t request_timeout_ms = 30'000;
  std::int64_t recompute_timeout_ms = 600'000;
  std::int64_t idle_timeout_ms = 60'000;
  std::int64_t ready_lag_max_ms = 60'000;

  /// Whether only programs of this host can reach it.
  [[nodiscard]] bool is_local() const { return address == "::1" || address.starts_with("127."); }

  bool operator==(const HttpConfig&) const = default;
};

/// [sink.postgres]: follows behind [sink.sqlite].
struct PostgresConfig {
  bool enabled = false;
  std::string conninfo;  // without credentials; "": the environment names the server
  std::string schema = "public";
  bool jsonb_lists = false;
  std::int64_t connect_timeout_ms = 10'000;
  std::int64_t statement_timeout_ms = 300'000;

  bool operator==(const PostgresConfig&) const = default;
};

/// [sink.changefeed]: follows behind [sink.sqlite].
struct ChangefeedConfig {
  bool enabled = false;
  std::string path = "changes/rows.ndjson";  // "-": standard output
  std::int64_t rotate_size_bytes = std::int64_t{256} << 20;
  std::int64_t rotate_after_ms = 0;  // 0: never by age
  std::int64_t keep = 0;             // closed files; 0: all

  bool operator==(const ChangefeedConfig&) const = default;
};

/// [source.changelog]: change records in files instead of the pipeline's tables.
struct ChangelogConfig {
  std::string path;  // a file, a folder, or "-"; "": the source is SQLite
  source::LogFormat format = source::LogFormat::kAuto;
  source::MixpanelMapping mixpanel;
  std::string dead_letters;
  std::int64_t dead_letters_size_max_bytes = std::int64_t{256} << 20;
  std::int64_t tombstones_max = 10'000'000;
  std::int64_t hold_transactions_max_ms = 3'600'000;
  std::int64_t hold_transactions_size_max_bytes = std::int64_t{1} << 30;

  bool operator==(const ChangelogConfig&) const = default;
};

/// [quality]: how often the daemon looks at what the rows say about the data behind them.
struct QualityConfig {
  std::int64_t interval_ms = 300'000;  // 0: never
  std::int64_t days = 28;              // up to today
  double tolerance_percent = 1;

  bool operator==(const QualityConfig&) const = default;
};

/// What a running pipeline takes over without a break.
struct Tunables {
  std::int64_t scan_interval_ms = 60'000;
  std::int64_t hold_torn_days_max_ms = 3'600'000;  // 0: nothing is held
  std::int64_t memory_limit_bytes = std::int64_t{6} << 30;
  std::int64_t commit_interval_ms = 0;
  backfill::AuditSettings audit;
  std::int64_t heartbeat_interval_ms = 30'000;  // 0: none is sent

  bool operator==(const Tunables&) const = default;
};

/// The configuration file, parsed, checked and with every path made absolute. Constant from then on.
struct Config {
  std::string file;
  // [source.sqlite]
  std::string product_db;
  std::string ads_db;
  bool capture_triggers = true;
  // [source.changelog]: then both databases are its landing database
  ChangelogConfig changelog;
  std::string landing_db;
  // [sink.sqlite]
  std::string sink_path;
  PostgresConfig postgres;
  ChangefeedConfig changefeed;
  // [state]
  std::string state_dir;
  // [reporting] and [events]
  Reporting reporting;
  std::optional<Day> as_of;
  // [engine]
  std::size_t workers = 0;
  Tunables tunables;
  // [http]
  HttpConfig http;
  // [quality]
  QualityConfig quality;
  // [log]
  std::string log_level = "info";
  bool log_json = false;

  /// Where the running daemon takes orders: a Unix socket.
  [[nodiscard]] std::string control_socket() const;
  [[nodiscard]] bool reads_changelog() const { return !changelog.path.empty(); }
  /// Where `admetricsd replay` puts what the change log's source shall read again.
  [[nodiscard]] std::string replay_folder() const;
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
