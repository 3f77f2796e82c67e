#include "daemon/commands.hpp"
#include "daemon/following_sinks.hpp"

#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/json.hpp>
#include <boost/version.hpp>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "admetrics_build_info.hpp"
#include "core/sqlite/database.hpp"
#include "daemon/application.hpp"
#include "daemon/config.hpp"
#include "daemon/console.hpp"
#include "daemon/control_server.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/system_clock.hpp"
#include "daemon/verification.hpp"
#include "demo/demo.hpp"
#include "state/folder_lock.hpp"
#include "state/ledger_store.hpp"
#include "verify/verify.hpp"

namespace admetrics {
namespace {

/// Sums over the campaign rows, which count everything once per level: for people who look.
void add_totals(const Config& config, boost::json::object& status) {
  auto sink = sqlite::Connection::open(config.sink_path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs);
  if (!sink) return;
  auto select = (*sink)->prepare(
      "SELECT (SELECT count(*) FROM daily_mixpanel_metrics), (SELECT count(*) FROM daily_mixpanel_metrics_breakdown), "
      "sum(meta_spend), sum(trial_users_count), sum(purchase_users_count), sum(actual_revenue_usd), "
      "sum(estimated_revenue_usd) "
      "FROM daily_mixpanel_metrics WHERE entity_type = 'campaign'");
  if (!select) return;
  const auto row = select->step();
  if (!row.ok() || !*row) return;
  const auto cents = [&](int column) { return std::round(select->real(column) * 100) / 100; };
  status["totals"] = {{"main_rows", select->integer(0)}, {"breakdown_rows", select->integer(1)}, {"spend", cents(2)},
                      {"trials", select->integer(3)},    {"purchases", select->integer(4)},      {"revenue", cents(5)},
                      {"estimated_revenue", cents(6)}};
}

std::string text_of(const boost::json::value& value) {
  if (value.is_string()) return std::string(value.get_string());
  if (value.is_double()) {
    std::array<char, 64> text;
    const int length = std::snprintf(text.data(), text.size(), "%.2f", value.get_double());
    return {text.data(), static_cast<std::size_t>(length)};
  }
  return boost::json::serialize(value);
}

void print_status(const boost::json::object& status, bool alive) {
  const auto line = [](const std::string& name, const std::string& value) {
    std::printf("%-24s %s\n", name.c_str(), value.c_str());
  };
  line("daemon", alive ? "running, pid " + text_of(status.at("pid")) : "not running; this is what it last said");
  for (const char* key :
       {"phase", "started_at", "written_at", "as_of", "lag_records", "lag_seconds", "users", "epochs_total",
        "rows_written_total", "rows_unchanged_total", "failures_total", "last_error"}) {
    line(key, text_of(status.at(key)));
  }
  if (const auto* held = status.if_contains("held_back"); held != nullptr && !held->at("days").as_array().empty()) {
    std::string days;
    for (const auto& day : held->at("days").as_array()) {
      days += (days.empty() ? "" : ", ") + text_of(day.at("day")) + " since " + text_of(day.at("since"));
    }
    line("held days", days);
    line("held users", held->at("everyone").as_bool() ? "everyone" : text_of(held->at("users")));
  }
  if (const auto* sinks = status.if_contains("sinks"); sinks != nullptr && sinks->is_array()) {
    for (const auto& sink : sinks->get_array()) {
      std::string text = text_of(sink.at("state")) + ", epoch " + text_of(sink.at("epoch"));
      if (sink.at("lag_epochs").to_number<std::int64_t>() > 0) {
        text += ", " + text_of(sink.at("lag_epochs")) + " epochs and " + text_of(sink.at("lag_seconds")) + " s behind";
      }
      if (!sink.at("behind_why").as_string().empty()) text += " (" + text_of(sink.at("behind_why")) + ')';
      if (!sink.at("last_error").is_null()) {
        text +=
            "; failed " + text_of(sink.at("failures_total")) + " times, the last: " + text_of(sink.at("last_error"));
      }
      line("sink " + text_of(sink.at("sink")), text);
    }
  }
  if (const auto* backfill = status.if_contains("backfill"); backfill != nullptr && backfill->is_object()) {
    std::string text = text_of(backfill->at("state")) + ", " + text_of(backfill->at("items_done")) + " of " +
                       text_of(backfill->at("items_total"));
    if (!backfill->at("seconds_left").is_null()) text += ", about " + text_of(backfill->at("seconds_left")) + " s left";
    line("backfill", text);
  }
  if (const auto* audit = status.if_contains("self_audit"); audit != nullptr && audit->is_object()) {
    std::string text = "off";
    if (audit->at("every_seconds").to_number<std::int64_t>() > 0) {
      text = text_of(audit->at("cycle_state")) + ", " + text_of(audit->at("items_done")) + " of " +
             text_of(audit->at("items_total")) + ", oldest unverified " +
             text_of(audit->at("oldest_unverified_seconds")) + " s";
    }
    for (const auto& [kind, count] : audit->at("mismatches_total").as_object())
      text += ", " + std::string(kind) + ' ' + text_of(count);
    line("self_audit", text);
  }
  for (const char* group : {"last_epoch", "changelog", "memory", "totals"}) {
    const auto* found = status.if_contains(group);
    if (found == nullptr || !found->is_object()) continue;
    std::printf("%s\n", group);
    for (const auto& [key, value] : found->get_object()) line("  " + std::string(key), text_of(value));
  }
  for (const char* list : {"rejects", "unmapped"}) {
    const auto& entries = status.at(list).as_array();
    std::printf("%s%s\n", list, entries.empty() ? "                  none" : "");
    for (const auto& entry : entries) {
      std::string text;
      for (const auto& [key, value] : entry.as_object()) text += std::string(key) + '=' + text_of(value) + "  ";
      std::printf("  %s\n", text.c_str());
    }
  }
}

/// Verifies one sink. A copy may be of a moment before what the sources hold: then another is made.
Result<VerifyReport> verify_sink(const Config& config, const std::string& name, VerifyOptions& options) {
  constexpr int kCopies = 10;
  constexpr int kWaitForCopyMs = 300;
  for (int copies = 1;; ++copies) {
    ADM_ASSIGN(const SinkDatabase rows, SinkDatabase::open(config, name));
    options.sink_db = rows.path();
    options.at_once = rows.is_copy();
    if (rows.is_copy() && copies < kCopies) options.align_timeout_ms = kWaitForCopyMs;
    auto report = verify(options);
    if (!report && report.error().code == Errc::kReadOnly) {
      // A killed writer left a hot journal, which only a connection that may write can roll back: let one do it.
      for (const std::string& path : {options.product_db, options.ads_db, options.sink_db}) {
        static_cast<void>(sqlite::Connection::open(path, sqlite::OpenMode::kReadWrite, kBusyTimeoutMs).ok());
      }
      report = verify(options);
    }
    const bool behind = !report && report.error().code == Errc::kBusy && rows.is_copy();
    if (!behind || copies == kCopies) return report;
  }
}

std::atomic<bool> stop_demo{false};

}  // namespace

int verify_command(const VerifyArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return exit_code::kConfig;
  const SystemClock clock;
  VerifyOptions options;
  options.product_db = config->product_db;
  options.ads_db = config->ads_db;
  options.sink_db = config->sink_path;
  options.reporting = config->reporting;
  options.as_of = arguments.as_of;
  options.since = arguments.since;
  options.until = arguments.until;
  options.sample = arguments.sample;
  options.differences_kept = static_cast<std::size_t>(arguments.differences);
  options.temp_dir = std::filesystem::is_directory(config->state_dir) ? config->state_dir : std::string();
  options.clock = &clock;
  options.progress = [](const VerifyProgress& progress) {
    show_progress(
        "verify: " + progress.phase +
        (progress.total > 0 ? " " + std::to_string(progress.done) + " of " + std::to_string(progress.total) : ""));
  };
  auto report = verify_sink(*config, arguments.sink, options);
  end_progress();
  const auto keep_outcome = [&] {
    Verification outcome;
    outcome.at_seconds = clock.now().seconds;
    outcome.known = report.ok();
    outcome.whole = arguments.sample >= 1 && !arguments.since && !arguments.until;
    if (report) {
      outcome.equal = report->equal();
      outcome.differences = report->difference_count;
      outcome.epoch = static_cast<std::uint64_t>(report->epoch.value_or(0));
      outcome.duration_seconds = report->seconds;
    } else {
      outcome.error = report.error().line();
    }
    // Where the folder is not ours to write, as for another user than the service's, nobody hears of it.
    static_cast<void>(write_verification(config->state_dir, outcome).ok());
  };
  keep_outcome();
  if (!report) return fail(report.error());
  std::optional<VerifyReport> repaired;
  if (!report->equal() && arguments.repair) {
    if (!arguments.json) std::cout << to_text(*report) << "repairing\n" << std::flush;
    RunOptions repair;
    repair.once = true;
    repair.quiet = true;
    repair.backfill = true;
    repair.since = arguments.since;
    repair.until = arguments.until;
    repair.as_of = report->as_of;
    if (arguments.sink != "sqlite") {
      if (Status forgotten = forget_position(*config, arguments.sink); !forgotten.ok()) return fail(forgotten.error());
    }
    if (const int code = run_daemon(*config, repair); code != exit_code::kFine) return code;
    repaired = std::move(report).value();
    report = verify_sink(*config, arguments.sink, options);
    end_progress();
    keep_outcome();
    if (!report) return fail(report.error());
    if (!arguments.json) std::cout << repair_to_text(*repaired);
  }
  std::cout << (arguments.json ? to_json(*report, repaired ? &*repaired : nullptr) + "\n" : to_text(*report))
            << std::flush;
  return report->equal() ? exit_code::kFine : exit_code::kNo;
}

int demo_command(const DemoArguments& arguments) {
  const SystemClock clock;
  if (arguments.live) {
    auto pipeline = demo::LivePipeline::open(arguments.dir, arguments.seed, clock);
    if (!pipeline) return fail(pipeline.error());
    struct sigaction action {};
    action.sa_handler = [](int) { stop_demo.store(true); };
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
    // A reload that has begun is finished, so that no day stays torn.
    while (!stop_demo.load() || pipeline->reloading()) {
      auto done = pipeline->step();
      if (!done) return fail(done.error());
      std::cout << *done << std::endl;
      const auto pause_ms = static_cast<long>(stop_demo.load() ? 0 : arguments.pause_ms);
      const timespec pause{pause_ms / 1'000, pause_ms % 1'000 * 1'000'000};
      ::nanosleep(&pause, nullptr);  // the pace of the pipeline; a signal ends it early
    }
    return exit_code::kFine;
  }
  demo::DemoOptions options;
  options.dir = arguments.dir;
  options.users = arguments.users;
  options.days = arguments.days;
  options.ads = arguments.ads;
  options.seed = arguments.seed;
  options.last_day = arguments.last_day;
  if (!options.last_day) {
    auto utc = TimeZone::find("UTC");
    if (!utc) return fail(utc.error());
    options.last_day = utc->day_of(clock.now());
  }
  std::int64_t events = 0;
  options.progress = [&](const demo::DemoProgress& progress) {
    events = progress.events;
    show_progress(std::string("demo: ") + progress.stage + ", day " + std::to_string(progress.days_done) + " of " +
                  std::to_string(progress.days_total) + ", " + std::to_string(progress.users) + " users, " +
                  std::to_string(progress.events) + " events, " + std::to_string(progress.meta_rows) + " Meta rows");
  };
  if (Status written = demo::write_source(options); !written.ok()) {
    end_progress();
    return fail(written.error());
  }
  end_progress();
  std::cout << "wrote " << arguments.dir << ": " << options.users << " users, " << events << " events over "
            << options.days << " days\nnext: admetricsd run --config " << arguments.dir << "/admetricsd.toml\n";
  return exit_code::kFine;
}

int status_command(const std::string& file, bool json) {
  const auto config = load_config(file);
  if (!config) return exit_code::kConfig;
  // The daemon itself, or what it last wrote down: it may have ended, or hang.
  constexpr std::int64_t kTimeoutMs = 2'000;
  const std::string path = config->state_dir + "/status.json";
  boost::json::error_code error;
  boost::json::object status;
  const auto answer = ask_control(config->control_socket(), R"({"command":"status"})", kTimeoutMs);
  const boost::json::value said = answer ? boost::json::parse(*answer, error) : boost::json::value();
  if (const auto* object = said.if_object();
      object != nullptr && object->contains("status") && object->at("status").is_object()) {
    status = object->at("status").get_object();
  } else {
    std::ifstream in(path);
    if (!in)
      return fail({Errc::kNotFound, "read the daemon's status", path, "no daemon has run with this configuration"});
    std::stringstream text;
    text << in.rdbuf();
    boost::json::value parsed = boost::json::parse(text.str(), error);
    if (error || !parsed.is_object())
      return fail({Errc::kCorrupt, "read the daemon's status", path, "it is not a status document"});
    status = std::move(parsed.get_object());
  }
  try {
    const bool alive = FolderLock::held(config->state_dir);
    status["running"] = alive;
    add_totals(*config, status);
    if (json) {
      std::cout << boost::json::serialize(status) << '\n';
    } else {
      print_status(status, alive);
    }
    return alive ? exit_code::kFine : exit_code::kCannot;
  } catch (const std::exception&) {  // the library's way to say that a field is missing or of another type
    return fail({Errc::kCorrupt, "read the daemon's status", path, "it is not a status document"});
  }
}

int rejects_command(const std::string& file, bool json, std::int64_t limit) {
  const auto config = load_config(file);
  if (!config) return exit_code::kConfig;
  auto ledger = sqlite::Connection::open(config->state_dir + "/ledger.db", sqlite::OpenMode::kReadOnly, kBusyTimeoutMs);
  if (!ledger) return fail(ledger.error());
  auto rejects = read_rejects(**ledger, limit);
  if (!rejects) return fail(rejects.error());
  boost::json::array list;
  for (const Reject& reject : *rejects) {
    if (json) {
      list.push_back({{"table", reject.table},
                      {"row", reject.row_key},
                      {"reason", name_of(reject.reason)},
                      {"column", reject.column},
                      {"value", reject.text}});
    } else {
      std::cout << reject.table << '\t' << one_line(reject.row_key) << '\t' << name_of(reject.reason) << '\t'
                << reject.column << '\t' << boost::json::serialize(boost::json::string(reject.text)) << '\n';
    }
  }
  if (json) std::cout << boost::json::serialize(list) << '\n';
  return exit_code::kFine;
}

int check_config_command(const std::string& file) {
  if (!load_config(file)) return exit_code::kConfig;
  std::cout << file << ": good\n";
  return exit_code::kFine;
}

void print_version() {
  std::cout << "admetricsd " << build_info::kVersion << " (" << build_info::kGitDescribe << ", "
            << build_info::kBuildType << ", " << build_info::kCompiler << ")\nSQLite " << sqlite::library_version()
            << ", Boost " << BOOST_VERSION / 100'000 << '.' << BOOST_VERSION / 100 % 1'000 << '.' << BOOST_VERSION % 100
            << '\n';
}

}  // namespace admetrics
