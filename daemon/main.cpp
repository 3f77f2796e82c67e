#include <CLI/CLI.hpp>
#include <array>
#include <iostream>

#include "daemon/application.hpp"
#include "daemon/calendar.hpp"
#include "daemon/cli_options.hpp"
#include "daemon/commands.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/offline_cli.hpp"
#include "daemon/plan_command.hpp"

using namespace admetrics;  // NOLINT: this file is the program

int main(int argc, char** argv) {
  CLI::App app{
      "admetricsd keeps daily ad metrics correct: it watches the raw tables and rewrites only the rows whose values "
      "change.\n\n"
      "Examples:\n"
      "  admetricsd demo sample/                                a realistic sample source to try it on\n"
      "  admetricsd run --config sample/admetricsd.toml         catch up, then stream until Ctrl-C\n"
      "  admetricsd verify --config sample/admetricsd.toml      recompute everything and compare\n",
      "admetricsd"};
  app.require_subcommand(1);
  app.set_version_flag("--version", [] {
    print_version();
    return std::string();
  });
  app.get_formatter()->column_width(34);

  std::string config;
  RunOptions run_options;
  CLI::App* run = app.add_subcommand(
      "run",
      "The daemon, in the foreground: catches up, then streams until SIGTERM. SIGHUP reads "
      "the configuration again.\n\nExamples:\n"
      "  admetricsd run --config FILE\n"
      "  admetricsd run --config FILE --once                  catch up and exit\n"
      "  admetricsd run --config FILE --backfill --once       read and compare everything, and exit\n"
      "  admetricsd run --config FILE --backfill --plan       only say what that would write\n"
      "  admetricsd run --config FILE --backfill --since 2025-07-01 --until 2025-07-31\n");
  add_config(*run, config);
  run->add_flag("--once", run_options.once, "catch up with everything recorded so far, commit, exit");
  CLI::Option* backfill = run->add_flag(
      "--backfill", run_options.backfill,
      "reconcile with everything in the raw tables, and every stored row, newest day first; streaming goes "
      "on meanwhile");
  add_day(*run, "--since", run_options.since, "with --backfill: compare stored rows from this day on");
  add_day(*run, "--until", run_options.until, "with --backfill: compare stored rows up to this day");
  run->get_option("--since")->needs(backfill);
  run->get_option("--until")->needs(backfill);
  bool plan = false;
  bool plan_json = false;
  run->add_flag("--plan", plan, "with --backfill: say which rows it would insert, update and delete, and write nothing")
      ->needs(backfill);
  run->add_flag("--json", plan_json, "with --plan: print JSON")->needs("--plan");
  add_day(*run, "--as-of", run_options.as_of, "pin \"today\", for tests and replays");

  VerifyArguments verify_arguments;
  CLI::App* verify =
      app.add_subcommand("verify",
                         "Recomputes the tables from the raw rows by an independent path and compares.\n"
                         "Exit status: 0 equal, 1 differences (listed), 2 could not verify.\n\nExamples:\n"
                         "  admetricsd verify --config FILE\n"
                         "  admetricsd verify --config FILE --since 2025-07-01 --json\n");
  add_config(*verify, verify_arguments.config);
  verify->add_option("--sink", verify_arguments.sink, "the rows of which sink: sqlite, postgres or changefeed")
      ->check(CLI::IsMember({"sqlite", "postgres", "changefeed"}))
      ->type_name("NAME")
      ->capture_default_str();
  add_day(*verify, "--since", verify_arguments.since, "compare rows from this day on");
  add_day(*verify, "--until", verify_arguments.until, "compare rows up to this day");
  add_day(*verify, "--as-of", verify_arguments.as_of,
          "the \"today\" to compute for; default: the one the rows were written for");
  verify->add_option("--sample", verify_arguments.sample, "the share of entities and days to compare")
      ->check(CLI::Range(0.0, 1.0))
      ->type_name("SHARE")
      ->capture_default_str();
  verify->add_option("--differences", verify_arguments.differences, "how many differences to list")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000}))
      ->type_name("N")
      ->capture_default_str();
  verify->add_flag("--json", verify_arguments.json, "print JSON");
  verify->add_flag("--repair", verify_arguments.repair,
                   "rewrite what differs (no daemon may be running), and verify again");

  DemoArguments demo_arguments;
  CLI::App* demo =
      app.add_subcommand("demo",
                         "Writes a realistic sample source into a folder; with --live keeps changing it as a "
                         "pipeline would, until SIGTERM.\n\nExamples:\n"
                         "  admetricsd demo sample/ --users 50000 --days 90\n"
                         "  admetricsd demo sample/ --live\n");
  demo->add_option("DIR", demo_arguments.dir, "the folder")->required();
  demo->add_option("--users", demo_arguments.users, "how many users")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  demo->add_option("--days", demo_arguments.days, "how many days, up to today")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  demo->add_option("--ads", demo_arguments.ads, "how many ads; 0: in proportion to the users")->capture_default_str();
  demo->add_option("--seed", demo_arguments.seed, "equal seeds give equal data")->capture_default_str();
  add_day(*demo, "--last-day", demo_arguments.last_day, "the last day; default: today, UTC");
  demo->add_flag("--live", demo_arguments.live, "keep changing the source that is there");
  demo->add_option("--pause-ms", demo_arguments.pause_ms, "with --live: how long to wait between two acts")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();

  bool json = false;
  std::int64_t limit = 1'000;
  CLI::App* status =
      app.add_subcommand("status",
                         "What the daemon says of itself: lag, last epoch, rejects, unmapped values, memory.\n"
                         "Exit status: 0 it runs, 2 it does not.");
  add_config(*status, config);
  status->add_flag("--json", json, "print JSON");

  // Orders to the running daemon.
  double timeout_seconds = 60;
  const auto add_order = [&](const char* name, const char* help) {
    CLI::App* order = app.add_subcommand(name, help);
    add_config(*order, config);
    order->add_option("--timeout", timeout_seconds, "how long to wait for the answer, in seconds")
        ->check(CLI::Range(0.0, 1e6))
        ->type_name("SECONDS")
        ->capture_default_str();
    return order;
  };
  const std::array<CLI::App*, 4> orders{
      add_order("sync",
                "Waits until everything that is committed at the source now is visible in the rows.\n"
                "Exit status: 0 it is, 2 not in time (the reason is named), or no daemon runs.\n\nExample:\n"
                "  admetricsd sync --config FILE --timeout 30"),
      add_order("pause",
                "Waits for the epoch that runs, then begins no other: changes are recorded, nothing is written.\n"
                "For maintenance of the databases. A restart of the daemon resumes, too."),
      add_order("resume", "Ends a pause."),
      add_order("drain",
                "Like sync, then pause: everything that was recorded is visible, and nothing more is written."),
  };

  BackfillArguments backfill_arguments;
  CLI::App* backfill_order = app.add_subcommand(
      "backfill",
      "Lets the running daemon read everything again beside streaming, newest day first, and correct what differs.\n"
      "It goes on after a restart. `status` shows how it goes.\n\nExamples:\n"
      "  admetricsd backfill --config FILE --wait\n"
      "  admetricsd backfill --config FILE --since 2025-07-01 --until 2025-07-31 --rate 500\n"
      "  admetricsd backfill --config FILE --entity-type campaign --entity-id 123\n"
      "  admetricsd backfill --config FILE --pause");
  add_config(*backfill_order, backfill_arguments.config);
  add_day(*backfill_order, "--since", backfill_arguments.since, "rows from this day on");
  add_day(*backfill_order, "--until", backfill_arguments.until, "rows up to this day");
  backfill_order->add_option("--entity-type", backfill_arguments.entity_type, "with --entity-id: this entity only")
      ->check(CLI::IsMember({"campaign", "adset", "ad"}));
  backfill_order->add_option("--entity-id", backfill_arguments.entity_id, "the entity's id")->type_name("ID");
  backfill_order->get_option("--entity-type")->needs(backfill_order->get_option("--entity-id"));
  backfill_order->get_option("--entity-id")->needs(backfill_order->get_option("--entity-type"));
  backfill_order->add_option("--rate", backfill_arguments.keys_per_second, "at most so many keys a second; 0: no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  backfill_order->add_flag("--wait", backfill_arguments.wait, "show the progress and end with it");
  const std::array<std::pair<const char*, const char*>, 3> backfill_orders{
      {{"--pause", "backfill_pause"}, {"--resume", "backfill_resume"}, {"--cancel", "backfill_cancel"}}};
  for (const auto& [flag, order] : backfill_orders) {
    backfill_order->add_flag_callback(
        flag, [&backfill_arguments, order = order] { backfill_arguments.order = order; }, "the backfill that runs");
  }
  CalendarArguments calendar_arguments;
  CLI::App* calendar = app.add_subcommand("calendar",
                                          "What will change by itself, and when: trials that are over when a reporting "
                                          "day begins, torn days that are given "
                                          "up.\nRead from the ledger, also beside a running daemon.\n\nExamples:\n"
                                          "  admetricsd calendar --config FILE\n"
                                          "  admetricsd calendar --config FILE --days 30 --json");
  add_config(*calendar, calendar_arguments.config);
  calendar->add_option("--days", calendar_arguments.days, "how many coming days")
      ->check(CLI::Range(1, 3'660))
      ->capture_default_str();
  calendar->add_flag("--json", calendar_arguments.json, "print JSON");
  CLI::App* rejects = app.add_subcommand("rejects", "The source rows that do not count, and why.");
  add_config(*rejects, config);
  rejects->add_flag("--json", json, "print JSON");
  rejects->add_option("--limit", limit, "how many at most")->check(CLI::PositiveNumber)->capture_default_str();
  CLI::App* check = app.add_subcommand("check-config",
                                       "Reads a configuration and names every mistake by key and line.\n"
                                       "Exit status: 0 good, 78 not.");
  add_config(*check, config);

  OfflineCli offline(app);

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForAllHelp& e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion&) {
    return exit_code::kFine;
  } catch (const CLI::ParseError& e) {
    std::cerr << "admetricsd: " << e.what() << "; see admetricsd --help\n";
    return exit_code::kUsage;
  }

  if (run->parsed() && plan) return plan_command(config, run_options, plan_json);
  if (run->parsed()) {
    ConfigResult read = read_config(config);
    for (const std::string& line : read.lines()) std::cerr << line << '\n';
    return read.good() ? run_daemon(std::move(read.config), run_options) : exit_code::kConfig;
  }
  if (verify->parsed()) return verify_command(verify_arguments);
  if (demo->parsed()) return demo_command(demo_arguments);
  if (status->parsed()) return status_command(config, json);
  if (backfill_order->parsed()) return backfill_command(backfill_arguments);
  for (const CLI::App* order : orders) {
    if (!order->parsed()) continue;
    return control_command(config, order->get_name(), static_cast<std::int64_t>(timeout_seconds * 1'000));
  }
  if (calendar->parsed()) return calendar_command(calendar_arguments);
  if (rejects->parsed()) return rejects_command(config, json, limit);
  if (check->parsed()) return check_config_command(config);
  return offline.run();
}
