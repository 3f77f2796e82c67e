#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace admetrics {

/// A fixed set of threads that run one piece of work at a time, together.
///
/// Threads: `start`, `wait` and `run` belong to one thread, the pipeline's. `wait` is a barrier: what the workers wrote
///          is visible afterwards, and what was written before `start` is visible to them.
class WorkerPool {
 public:
  explicit WorkerPool(std::size_t worker_count);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool();

  [[nodiscard]] std::size_t size() const;

  /// Calls `work(thread index)` once for each worker, on whichever threads are free: a quick thread may take two.
  void start(std::function<void(std::size_t)> work);
  /// `meanwhile` is called some times a second, on this thread, until all are through; may be empty.
  void wait(const std::function<void()>& meanwhile = {});
  void run(std::function<void(std::size_t)> work, const std::function<void()>& meanwhile = {}) {
    start(std::move(work));
    wait(meanwhile);
  }

  /// Calls `task(worker index, i)` for each i below `count`, workers taking the next i as they get free.
  void for_each(std::size_t count, const std::function<void(std::size_t, std::size_t)>& task,
                const std::function<void()>& meanwhile = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace admetrics
