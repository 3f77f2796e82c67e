#include "daemon/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace admetrics {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr const char* kSource = "[source.sqlite]\nproduct_db = \"p.db\"\nads_db = \"a.db\"\n";  // lines 1 to 3

/// A configuration file in a folder of its own.
class ConfigTest : public testing::Test {
 protected:
  ConfigTest() {
    std::string pattern = testing::TempDir() + "admetricsd-config-XXXXXX";
    folder_ = std::filesystem::canonical(::mkdtemp(pattern.data()));
  }
  ~ConfigTest() override { std::filesystem::remove_all(folder_); }

  ConfigResult read(const std::string& text) {
    std::ofstream(file()) << text;
    return read_config(file());
  }
  /// What `text` gives after the source's three lines, where nothing may be wrong.
  Config good(const std::string& text) {
    ConfigResult result = read(kSource + text);
    EXPECT_THAT(result.lines(), IsEmpty());
    return std::move(result.config);
  }
  std::vector<ConfigMistake> mistakes(const std::string& text) { return read(kSource + text).mistakes; }

  [[nodiscard]] std::string file() const { return (folder_ / "admetricsd.toml").string(); }
  [[nodiscard]] std::string in_folder(const std::string& name) const { return (folder_ / name).string(); }

  std::filesystem::path folder_;
};

auto mistake(std::int64_t line, const std::string& key, const std::string& part) {
  return AllOf(Field(&ConfigMistake::line, line), Field(&ConfigMistake::key, key),
               Field(&ConfigMistake::what, HasSubstr(part)));
}

TEST_F(ConfigTest, WhatIsLeftOutHasItsDefault) {
  const Config config = good("");
  EXPECT_TRUE(config.capture_triggers);
  EXPECT_EQ(config.tunables.scan_interval_ms, 60'000);
  EXPECT_EQ(config.sink_path, in_folder("p.db"));
  EXPECT_EQ(config.postgres, PostgresConfig());
  EXPECT_FALSE(config.changefeed.enabled);
  EXPECT_EQ(std::filesystem::path(config.state_dir) / "", in_folder("state/"));
  EXPECT_EQ(config.reporting.zone.name(), "UTC");
  EXPECT_EQ(config.reporting.trial_length_days, 7);
  EXPECT_EQ(config.reporting.names.trial_started, "RC Trial started");
  EXPECT_EQ(config.reporting.names.initial_purchase, "RC Initial purchase");
  EXPECT_EQ(config.reporting.names.trial_converted, "RC Trial converted");
  EXPECT_EQ(config.reporting.names.refund_contains, "cancel");
  EXPECT_FALSE(config.as_of);
  EXPECT_EQ(config.workers, 0U);
  EXPECT_EQ(config.tunables.memory_limit_bytes, std::int64_t{6} << 30);
  EXPECT_EQ(config.tunables.commit_interval_ms, 0);
  EXPECT_EQ(config.http, HttpConfig());
  EXPECT_EQ(config.log_level, "info");
  EXPECT_FALSE(config.log_json);
}

TEST_F(ConfigTest, EveryKeyIsTaken) {
  std::ofstream(in_folder("token")) << "# of the dashboard\nsecret-1\n\n  secret-2\t\n";
  const Config config = good(R"(
capture = "scan"
scan_interval = "5m"
[sink.sqlite]
path = "m.db"
[sink.postgres]
enabled = true
conninfo = "service=metrics"
schema = "ads"
user_lists = "jsonb"
connect_timeout = "3s"
statement_timeout = "1m"
[sink.changefeed]
enabled = true
path = "feed/rows.ndjson"
rotate_size = "1MiB"
rotate_after = "24h"
keep = 7
[state]
dir = "s"
[reporting]
time_zone = "America/New_York"
trial_length_days = 3
as_of = "2025-07-31"
[events]
trial_started = "t"
initial_purchase = "i"
trial_converted = "c"
refund_contains = "r"
[engine]
workers = 3
memory_limit = "512MiB"
commit_interval = "20ms"
[http]
listen = "0.0.0.0:80"
token_file = "token"
allow_remote = true
host_names = ["ads.example.com"]
cors_origins = ["https://dashboard.example.com", "http://localhost:3000"]
hide_user_ids = true
recompute_always = true
range_days_max = 31
rows_max = 1000
connections_max = 10
streams_max = 5
head_size_max = "4KiB"
body_size_max = "8KiB"
cache_size = "0B"
request_timeout = "1s"
recompute_timeout = "2s"
idle_timeout = "3s"
ready_lag_max = "4s"
[audit]
every = "3d"
cpu_share = 0.5
[quality]
interval = "0s"
days = 7
tolerance_percent = 0.5
[log]
level = "warning"
format = "json"
)");
  EXPECT_EQ(config.quality, (QualityConfig{0, 7, 0.5}));
  EXPECT_EQ(config.tunables.audit, (backfill::AuditSettings{259'200, 0.5}));
  EXPECT_FALSE(config.capture_triggers);
  EXPECT_EQ(config.tunables.scan_interval_ms, 300'000);
  EXPECT_EQ(config.sink_path, in_folder("m.db"));
  EXPECT_EQ(config.postgres, (PostgresConfig{true, "service=metrics", "ads", true, 3'000, 60'000}));
  EXPECT_EQ(config.changefeed, (ChangefeedConfig{true, in_folder("feed/rows.ndjson"), 1 << 20, 86'400'000, 7}));
  EXPECT_EQ(config.state_dir, in_folder("s"));
  EXPECT_EQ(config.reporting.zone.name(), "America/New_York");
  EXPECT_EQ(config.reporting.trial_length_days, 3);
  EXPECT_EQ(config.as_of, day_from_civil(2025, 7, 31));
  EXPECT_EQ(config.reporting.names.trial_started, "t");
  EXPECT_EQ(config.reporting.names.initial_purchase, "i");
  EXPECT_EQ(config.reporting.names.trial_converted, "c");
  EXPECT_EQ(config.reporting.names.refund_contains, "r");
  EXPECT_EQ(config.workers, 3U);
  EXPECT_EQ(config.tunables.memory_limit_bytes, std::int64_t{512} << 20);
  EXPECT_EQ(config.tunables.commit_interval_ms, 20);
  HttpConfig http;
  http.listen = "0.0.0.0:80";
  http.address = "0.0.0.0";
  http.port = 80;
  http.token_file = in_folder("token");
  http.tokens = {"secret-1", "secret-2"};
  http.allow_remote = true;
  http.host_names = {"ads.example.com"};
  http.cors_origins = {"https://dashboard.example.com", "http://localhost:3000"};
  http.hide_user_ids = true;
  http.recompute_always = true;
  http.range_days_max = 31;
  http.rows_max = 1'000;
  http.connections_max = 10;
  http.streams_max = 5;
  http.head_size_max_bytes = 4'096;
  http.body_size_max_bytes = 8'192;
  http.cache_size_bytes = 0;
  http.request_timeout_ms = 1'000;
  http.recompute_timeout_ms = 2'000;
  http.idle_timeout_ms = 3'000;
  http.ready_lag_max_ms = 4'000;
  EXPECT_EQ(config.http, http);
  EXPECT_EQ(config.log_level, "warning");
  EXPECT_TRUE(config.log_json);
}

TEST_F(ConfigTest, ADayMayStandWithoutQuotes) {
  EXPECT_EQ(good("[reporting]\nas_of = 2025-07-31\n").as_of, day_from_civil(2025, 7, 31));
}

TEST_F(ConfigTest, UnitsMultiply) {
  EXPECT_EQ(good("[engine]\ncommit_interval = \"2s\"\n").tunables.commit_interval_ms, 2'000);
  EXPECT_EQ(good("[engine]\ncommit_interval = \"1h\"\n").tunables.commit_interval_ms, 3'600'000);
  EXPECT_EQ(good("[engine]\ncommit_interval = \"0ms\"\n").tunables.commit_interval_ms, 0);
  EXPECT_EQ(good("[engine]\nmemory_limit = \"1TiB\"\n").tunables.memory_limit_bytes, std::int64_t{1} << 40);
  EXPECT_EQ(good("[engine]\nmemory_limit = \"100B\"\n").tunables.memory_limit_bytes, 100);
  EXPECT_EQ(good("[engine]\nmemory_limit = \"3KiB\"\n").tunables.memory_limit_bytes, 3'072);
}

TEST_F(ConfigTest, WrongUnitsAreNamed) {
  for (const char* value : {"\"5\"", "\"5 ms\"", "\"ms\"", "\"-5ms\"", "\"1.5s\"", "\"5min\"", "\"\"", "5", "true"}) {
    EXPECT_THAT(mistakes(std::string("[engine]\ncommit_interval = ") + value + "\n"),
                ElementsAre(mistake(5, "engine.commit_interval", "with a unit")))
        << value;
  }
  for (const char* value : {"\"6GB\"", "\"6G\"", "\"6gib\"", "6"}) {
    EXPECT_THAT(mistakes(std::string("[engine]\nmemory_limit = ") + value + "\n"),
                ElementsAre(mistake(5, "engine.memory_limit", "GiB")))
        << value;
  }
  EXPECT_THAT(mistakes("[engine]\nmemory_limit = \"9999999999TiB\"\n"),
              ElementsAre(mistake(5, "engine.memory_limit", "too large")));
  EXPECT_THAT(mistakes("scan_interval = \"0s\"\n"), ElementsAre(mistake(4, "source.sqlite.scan_interval", "longer")));
}

TEST_F(ConfigTest, WholeNumbersHaveTheirRange) {
  EXPECT_EQ(good("[engine]\nworkers = 64\n").workers, 64U);
  EXPECT_EQ(good("[reporting]\ntrial_length_days = 0\n").reporting.trial_length_days, 0);
  EXPECT_THAT(mistakes("[engine]\nworkers = 65\n"), ElementsAre(mistake(5, "engine.workers", "from 0 to 64")));
  EXPECT_THAT(mistakes("[engine]\nworkers = -1\n"), ElementsAre(mistake(5, "engine.workers", "from 0 to 64")));
  EXPECT_THAT(mistakes("[engine]\nworkers = 2.0\n"), ElementsAre(mistake(5, "engine.workers", "whole number")));
  EXPECT_THAT(mistakes("[reporting]\ntrial_length_days = \"7\"\n"),
              ElementsAre(mistake(5, "reporting.trial_length_days", "whole number")));
}

TEST_F(ConfigTest, ChoicesAreListed) {
  EXPECT_THAT(mistakes("capture = \"hooks\"\n"),
              ElementsAre(mistake(4, "source.sqlite.capture", R"("triggers" or "scan")")));
  EXPECT_THAT(mistakes("[log]\nlevel = \"loud\"\n"),
              ElementsAre(mistake(5, "log.level", R"("debug", "info", "warning" or "error")")));
  EXPECT_THAT(mistakes("[log]\nformat = 1\n"), ElementsAre(mistake(5, "log.format", R"("text" or "json")")));
}

TEST_F(ConfigTest, ZonesAndDaysMustExist) {
  for (const char* zone : {"Mars/Olympus", "localtime", "/etc/localtime", "../zoneinfo/UTC", "europe"}) {
    EXPECT_THAT(mistakes(std::string("[reporting]\ntime_zone = \"") + zone + "\"\n"),
                ElementsAre(mistake(5, "reporting.time_zone", zone)));
  }
  EXPECT_THAT(mistakes("[reporting]\ntime_zone = \"\"\n"), ElementsAre(mistake(5, "reporting.time_zone", "empty")));
  for (const char* day : {"\"2025-02-30\"", "\"today\"", "20250731", "2025-07-31T10:00:00Z"}) {
    EXPECT_THAT(mistakes(std::string("[reporting]\nas_of = ") + day + "\n"),
                ElementsAre(mistake(5, "reporting.as_of", "such as \"2025-07-31\"")))
        << day;
  }
}

TEST_F(ConfigTest, PlacesToListenAt) {
  const auto at = [&](const std::string& listen) {
    const HttpConfig http = good("[http]\nlisten = \"" + listen + "\"\n").http;
    return http.address + ' ' + std::to_string(http.port);
  };
  EXPECT_EQ(at("127.0.0.1:0"), "127.0.0.1 0");
  EXPECT_EQ(at("127.8.8.8:99"), "127.8.8.8 99");
  EXPECT_EQ(at("localhost:8787"), "127.0.0.1 8787");
  EXPECT_EQ(at("[::1]:8787"), "::1 8787");
  for (const char* listen :
       {"8787", ":8787", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80x", "::1:8787",
        "[::1]", "[127.0.0.1]:80", "example.com:80", "127.0.0.1 :80"}) {
    EXPECT_THAT(mistakes(std::string("[http]\nlisten = \"") + listen + "\"\n"),
                ElementsAre(mistake(5, "http.listen", "an IP address and a port")))
        << listen;
  }
}

TEST_F(ConfigTest, OtherHostsNeedATokenOrAWord) {
  for (const char* listen : {"0.0.0.0:80", "192.168.1.5:80", "[::]:80", "[fe80::1]:80"}) {
    const std::string text = std::string("[http]\nlisten = \"") + listen + "\"\n";
    EXPECT_THAT(mistakes(text), ElementsAre(mistake(5, "http.listen", "http.token_file"))) << listen;
    EXPECT_EQ(good(text + "allow_remote = true\n").http.tokens.size(), 0U);
  }
  std::ofstream(in_folder("token")) << "secret\n";
  EXPECT_THAT(good("[http]\nlisten = \"0.0.0.0:80\"\ntoken_file = \"token\"\n").http.tokens, ElementsAre("secret"));
}

TEST_F(ConfigTest, ATokenFileHoldsTokens) {
  const std::string text = "[http]\ntoken_file = \"token\"\n";
  EXPECT_THAT(mistakes(text), ElementsAre(mistake(5, "http.token_file", "cannot be read")));
  std::ofstream(in_folder("token")) << "# nothing\n\n";
  EXPECT_THAT(mistakes(text), ElementsAre(mistake(5, "http.token_file", "holds no token")));
  std::ofstream(in_folder("token")) << "two words\n";
  EXPECT_THAT(mistakes(text), ElementsAre(mistake(5, "http.token_file", "one word")));
}

TEST_F(ConfigTest, OriginsAreWhatBrowsersSend) {
  EXPECT_THAT(good("[http]\ncors_origins = [\"*\"]\n").http.cors_origins, ElementsAre("*"));
  for (const char* value :
       {"\"*\"", "[1]", "[\"example.com\"]", "[\"https://example.com/\"]", "[\"https://\"]", "[\"\"]"}) {
    EXPECT_THAT(mistakes(std::string("[http]\ncors_origins = ") + value + "\n"),
                ElementsAre(mistake(5, "http.cors_origins", "list of origins")))
        << value;
  }
}

TEST_F(ConfigTest, HostNamesAreNamesAlone) {
  for (const char* value :
       {"\"ads.example.com\"", "[1]", "[\"\"]", "[\"ads.example.com:80\"]", "[\"https://ads.example.com\"]"}) {
    EXPECT_THAT(mistakes(std::string("[http]\nhost_names = ") + value + "\n"),
                ElementsAre(mistake(5, "http.host_names", "list of host names")))
        << value;
  }
}

TEST_F(ConfigTest, AToleranceIsAPercentage) {
  EXPECT_EQ(good("[quality]\ntolerance_percent = 2\n").quality.tolerance_percent, 2);
  for (const char* value : {"-1", "101", "nan", "\"1\""}) {
    EXPECT_THAT(mistakes(std::string("[quality]\ntolerance_percent = ") + value + "\n"),
                ElementsAre(mistake(5, "quality.tolerance_percent", "from 0 to 100")))
        << value;
  }
}

TEST_F(ConfigTest, TheAuditsShareIsOneOfAProcessor) {
  EXPECT_EQ(good("").tunables.audit, (backfill::AuditSettings{604'800, 0.02}));
  EXPECT_EQ(good("[audit]\ncpu_share = 1\nevery = \"0s\"\n").tunables.audit, (backfill::AuditSettings{0, 1}));
  for (const char* value : {"0", "-1", "1.1", "nan", "\"1\""}) {
    EXPECT_THAT(mistakes(std::string("[audit]\ncpu_share = ") + value + "\n"),
                ElementsAre(mistake(5, "audit.cpu_share", "from 0.0001 to 1")))
        << value;
  }
  EXPECT_THAT(mistakes("[audit]\nevery = \"1500ms\"\n"), ElementsAre(mistake(5, "audit.every", "whole seconds")));
}

TEST_F(ConfigTest, HttpLimitsHaveTheirLeast) {
  EXPECT_THAT(mistakes("[http]\nrange_days_max = 0\n"), ElementsAre(mistake(5, "http.range_days_max", "from 1")));
  EXPECT_THAT(mistakes("[http]\nhead_size_max = \"10B\"\n"), ElementsAre(mistake(5, "http.head_size_max", "1KiB")));
  EXPECT_THAT(mistakes("[http]\nrequest_timeout = \"1ms\"\n"),
              ElementsAre(mistake(5, "http.request_timeout", "100ms")));
  EXPECT_THAT(mistakes("[http]\nhide_user_ids = 1\n"), ElementsAre(mistake(5, "http.hide_user_ids", "true or false")));
}

TEST_F(ConfigTest, AnUnknownKeySuggestsTheNearest) {
  EXPECT_THAT(mistakes("[reporting]\ntimezone = \"UTC\"\n"),
              ElementsAre(mistake(5, "reporting.timezone", "did you mean reporting.time_zone?")));
  EXPECT_THAT(mistakes("[engin]\nworkers = 1\n"),
              ElementsAre(mistake(5, "engin.workers", "did you mean engine.workers?")));
  EXPECT_THAT(mistakes("[sink]\npath = \"m.db\"\n"),
              ElementsAre(mistake(5, "sink.path", "did you mean sink.sqlite.path?")));
  EXPECT_THAT(mistakes("[events]\ntrial_start = \"x\"\n"),
              ElementsAre(mistake(5, "events.trial_start", "did you mean events.trial_started?")));
}

TEST_F(ConfigTest, AKeyOutsideItsSectionSuggestsItsPlace) {
  EXPECT_THAT(read(std::string("product_db = \"p.db\"\n") + kSource).mistakes,
              ElementsAre(mistake(1, "product_db", "did you mean source.sqlite.product_db?")));
}

TEST_F(ConfigTest, ASectionThatIsAValueIsAMistake) {
  EXPECT_THAT(read(std::string("log = \"debug\"\n") + kSource).mistakes, ElementsAre(mistake(1, "log", "unknown key")));
}

TEST_F(ConfigTest, AValueThatIsASectionIsAMistake) {
  EXPECT_THAT(mistakes("[log.level]\nx = 1\n"), ElementsAre(mistake(4, "log.level", "must be")));
}

TEST_F(ConfigTest, OneSourceOnly) {
  EXPECT_THAT(mistakes("[source.changelog]\npath = \"changes/\"\n"),
              ElementsAre(mistake(2, "source.sqlite.product_db", "cannot stand beside [source.changelog]"),
                          mistake(3, "source.sqlite.ads_db", "cannot stand beside [source.changelog]")));
}

TEST_F(ConfigTest, AChangeLogLandsInTheStateFolder) {
  const ConfigResult result = read("[source.changelog]\npath = \"changes/\"\n[state]\ndir = \"s\"\n");
  ASSERT_TRUE(result.good()) << result.lines().front();
  const Config& config = result.config;
  EXPECT_TRUE(config.changelog.path.ends_with("/changes")) << config.changelog.path;
  EXPECT_TRUE(config.landing_db.ends_with("/s/landing.db")) << config.landing_db;
  EXPECT_EQ(config.product_db, config.landing_db);
  EXPECT_EQ(config.ads_db, config.landing_db);
  EXPECT_EQ(config.sink_path, config.landing_db);
  EXPECT_TRUE(config.changelog.dead_letters.ends_with("/s/dead_letters.ndjson"));
}

TEST_F(ConfigTest, MistakesOfAChangeLogAreNamedByKeyAndLine) {
  EXPECT_THAT(
      read("[source.changelog]\nformat = \"csv\"\nhold_transactions_max = 3\n[source.changelog.mixpanel]\n"
           "time_zone = \"Mars\"\nrevenue_usd = [1]\nrevenue = \"x\"\n")
          .mistakes,
      ElementsAre(mistake(0, "source.changelog.path", "is missing"),
                  mistake(2, "source.changelog.format", "must be \"auto\""),
                  mistake(3, "source.changelog.hold_transactions_max", "must be a number with a unit"),
                  mistake(5, "source.changelog.mixpanel.time_zone", "\"Mars\" is no such"),
                  mistake(6, "source.changelog.mixpanel.revenue_usd", "must be a name in quotes"),
                  mistake(7, "source.changelog.mixpanel.revenue", "did you mean source.changelog.mixpanel.re")));
}

TEST_F(ConfigTest, MistakesComeAllAtOnceInOrderOfLines) {
  const auto found = mistakes("[log]\nlevel = 1\nformat = 2\n[engine]\nworkers = \"x\"\n");
  EXPECT_THAT(found,
              ElementsAre(mistake(5, "log.level", ""), mistake(6, "log.format", ""), mistake(8, "engine.workers", "")));
}

TEST_F(ConfigTest, WhatIsMissingIsNamedOnce) {
  EXPECT_THAT(read("[source.sqlite]\nads_db = \"a.db\"\n").mistakes,
              ElementsAre(mistake(0, "source.sqlite.product_db", "missing")));
  EXPECT_THAT(read("[source.sqlite]\nproduct_db = \"p.db\"\n").mistakes,
              ElementsAre(mistake(0, "source.sqlite.ads_db", "missing")));
  EXPECT_THAT(read("[source.sqlite]\nproduct_db = 5\nads_db = \"a.db\"\n").mistakes,
              ElementsAre(mistake(2, "source.sqlite.product_db", "text")));
}

TEST_F(ConfigTest, PathsMustNotMeet) {
  EXPECT_THAT(read("[source.sqlite]\nproduct_db = \"x.db\"\nads_db = \"sub/../x.db\"\n").mistakes,
              ElementsAre(mistake(0, "source.sqlite.ads_db", "another file")));
  EXPECT_THAT(mistakes("[sink.sqlite]\npath = \"./a.db\"\n"), ElementsAre(mistake(0, "sink.sqlite.path", "ads_db")));
}

TEST_F(ConfigTest, PathsAreRelativeToTheFileAndAbsoluteOnesStay) {
  const Config config = read("[source.sqlite]\nproduct_db = \"../p.db\"\nads_db = \"/data/a.db\"\n").config;
  EXPECT_EQ(config.product_db, (folder_.parent_path() / "p.db").string());
  EXPECT_EQ(config.ads_db, "/data/a.db");
}

TEST_F(ConfigTest, WhatIsNoTomlIsNamedWithItsLine) {
  EXPECT_THAT(read("[source.sqlite]\nproduct_db = \"p.db\nads_db = \"a.db\"\n").mistakes,
              ElementsAre(mistake(2, "", "")));
  EXPECT_THAT(read("[log]\nlevel = \"info\"\nlevel = \"info\"\n").mistakes, ElementsAre(mistake(3, "", "level")));
}

TEST_F(ConfigTest, AFileThatIsMissingIsNamed) {
  const ConfigResult result = read_config(in_folder("absent.toml"));
  EXPECT_THAT(result.lines(), ElementsAre(in_folder("absent.toml") + ": cannot be read: no such file"));
}

TEST_F(ConfigTest, LinesSayFileLineKeyAndWhatIsWrong) {
  EXPECT_THAT(read(std::string(kSource) + "[log]\nlevel = 1\n").lines(),
              ElementsAre(StartsWith(file() + ":5: log.level: must be ")));
  EXPECT_THAT(read("[source.sqlite]\nads_db = \"a.db\"\n").lines(),
              ElementsAre(file() + ": source.sqlite.product_db: is missing"));
}

}  // namespace
}  // namespace admetrics
