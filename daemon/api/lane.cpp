#include "daemon/api/lane.hpp"

namespace admetrics::api {

Lane::Lane(std::size_t threads, std::size_t jobs_max, const dashboard::TablesOptions& tables)
    : jobs_max_(jobs_max), tables_(tables) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { run(); });
}

Lane::~Lane() { stop(); }

bool Lane::post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || jobs_.size() >= jobs_max_) return false;
    jobs_.push_back(std::move(job));
  }
  woken_.notify_one();
  return true;
}

void Lane::stop() {
  std::deque<Job> forgotten;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    forgotten.swap(jobs_);
  }
  woken_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Lane::run() {
  dashboard::Tables tables(tables_);
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      woken_.wait(lock, [&] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job(tables);
    tables.end();  // whatever happened: no transaction outlives its request
  }
}

}  // namespace admetrics::api
