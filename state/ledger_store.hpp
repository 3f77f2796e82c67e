#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/engine/ports.hpp"
#include "core/sqlite/database.hpp"
#include "state/folder_lock.hpp"

namespace admetrics {

/// The ledger in an SQLite file of our own, `ledger.db` in the state folder. Locked against a second daemon.
class SqliteLedger : public LedgerStore {
 public:
  /// `folder` is created when it is missing. `identity` names a ledger that has to be created. kBusy: another process
  /// has it open.
  static Result<std::unique_ptr<SqliteLedger>> open_folder(const std::string& folder, const std::string& identity);
  ~SqliteLedger() override;

  Result<LedgerHeader> open() override;
  Status load_dictionary(const std::function<void(std::uint32_t, std::string_view)>& visit) override;
  Result<std::int64_t> user_count() override;
  Status load_users(const std::function<void(std::string_view, BytesView)>& visit) override;
  Status load_reject_owners(const std::function<void(std::string_view, std::uint64_t)>& visit) override;
  Status load_raw_values(const std::function<void(Breakdown, DictionaryId, std::int64_t)>& visit) override;

  Status begin() override;
  Status put_text(std::uint32_t id, std::string_view text) override;
  Status put_user(std::string_view distinct_id, BytesView contribution) override;
  Status erase_user(std::string_view distinct_id) override;
  Status put_rejects(std::string_view owner, std::uint64_t digest, std::span<const Reject> rejects) override;
  Status put_raw_value(Breakdown breakdown, DictionaryId value, std::int64_t rows) override;
  Status get_ad_day(DictionaryId ad, Day day, Bytes& out) override;
  Status put_ad_day(DictionaryId ad, Day day, BytesView contribution) override;
  Status scan_ad(DictionaryId ad, Day from, Day to, const std::function<void(Day, BytesView)>& visit) override;
  Status scan_ad_day_keys(const std::function<void(DictionaryId, Day)>& visit) override;
  Status get_cell(Entity entity, Day day, Bytes& out) override;
  Status put_cell(Entity entity, Day day, BytesView cell) override;
  Status scan_entity(Entity entity, Day from, Day to, const std::function<void(Day, BytesView)>& visit) override;
  Status scan_cell_keys(const std::function<void(Entity, Day)>& visit) override;
  Status put_changes(EpochId epoch, Instant at, std::span<const JournalChange> keys,
                     std::span<const JournalRowChange> rows) override;
  Status put_unlisted_change(EpochId epoch, Instant at, Causes causes) override;
  Result<EpochId> changes_listed_since() override;
  Result<std::size_t> scan_changes(JournalCursor& cursor, std::size_t limit,
                                   const std::function<void(const JournalKey&, EpochId, Causes)>& visit) override;
  Status commit(const LedgerHeader& header) override;
  void rollback() override;

  struct RejectCount {
    std::string table;
    RejectReason reason = RejectReason::kBadKey;
    std::int64_t rows = 0;
  };
  /// Rejects by table and reason.
  Result<std::vector<RejectCount>> reject_counts();
  [[nodiscard]] const std::string& path() const { return database_->path(); }

 private:
  struct Statements;
  explicit SqliteLedger(std::unique_ptr<FolderLock> lock);
  Status prepare();
  Status begin_journal();

  std::unique_ptr<FolderLock> lock_;         // let go last
  std::optional<Mappings> stored_mappings_;  // what the file holds; none: not known
  std::unique_ptr<sqlite::Connection> database_;
  std::unique_ptr<Statements> statements_;  // finalized before the connection closes
};

/// The rejects that a ledger file holds, at most `limit`, by table and key. A daemon may be running on it.
Result<std::vector<Reject>> read_rejects(sqlite::Connection& ledger, std::int64_t limit);

/// The contributions that a ledger file holds, in the order of the users' ids. A daemon may be running on it.
Status read_ledger_users(sqlite::Connection& ledger, const std::function<void(BytesView)>& visit);

}  // namespace admetrics
