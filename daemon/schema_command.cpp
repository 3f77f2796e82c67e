#include "daemon/schema_command.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "core/model/row.hpp"
#include "daemon/console.hpp"
#include "daemon/exit_codes.hpp"
#include "daemon/following_sinks.hpp"
#include "daemon/system_clock.hpp"
#include "sinks/postgres/read_tables.hpp"
#include "sinks/sqlite/first_fill.hpp"
#include "sinks/sqlite/migration.hpp"
#include "sinks/sqlite/schema.hpp"
#include "sources/sqlite/schema.hpp"
#include "state/folder_lock.hpp"

namespace admetrics {
namespace {

namespace json = boost::json;
using sqlite::ShapeDifference;

/// Beside the ledger: the service may write there, and nobody takes it for one of the pipeline's files.
std::string backup_folder(const Config& config) {
  return (std::filesystem::path(config.state_dir) / "backups").lexically_normal().string();
}

/// Reads a database. One that was killed while it wrote needs a connection that may write, to be put in order first.
Result<std::unique_ptr<sqlite::Connection>> open_to_read(const std::string& path) {
  auto opened = sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs);
  if (opened || opened.error().code != Errc::kReadOnly) return opened;
  return sqlite::Connection::open(path, sqlite::OpenMode::kReadWrite, kBusyTimeoutMs);
}

struct Place {
  std::string role;
  std::string path;
  std::vector<ShapeDifference> differences;
  std::string note;
};

Result<std::vector<Place>> look(const Config& config) {
  std::vector<Place> places{{"source, product database", config.product_db, {}, ""},
                            {"source, ads database", config.ads_db, {}, ""},
                            {"sink", config.sink_path, {}, ""}};
  {
    ADM_ASSIGN(const auto product, open_to_read(config.product_db));
    ADM_ASSIGN(places[0].differences, source::product_differences(*product));
  }
  {
    ADM_ASSIGN(const auto ads, open_to_read(config.ads_db));
    ADM_ASSIGN(places[1].differences, source::ads_differences(*ads));
  }
  // A sink that is not there yet lacks everything.
  std::error_code failed;
  const bool there = std::filesystem::exists(config.sink_path, failed);
  ADM_ASSIGN(const auto sink, there ? open_to_read(config.sink_path)
                                    : sqlite::Connection::open(":memory:", sqlite::OpenMode::kCreate, 0));
  ADM_ASSIGN(places[2].differences, sink::schema_differences(*sink));
  ADM_ASSIGN(const bool filling, sink::aside_stands(*sink));
  if (filling)
    places[2].note = "a first fill is under way, or a process that is gone left it: the daemon ends or removes it";
  return places;
}

json::array to_json(const std::vector<sink::TableRows>& tables) {
  json::array list;
  for (const sink::TableRows& table : tables) list.push_back({{"table", table.table}, {"rows", table.rows}});
  return list;
}

json::array to_json(const sink::MigrationPlan& plan) {
  json::array list;
  for (const sink::MigrationStep& step : plan.steps) list.emplace_back(step.text);
  return list;
}

void print_rows(const std::vector<sink::TableRows>& tables) {
  for (const sink::TableRows& table : tables) std::cout << "  " << table.table << ": " << table.rows << " rows\n";
}

std::string cents(double sum) {
  std::array<char, 64> text;
  const int length = std::snprintf(text.data(), text.size(), "%.2f", sum);
  return {text.data(), static_cast<std::size_t>(length)};
}

/// What a table holds by level, and the money in it: migrating changes neither.
struct Totals {
  std::string table;
  std::string level;
  std::int64_t rows = 0;
  std::vector<std::pair<std::string, double>> money;
};

Result<std::vector<Totals>> totals_of(sqlite::Connection& database) {
  std::vector<Totals> all;
  for (const std::string_view table : {kMainTable, kBreakdownTable}) {
    ADM_ASSIGN(const sqlite::TableShape shape, sqlite::read_shape(database, table));
    if (!shape.exists || shape.column("entity_type") == nullptr) continue;
    std::string sums;
    std::vector<std::string> names;
    for (const char* column : {"meta_spend", "actual_revenue_usd", "actual_refunds_usd", "estimated_revenue_usd"}) {
      if (shape.column(column) == nullptr) continue;
      names.emplace_back(column);
      sums += std::string(", round(total(") + column + "), 2)";
    }
    ADM_ASSIGN(sqlite::Statement rows, database.prepare("SELECT CAST(entity_type AS TEXT), count(*)" + sums + " FROM " +
                                                        std::string(table) + " GROUP BY 1 ORDER BY 1"));
    ADM_TRY(rows.for_each_row([&] {
      Totals totals{std::string(table), std::string(rows.text(0)), rows.integer(1), {}};
      for (std::size_t i = 0; i < names.size(); ++i) {
        totals.money.emplace_back(names[i], rows.real(2 + static_cast<int>(i)));
      }
      all.push_back(std::move(totals));
    }));
  }
  return all;
}

/// What `run` finds and does at the sinks that follow: they create and extend their tables by themselves.
struct FollowingSchema {
  std::string sink;
  std::vector<std::string> words;
  std::string problem;  // nothing can be done about it here
};

std::vector<FollowingSchema> look_at_following(const Config& config) {
  std::vector<FollowingSchema> all;
  if (config.postgres.enabled) {
    FollowingSchema& postgres = all.emplace_back();
    postgres.sink = "postgres";
    if (auto missing = sink::missing_in_postgres(postgres_options(config))) {
      postgres.words = std::move(missing).value();
    } else {
      postgres.problem = missing.error().line();
    }
  }
  if (config.changefeed.enabled) {
    FollowingSchema& changefeed = all.emplace_back();
    changefeed.sink = "changefeed";
    std::error_code failed;
    if (!std::filesystem::exists(changefeed_state(config), failed))
      changefeed.words.push_back("create " + changefeed_state(config));
  }
  return all;
}

void print_following(const std::vector<FollowingSchema>& all) {
  for (const FollowingSchema& each : all) {
    std::cout << "sink " << each.sink
              << (!each.problem.empty() ? ": " + each.problem
                  : each.words.empty()  ? ": good"
                                        : ": `run` does by itself what is missing")
              << '\n';
    for (const std::string& word : each.words) std::cout << "  optional  " << word << '\n';
  }
}

constexpr const char* kNothing = "nothing to do: the tables have the shape that is needed\n";

int print_plan(const Config& config, bool as_json) {
  std::error_code failed;
  const bool there = std::filesystem::exists(config.sink_path, failed);
  auto database =
      there ? open_to_read(config.sink_path) : sqlite::Connection::open(":memory:", sqlite::OpenMode::kCreate, 0);
  if (!database) return fail(database.error());
  if (Status begun = (*database)->begin_read(); !begun.ok()) return fail(begun.error());
  const auto plan = sink::plan_migration(**database);
  if (!plan) return fail(plan.error());
  const auto totals = totals_of(**database);
  if (!totals) return fail(totals.error());
  if (as_json) {
    json::array tables;
    for (const Totals& each : *totals) {
      json::object money;
      for (const auto& [column, sum] : each.money) money[column] = {{"before", sum}, {"after", sum}};
      tables.push_back({{"table", each.table},
                        {"level", each.level},
                        {"rows", each.rows},
                        {"inserted", 0},
                        {"updated", 0},
                        {"deleted", 0},
                        {"money", std::move(money)}});
    }
    std::cout << json::serialize(json::object{
                     {"steps", to_json(*plan)}, {"rows_kept", to_json(plan->kept)}, {"totals", std::move(tables)}})
              << '\n';
    return exit_code::kFine;
  }
  if (plan->steps.empty()) {
    std::cout << kNothing;
    return exit_code::kFine;
  }
  std::cout << "would back up our tables into " << backup_folder(config) << ", then\n";
  for (const sink::MigrationStep& step : plan->steps) std::cout << "  " << step.text << '\n';
  std::cout << "keeping every row: none inserted, none updated, none deleted; totals stay as they are\n";
  for (const Totals& each : *totals) {
    std::cout << "  " << each.table << ' ' << each.level << ": " << each.rows << " rows";
    for (const auto& [column, sum] : each.money) std::cout << ", " << column << ' ' << cents(sum);
    std::cout << '\n' << std::flush;
  }
  std::cout << "what the next run would then write: admetricsd run --config " << config.file << " --backfill --plan\n";
  return exit_code::kFine;
}

}  // namespace

int schema_check_command(const SchemaArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return exit_code::kConfig;
  const auto places = look(*config);
  if (!places) return fail(places.error());
  std::size_t required = 0;
  std::size_t optional = 0;
  json::array list;
  for (const Place& place : *places) {
    if (!arguments.json) {
      std::cout << place.role << ' ' << place.path << (place.differences.empty() ? ": good\n" : "\n");
      if (!place.note.empty()) std::cout << "  " << place.note << '\n';
    }
    for (const bool wanted : {true, false}) {
      for (const ShapeDifference& difference : place.differences) {
        if (difference.required != wanted) continue;
        ++(wanted ? required : optional);
        if (!arguments.json) {
          std::cout << (wanted ? "  required  " : "  optional  ") << one_line(difference.text()) << '\n';
          continue;
        }
        list.push_back({{"place", place.role == "sink" ? "sink" : "source"},
                        {"database", place.path},
                        {"required", wanted},
                        {"kind", sqlite::name_of(difference.kind)},
                        {"table", difference.table},
                        {"name", difference.name},
                        {"what", difference.what}});
      }
    }
  }
  const std::vector<FollowingSchema> following = look_at_following(*config);
  json::array sinks;
  for (const FollowingSchema& each : following) {
    if (!each.problem.empty()) ++required;
    optional += each.words.size();
    sinks.push_back({{"sink", each.sink},
                     {"problem", each.problem.empty() ? json::value() : json::value(each.problem)},
                     {"run_does", json::array(each.words.begin(), each.words.end())}});
  }
  if (arguments.json) {
    std::cout << json::serialize(json::object{{"good", required == 0},
                                              {"required", required},
                                              {"optional", optional},
                                              {"differences", std::move(list)},
                                              {"following_sinks", std::move(sinks)}})
              << '\n';
  } else {
    print_following(following);
    std::cout << (required == 0 ? "good" : std::to_string(required) + " required") << ", " << optional << " optional\n";
    const bool at_sink = std::any_of(places->back().differences.begin(), places->back().differences.end(),
                                     [](const ShapeDifference& each) { return each.required; });
    if (at_sink) std::cout << "the sink: admetricsd schema migrate --config " << config->file << '\n';
  }
  return required == 0 ? exit_code::kFine : exit_code::kNo;
}

int schema_migrate_command(const SchemaArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return exit_code::kConfig;
  if (arguments.plan) return print_plan(*config, arguments.json);
  if (!arguments.json && (config->postgres.enabled || config->changefeed.enabled))
    std::cout << "of the sink sqlite only; the sinks that follow create and extend their tables by themselves\n";
  // Held to the end: no daemon starts into a half-migrated table.
  const auto lock = FolderLock::take(config->state_dir);
  if (!lock) return fail(lock.error());
  const SystemClock clock;
  const auto report = sink::migrate({config->sink_path, backup_folder(*config), clock.now(), kBusyTimeoutMs});
  if (!report) return fail(report.error());
  if (arguments.json) {
    json::object out{{"steps", to_json(report->plan)}, {"rows_kept", to_json(report->plan.kept)}};
    out["backup"] = report->backup ? json::value(report->backup->path) : json::value();
    std::cout << json::serialize(out) << '\n';
    return exit_code::kFine;
  }
  if (report->plan.steps.empty()) {
    std::cout << kNothing;
    return exit_code::kFine;
  }
  std::cout << "backed up, opened and checked: " << report->backup->path << '\n';
  for (const sink::MigrationStep& step : report->plan.steps) std::cout << "  " << step.text << '\n';
  std::cout << "migrated " << config->sink_path << (report->plan.kept.empty() ? "" : ", every row kept:") << '\n';
  print_rows(report->plan.kept);
  std::cout << "next: admetricsd run --config " << config->file << " --once\n";
  return exit_code::kFine;
}

int schema_rollback_command(const SchemaArguments& arguments) {
  const auto config = load_config(arguments.config);
  if (!config) return exit_code::kConfig;
  const auto lock = FolderLock::take(config->state_dir);
  if (!lock) return fail(lock.error());
  const auto backup = arguments.backup.empty() ? sink::newest_backup(config->sink_path, backup_folder(*config))
                                               : sink::check_backup(arguments.backup);
  if (!backup) return fail(backup.error());
  const auto report = sink::restore_backup(config->sink_path, *backup, kBusyTimeoutMs);
  if (!report) return fail(report.error());
  if (arguments.json) {
    std::cout << json::serialize(json::object{{"backup", backup->path},
                                              {"created_at", backup->created_at},
                                              {"before", to_json(report->before)},
                                              {"restored", to_json(backup->tables)}})
              << '\n';
    return exit_code::kFine;
  }
  std::cout << "restored " << backup->path << ", taken " << backup->created_at << " UTC\nour tables held\n";
  print_rows(report->before);
  std::cout << (backup->tables.empty() ? "and are gone, as before the migration\n" : "and now hold\n");
  print_rows(backup->tables);
  return exit_code::kFine;
}

}  // namespace admetrics
