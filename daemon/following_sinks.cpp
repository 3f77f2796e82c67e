#include "daemon/following_sinks.hpp"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

#include "sinks/changefeed/changefeed_sink.hpp"
#include "sinks/postgres/postgres_sink.hpp"
#include "sinks/postgres/read_tables.hpp"
#include "sinks/sqlite/schema.hpp"

namespace admetrics {
namespace {

/// Copies what PostgreSQL holds at one moment into a new SQLite database.
Status copy_postgres(const Config& config, const std::string& path) {
  ADM_ASSIGN(const auto copy, sqlite::Connection::open(path, sqlite::OpenMode::kCreate, 0));
  ADM_TRY(copy->execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF"));
  ADM_TRY(copy->execute(sink::create_missing_sql()));
  ADM_TRY(copy->begin_immediate());
  sqlite::Statement insert;
  sink::TableReader reader;
  reader.on_table = [&](std::string_view table, const std::vector<std::string>& columns) -> Status {
    std::string names;
    std::string parameters;
    for (const std::string& column : columns) {
      names += (names.empty() ? "" : ", ") + column;
      parameters += parameters.empty() ? "?" : ", ?";
    }
    ADM_ASSIGN(insert,
               copy->prepare("INSERT INTO " + std::string(table) + " (" + names + ") VALUES (" + parameters + ")"));
    return {};
  };
  reader.on_row = [&](std::span<const std::optional<std::string>> values) -> Status {
    int parameter = 0;
    for (const auto& value : values) {
      ++parameter;
      if (value) {
        insert.bind(parameter, std::string_view(*value));
      } else {
        insert.bind_null(parameter);
      }
    }
    return insert.run();
  };
  ADM_TRY(sink::read_postgres_tables(postgres_options(config), reader));
  return copy->commit();
}

}  // namespace

std::string changefeed_state(const Config& config) {
  return (std::filesystem::path(config.state_dir) / "changefeed.db").string();
}

sink::PostgresSinkOptions postgres_options(const Config& config) {
  sink::PostgresSinkOptions options;
  options.conninfo = config.postgres.conninfo;
  options.schema = config.postgres.schema;
  options.user_lists = config.postgres.jsonb_lists ? sink::UserLists::kJsonb : sink::UserLists::kText;
  options.connect_timeout_ms = config.postgres.connect_timeout_ms;
  options.statement_timeout_ms = config.postgres.statement_timeout_ms;
  return options;
}

std::vector<follow::FollowerOptions> following_sinks(const Config& config) {
  std::vector<follow::FollowerOptions> sinks;
  if (config.postgres.enabled) {
    follow::FollowerOptions follower;
    follower.sink = "postgres";
    follower.make = [options = postgres_options(config)](const std::atomic<bool>& stop) {
      sink::PostgresSinkOptions stoppable = options;
      stoppable.stop = &stop;
      return std::make_unique<sink::PostgresSink>(std::move(stoppable));
    };
    sinks.push_back(std::move(follower));
  }
  if (config.changefeed.enabled) {
    // A reader of standard output may go away: that is an error of ours to report, not our end.
    if (config.changefeed.path == "-") std::signal(SIGPIPE, SIG_IGN);
    follow::FollowerOptions follower;
    follower.sink = "changefeed";
    sink::ChangefeedSinkOptions options;
    options.state_path = changefeed_state(config);
    options.files.path = config.changefeed.path;
    options.files.size_max = config.changefeed.rotate_size_bytes;
    options.files.age_max_seconds = config.changefeed.rotate_after_ms / 1'000;
    options.files.keep = config.changefeed.keep;
    follower.make = [options](const std::atomic<bool>& stop) {
      sink::ChangefeedSinkOptions stoppable = options;
      stoppable.files.stop = &stop;
      return std::make_unique<sink::ChangefeedSink>(std::move(stoppable));
    };
    sinks.push_back(std::move(follower));
  }
  return sinks;
}

Status forget_position(const Config& config, const std::string& name) {
  if (name == "postgres") return sink::forget_postgres_position(postgres_options(config));
  constexpr int kBusyMs = 5'000;
  ADM_ASSIGN(const auto database,
             sqlite::Connection::open(changefeed_state(config), sqlite::OpenMode::kReadWrite, kBusyMs));
  return database->execute("DELETE FROM _admetrics_sink");
}

Result<SinkDatabase> SinkDatabase::open(const Config& config, const std::string& name) {
  SinkDatabase database;
  const bool off =
      (name == "postgres" && !config.postgres.enabled) || (name == "changefeed" && !config.changefeed.enabled);
  if (off) return Error{Errc::kConfig, "read the sink " + name, config.file, "sink." + name + ".enabled is not true"};
  if (name == "changefeed") {
    database.path_ = changefeed_state(config);
    std::error_code error;
    if (!std::filesystem::exists(database.path_, error))
      return Error{Errc::kNotFound, "read the sink changefeed", database.path_,
                   "nothing was written yet: run the daemon"};
  } else if (name == "postgres") {
    std::error_code error;
    const bool has_state = std::filesystem::is_directory(config.state_dir, error);
    std::string folder =
        ((has_state ? std::filesystem::path(config.state_dir) : std::filesystem::temp_directory_path(error)) /
         "postgres-copy-XXXXXX")
            .string();
    if (::mkdtemp(folder.data()) == nullptr)
      return Error{Errc::kIo, "copy the sink postgres", folder, "no folder for the copy can be made"};
    database.folder_ = folder;
    database.path_ = folder + "/copy.db";
    ADM_TRY(copy_postgres(config, database.path_));
  } else {
    database.path_ = config.sink_path;
  }
  return database;
}

SinkDatabase::SinkDatabase(SinkDatabase&& other) noexcept
    : path_(std::move(other.path_)), folder_(std::exchange(other.folder_, "")) {}

SinkDatabase::~SinkDatabase() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

}  // namespace admetrics
