#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "core/base/clock.hpp"
#include "core/model/reporting.hpp"
#include "dashboard/tables.hpp"

namespace admetrics::api {

struct RecomputeOptions {
  std::string product_db;
  std::string ads_db;
  std::string sink_db;  // empty: the sources as they are, whatever the sink holds
  Reporting reporting;
  std::optional<Day> as_of;  // absent: the sink's, or today
  std::string folder;        // for the temporary database
  std::string name;          // of that database: two of these may share a folder
};

/// Recompute: the tables as the independent path of `verify` computes them from the raw tables, in a database that lives
/// as long as the raw tables stay as they are.
///
/// Threads:    one of its own computes; `answer` from any.
/// Invariants: (1) one computation at a time; (2) what is answered was computed from sources that nobody has changed
///             since, as far as SQLite tells (`PRAGMA data_version`).
class Recompute {
 public:
  using Job = std::function<void(Result<dashboard::Tables*>)>;

  Recompute(RecomputeOptions options, std::size_t jobs_max, const Clock& clock);
  ~Recompute();

  /// Calls `job` with tables that are current; an error where they cannot be computed. False: `jobs_max` jobs are at work
  /// or wait already, and this one is not taken.
  [[nodiscard]] bool post(Job job);
  void stop();

 private:
  class Witness;
  void run();
  Status refresh();

  const RecomputeOptions options_;
  const std::size_t jobs_max_;
  const Clock* const clock_;
  // The computing thread.
  std::unique_ptr<Witness> witness_;
  std::unique_ptr<dashboard::Tables> tables_;
  std::string computed_from_;  // what the sources said then
  std::string path_;
  // Any thread.
  std::mutex mutex_;
  std::condition_variable woken_;
  std::deque<Job> jobs_;
  bool working_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace admetrics::api
