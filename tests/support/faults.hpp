#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "core/engine/ports.hpp"

namespace admetrics::support {

/// Moments of an epoch, where something can be made to go wrong. Each names a call of a port that is about to happen,
/// or (in the past tense) one that has just happened, whose caller has not heard of it.
inline constexpr std::string_view kSnapshotTaken = "source.began";
inline constexpr std::string_view kSinkBegin = "sink.begin";
inline constexpr std::string_view kSinkWriteCells = "sink.write_cells";
inline constexpr std::string_view kSinkWriteNames = "sink.write_names";
inline constexpr std::string_view kSinkCommit = "sink.commit";
inline constexpr std::string_view kSinkCommitted = "sink.committed";
inline constexpr std::string_view kLedgerBegin = "ledger.begin";
inline constexpr std::string_view kLedgerPutUser = "ledger.put_user";
inline constexpr std::string_view kLedgerPutAdDay = "ledger.put_ad_day";
inline constexpr std::string_view kLedgerCommit = "ledger.commit";
inline constexpr std::string_view kLedgerCommitted = "ledger.committed";
inline constexpr std::string_view kAcknowledge = "source.acknowledge";
inline constexpr std::string_view kAcknowledged = "source.acknowledged";

/// Faults: what shall happen when an epoch comes past a moment.
///
/// Threads: the engine's calling thread; every call that has a moment happens there.
class Faults {
 public:
  using Act = std::function<Status()>;

  /// At the `nth` time (from 1) that `moment` is passed, `act` runs, and its error is what the engine sees.
  void arm(std::string_view moment, int nth, Act act);
  void disarm() { armed_ = {}; }
  [[nodiscard]] bool armed() const { return static_cast<bool>(armed_.act); }

  Status pass(std::string_view moment);

 private:
  struct Armed {
    std::string moment;
    int remaining = 0;
    Act act;
  };
  Armed armed_;
};

/// The ports, as they are, but with moments.
class FaultySource : public Source {
 public:
  FaultySource(Source& inner, Faults& faults) : inner_(&inner), faults_(&faults) {}
  Result<EpochInput> begin_epoch(const std::string& position, const EpochWish& wish) override;
  Result<FactReader*> reader(std::size_t index) override { return inner_->reader(index); }
  void end_snapshot() override { inner_->end_snapshot(); }
  Status acknowledge(const std::string& position) override;

 private:
  Source* inner_;
  Faults* faults_;
};

class FaultySink : public Sink {
 public:
  FaultySink(Sink& inner, Faults& faults) : inner_(&inner), faults_(&faults) {}
  [[nodiscard]] const std::string& name() const override { return inner_->name(); }
  Result<SinkState> open() override { return inner_->open(); }
  [[nodiscard]] bool replaced() const override { return inner_->replaced(); }
  Status visit_keys(const std::function<void(const SinkKey&)>& visit) override { return inner_->visit_keys(visit); }
  Result<std::unique_ptr<StoredRowReader>> read_rows() override { return inner_->read_rows(); }
  Status begin(const CommitHeader& header, bool purge_unrecognized) override;
  Status write_cells(std::span<const CellWrite> cells) override;
  Status write_names(std::span<const NameWrite> names) override;
  Status write_hierarchies(std::span<const HierarchyWrite> hierarchies) override {
    return inner_->write_hierarchies(hierarchies);
  }
  [[nodiscard]] std::int64_t rows_written() const override { return inner_->rows_written(); }
  Result<SinkReceipt> commit() override;
  void rollback() override { inner_->rollback(); }

 private:
  Sink* inner_;
  Faults* faults_;
};

class FaultyLedger : public LedgerStore {
 public:
  FaultyLedger(LedgerStore& inner, Faults& faults) : inner_(&inner), faults_(&faults) {}
  Result<LedgerHeader> open() override { return inner_->open(); }
  Status load_dictionary(const std::function<void(std::uint32_t, std::string_view)>& visit) override {
    return inner_->load_dictionary(visit);
  }
  Result<std::int64_t> user_count() override { return inner_->user_count(); }
  Status load_users(const std::function<void(std::string_view, BytesView)>& visit) override {
    return inner_->load_users(visit);
  }
  Status load_reject_owners(const std::function<void(std::string_view, std::uint64_t)>& visit) override {
    return inner_->load_reject_owners(visit);
  }
  Status load_raw_values(const std::function<void(Breakdown, DictionaryId, std::int64_t)>& visit) override {
    return inner_->load_raw_values(visit);
  }
  Status begin() override;
  Status put_text(std::uint32_t id, std::string_view text) override { return inner_->put_text(id, text); }
  Status put_user(std::string_view distinct_id, BytesView contribution) override;
  Status erase_user(std::string_view distinct_id) override { return inner_->erase_user(distinct_id); }
  Status put_rejects(std::string_view owner, std::uint64_t digest, std::span<const Reject> rejects) override {
    return inner_->put_rejects(owner, digest, rejects);
  }
  Status put_raw_value(Breakdown breakdown, DictionaryId value, std::int64_t rows) override {
    return inner_->put_raw_value(breakdown, value, rows);
  }
  Status get_ad_day(DictionaryId ad, Day day, Bytes& out) override { return inner_->get_ad_day(ad, day, out); }
  Status put_ad_day(DictionaryId ad, Day day, BytesView contribution) override;
  Status scan_ad(DictionaryId ad, Day from, Day to, const std::function<void(Day, BytesView)>& visit) override {
    return inner_->scan_ad(ad, from, to, visit);
  }
  Status scan_ad_day_keys(const std::function<void(DictionaryId, Day)>& visit) override {
    return inner_->scan_ad_day_keys(visit);
  }
  Status get_cell(Entity entity, Day day, Bytes& out) override { return inner_->get_cell(entity, day, out); }
  Status put_cell(Entity entity, Day day, BytesView cell) override { return inner_->put_cell(entity, day, cell); }
  Status scan_entity(Entity entity, Day from, Day to, const std::function<void(Day, BytesView)>& visit) override {
    return inner_->scan_entity(entity, from, to, visit);
  }
  Status scan_cell_keys(const std::function<void(Entity, Day)>& visit) override {
    return inner_->scan_cell_keys(visit);
  }
  Status put_changes(EpochId epoch, Instant at, std::span<const JournalChange> keys,
                     std::span<const JournalRowChange> rows) override {
    return inner_->put_changes(epoch, at, keys, rows);
  }
  Status put_unlisted_change(EpochId epoch, Instant at, Causes causes) override {
    return inner_->put_unlisted_change(epoch, at, causes);
  }
  Result<EpochId> changes_listed_since() override { return inner_->changes_listed_since(); }
  Result<std::size_t> scan_changes(JournalCursor& cursor, std::size_t limit,
                                   const std::function<void(const JournalKey&, EpochId, Causes)>& visit) override {
    return inner_->scan_changes(cursor, limit, visit);
  }
  Status commit(const LedgerHeader& header) override;
  void rollback() override { inner_->rollback(); }

 private:
  LedgerStore* inner_;
  Faults* faults_;
};

}  // namespace admetrics::support
