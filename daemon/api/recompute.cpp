#include "daemon/api/recompute.hpp"

#include <array>
#include <filesystem>

#include "core/sqlite/database.hpp"
#include "sinks/sqlite/schema.hpp"
#include "verify/verify.hpp"

namespace admetrics::api {
namespace {

constexpr int kBusyTimeoutMs = 2'000;

void remove_database(const std::string& path) {
  std::error_code ignored;
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) std::filesystem::remove(path + suffix, ignored);
}

}  // namespace

/// Watches whether anybody commits to the sources: a connection to each, outside of every transaction.
class Recompute::Witness {
 public:
  static Result<std::string> look(std::unique_ptr<Witness>& witness, const RecomputeOptions& options) {
    if (!witness) witness = std::make_unique<Witness>();
    std::string state;
    std::size_t index = 0;
    for (const std::string& path : {options.product_db, options.ads_db}) {
      auto& [connection, file, openings] = witness->sources_[index++];
      const std::string identity = sqlite::file_identity(path);
      if (!connection || identity != file) {
        ADM_ASSIGN(connection, sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs));
        file = identity;
        ++openings;  // another connection counts from another number
      }
      ADM_ASSIGN(const std::int64_t version, connection->query_integer("PRAGMA data_version"));
      state += std::to_string(openings) + '/' + std::to_string(version) + ' ';
    }
    return state;
  }

 private:
  struct Source {
    std::unique_ptr<sqlite::Connection> connection;
    std::string file;
    int openings = 0;
  };
  std::array<Source, 2> sources_;
};

Recompute::Recompute(RecomputeOptions options, std::size_t jobs_max, const Clock& clock)
    : options_(std::move(options)), jobs_max_(jobs_max), clock_(&clock), path_(options_.folder + '/' + options_.name) {
  remove_database(path_);  // of a process that was killed
  thread_ = std::thread([this] { run(); });
}

Recompute::~Recompute() { stop(); }

bool Recompute::post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() + (working_ ? 1 : 0) >= jobs_max_) return false;
    jobs_.push_back(std::move(job));
  }
  woken_.notify_one();
  return true;
}

void Recompute::stop() {
  std::deque<Job> forgotten;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    forgotten.swap(jobs_);
  }
  woken_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Recompute::run() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      working_ = false;
      woken_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (stopping_) break;
      working_ = true;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    if (Status fresh = refresh(); fresh.ok()) {
      job(tables_.get());
      tables_->end();
    } else {
      job(fresh.error());
    }
  }
  tables_.reset();
  remove_database(path_);
}

Status Recompute::refresh() {
  // Asked before the computation: what is committed meanwhile shows as a change the next time.
  ADM_ASSIGN(std::string state, Witness::look(witness_, options_));
  VerifyOptions options;
  options.product_db = options_.product_db;
  options.ads_db = options_.ads_db;
  options.sink_db = options_.sink_db;
  options.reporting = options_.reporting;
  options.as_of = options_.as_of;
  options.temp_dir = options_.folder;
  options.clock = clock_;
  if (!options.as_of) {
    if (options_.sink_db.empty()) {
      options.as_of = options_.reporting.zone.day_of(clock_->now());
    } else {
      ADM_ASSIGN(const auto sink,
                 sqlite::Connection::open(options_.sink_db, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs));
      ADM_ASSIGN(const std::string text, sink->query_text("SELECT as_of FROM _admetrics_sink"));
      options.as_of = parse_day(text);
    }
  }
  if (options.as_of) state += format_day(*options.as_of);
  if (tables_ && state == computed_from_) return {};
  tables_.reset();
  remove_database(path_);
  computed_from_.clear();
  ADM_TRY(recompute_into(options, path_));
  {
    ADM_ASSIGN(const auto made, sqlite::Connection::open(path_, sqlite::OpenMode::kReadWrite, kBusyTimeoutMs));
    ADM_TRY(made->execute(sink::create_reading_indexes_sql()));
  }
  tables_ = std::make_unique<dashboard::Tables>(dashboard::TablesOptions{path_, kBusyTimeoutMs, 8'192});
  computed_from_ = std::move(state);
  return {};
}

}  // namespace admetrics::api
