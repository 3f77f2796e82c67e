#include "core/engine/inbox.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

namespace admetrics {
namespace {

struct Message {
  std::size_t producer = 0;
  std::size_t number = 0;
};

/// A shard as the engine has them: plain memory, protected by nothing but the inbox's claim.
struct Shard {
  explicit Shard(std::size_t producers) : next(producers, 0) {}

  Inbox<Message> inbox;
  std::vector<std::size_t> next;  // by producer: the number that comes next
  std::size_t received = 0;
  bool in_order = true;

  void apply(const Message& message) {
    in_order = in_order && next[message.producer] == message.number;
    next[message.producer] = message.number + 1;
    ++received;
  }
};

void produce(Shard& shard, std::size_t producer, std::size_t count, std::size_t batch_size) {
  for (std::size_t number = 0; number < count;) {
    std::vector<Message> batch;
    for (; batch.size() < batch_size && number < count; ++number) batch.push_back({producer, number});
    shard.inbox.post(std::move(batch), [&](const Message& message) { shard.apply(message); });
  }
}

TEST(Inbox, SeveralProducersLoseNothingAndEachMessageIsDeliveredOnceInItsProducersOrder) {
  constexpr std::size_t kProducers = 4;
  constexpr std::size_t kMessages = 20'000;
  for (int round = 0; round < 10; ++round) {
    Shard shard(kProducers);
    std::latch ready(kProducers);
    std::vector<std::thread> producers;
    for (std::size_t producer = 0; producer < kProducers; ++producer) {
      producers.emplace_back([&, producer] {
        ready.arrive_and_wait();
        produce(shard, producer, kMessages, 3 * producer + 1);
      });
    }
    for (std::thread& producer : producers) producer.join();
    shard.inbox.drain([&](const Message& message) { shard.apply(message); });

    ASSERT_EQ(shard.received, kProducers * kMessages);
    ASSERT_TRUE(shard.in_order);
    ASSERT_EQ(shard.next, std::vector<std::size_t>(kProducers, kMessages));
  }
}

TEST(Inbox, AnotherThreadMayDrainWhileProducersPost) {
  constexpr std::size_t kProducers = 3;
  constexpr std::size_t kMessages = 30'000;
  Shard shard(kProducers);
  std::latch ready(kProducers + 1);
  std::atomic<std::size_t> posting{kProducers};
  std::vector<std::thread> threads;
  for (std::size_t producer = 0; producer < kProducers; ++producer) {
    threads.emplace_back([&, producer] {
      ready.arrive_and_wait();
      produce(shard, producer, kMessages, 5);
      posting.fetch_sub(1);
    });
  }
  threads.emplace_back([&] {
    ready.arrive_and_wait();
    while (posting.load() > 0) {
      shard.inbox.drain([&](const Message& message) { shard.apply(message); });
      std::this_thread::yield();
    }
  });
  for (std::thread& thread : threads) thread.join();
  shard.inbox.drain([&](const Message& message) { shard.apply(message); });
  EXPECT_EQ(shard.received, kProducers * kMessages);
  EXPECT_TRUE(shard.in_order);
}

TEST(Inbox, AProducerThatSeesItFullHelpsToDrainIt) {
  Shard shard(1);
  std::size_t number = 0;
  const auto post_one = [&] {
    shard.inbox.post({{0, number++}}, [&](const Message& message) { shard.apply(message); });
  };
  for (std::size_t i = 0; i < kInboxDrainBatches; ++i) post_one();
  EXPECT_EQ(shard.received, 0U);
  post_one();
  EXPECT_EQ(shard.received, kInboxDrainBatches + 1);
}

TEST(Inbox, OnlyOneHoldsTheClaim) {
  Shard shard(1);
  shard.inbox.post({{0, 0}, {0, 1}}, [](const Message&) { FAIL() << "not full"; });
  shard.inbox.drain([&](const Message& message) {
    shard.apply(message);
    std::thread other([&] { shard.inbox.drain([](const Message&) { FAIL() << "somebody else holds the shard"; }); });
    other.join();
  });
  EXPECT_EQ(shard.received, 2U);
}

TEST(Inbox, WhatIsPostedWhileOneDrainsIsDrainedToo) {
  Shard shard(1);
  shard.inbox.post({{0, 0}}, [](const Message&) { FAIL() << "not full"; });
  shard.inbox.drain([&](const Message& message) {
    shard.apply(message);
    if (message.number < 9) shard.inbox.post({{0, message.number + 1}}, [](const Message&) { FAIL() << "not full"; });
  });
  EXPECT_EQ(shard.received, 10U);
}

TEST(Inbox, AnEmptyBatchIsNoMessage) {
  Shard shard(1);
  for (std::size_t i = 0; i < 2 * kInboxDrainBatches; ++i) {
    shard.inbox.post({}, [](const Message&) { FAIL() << "nothing was posted"; });
  }
  shard.inbox.drain([](const Message&) { FAIL() << "nothing was posted"; });
}

TEST(Inbox, CarriesWhatCannotBeCopied) {
  Inbox<std::unique_ptr<int>> inbox;
  std::vector<std::unique_ptr<int>> batch;
  batch.push_back(std::make_unique<int>(7));
  const auto ignore = [](const std::unique_ptr<int>&) {};
  inbox.post(std::move(batch), ignore);
  int seen = 0;
  inbox.drain([&](const std::unique_ptr<int>& number) { seen += *number; });
  EXPECT_EQ(seen, 7);
}

TEST(Outbox, PostsFullBatchesAndTheRestWhenFlushed) {
  std::vector<std::vector<std::size_t>> posted(3);
  std::vector<std::size_t> batches(3, 0);
  const auto post = [&](std::size_t shard, std::vector<std::size_t>&& batch) {
    ASSERT_LE(batch.size(), kInboxBatchMessages);
    if (!batch.empty()) ++batches[shard];
    posted[shard].insert(posted[shard].end(), batch.begin(), batch.end());
  };
  Outbox<std::size_t, decltype(post)> outbox(3, post);
  constexpr std::size_t kMessages = kInboxBatchMessages * 2 + 1;
  for (std::size_t i = 0; i < kMessages; ++i) outbox.add(1, i);
  outbox.add(2, 77);
  EXPECT_EQ(posted[1].size(), kInboxBatchMessages * 2);
  EXPECT_TRUE(posted[2].empty());
  outbox.flush();
  std::vector<std::size_t> expected(kMessages);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(posted[1], expected);
  EXPECT_EQ(posted[2], std::vector<std::size_t>{77});
  EXPECT_EQ(batches, (std::vector<std::size_t>{0, 3, 1}));
  outbox.flush();
  EXPECT_EQ(posted[1], expected);  // nothing twice
}

}  // namespace
}  // namespace admetrics
