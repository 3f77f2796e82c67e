#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "dashboard/tables.hpp"

namespace admetrics::api {

/// Lane: threads that may wait for the database, each with a connection of its own.
///
/// Threads: `post` from any.
class Lane {
 public:
  using Job = std::function<void(dashboard::Tables&)>;

  Lane(std::size_t threads, std::size_t jobs_max, const dashboard::TablesOptions& tables);
  ~Lane();

  /// False when too many jobs wait already: this one is not taken.
  [[nodiscard]] bool post(Job job);
  /// Lets running jobs end and forgets those that wait.
  void stop();

 private:
  void run();

  const std::size_t jobs_max_;
  const dashboard::TablesOptions tables_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable woken_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace admetrics::api
