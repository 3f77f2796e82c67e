#include "daemon/offline_cli.hpp"

#include "daemon/cli_options.hpp"

namespace admetrics {

OfflineCli::OfflineCli(CLI::App& app) {
  add_explain(app);
  add_compare(app);
  add_quality(app);
  add_schema(app);
  add_replay(app);
}

int OfflineCli::run() {
  if (explain_command_->parsed()) return admetrics::explain_command(explain_);
  if (compare_command_->parsed()) return admetrics::compare_command(compare_);
  if (replay_command_->parsed()) return admetrics::replay_command(replay_);
  if (quality_command_->parsed()) return admetrics::quality_command(quality_);
  if (check_->parsed()) return schema_check_command(schema_);
  if (migrate_->parsed()) return schema_migrate_command(schema_);
  return schema_rollback_command(schema_);
}

void OfflineCli::add_explain(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "explain",
      "Where one stored row comes from: its raw rows, what each gives to which column, each column's formula with its "
      "numbers, and when and why the row last changed.\nExit status: 0 the stored row agrees, 1 it does not, 2 could "
      "not "
      "tell.\n\n"
      "Examples:\n"
      "  admetricsd explain --config FILE --entity-type ad --entity-id 120210000002235590 --date 2025-07-03\n"
      "  admetricsd explain --config FILE --entity-type campaign --entity-id 77 --date 2025-07-03 --breakdown "
      "country=US\n"
      "  admetricsd explain --config FILE --entity-type ad --entity-id 9 --date 2025-07-03 --column estimated_roas "
      "--json\n");
  add_config(*command, explain_.config);
  command->add_option("--entity-type", explain_.entity_type, "campaign, adset or ad")
      ->required()
      ->check(CLI::IsMember({"campaign", "adset", "ad"}))
      ->type_name("TYPE");
  command->add_option("--entity-id", explain_.entity_id, "its id")->required()->type_name("ID");
  add_day(*command, "--date", explain_.date, "the row's date")->required();
  command->add_option("--breakdown", explain_.breakdown, "a row of the breakdown table, TYPE=VALUE, such as country=US")
      ->type_name("ROW");
  command->add_option("--column", explain_.column, "only this column")->type_name("NAME");
  add_day(*command, "--as-of", explain_.as_of,
          "the \"today\" to compute for; default: the one the rows were written for");
  command->add_option("--users", explain_.users, "how many users to show as text")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--json", explain_.json, "print JSON, with every user");
  explain_command_ = command;
}

void OfflineCli::add_replay(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("replay",
                         "Puts lines of the change log that were not understood back, once they are mended: a running "
                         "daemon takes them up, or "
                         "the next one. Each counts once, however often it is put back.\n"
                         "Exit status: 0 all were put back, 1 some are still not understood (listed).\n\nExamples:\n"
                         "  cp state/dead_letters.ndjson mended.ndjson            then edit the texts in it\n"
                         "  admetricsd replay --config FILE --dead-letters mended.ndjson");
  add_config(*command, replay_.config);
  command
      ->add_option("--dead-letters", replay_.dead_letters, "the mended file; default: the one that the daemon writes")
      ->type_name("FILE");
  replay_command_ = command;
}

void OfflineCli::add_compare(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "compare",
      "Our tables against the same tables in another database: how often each column agrees, rows only one side has, "
      "the "
      "largest differences, and what causes them. Never writes to either.\n"
      "Exit status: 0 equal, 1 different, 2 could not compare.\n\nExamples:\n"
      "  admetricsd compare --config FILE --with legacy/mixpanel_data.db\n"
      "  admetricsd compare --config FILE --with OLD.db --since 2025-07-01 --tolerance 0.01 --tolerance meta_spend=1\n"
      "  admetricsd compare --config FILE --with OLD.db --html report.html --json\n");
  add_config(*command, compare_.config);
  command->add_option("--with", compare_.with, "the other database")->required()->type_name("OTHER.db");
  command->add_option("--sink", compare_.sink, "our rows of which sink")
      ->check(CLI::IsMember({"sqlite", "postgres", "changefeed"}))
      ->type_name("NAME")
      ->capture_default_str();
  add_day(*command, "--since", compare_.since, "compare rows from this day on");
  add_day(*command, "--until", compare_.until, "compare rows up to this day");
  command->add_option("--tolerance", compare_.tolerances, "how far numbers may be apart; COLUMN=X for one column")
      ->type_name("X");
  command->add_option("--html", compare_.html, "also write a page with plots")->type_name("PAGE.html");
  command->add_flag("--json", compare_.json, "print JSON");
  compare_command_ = command;
}

void OfflineCli::add_quality(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "quality",
      "What the rows say about the data behind them: Meta's breakdowns that do not add up, conversions without a user, "
      "users without Meta's side, money without a result, days that are missing. Never writes.\n"
      "Exit status: 0 nothing found, 1 something was, 2 could not look.\n\nExamples:\n"
      "  admetricsd quality --config FILE --since 2025-07-01\n"
      "  admetricsd quality --config FILE --tolerance 0.1 --json\n");
  add_config(*command, quality_.config);
  add_day(*command, "--since", quality_.since, "from this day on; default: the first stored one");
  add_day(*command, "--until", quality_.until, "up to this day; default: the last stored one");
  command
      ->add_option("--tolerance", quality_.tolerance_percent,
                   "how many percent Meta's breakdowns may be off; default: quality.tolerance_percent")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("PERCENT");
  command->add_option("--findings", quality_.findings, "how many findings of each check to list, largest first")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000}))
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--json", quality_.json, "print JSON");
  quality_command_ = command;
}

void OfflineCli::add_schema(CLI::App& app) {
  CLI::App* schema =
      app.add_subcommand("schema",
                         "Whether the tables have the shape that is needed, and what to do about it.\n\n"
                         "Examples:\n"
                         "  admetricsd schema check    --config FILE           what is missing or differs\n"
                         "  admetricsd schema migrate  --config FILE --plan    what migrate would do\n"
                         "  admetricsd schema migrate  --config FILE           back up, then create or extend\n"
                         "  admetricsd schema rollback --config FILE           restore that backup\n");
  schema->require_subcommand(1);
  check_ = schema->add_subcommand(
      "check",
      "Names every table, column, type, key and index that is missing or differs, at the source "
      "and at the sink.\nExit status: 0 nothing required is missing, 1 something is, 2 could not "
      "look.\n\nExamples:\n"
      "  admetricsd schema check --config FILE\n"
      "  admetricsd schema check --config FILE --json\n");
  migrate_ = schema->add_subcommand(
      "migrate",
      "Creates or extends our tables at the sink: a checked backup first, then one transaction. Keeps every row; "
      "repeated it does nothing. No daemon may be running.\nThe next `run` fills new columns and compares every "
      "row.\n\n"
      "Examples:\n"
      "  admetricsd schema migrate --config FILE --plan       only say what it would do\n"
      "  admetricsd schema migrate --config FILE\n");
  rollback_ = schema->add_subcommand(
      "rollback",
      "Makes our tables what they were before the last migration, from its backup. Other tables in the file stay as "
      "they "
      "are. No daemon may be running.\n\nExamples:\n"
      "  admetricsd schema rollback --config FILE\n"
      "  admetricsd schema rollback --config FILE --backup state/backups/schema-20250731-120000000.backup.db\n");
  for (CLI::App* command : {check_, migrate_, rollback_}) {
    add_config(*command, schema_.config);
    command->add_flag("--json", schema_.json, "print JSON");
  }
  migrate_->add_flag("--plan", schema_.plan, "say what would be done, and write nothing");
  rollback_->add_option("--backup", schema_.backup, "the backup to restore; default: the newest of this sink")
      ->type_name("FILE");
}

}  // namespace admetrics
