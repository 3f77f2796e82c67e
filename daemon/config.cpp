#include "daemon/config.hpp"

#include <arpa/inet.h>
#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "sinks/postgres/settings.hpp"

namespace admetrics {
namespace {

using Mistakes = std::vector<ConfigMistake>;
using Lines = std::map<std::string, std::int64_t, std::less<>>;  // of the keys that the file has

/// A known key: its place, and how its value is taken. `take` gives what is wrong, or "".
struct Key {
  std::string_view path;
  std::function<std::string(const toml::node&, Config&)> take;
};

std::string take_text(const toml::node& node, std::string& into) {
  const auto text = node.value_exact<std::string>();
  if (!text) return "must be a text in quotes";
  into = *text;
  return "";
}

std::string take_name(const toml::node& node, std::string& into) {
  std::string problem = take_text(node, into);
  if (problem.empty() && into.empty()) problem = "must not be empty";
  return problem;
}

/// A number with a unit behind it: "250ms", "6GiB".
template <std::size_t N>
std::string take_measure(const toml::node& node, const std::pair<std::string_view, std::int64_t> (&units)[N],
                         const char* example, std::int64_t& into) {
  std::string wrong = std::string("must be a number with a unit in quotes, such as ") + example;
  const auto text = node.value_exact<std::string>();
  if (!text) return wrong;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || number < 0) return wrong;
  const std::string_view unit(end, static_cast<std::size_t>(text->data() + text->size() - end));
  for (const auto& [name, factor] : units) {
    if (unit != name) continue;
    if (number > INT64_MAX / factor) return "is too large";
    into = number * factor;
    return "";
  }
  return wrong;
}

constexpr std::pair<std::string_view, std::int64_t> kDurationsMs[] = {
    {"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
constexpr std::pair<std::string_view, std::int64_t> kSizesBytes[] = {
    {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", std::int64_t{1} << 40}};

std::string take_whole(const toml::node& node, std::int64_t from, std::int64_t to, std::int64_t& into) {
  const auto number = node.value_exact<std::int64_t>();
  if (!number || *number < from || *number > to) {
    return "must be a whole number from " + std::to_string(from) + " to " + std::to_string(to);
  }
  into = *number;
  return "";
}

std::string take_choice(const toml::node& node, const std::vector<std::string>& choices, std::string& into) {
  const auto text = node.value_exact<std::string>();
  if (text && std::find(choices.begin(), choices.end(), *text) != choices.end()) {
    into = *text;
    return "";
  }
  std::string wrong = "must be";
  for (std::size_t i = 0; i < choices.size(); ++i) {
    wrong += (i == 0 ? " \"" : i + 1 == choices.size() ? " or \"" : ", \"") + choices[i] + '"';
  }
  return wrong;
}

std::string take_flag(const toml::node& node, bool& into) {
  const auto flag = node.value_exact<bool>();
  if (!flag) return "must be true or false";
  into = *flag;
  return "";
}

/// "127.0.0.1:8787", "[::1]:8787", "localhost:8787", or "" for nothing at all.
std::string take_listen(const toml::node& node, HttpConfig& into) {
  std::string problem = take_text(node, into.listen);
  if (!problem.empty() || into.listen.empty()) return problem;
  std::string wrong = "must be an IP address and a port, such as \"127.0.0.1:8787\" or \"[::1]:8787\"";
  const std::size_t colon = into.listen.rfind(':');
  if (colon == std::string::npos) return wrong;
  std::string host = into.listen.substr(0, colon);
  const char* const end = into.listen.data() + into.listen.size();
  const auto [rest, error] = std::from_chars(into.listen.data() + colon + 1, end, into.port);
  if (error != std::errc() || rest != end) return wrong;
  if (host == "localhost") host = "127.0.0.1";
  in6_addr parsed;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    if (::inet_pton(AF_INET6, host.c_str(), &parsed) != 1) return wrong;
  } else if (::inet_pton(AF_INET, host.c_str(), &parsed) != 1) {
    return wrong;
  }
  into.address = host;
  return "";
}

/// "ads.example.com": what stands in an address before the port.
std::string take_host_names(const toml::node& node, std::vector<std::string>& into) {
  std::string wrong = "must be a list of host names without a port, such as [\"ads.example.com\"]";
  const toml::array* list = node.as_array();
  if (list == nullptr) return wrong;
  for (const toml::node& entry : *list) {
    const auto name = entry.value_exact<std::string>();
    if (!name || name->empty() || name->find_first_of(":/ \t\r\n") != std::string::npos) return wrong;
    into.push_back(*name);
  }
  return "";
}

/// What a browser sends as Origin: "https://dashboard.example.com", with a port where it is not the usual one.
std::string take_origins(const toml::node& node, std::vector<std::string>& into) {
  std::string wrong = "must be a list of origins, such as [\"https://dashboard.example.com\"], or [\"*\"]";
  const toml::array* list = node.as_array();
  if (list == nullptr) return wrong;
  for (const toml::node& entry : *list) {
    const auto origin = entry.value_exact<std::string>();
    if (!origin) return wrong;
    const std::size_t scheme = origin->find("://");
    const bool whole = scheme != std::string::npos && scheme > 0 && origin->size() > scheme + 3 &&
                       origin->find_first_of("/ \t\r\n", scheme + 3) == std::string::npos;
    if (*origin != "*" && !whole) return wrong;
    into.push_back(*origin);
  }
  return "";
}

/// A number from `from` to `to`, in the unit of `units` whose factor is 1.
template <std::size_t N>
std::string take_measure_from(const toml::node& node, const std::pair<std::string_view, std::int64_t> (&units)[N],
                              const char* example, std::int64_t from, const char* least, std::int64_t& into) {
  std::string problem = take_measure(node, units, example, into);
  if (problem.empty() && into < from) problem = std::string("must be at least ") + least;
  return problem;
}

/// One name, or a list of them.
std::string take_names(const toml::node& node, std::vector<std::string>& into) {
  std::string wrong = "must be a name in quotes, or a list of such names";
  std::vector<std::string> names;
  if (const toml::array* list = node.as_array()) {
    for (const toml::node& entry : *list) {
      const auto name = entry.value_exact<std::string>();
      if (!name || name->empty()) return wrong;
      names.push_back(*name);
    }
  } else if (const auto name = node.value_exact<std::string>(); name && !name->empty()) {
    names.push_back(*name);
  } else {
    return wrong;
  }
  into = std::move(names);
  return "";
}

const std::vector<Key>& known_keys() {
  static const std::vector<Key> keys{
      {"source.sqlite.product_db", [](const toml::node& n, Config& c) { return take_name(n, c.product_db); }},
      {"source.sqlite.ads_db", [](const toml::node& n, Config& c) { return take_name(n, c.ads_db); }},
      {"source.sqlite.capture",
       [](const toml::node& n, Config& c) {
         std::string choice;
         std::string problem = take_choice(n, {"triggers", "scan"}, choice);
         c.capture_triggers = choice != "scan";
         return problem;
       }},
      {"source.sqlite.scan_interval",
       [](const toml::node& n, Config& c) {
         std::string problem = take_measure(n, kDurationsMs, "\"60s\"", c.tunables.scan_interval_ms);
         if (problem.empty() && c.tunables.scan_interval_ms == 0) problem = "must be longer than nothing";
         return problem;
       }},
      {"source.sqlite.hold_torn_days_max",
       [](const toml::node& n, Config& c) {
         return take_measure(n, kDurationsMs, "\"1h\"", c.tunables.hold_torn_days_max_ms);
       }},
      {"source.changelog.path", [](const toml::node& n, Config& c) { return take_name(n, c.changelog.path); }},
      {"source.changelog.format",
       [](const toml::node& n, Config& c) {
         const std::vector<std::string> choices{"auto", "debezium", "plain", "mixpanel"};  // as LogFormat
         std::string choice;
         std::string problem = take_choice(n, choices, choice);
         const auto at = std::find(choices.begin(), choices.end(), choice) - choices.begin();
         if (problem.empty()) c.changelog.format = static_cast<source::LogFormat>(at);
         return problem;
       }},
      {"source.changelog.landing_db", [](const toml::node& n, Config& c) { return take_name(n, c.landing_db); }},
      {"source.changelog.dead_letters",
       [](const toml::node& n, Config& c) { return take_name(n, c.changelog.dead_letters); }},
      {"source.changelog.dead_letters_size_max",
       [](const toml::node& n, Config& c) {
         return take_measure_from(n, kSizesBytes, "\"256MiB\"", 1 << 20, "\"1MiB\"",
                                  c.changelog.dead_letters_size_max_bytes);
       }},
      {"source.changelog.tombstones_max",
       [](const toml::node& n, Config& c) { return take_whole(n, 1'000, 1'000'000'000, c.changelog.tombstones_max); }},
      {"source.changelog.hold_transactions_max",
       [](const toml::node& n, Config& c) {
         return take_measure(n, kDurationsMs, "\"1h\"", c.changelog.hold_transactions_max_ms);
       }},
      {"source.changelog.hold_transactions_size_max",
       [](const toml::node& n, Config& c) {
         return take_measure_from(n, kSizesBytes, "\"1GiB\"", 1 << 20, "\"1MiB\"",
                                  c.changelog.hold_transactions_size_max_bytes);
       }},
      {"source.changelog.hold_torn_days_max",
       [](const toml::node& n, Config& c) {
         return take_measure(n, kDurationsMs, "\"1h\"", c.tunables.hold_torn_days_max_ms);
       }},
      {"source.changelog.mixpanel.time_zone",
       [](const toml::node& n, Config& c) {
         std::string problem = take_name(n, c.changelog.mixpanel.time_zone);
         if (!problem.empty()) return problem;
         const auto zone = TimeZone::find(c.changelog.mixpanel.time_zone);
         return zone ? std::string() : "\"" + c.changelog.mixpanel.time_zone + "\" is " + zone.error().detail;
       }},
      {"source.changelog.mixpanel.event_uuid",
       [](const toml::node& n, Config& c) { return take_names(n, c.changelog.mixpanel.event_uuid); }},
      {"source.changelog.mixpanel.distinct_id",
       [](const toml::node& n, Config& c) { return take_names(n, c.changelog.mixpanel.distinct_id); }},
      {"source.changelog.mixpanel.event_time",
       [](const toml::node& n, Config& c) { return take_names(n, c.changelog.mixpanel.event_time); }},
      {"source.changelog.mixpanel.revenue_usd",
       [](const toml::node& n, Config& c) { return take_names(n, c.changelog.mixpanel.revenue_usd); }},
      {"source.changelog.mixpanel.abi_ad_id",
       [](const toml::node& n, Config& c) { return take_names(n, c.changelog.mixpanel.abi_ad_id); }},
      {"source.changelog.mixpanel.abi_campaign_id",
       [](const toml::node& n, Config& c) { return take_names(n, c.changelog.mixpanel.abi_campaign_id); }},
      {"source.changelog.mixpanel.abi_ad_set_id",
       [](const toml::node& n, Config& c) { return take_names(n, c.changelog.mixpanel.abi_ad_set_id); }},
      {"source.changelog.mixpanel.country",
       [](const toml::node& n, Config& c) { return take_names(n, c.changelog.mixpanel.country); }},
      {"source.changelog.mixpanel.region",
       [](const toml::node& n, Config& c) { return take_names(n, c.changelog.mixpanel.region); }},
      {"source.changelog.mixpanel.has_abi_attribution",
       [](const toml::node& n, Config& c) { return take_names(n, c.changelog.mixpanel.has_abi_attribution); }},
      {"sink.sqlite.path", [](const toml::node& n, Config& c) { return take_name(n, c.sink_path); }},
      {"sink.postgres.enabled", [](const toml::node& n, Config& c) { return take_flag(n, c.postgres.enabled); }},
      {"sink.postgres.conninfo",
       [](const toml::node& n, Config& c) {
         std::string problem = take_text(n, c.postgres.conninfo);
         if (problem.empty()) problem = sink::check_conninfo(c.postgres.conninfo);
         if (!problem.empty()) c.postgres.conninfo.clear();  // it may hold a secret: nobody repeats it
         return problem;
       }},
      {"sink.postgres.schema",
       [](const toml::node& n, Config& c) {
         constexpr std::size_t kNameBytesMax = 63;
         std::string problem = take_name(n, c.postgres.schema);
         if (problem.empty() && c.postgres.schema.size() > kNameBytesMax) problem = "must be at most 63 bytes long";
         return problem;
       }},
      {"sink.postgres.user_lists",
       [](const toml::node& n, Config& c) {
         std::string choice;
         std::string problem = take_choice(n, {"text", "jsonb"}, choice);
         c.postgres.jsonb_lists = choice == "jsonb";
         return problem;
       }},
      {"sink.postgres.connect_timeout",
       [](const toml::node& n, Config& c) {
         return take_measure_from(n, kDurationsMs, "\"10s\"", 100, "\"100ms\"", c.postgres.connect_timeout_ms);
       }},
      {"sink.postgres.statement_timeout",
       [](const toml::node& n, Config& c) {
         return take_measure_from(n, kDurationsMs, "\"5m\"", 1'000, "\"1s\"", c.postgres.statement_timeout_ms);
       }},
      {"sink.changefeed.enabled", [](const toml::node& n, Config& c) { return take_flag(n, c.changefeed.enabled); }},
      {"sink.changefeed.path", [](const toml::node& n, Config& c) { return take_name(n, c.changefeed.path); }},
      {"sink.changefeed.rotate_size",
       [](const toml::node& n, Config& c) {
         return take_measure(n, kSizesBytes, "\"256MiB\"", c.changefeed.rotate_size_bytes);
       }},
      {"sink.changefeed.rotate_after",
       [](const toml::node& n, Config& c) {
         return take_measure(n, kDurationsMs, "\"24h\"", c.changefeed.rotate_after_ms);
       }},
      {"sink.changefeed.keep",
       [](const toml::node& n, Config& c) { return take_whole(n, 0, 1'000'000, c.changefeed.keep); }},
      {"state.dir", [](const toml::node& n, Config& c) { return take_name(n, c.state_dir); }},
      {"reporting.time_zone",
       [](const toml::node& n, Config& c) {
         std::string name;
         std::string problem = take_name(n, name);
         if (!problem.empty()) return problem;
         auto zone = TimeZone::find(name);
         if (!zone) return "\"" + name + "\" is " + zone.error().detail;
         c.reporting.zone = std::move(zone).value();
         return std::string();
       }},
      {"reporting.trial_length_days",
       [](const toml::node& n, Config& c) {
         constexpr std::int64_t kDaysMax = 3'650;
         std::int64_t days = c.reporting.trial_length_days;
         std::string problem = take_whole(n, 0, kDaysMax, days);
         c.reporting.trial_length_days = static_cast<int>(days);
         return problem;
       }},
      {"reporting.as_of",
       [](const toml::node& n, Config& c) {
         std::string text;
         if (const auto date = n.value_exact<toml::date>()) {  // as_of = 2025-07-31, without quotes
           c.as_of = day_from_civil(date->year, date->month, date->day);
           return std::string();
         }
         std::string problem = take_text(n, text);
         if (problem.empty()) c.as_of = parse_day(text);
         if (!c.as_of) problem = "must be a day such as \"2025-07-31\"";
         return problem;
       }},
      {"events.trial_started",
       [](const toml::node& n, Config& c) { return take_name(n, c.reporting.names.trial_started); }},
      {"events.initial_purchase",
       [](const toml::node& n, Config& c) { return take_name(n, c.reporting.names.initial_purchase); }},
      {"events.trial_converted",
       [](const toml::node& n, Config& c) { return take_name(n, c.reporting.names.trial_converted); }},
      {"events.refund_contains",
       [](const toml::node& n, Config& c) { return take_name(n, c.reporting.names.refund_contains); }},
      {"engine.workers",
       [](const toml::node& n, Config& c) {
         constexpr std::int64_t kWorkersMax = 64;
         std::int64_t workers = 0;
         std::string problem = take_whole(n, 0, kWorkersMax, workers);
         c.workers = static_cast<std::size_t>(workers);
         return problem;
       }},
      {"engine.memory_limit",
       [](const toml::node& n, Config& c) {
         return take_measure(n, kSizesBytes, "\"6GiB\"", c.tunables.memory_limit_bytes);
       }},
      {"engine.commit_interval",
       [](const toml::node& n, Config& c) {
         return take_measure(n, kDurationsMs, "\"50ms\"", c.tunables.commit_interval_ms);
       }},
      {"engine.heartbeat_interval",
       [](const toml::node& n, Config& c) {
         return take_measure(n, kDurationsMs, "\"30s\"", c.tunables.heartbeat_interval_ms);
       }},
      {"audit.every",
       [](const toml::node& n, Config& c) {
         std::int64_t every_ms = 0;
         std::string problem = take_measure(n, kDurationsMs, "\"7d\"", every_ms);
         if (problem.empty() && every_ms % 1'000 != 0) problem = "must be whole seconds";
         c.tunables.audit.every_seconds = every_ms / 1'000;
         return problem;
       }},
      {"audit.cpu_share",
       [](const toml::node& n, Config& c) {
         constexpr double kLeast = 0.0001;
         const auto share = n.value<double>();
         if (!share || !(*share >= kLeast && *share <= 1)) return std::string("must be a number from 0.0001 to 1");
         c.tunables.audit.cpu_share = *share;
         return std::string();
       }},
      {"quality.interval",
       [](const toml::node& n, Config& c) { return take_measure(n, kDurationsMs, "\"5m\"", c.quality.interval_ms); }},
      {"quality.days", [](const toml::node& n, Config& c) { return take_whole(n, 1, 36'500, c.quality.days); }},
      {"quality.tolerance_percent",
       [](const toml::node& n, Config& c) {
         const auto percent = n.value<double>();
         if (!percent || !(*percent >= 0 && *percent <= 100)) return std::string("must be a number from 0 to 100");
         c.quality.tolerance_percent = *percent;
         return std::string();
       }},
      {"http.listen", [](const toml::node& n, Config& c) { return take_listen(n, c.http); }},
      {"http.token_file", [](const toml::node& n, Config& c) { return take_name(n, c.http.token_file); }},
      {"http.allow_remote", [](const toml::node& n, Config& c) { return take_flag(n, c.http.allow_remote); }},
      {"http.host_names", [](const toml::node& n, Config& c) { return take_host_names(n, c.http.host_names); }},
      {"http.cors_origins", [](const toml::node& n, Config& c) { return take_origins(n, c.http.cors_origins); }},
      {"http.hide_user_ids", [](const toml::node& n, Config& c) { return take_flag(n, c.http.hide_user_ids); }},
      {"http.recompute_always", [](const toml::node& n, Config& c) { return take_flag(n, c.http.recompute_always); }},
      {"http.range_days_max",
       [](const toml::node& n, Config& c) { return take_whole(n, 1, 36'500, c.http.range_days_max); }},
      {"http.rows_max", [](const toml::node& n, Config& c) { return take_whole(n, 1, 100'000'000, c.http.rows_max); }},
      {"http.connections_max",
       [](const toml::node& n, Config& c) { return take_whole(n, 1, 100'000, c.http.connections_max); }},
      {"http.streams_max",
       [](const toml::node& n, Config& c) { return take_whole(n, 0, 100'000, c.http.streams_max); }},
      {"http.head_size_max",
       [](const toml::node& n, Config& c) {
         return take_measure_from(n, kSizesBytes, "\"16KiB\"", 1'024, "\"1KiB\"", c.http.head_size_max_bytes);
       }},
      {"http.body_size_max",
       [](const toml::node& n, Config& c) {
         return take_measure_from(n, kSizesBytes, "\"64KiB\"", 1'024, "\"1KiB\"", c.http.body_size_max_bytes);
       }},
      {"http.cache_size",
       [](const toml::node& n, Config& c) {
         return take_measure(n, kSizesBytes, "\"128MiB\"", c.http.cache_size_bytes);
       }},
      {"http.request_timeout",
       [](const toml::node& n, Config& c) {
         return take_measure_from(n, kDurationsMs, "\"30s\"", 100, "\"100ms\"", c.http.request_timeout_ms);
       }},
      {"http.recompute_timeout",
       [](const toml::node& n, Config& c) {
         return take_measure_from(n, kDurationsMs, "\"10m\"", 100, "\"100ms\"", c.http.recompute_timeout_ms);
       }},
      {"http.idle_timeout",
       [](const toml::node& n, Config& c) {
         return take_measure_from(n, kDurationsMs, "\"60s\"", 100, "\"100ms\"", c.http.idle_timeout_ms);
       }},
      {"http.ready_lag_max",
       [](const toml::node& n, Config& c) {
         return take_measure(n, kDurationsMs, "\"60s\"", c.http.ready_lag_max_ms);
       }},
      {"log.level",
       [](const toml::node& n, Config& c) {
         return take_choice(n, {"debug", "info", "warning", "error"}, c.log_level);
       }},
      {"log.format",
       [](const toml::node& n, Config& c) {
         std::string choice;
         std::string problem = take_choice(n, {"text", "json"}, choice);
         c.log_json = choice == "json";
         return problem;
       }},
  };
  return keys;
}

/// How many letters have to be changed, added or removed.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

std::string nearest_key(const std::string& path) {
  const auto& keys = known_keys();
  // The whole path may be misspelled, or the key may stand outside its section.
  const auto distance_to = [&](const Key& key) {
    const std::string_view name = key.path.substr(key.path.rfind('.') + 1);
    const std::size_t whole = edit_distance(path, key.path);
    return std::pair(std::min(whole, edit_distance(path, name)), whole);
  };
  const auto nearest = std::min_element(keys.begin(), keys.end(),
                                        [&](const Key& a, const Key& b) { return distance_to(a) < distance_to(b); });
  return std::string(nearest->path);
}

bool is_section(std::string_view path) {
  const std::string prefix = std::string(path) + '.';
  return std::any_of(known_keys().begin(), known_keys().end(),
                     [&](const Key& key) { return key.path.starts_with(prefix); });
}

/// Names every key of an unknown section.
void refuse_table(const toml::table& table, const std::string& path, Mistakes& mistakes) {
  for (const auto& [name, node] : table) {
    const std::string inner = path + '.' + std::string(name.str());
    if (node.is_table() && !node.as_table()->empty()) {
      refuse_table(*node.as_table(), inner, mistakes);
    } else {
      mistakes.push_back({static_cast<std::int64_t>(name.source().begin.line), inner,
                          "unknown key; did you mean " + nearest_key(inner) + "?"});
    }
  }
}

void take_table(const toml::table& table, const std::string& prefix, Config& config, Lines& lines, Mistakes& mistakes) {
  for (const auto& [name, node] : table) {
    const std::string path = prefix + std::string(name.str());
    const auto line = static_cast<std::int64_t>(name.source().begin.line);
    const auto known =
        std::find_if(known_keys().begin(), known_keys().end(), [&](const Key& key) { return key.path == path; });
    if (known != known_keys().end()) {
      lines.emplace(path, line);
      if (std::string problem = known->take(node, config); !problem.empty())
        mistakes.push_back({line, path, std::move(problem)});
    } else if (node.is_table() && is_section(path)) {
      take_table(*node.as_table(), path + '.', config, lines, mistakes);
    } else if (node.is_table() && !node.as_table()->empty()) {
      refuse_table(*node.as_table(), path, mistakes);
    } else {
      mistakes.push_back({line, path, "unknown key; did you mean " + nearest_key(path) + "?"});
    }
  }
}

/// The lines of a token file that are not empty and no comments; each is a token.
std::string read_tokens(const std::string& file, std::vector<std::string>& into) {
  std::ifstream in(file);
  if (!in) return file + " cannot be read";
  constexpr std::size_t kTokenBytesMax = 4'096;
  std::string line;
  while (std::getline(in, line)) {
    const std::size_t from = line.find_first_not_of(" \t\r");
    if (from == std::string::npos || line[from] == '#') continue;
    std::string token = line.substr(from, line.find_last_not_of(" \t\r") - from + 1);
    const bool plain = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
    if (!plain || token.size() > kTokenBytesMax)
      return file + ": a token is one word of ASCII letters, digits and signs";
    into.push_back(std::move(token));
  }
  return into.empty() ? file + " holds no token" : "";
}

/// What only shows when every key of [http] is known.
void finish_http(HttpConfig& http, const Lines& lines, Mistakes& mistakes) {
  const auto line_of = [&](const char* key) {
    const auto line = lines.find(key);
    return line == lines.end() ? 0 : line->second;
  };
  const auto is_wrong_already = [&](const char* key) {
    return std::any_of(mistakes.begin(), mistakes.end(), [&](const auto& m) { return m.key == key; });
  };
  if (http.listen.empty()) return;
  if (!http.token_file.empty()) {
    if (std::string problem = read_tokens(http.token_file, http.tokens); !problem.empty())
      mistakes.push_back({line_of("http.token_file"), "http.token_file", std::move(problem)});
  } else if (!http.is_local() && !http.allow_remote && !is_wrong_already("http.listen") &&
             !is_wrong_already("http.token_file")) {
    mistakes.push_back({line_of("http.listen"), "http.listen",
                        http.listen + " is open to other hosts, and no token is asked for: set http.token_file, or "
                                      "http.allow_remote = true where something else keeps strangers out"});
  }
}

/// Either tables or a change log is the source. With a log, what it says lands in one database, which is read like the pipeline's.
void finish_source(Config& config, const Lines& lines, Mistakes& mistakes) {
  const bool wanted = std::any_of(lines.begin(), lines.end(),
                                  [](const auto& line) { return line.first.starts_with("source.changelog."); });
  if (!wanted) return;
  const bool wrong_already =
      std::any_of(mistakes.begin(), mistakes.end(), [](const auto& m) { return m.key == "source.changelog.path"; });
  if (config.changelog.path.empty() && !wrong_already) mistakes.push_back({0, "source.changelog.path", "is missing"});
  for (const auto& [key, line] : lines) {
    if (key.starts_with("source.sqlite."))
      mistakes.push_back({line, key, "cannot stand beside [source.changelog]: one of them is the source"});
  }
}

std::string absolute_path(const std::string& path, const std::filesystem::path& folder) {
  std::string absolute = (folder / path).lexically_normal().string();
  if (absolute.size() > 1 && absolute.ends_with('/')) absolute.pop_back();
  return absolute;
}

}  // namespace

std::string Config::replay_folder() const { return (std::filesystem::path(state_dir) / "replay").string(); }

std::string Config::control_socket() const { return (std::filesystem::path(state_dir) / "control.sock").string(); }

bool Config::needs_new_pipeline(const Config& next) const {
  const auto fixed = [](const Config& c) {
    const EventNames& names = c.reporting.names;
    return std::tuple(c.product_db, c.ads_db, c.capture_triggers, c.changelog, c.sink_path, c.postgres, c.changefeed,
                      c.state_dir, c.reporting.zone.name(), c.reporting.trial_length_days, names.trial_started,
                      names.initial_purchase, names.trial_converted, names.refund_contains, c.as_of, c.workers);
  };
  return fixed(*this) != fixed(next);
}

void Config::take_over(const Config& next) {
  tunables = next.tunables;
  http = next.http;
  quality = next.quality;
  log_level = next.log_level;
  log_json = next.log_json;
}

std::vector<std::string> ConfigResult::lines() const {
  std::vector<std::string> lines;
  for (const ConfigMistake& mistake : mistakes) {
    std::string line = config.file;
    if (mistake.line > 0) line += ':' + std::to_string(mistake.line);
    if (!mistake.key.empty()) line += ": " + mistake.key;
    lines.push_back(line + ": " + mistake.what);
  }
  return lines;
}

ConfigResult read_config(const std::string& file) {
  ConfigResult result;
  Config& config = result.config;
  config.file = file;
  if (auto utc = TimeZone::find("UTC"); utc.ok()) {
    config.reporting.zone = std::move(utc).value();
  } else {
    result.mistakes.push_back({0, "reporting.time_zone", utc.error().line()});
  }
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored) && !std::filesystem::is_regular_file(file, ignored)) {
    result.mistakes.push_back({0, "", "cannot be read: it is not a file"});
    return result;
  }
  if (!std::filesystem::is_regular_file(file, ignored)) {
    result.mistakes.push_back({0, "", "cannot be read: no such file"});
    return result;
  }
  Lines lines;
  try {
    take_table(toml::parse_file(file), "", config, lines, result.mistakes);
  } catch (const toml::parse_error& error) {  // the library as Debian builds it reports in no other way
    result.mistakes.push_back(
        {static_cast<std::int64_t>(error.source().begin.line), "", std::string(error.description())});
    return result;
  }

  const std::filesystem::path folder = std::filesystem::absolute(file, ignored).parent_path();
  const auto require = [&](std::string& path, const char* key, const char* fallback) {
    if (path.empty()) path = fallback;
    if (path.empty()) {
      const bool named =
          std::any_of(result.mistakes.begin(), result.mistakes.end(), [&](const auto& m) { return m.key == key; });
      if (!named) result.mistakes.push_back({0, key, "is missing"});
      return;
    }
    path = absolute_path(path, folder);
  };
  finish_source(config, lines, result.mistakes);
  require(config.state_dir, "state.dir", "state/");
  const bool from_log = std::any_of(lines.begin(), lines.end(),
                                    [](const auto& line) { return line.first.starts_with("source.changelog."); });
  if (from_log) {
    const std::filesystem::path state = config.state_dir;
    if (!config.changelog.path.empty() && config.changelog.path != "-")
      config.changelog.path = absolute_path(config.changelog.path, folder);
    require(config.landing_db, "source.changelog.landing_db", (state / "landing.db").c_str());
    require(config.changelog.dead_letters, "source.changelog.dead_letters", (state / "dead_letters.ndjson").c_str());
    config.product_db = config.ads_db = config.landing_db;
  } else {
    require(config.product_db, "source.sqlite.product_db", "");
    require(config.ads_db, "source.sqlite.ads_db", "");
  }
  if (!config.product_db.empty()) require(config.sink_path, "sink.sqlite.path", config.product_db.c_str());
  if (config.changefeed.path != "-") config.changefeed.path = absolute_path(config.changefeed.path, folder);
  if (!config.http.token_file.empty()) config.http.token_file = absolute_path(config.http.token_file, folder);
  finish_http(config.http, lines, result.mistakes);
  if (!from_log && !config.product_db.empty() && config.product_db == config.ads_db) {
    result.mistakes.push_back({0, "source.sqlite.ads_db", "must be another file than source.sqlite.product_db"});
  }
  if (!config.ads_db.empty() && config.product_db != config.ads_db && config.sink_path == config.ads_db) {
    result.mistakes.push_back({0, "sink.sqlite.path", "must not be source.sqlite.ads_db"});
  }
  std::stable_sort(result.mistakes.begin(), result.mistakes.end(),
                   [](const ConfigMistake& a, const ConfigMistake& b) { return a.line < b.line; });
  return result;
}

}  // namespace admetrics
