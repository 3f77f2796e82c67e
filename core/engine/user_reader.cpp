#include "core/engine/user_reader.hpp"
#include "core/base/release.hpp"

#include <algorithm>
#include <deque>
#include <memory_resource>
#include <utility>

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

/// What some scanned rows say about users of one shard. Users' ids stand in one text, so that a row allocates nothing of
/// its own.
struct UserReader::ScanBatch {
  struct Owner {
    std::uint64_t hash = 0;
    std::uint32_t begin = 0;  // in `ids`
    std::uint32_t size = 0;
  };
  template <class Facts>
  using Of = std::vector<std::pair<Owner, Facts>>;

  std::size_t rows = 0;
  std::string ids;
  Of<EventFacts> events;
  Of<AttributionFacts> attributions;
  Of<ProductFacts> products;
  Of<std::vector<Reject>> rejects;

  Owner add_owner(std::uint64_t hash, std::string_view id) {
    constexpr std::size_t kUsualIdBytes = 40;
    if (rows++ == 0) ids.reserve(kInboxBatchMessages * kUsualIdBytes);
    const Owner owner{hash, static_cast<std::uint32_t>(ids.size()), static_cast<std::uint32_t>(id.size())};
    ids += id;
    return owner;
  }
  template <class Facts>
  static Facts& add_to(Of<Facts>& all, Owner owner) {
    if (all.empty()) all.reserve(kInboxBatchMessages);
    return all.emplace_back(owner, Facts{}).second;
  }
  [[nodiscard]] std::string_view id_of(Owner owner) const {
    return std::string_view(ids).substr(owner.begin, owner.size);
  }
};

/// What a full scan has gathered of one user shard's users. Touched by whoever holds the inbox.
struct UserReader::ScanShard {
  struct Entry {
    std::uint64_t hash = 0;
    std::string_view id;  // in `ids`
    EventFacts events;
    AttributionFacts attribution;
    ProductFacts* products = nullptr;  // in `products`
    std::vector<Reject>* rejects = nullptr;
  };
  Inbox<ScanBatch> inbox;
  std::deque<Entry> entries;

  void apply(ScanBatch& batch) {
    for (const auto& [owner, facts] : batch.events) entry_of(batch, owner).events.merge(facts);
    for (const auto& [owner, facts] : batch.attributions) {
      Entry& entry = entry_of(batch, owner);
      if (facts.present) entry.attribution = facts;
    }
    for (auto& [owner, facts] : batch.products) {
      Entry& entry = entry_of(batch, owner);
      if (entry.products != nullptr) {
        entry.products->merge(std::move(facts));
      } else {
        entry.products = &products_.emplace_back(std::move(facts));
      }
    }
    for (auto& [owner, rejects] : batch.rejects) {
      Entry& entry = entry_of(batch, owner);
      if (entry.rejects == nullptr) entry.rejects = &rejects_.emplace_back();
      std::move(rejects.begin(), rejects.end(), std::back_inserter(*entry.rejects));
    }
  }
  [[nodiscard]] bool contains(std::string_view id) const {
    return places_[find_place(hash_of_user(id), id)].entry != kNone;
  }
  void clear() {
    release(entries);
    release(products_);
    release(rejects_);
    places_ = std::vector<Place>(kPlacesAtFirst);
    ids_.release();
  }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::size_t kPlacesAtFirst = 1'024;
  /// Open addressing; some of the hash stands here, so that others' entries are not touched.
  struct Place {
    std::uint32_t entry = kNone;
    std::uint32_t hash = 0;
  };

  [[nodiscard]] std::size_t find_place(std::uint64_t hash, std::string_view id) const {
    const std::size_t mask = places_.size() - 1;
    std::size_t place = hash & mask;
    while (places_[place].entry != kNone &&
           (places_[place].hash != static_cast<std::uint32_t>(hash >> 32) || entries[places_[place].entry].id != id)) {
      place = (place + 1) & mask;
    }
    return place;
  }
  Entry& entry_of(const ScanBatch& batch, ScanBatch::Owner owner) {
    const std::string_view id = batch.id_of(owner);
    Place& place = places_[find_place(owner.hash, id)];
    if (place.entry != kNone) return entries[place.entry];
    place = {static_cast<std::uint32_t>(entries.size()), static_cast<std::uint32_t>(owner.hash >> 32)};
    char* const kept = static_cast<char*>(ids_.allocate(std::max<std::size_t>(id.size(), 1), 1));
    std::copy(id.begin(), id.end(), kept);
    Entry& entry = entries.emplace_back();
    entry.hash = owner.hash;
    entry.id = {kept, id.size()};
    if (entries.size() * 4 > places_.size() * 3) grow();
    return entry;
  }
  void grow() {
    places_.assign(places_.size() * 2, {});
    for (std::uint32_t i = 0; i < entries.size(); ++i) {
      places_[find_place(entries[i].hash, entries[i].id)] = {i, static_cast<std::uint32_t>(entries[i].hash >> 32)};
    }
  }

  std::vector<Place> places_ = std::vector<Place>(kPlacesAtFirst);
  std::pmr::monotonic_buffer_resource ids_;
  std::deque<ProductFacts> products_;  // deques: what stands in them never moves
  std::deque<std::vector<Reject>> rejects_;
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
  /// `tells`: on the pipeline's thread, where nobody else tells of the progress.
  ScanVisitor(UserReader& reader, FactFolder& folder, std::size_t pass, std::size_t pass_count, StageProgress& progress,
              bool tells)
      : reader_(&reader),
        folder_(&folder),
        pass_(pass),
        pass_count_(pass_count),
        progress_(&progress),
        tells_(tells),
        batches_(reader.scan_shards_.size()) {}

  void on_user(const RawUser& row) override {
    count_row();
    send(row.distinct_id, [&](ScanBatch& batch, ScanBatch::Owner owner) {
      folder_->fold_user(row, ScanBatch::add_to(batch.attributions, owner), rejects_);
    });
  }
  void on_event(const RawEvent& row) override {
    count_row();
    if (!folder_->relevant(row.name)) return;
    send(row.distinct_id, [&](ScanBatch& batch, ScanBatch::Owner owner) {
      folder_->fold_event(row, ScanBatch::add_to(batch.events, owner), rejects_);
    });
  }
  void on_product(const RawProduct& row) override {
    count_row();
    send(row.distinct_id, [&](ScanBatch& batch, ScanBatch::Owner owner) {
      folder_->fold_product(row, ScanBatch::add_to(batch.products, owner), rejects_);
    });
  }
  void flush() {
    for (std::size_t shard = 0; shard < batches_.size(); ++shard) {
      if (batches_[shard].rows > 0) post(shard);
    }
  }

 private:
  void count_row() {
    if (++rows_ % kProgressEveryRows != 0) return;
    progress_->add(kProgressEveryRows);
    if (tells_) progress_->tell();
  }
  template <class Put>
  void send(const RawValue& distinct_id, Put&& put) {
    const std::string_view id = owner_of(distinct_id);
    const std::uint64_t hash = hash_of_user(id);
    if (hash % pass_count_ != pass_) return;
    const std::size_t shard = reader_->state_->user_shard_of(hash);
    ScanBatch& batch = batches_[shard];
    const ScanBatch::Owner owner = batch.add_owner(hash, id);
    put(batch, owner);
    if (!rejects_.empty()) {
      ScanBatch::add_to(batch.rejects, owner) = std::move(rejects_);
      rejects_.clear();
    }
    if (batch.rows >= kInboxBatchMessages) post(shard);
  }
  void post(std::size_t shard) {
    std::vector<ScanBatch> full;
    full.push_back(std::exchange(batches_[shard], {}));
    ScanShard& target = *reader_->scan_shards_[shard];
    target.inbox.post(std::move(full), [&target](ScanBatch& batch) { target.apply(batch); });
  }

  UserReader* reader_;
  FactFolder* folder_;
  std::size_t pass_;
  std::size_t pass_count_;
  StageProgress* progress_;
  bool tells_;
  std::int64_t rows_ = 0;
  std::vector<Reject> rejects_;
  std::vector<ScanBatch> batches_;  // by shard
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
                             const std::function<Status()>& meanwhile, StageProgress& progress) {
  constexpr std::size_t kTables = 3;
  constexpr std::size_t kPartsPerReader = 4;
  const std::size_t parts = readers == 0 ? 1 : readers * kPartsPerReader;
  const std::function<void()> tell = [&] { progress.tell(); };
  FirstError first_error;
  const auto scan_part = [&](Worker& worker, FactReader& reader, std::size_t task) {
    ScanVisitor visitor(*this, worker.folder, pass, pass_count, progress, readers == 0);
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
    pool_->wait(tell);
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
  scanned.inbox.drain([&](ScanBatch& batch) { scanned.apply(batch); });

  std::vector<std::string> owners_without_rejects;
  for (const auto& [owner, digest] : shard.reject_digests()) {
    if (hash_of_user(owner) % pass_count != pass) continue;
    if (!scanned.contains(owner)) owners_without_rejects.push_back(owner);
  }
  shard.begin_sweep();
  UserFacts facts;
  for (ScanShard::Entry& entry : scanned.entries) {
    facts.attribution = entry.attribution;
    facts.events = entry.events;
    facts.products = entry.products != nullptr ? std::move(*entry.products) : ProductFacts{};
    apply_user(worker, entry.id, facts, entry.rejects != nullptr ? std::move(*entry.rejects) : std::vector<Reject>{},
               std::nullopt);
  }
  shard.sweep([&](std::string_view user) { return hash_of_user(user) % pass_count == pass; },
              [&](const CellChange& change) { worker.rows.add(state_->row_shard_of(change.cell), change); });
  for (std::string& owner : owners_without_rejects) {
    shard.note_rejects(owner, 0);
    worker.reject_changes.push_back(RejectChange{reject_owner_of_user(owner), 0, {}});
  }
  scanned.clear();
  worker.rows.flush();
}

Status UserReader::reconcile(Source& source, std::int64_t users_estimate, std::int64_t memory_bytes_max,
                             const std::function<Status()>& meanwhile, const std::function<Status(double)>& after_pass,
                             StageProgress& progress) {
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
        source, readers, pass, pass_count, pass == 0 ? meanwhile : [] { return Status(); }, progress);
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
