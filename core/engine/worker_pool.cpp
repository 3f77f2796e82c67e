#include "core/engine/worker_pool.hpp"

#include <blockingconcurrentqueue.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "core/base/check.hpp"

namespace admetrics {

/// Work reaches the threads through a blocking queue of tickets: one for each worker and round, none to stop.
struct WorkerPool::Impl {
  struct Ticket {
    bool stop = false;
  };
  // Written by the pipeline's thread between rounds only; the ticket's queue hands it over.
  std::function<void(std::size_t)> work;
  moodycamel::BlockingConcurrentQueue<Ticket> tickets;
  moodycamel::BlockingConcurrentQueue<Ticket> finished;
  std::size_t running = 0;
  std::vector<std::thread> threads;

  void loop(std::size_t index) {
    for (;;) {
      Ticket ticket;
      tickets.wait_dequeue(ticket);
      if (ticket.stop) return;
      work(index);
      finished.enqueue(Ticket{});
    }
  }
};

WorkerPool::WorkerPool(std::size_t worker_count) : impl_(std::make_unique<Impl>()) {
  ADM_CHECK(worker_count > 0);
  for (std::size_t i = 0; i < worker_count; ++i) {
    impl_->threads.emplace_back([impl = impl_.get(), i] { impl->loop(i); });
  }
}

WorkerPool::~WorkerPool() {
  wait();
  for (std::size_t i = 0; i < impl_->threads.size(); ++i) impl_->tickets.enqueue(Impl::Ticket{true});
  for (std::thread& thread : impl_->threads) thread.join();
}

std::size_t WorkerPool::size() const { return impl_->threads.size(); }

void WorkerPool::start(std::function<void(std::size_t)> work) {
  ADM_CHECK(impl_->running == 0);
  impl_->work = std::move(work);
  impl_->running = impl_->threads.size();
  for (std::size_t i = 0; i < impl_->threads.size(); ++i) impl_->tickets.enqueue(Impl::Ticket{});
}

void WorkerPool::wait(const std::function<void()>& meanwhile) {
  constexpr std::int64_t kMeanwhileEveryMicros = 200'000;
  for (; impl_->running > 0; --impl_->running) {
    Impl::Ticket ticket;
    if (!meanwhile) {
      impl_->finished.wait_dequeue(ticket);
      continue;
    }
    while (!impl_->finished.wait_dequeue_timed(ticket, kMeanwhileEveryMicros)) meanwhile();
  }
}

void WorkerPool::for_each(std::size_t count, const std::function<void(std::size_t, std::size_t)>& task,
                          const std::function<void()>& meanwhile) {
  std::atomic<std::size_t> next{0};
  run(
      [&](std::size_t worker) {
        for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) task(worker, i);
      },
      meanwhile);
}

}  // namespace admetrics
