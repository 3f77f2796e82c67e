#include "core/engine/user_reader.hpp"
#include "core/base/release.hpp"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "core/engine/causes.hpp"
#include "core/engine/meta_ledger.hpp"
#include "core/metrics/contribution.hpp"

namespace admetrics {
namespace {

/// The first error that any worker met. Any thread.
class FirstError {
 public:
  void note(Status status) {
    if (status.ok()) return;
    const std::lock_guard lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
    failed_.store(true);
  }
  [[nodiscard]] bool failed() const { return failed_.load(); }
  Status take() { return std::move(status_); }

 private:
  std::mutex mutex_;
  std::atomic<bool> failed_{false};
  Status status_;
};

std::string_view owner_of(const RawValue& distinct_id) {
  return readable_key(distinct_id).value_or(std::string_view());
}

}  // namespace

/// One thread's tools.
struct UserReader::Worker {
  Worker(UserReader& reader, const Reporting& reporting, State& state)
      : folder(reporting, state.dictionary),
        rows(state.rows.size(), [&reader, &state](std::size_t shard, std::vector<CellChange>&& batch) {
          reader.row_inboxes_[shard]->post(std::move(batch),
                                           [&state, shard](const CellChange& c) { state.rows[shard].apply(c); });
        }) {}

  FactFolder folder;
  Outbox<CellChange, RowPost> rows;
  std::vector<RejectChange> reject_changes;
  Mismatches missed;
  std::size_t users_read = 0;
};

/// What one scanned row says about its user.
struct UserReader::ScanMessage {
  std::string owner;
  EventFacts events;
  AttributionFacts attribution;
  std::unique_ptr<ProductFacts> products;
  std::unique_ptr<std::vector<Reject>> rejects;
};

/// What a full scan has gathered of one user shard's users. Touched by whoever holds the inbox.
struct UserReader::ScanShard {
  struct Entry {
    EventFacts events;
    AttributionFacts attribution;
    std::unique_ptr<ProductFacts> products;
    std::unique_ptr<std::vector<Reject>> rejects;
  };
  Inbox<ScanMessage> inbox;
  std::unordered_map<std::string, Entry> entries;

  void apply(ScanMessage& message) {
    Entry& entry = entries[std::move(message.owner)];
    entry.events.merge(message.events);
    if (message.attribution.present) entry.attribution = message.attribution;
    if (message.products) {
      if (entry.products) {
        entry.products->merge(std::move(*message.products));
      } else {
        entry.products = std::move(message.products);
      }
    }
    if (message.rejects) {
      if (!entry.rejects) entry.rejects = std::make_unique<std::vector<Reject>>();
      std::move(message.rejects->begin(), message.rejects->end(), std::back_inserter(*entry.rejects));
    }
  }
};

class UserReader::LookupVisitor : public UserRowVisitor {
 public:
  explicit LookupVisitor(FactFolder& folder) : folder_(&folder) {}
  void on_user(const RawUser& row) override { folder_->fold_user(row, facts.attribution, rejects); }
  void on_event(const RawEvent& row) override { folder_->fold_event(row, facts.events, rejects); }
  void on_product(const RawProduct& row) override { folder_->fold_product(row, facts.products, rejects); }

  UserFacts facts;
  std::vector<Reject> rejects;

 private:
  FactFolder* folder_;
};

class UserReader::ScanVisitor : public UserRowVisitor {
 public:
  ScanVisitor(UserReader& reader, FactFolder& folder, std::size_t pass, std::size_t pass_count)
      : reader_(&reader),
        folder_(&folder),
        pass_(pass),
        pass_count_(pass_count),
        out_(reader.scan_shards_.size(), [&reader](std::size_t shard, std::vector<ScanMessage>&& batch) {
          ScanShard& target = *reader.scan_shards_[shard];
          target.inbox.post(std::move(batch), [&target](ScanMessage& m) { target.apply(m); });
        }) {}

  void on_user(const RawUser& row) override {
    send(row.distinct_id, [&](ScanMessage& m) { folder_->fold_user(row, m.attribution, rejects_); });
  }
  void on_event(const RawEvent& row) override {
    if (!folder_->relevant(row.name)) return;
    send(row.distinct_id, [&](ScanMessage& m) { folder_->fold_event(row, m.events, rejects_); });
  }
  void on_product(const RawProduct& row) override {
    send(row.distinct_id, [&](ScanMessage& m) {
      m.products = std::make_unique<ProductFacts>();
      folder_->fold_product(row, *m.products, rejects_);
    });
  }
  void flush() { out_.flush(); }

 private:
  template <class Fold>
  void send(const RawValue& distinct_id, Fold&& fold) {
    const std::string_view owner = owner_of(distinct_id);
    const std::uint64_t hash = hash_of_user(owner);
    if (hash % pass_count_ != pass_) return;
    ScanMessage message;
    fold(message);
    message.owner = owner;
    if (!rejects_.empty()) {
      message.rejects = std::make_unique<std::vector<Reject>>(std::move(rejects_));
      rejects_.clear();
    }
    out_.add(reader_->state_->user_shard_of(hash), std::move(message));
  }

  UserReader* reader_;
  FactFolder* folder_;
  std::size_t pass_;
  std::size_t pass_count_;
  std::vector<Reject> rejects_;
  Outbox<ScanMessage, std::function<void(std::size_t, std::vector<ScanMessage>&&)>> out_;
};

UserReader::UserReader(State& state, const Reporting& reporting, WorkerPool& pool)
    : state_(&state), reporting_(&reporting), pool_(&pool) {
  for (std::size_t i = 0; i < state.rows.size(); ++i) row_inboxes_.push_back(std::make_unique<Inbox<CellChange>>());
  for (std::size_t i = 0; i <= pool.size(); ++i) workers_.push_back(std::make_unique<Worker>(*this, reporting, state));
}

UserReader::~UserReader() = default;

UserReader::Worker& UserReader::worker(std::size_t index) { return *workers_[index]; }

void UserReader::apply_user(Worker& worker, std::string_view distinct_id, const UserFacts& facts,
                            std::vector<Reject> rejects, std::optional<std::uint8_t> records) {
  ++worker.users_read;
  UserShard& shard = state_->users[state_->user_shard_of(hash_of_user(distinct_id))];
  shard.apply(
      distinct_id, contribution_of(facts, worker.folder.dictionary()),
      [&](const CellChange& change) { worker.rows.add(state_->row_shard_of(change.cell), change); },
      [&](const UserContribution& before, const UserContribution& after) {
        const Causes causes = causes_of(before, after, facts, records.value_or(0), today_, reporting_->zone);
        if (records != 0) return causes;
        if (missed_ != nullptr)
          worker.missed.add({Mismatch::Kind::kMissedChange, "user " + std::string(distinct_id), causes});
        return causes | wished_;
      });
  const std::uint64_t digest = digest_of(rejects);
  if (shard.note_rejects(distinct_id, digest)) {
    worker.reject_changes.push_back(RejectChange{reject_owner_of_user(distinct_id), digest, std::move(rejects)});
  }
}

Status UserReader::lookup(Worker& worker, FactReader& reader, std::string_view distinct_id,
                          std::optional<std::uint8_t> records) {
  LookupVisitor visitor(worker.folder);
  ADM_TRY(reader.read_user(distinct_id, visitor));
  apply_user(worker, distinct_id, visitor.facts, std::move(visitor.rejects), records);
  return {};
}

void UserReader::drain_rows() {
  // Alone: everything was posted, so each inbox ends up empty.
  for (std::size_t shard = 0; shard < row_inboxes_.size(); ++shard) {
    row_inboxes_[shard]->drain([&](const CellChange& change) { state_->rows[shard].apply(change); });
  }
}

Status UserReader::apply(Source& source, const std::vector<std::string>& users,
                         const std::vector<std::uint8_t>& tables) {
  const std::size_t own = pool_->size();
  const auto records_of = [&](std::size_t user) {
    return tables.empty() ? std::optional<std::uint8_t>() : tables[user];
  };
  std::vector<FactReader*> readers;  // of the pool's threads
  if (users.size() > kInlineUsersMax) {
    for (std::size_t i = 0; i < pool_->size(); ++i) {
      auto reader = source.reader(i + 1);
      if (!reader) {
        if (reader.error().code != Errc::kUnsupported) return std::move(reader).error();
        readers.clear();
        break;
      }
      readers.push_back(*reader);
    }
  }
  if (readers.empty()) {
    ADM_ASSIGN(FactReader * reader, source.reader(0));
    for (std::size_t i = 0; i < users.size(); ++i) ADM_TRY(lookup(worker(own), *reader, users[i], records_of(i)));
    worker(own).rows.flush();
    drain_rows();
    take_missed();
    return {};
  }

  std::vector<std::vector<std::size_t>> by_shard(state_->shard_count());
  for (std::size_t i = 0; i < users.size(); ++i) by_shard[state_->user_shard_of(hash_of_user(users[i]))].push_back(i);
  FirstError first_error;
  pool_->for_each(by_shard.size(), [&](std::size_t index, std::size_t shard) {
    for (const std::size_t user : by_shard[shard]) {
      if (first_error.failed()) break;
      first_error.note(lookup(worker(index), *readers[index], users[user], records_of(user)));
    }
    worker(index).rows.flush();
  });
  drain_rows();
  take_missed();
  return first_error.take();
}

void UserReader::take_missed() {
  for (auto& worker : workers_) {
    if (missed_ != nullptr) missed_->add(std::move(worker->missed));
    worker->missed = {};
  }
}

Status UserReader::scan_pass(Source& source, std::size_t readers, std::size_t pass, std::size_t pass_count,
                             const std::function<Status()>& meanwhile) {
  constexpr std::size_t kTables = 3;
  constexpr std::size_t kPartsPerReader = 4;
  const std::size_t parts = readers == 0 ? 1 : readers * kPartsPerReader;
  FirstError first_error;
  const auto scan_part = [&](Worker& worker, FactReader& reader, std::size_t task) {
    ScanVisitor visitor(*this, worker.folder, pass, pass_count);
    const ScanPart part{task / kTables, parts};
    switch (task % kTables) {
      case 0: first_error.note(reader.scan_events(part, visitor)); break;
      case 1: first_error.note(reader.scan_products(part, visitor)); break;
      default: first_error.note(reader.scan_users(part, visitor)); break;
    }
    visitor.flush();
  };

  if (readers == 0) {
    ADM_TRY(meanwhile());
    ADM_ASSIGN(FactReader * reader, source.reader(0));
    for (std::size_t task = 0; task < parts * kTables && !first_error.failed(); ++task) {
      scan_part(worker(pool_->size()), *reader, task);
    }
  } else {
    std::vector<FactReader*> pool_readers;
    for (std::size_t i = 0; i < readers; ++i) {
      ADM_ASSIGN(FactReader * reader, source.reader(i + 1));
      pool_readers.push_back(reader);
    }
    std::atomic<std::size_t> next{0};
    pool_->start([&](std::size_t index) {
      for (std::size_t task = next.fetch_add(1); task < parts * kTables && !first_error.failed();
           task = next.fetch_add(1)) {
        scan_part(worker(index), *pool_readers[index], task);
      }
    });
    first_error.note(meanwhile());
    pool_->wait();
  }
  if (first_error.failed()) return first_error.take();

  pool_->for_each(state_->shard_count(),
                  [&](std::size_t index, std::size_t shard) { finish_shard(worker(index), shard, pass, pass_count); });
  drain_rows();
  return {};
}

void UserReader::finish_shard(Worker& worker, std::size_t index, std::size_t pass, std::size_t pass_count) {
  ScanShard& scanned = *scan_shards_[index];
  UserShard& shard = state_->users[index];
  scanned.inbox.drain([&](ScanMessage& message) { scanned.apply(message); });

  std::vector<std::string> owners_without_rejects;
  for (const auto& [owner, digest] : shard.reject_digests()) {
    if (hash_of_user(owner) % pass_count != pass) continue;
    const auto entry = scanned.entries.find(owner);
    if (entry == scanned.entries.end()) owners_without_rejects.push_back(owner);
  }
  shard.begin_sweep();
  UserFacts facts;
  for (auto& [owner, entry] : scanned.entries) {
    facts.attribution = entry.attribution;
    facts.events = entry.events;
    facts.products = entry.products ? std::move(*entry.products) : ProductFacts{};
    apply_user(worker, owner, facts, entry.rejects ? std::move(*entry.rejects) : std::vector<Reject>{}, std::nullopt);
  }
  shard.sweep([&](std::string_view user) { return hash_of_user(user) % pass_count == pass; },
              [&](const CellChange& change) { worker.rows.add(state_->row_shard_of(change.cell), change); });
  for (std::string& owner : owners_without_rejects) {
    shard.note_rejects(owner, 0);
    worker.reject_changes.push_back(RejectChange{reject_owner_of_user(owner), 0, {}});
  }
  release(scanned.entries);
  worker.rows.flush();
}

Status UserReader::reconcile(Source& source, std::int64_t users_estimate, std::int64_t memory_bytes_max,
                             const std::function<Status()>& meanwhile,
                             const std::function<Status(double)>& after_pass) {
  const std::int64_t needed = users_estimate * kScanBytesPerUser;
  const std::int64_t passes = memory_bytes_max > 0 ? needed / memory_bytes_max + 1 : 1;
  const auto pass_count = static_cast<std::size_t>(std::clamp<std::int64_t>(passes, 1, kScanPassesMax));

  std::size_t readers = pool_->size();
  for (std::size_t i = 0; i < pool_->size(); ++i) {
    auto reader = source.reader(i + 1);
    if (reader) continue;
    if (reader.error().code != Errc::kUnsupported) return std::move(reader).error();
    readers = 0;
    break;
  }
  scan_shards_.clear();
  for (std::size_t i = 0; i < state_->shard_count(); ++i) scan_shards_.push_back(std::make_unique<ScanShard>());
  Status status;
  for (std::size_t pass = 0; pass < pass_count && status.ok(); ++pass) {
    status = scan_pass(
        source, readers, pass, pass_count, pass == 0 ? meanwhile : [] { return Status(); });
    if (status.ok()) status = after_pass(static_cast<double>(pass + 1) / static_cast<double>(pass_count));
  }
  scan_shards_.clear();
  return status;
}

std::vector<RejectChange> UserReader::take_reject_changes() {
  std::vector<RejectChange> changes;
  for (auto& worker : workers_) {
    std::move(worker->reject_changes.begin(), worker->reject_changes.end(), std::back_inserter(changes));
    worker->reject_changes.clear();
    users_read_ += worker->users_read;
    worker->users_read = 0;
  }
  return changes;
}

void UserReader::end_epoch() { users_read_ = 0; }

}  // namespace admetrics
