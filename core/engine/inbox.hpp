#pragma once

#include <concurrentqueue.h>

#include <atomic>
#include <utility>
#include <vector>

#include "core/base/limits.hpp"

namespace admetrics {

/// Inbox: the one road into a shard, and who holds the shard.
///
/// Threads:    any thread may post; whoever has claimed the inbox may drain it and touch the shard.
/// Invariants: (1) a batch is delivered once; (2) nothing is dropped: a producer that sees the inbox full helps
///             to drain it before it goes on, so that it stays bounded; (3) at most one thread holds the claim.
/// Order:      kept per producer only. Within an epoch each (key, user) is posted at most once, so order between
///             producers does not matter.
template <class Message>
class Inbox {
 public:
  using Batch = std::vector<Message>;

  /// Posts a batch; when too many wait, applies them here if nobody else does.
  template <class Apply>
  void post(Batch&& batch, Apply&& apply) {
    if (batch.empty()) return;
    queue_.enqueue(std::move(batch));
    if (queue_.size_approx() > kInboxDrainBatches) drain(std::forward<Apply>(apply));
  }

  /// Applies what waits, unless another thread holds the shard.
  template <class Apply>
  void drain(Apply&& apply) {
    // acquire: see what the last holder did to the shard; release below hands it on.
    if (held_.test_and_set(std::memory_order_acquire)) return;
    Batch batch;
    while (queue_.try_dequeue(batch)) {
      for (Message& message : batch) apply(message);
    }
    held_.clear(std::memory_order_release);
  }

 private:
  moodycamel::ConcurrentQueue<Batch> queue_;
  std::atomic_flag held_;
};

/// Gathers messages for several inboxes, posting full batches. One thread.
template <class Message, class Post>
class Outbox {
 public:
  using Batch = std::vector<Message>;

  Outbox(std::size_t shard_count, Post post) : batches_(shard_count), post_(std::move(post)) {}

  void add(std::size_t shard, Message message) {
    auto& batch = batches_[shard];
    if (batch.empty()) batch.reserve(kInboxBatchMessages);
    batch.push_back(std::move(message));
    if (batch.size() >= kInboxBatchMessages) {
      post_(shard, std::move(batch));
      batch = Batch();
    }
  }
  void flush() {
    for (std::size_t shard = 0; shard < batches_.size(); ++shard) {
      post_(shard, std::move(batches_[shard]));
      batches_[shard] = Batch();
    }
  }

 private:
  std::vector<Batch> batches_;
  Post post_;
};

}  // namespace admetrics
