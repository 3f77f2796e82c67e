#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/day.hpp"
#include "core/base/result.hpp"
#include "core/metrics/meta.hpp"
#include "core/model/cause.hpp"
#include "core/model/raw.hpp"
#include "core/model/reject.hpp"
#include "core/model/row.hpp"

/// What the engine needs of the world. The rooms `sources`, `sinks` and `state` implement these.
namespace admetrics {

// ── Source ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// One share of a full scan: part `index` of `count`, together every row once.
struct ScanPart {
  std::size_t index = 0;
  std::size_t count = 1;
};

/// Reads facts from the open epoch's snapshot. One thread at a time; several readers may read side by side.
class FactReader {
 public:
  virtual ~FactReader() = default;

  /// Every row of one user. "" stands for all rows whose `distinct_id` is NULL, empty or a blob.
  virtual Status read_user(std::string_view distinct_id, UserRowVisitor& visitor) = 0;
  virtual Status scan_users(ScanPart part, UserRowVisitor& visitor) = 0;
  virtual Status scan_events(ScanPart part, UserRowVisitor& visitor) = 0;
  virtual Status scan_products(ScanPart part, UserRowVisitor& visitor) = 0;

  /// Every Meta row of one ad on one day, over the four tables.
  virtual Status read_ad_day(const AdDayKey& key, MetaRowVisitor& visitor) = 0;
  /// Every Meta row, each (ad, day)'s rows together.
  virtual Status scan_meta(MetaRowVisitor& visitor) = 0;
  /// The (ad, day)s that have a row with the raw value `raw` in the breakdown's table.
  virtual Status find_ad_days(Breakdown breakdown, std::string_view raw,
                              const std::function<void(AdDayKey)>& visit) = 0;
};

/// Tables whose change records name a key, as bits.
inline constexpr std::uint8_t kUserRecords = 1;
inline constexpr std::uint8_t kEventRecords = 2;
inline constexpr std::uint8_t kProductRecords = 4;

/// What one snapshot says has changed since a position.
struct EpochInput {
  std::string position;            // what the ledger shall remember; opaque to the engine
  std::uint64_t records = 0;       // change records collapsed into the keys below
  bool recorded = false;           // a key that no record names has not changed, as far as capture knows
  bool reconcile = false;          // nobody knows what changed: everything shall be read
  std::string reconcile_reason;    // why, for people
  bool scan_users = false;         // read all users instead of `users`: it is cheaper, or the only way
  bool scan_meta = false;          // read all Meta rows instead of `ad_days`
  std::vector<std::string> users;  // dirty `distinct_id`s, each once
  // For each of `users`, the tables whose records name it; 0: none, it was wished for. Empty: not known.
  std::vector<std::uint8_t> user_tables;
  std::vector<AdDayKey> ad_days;  // dirty (ad, day)s, each once
  std::vector<AdDayKey>
      recorded_ad_days;             // of these, those that records name, ascending; filled where some were wished for
  Mappings mappings;                // as of the snapshot
  std::int64_t users_estimate = 0;  // about how many users there are; bounds the memory of a full scan
};

/// Whether an epoch shall read everything.
enum class Reconcile : std::uint8_t {
  kIfNeeded,  // only where the source cannot tell what changed
  kWanted,    // a wish: what the source holds back may follow later
  kMust,      // what was computed before is worth nothing
};

/// What an epoch shall read besides what changed.
struct EpochWish {
  Reconcile reconcile = Reconcile::kIfNeeded;
  std::span<const std::string> users;
  std::span<const AdDayKey> ad_days;
};

/// The raw tables. Threads: the pipeline's thread, but readers as `FactReader` says.
class Source {
 public:
  virtual ~Source() = default;

  /// Opens one consistent snapshot and says what changed since `position` ("" = never seen anything), and what of the
  /// wish may be read now.
  virtual Result<EpochInput> begin_epoch(const std::string& position, const EpochWish& wish) = 0;
  /// Reader 0 always exists while an epoch's snapshot is open; further ones fail with kUnsupported where the file
  /// does not allow several readers at one snapshot.
  virtual Result<FactReader*> reader(std::size_t index) = 0;
  /// Ends the snapshot. Facts are gone after that; the position is not yet acknowledged.
  virtual void end_snapshot() = 0;
  /// The ledger has durably taken everything up to `position`; older records may be forgotten.
  virtual Status acknowledge(const std::string& position) = 0;
};

// ── Sink ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/// What identifies a commit, in the sink as in the ledger.
struct CommitHeader {
  std::string ledger;  // the ledger's identity: rows of another ledger are not ours to trust
  EpochId epoch;
  std::string position;  // of the source
  Day as_of;
  Instant committed_at;
};

/// An entity's mapping row or one of its cells, by text: how a sink names what it wrote last.
struct SinkKey {
  enum class Kind : std::uint8_t { kCell = 1, kName = 2, kHierarchy = 3 };  // stored by sinks; add at the end
  Kind kind = Kind::kCell;
  Level level = Level::kCampaign;
  std::string entity_id;
  Day day;  // of a cell
};

/// Where a sink stands.
struct SinkState {
  bool fresh = true;       // never committed to
  bool empty = true;       // its tables hold no row at all
  bool main_empty = true;  // the main table holds none
  std::string ledger;
  EpochId epoch;
  bool last_keys_known = true;     // false: the last commit was too large to list
  std::vector<SinkKey> last_keys;  // what the last commit changed
};

/// What became of one table's rows.
struct TableReceipt {
  std::string_view table;  // a name that lives for ever
  std::int64_t inserted = 0;
  std::int64_t updated = 0;
  std::int64_t deleted = 0;
  std::int64_t unchanged = 0;
};

/// A row that a sink inserted, updated or deleted.
struct SinkRow {
  SinkKey key;
  Breakdown breakdown = Breakdown::kNone;  // of a cell: kNone is its main row
  std::string value;                       // the breakdown's
};

struct SinkReceipt {
  std::int64_t inserted = 0;
  std::int64_t updated = 0;
  std::int64_t deleted = 0;
  std::int64_t unchanged = 0;        // rows that were offered and stood already
  std::vector<TableReceipt> tables;  // the same by table, where the sink can tell
  std::vector<SinkKey> changed;      // whose rows were inserted, updated or deleted: the first kReceiptKeysMax
  bool changed_more = false;         // there were more, or nobody knows which
  // The same row by row, for the change journal: all of them, or `rows_known` is false. Taken by the engine.
  std::vector<SinkRow> rows;
  bool rows_known = false;

  [[nodiscard]] std::int64_t written() const { return inserted + updated + deleted; }
};

/// A row of the two metric tables as it stands. Views live until the reader's next row.
class StoredRow {
 public:
  virtual ~StoredRow() = default;
  /// A list's text; nothing where the column holds something else.
  [[nodiscard]] virtual std::optional<std::string_view> list(List list) const = 0;
  /// Whether the row holds exactly these numbers, as `write_cells` would store them.
  [[nodiscard]] virtual bool holds(const std::array<std::int64_t, kNumberCount>& numbers) const = 0;

  Level level = Level::kCampaign;
  std::string_view entity_id;
  Day day;
  Breakdown breakdown = Breakdown::kNone;  // kNone: a main row
  std::string_view value;
};

/// Reads rows in the order in which they lie there, as they stand at that moment. One thread at a time; several readers
/// may read side by side, and beside the sink.
class StoredRowReader {
 public:
  virtual ~StoredRowReader() = default;
  /// Every metric row of a part whose key anybody could have written. A row that somebody moves meanwhile may be met
  /// twice, or not at all.
  virtual Status scan(ScanPart part, const std::function<void(const StoredRow&)>& visit) = 0;
  /// As `Sink::visit_keys`, but the keys of names and pairs only.
  virtual Status visit_mapping_keys(const std::function<void(const SinkKey&)>& visit) = 0;
};

/// Where rows go. One transaction an epoch, its position inside it; everything written is whole-row and
/// idempotent, so replaying an epoch changes nothing. Threads: the pipeline's thread.
class Sink {
 public:
  virtual ~Sink() = default;

  [[nodiscard]] virtual const std::string& name() const = 0;
  /// Opens (again), creates what is missing, and tells where it stands.
  virtual Result<SinkState> open() = 0;
  /// Whether something else stands where it was opened: what it holds is not known until it is opened again.
  [[nodiscard]] virtual bool replaced() const = 0;
  /// Calls `visit` for every key that has a row, with duplicates; rows whose key nobody could have written are counted.
  virtual Status visit_keys(const std::function<void(const SinkKey&)>& visit) = 0;
  /// A reader of the sink as it was opened last; kUnsupported where rows can only be compared by writing them.
  virtual Result<std::unique_ptr<StoredRowReader>> read_rows() {
    return Error{Errc::kUnsupported, "read stored rows", name(), ""};
  }

  /// Begins an epoch's transaction. `purge_unrecognized` also removes rows whose key is none of ours.
  virtual Status begin(const CommitHeader& header, bool purge_unrecognized) = 0;
  virtual Status write_cells(std::span<const CellWrite> cells) = 0;
  virtual Status write_names(std::span<const NameWrite> names) = 0;
  virtual Status write_hierarchies(std::span<const HierarchyWrite> hierarchies) = 0;
  /// Rows that the open transaction has inserted, updated or deleted; 1 where a sink cannot tell.
  [[nodiscard]] virtual std::int64_t rows_written() const { return 1; }
  /// Makes it visible. After an error the outcome may be unknown: `open` again and look at the epoch.
  virtual Result<SinkReceipt> commit() = 0;
  virtual void rollback() = 0;
};

// ── Ledger ───────────────────────────────────────────────────────────────────────────────────────────────────────

/// What the ledger remembers besides contributions.
struct LedgerHeader {
  std::string ledger;       // identity, drawn when the ledger was created
  EpochId epoch;            // last committed; 0: none yet
  std::string position;     // of the source
  Day as_of = kNoDay;       // the "today" that the rows were rendered for
  std::string fingerprint;  // of the settings that the contributions were computed with
  Mappings mappings;        // that the Meta contributions were computed with
};

struct UnmappedValue {
  Breakdown breakdown = Breakdown::kCountry;
  std::string value;
  std::int64_t rows = 0;
};

/// What the change journal names: a cell, an entity's name or an ad's pair (then without a day).
struct JournalKey {
  SinkKey::Kind kind = SinkKey::Kind::kCell;
  Entity entity;
  Day day = kNoDay;

  auto operator<=>(const JournalKey&) const = default;
};

struct JournalChange {
  JournalKey key;
  Causes causes;
};

struct JournalRowChange {
  RowKey row;
  Causes causes;
};

/// A place in the journal, in the order of (epoch, key): begin with nothing but the epoch.
struct JournalCursor {
  EpochId epoch;
  std::optional<JournalKey> key;  // the last one that was read of that epoch; none: the epoch itself is not wanted
};

using Bytes = std::vector<std::byte>;
using BytesView = std::span<const std::byte>;

/// Keeps contributions on disk. Everything between `begin` and `commit` is one transaction, and reads inside it
/// see it. Keys and values are the engine's; the store knows no meaning. Threads: the pipeline's thread.
class LedgerStore {
 public:
  virtual ~LedgerStore() = default;

  virtual Result<LedgerHeader> open() = 0;
  virtual Status load_dictionary(const std::function<void(std::uint32_t, std::string_view)>& visit) = 0;
  virtual Result<std::int64_t> user_count() = 0;
  virtual Status load_users(const std::function<void(std::string_view, BytesView)>& visit) = 0;
  virtual Status load_reject_owners(const std::function<void(std::string_view owner, std::uint64_t digest)>& visit) = 0;
  virtual Status load_raw_values(const std::function<void(Breakdown, DictionaryId, std::int64_t rows)>& visit) = 0;

  virtual Status begin() = 0;
  virtual Status put_text(std::uint32_t id, std::string_view text) = 0;
  virtual Status put_user(std::string_view distinct_id, BytesView contribution) = 0;
  virtual Status erase_user(std::string_view distinct_id) = 0;
  virtual Status put_rejects(std::string_view owner, std::uint64_t digest, std::span<const Reject> rejects) = 0;
  virtual Status put_raw_value(Breakdown breakdown, DictionaryId value, std::int64_t rows) = 0;

  // Meta contributions by (ad, day); aggregated cells of ad sets and campaigns by (entity, day).
  // A `get` of nothing gives an empty value.
  virtual Status get_ad_day(DictionaryId ad, Day day, Bytes& out) = 0;
  virtual Status put_ad_day(DictionaryId ad, Day day, BytesView contribution) = 0;  // empty: erases
  virtual Status scan_ad(DictionaryId ad, Day from, Day to, const std::function<void(Day, BytesView)>& visit) = 0;
  virtual Status scan_ad_day_keys(const std::function<void(DictionaryId, Day)>& visit) = 0;
  virtual Status get_cell(Entity entity, Day day, Bytes& out) = 0;
  virtual Status put_cell(Entity entity, Day day, BytesView cell) = 0;  // empty: erases
  virtual Status scan_entity(Entity entity, Day from, Day to, const std::function<void(Day, BytesView)>& visit) = 0;
  virtual Status scan_cell_keys(const std::function<void(Entity, Day)>& visit) = 0;

  // The change journal: which keys changed after the first fill, in which epoch last, and why. One row a key, replaced in
  // place; a key whose rows are gone keeps its own. `keys` and `rows` ascend.
  virtual Status put_changes(EpochId epoch, Instant at, std::span<const JournalChange> keys,
                             std::span<const JournalRowChange> rows) = 0;
  /// An epoch whose changes are not listed: too many, or nobody knows which.
  virtual Status put_unlisted_change(EpochId epoch, Instant at, Causes causes) = 0;
  /// The last epoch whose changes are not listed; what changed after it is known. 0: no epoch yet.
  virtual Result<EpochId> changes_listed_since() = 0;
  /// Visits at most `limit` keys behind `cursor`, and moves it. Fewer than that: the end. A key that changes between two
  /// calls moves to the end, so it is met (again) later, and none is missed.
  virtual Result<std::size_t> scan_changes(JournalCursor& cursor, std::size_t limit,
                                           const std::function<void(const JournalKey&, EpochId, Causes)>& visit) = 0;

  virtual Status commit(const LedgerHeader& header) = 0;
  virtual void rollback() = 0;
};

}  // namespace admetrics
