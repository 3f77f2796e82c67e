#include "sources/sqlite/sqlite_source.hpp"

#include <sys/vfs.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "core/base/release.hpp"

namespace admetrics::source {
namespace {

constexpr int kArmAttemptsMax = 5;
constexpr std::int64_t kTrimAfterRecords = 5'000;
constexpr int kTrimTransactionsPerEpoch = 4;  // what streams waits for them

// What a full scan and a look-up cost, in nanoseconds a row and a key: measured by bench/, to choose the cheaper one.
constexpr std::int64_t kScanRowNanos = 600;
constexpr std::int64_t kLookupUserNanos = 22'000;
constexpr std::int64_t kLookupAdDayNanos = 25'000;
constexpr std::int64_t kScanFixedNanos = 20'000'000;

/// WAL's shared memory needs one host, and file locks that work (pitfalls.md 14).
Status refuse_network_file_system(const std::string& path) {
  struct statfs info {};
  if (::statfs(path.c_str(), &info) != 0) return {};
  constexpr std::array<std::uint32_t, 5> kNetwork{0x6969U, 0x517BU, 0xFF534D42U, 0xFE534D42U, 0x01021997U};
  if (std::find(kNetwork.begin(), kNetwork.end(), static_cast<std::uint32_t>(info.f_type)) == kNetwork.end()) return {};
  return Error{Errc::kUnsupported, "open the source", path,
               "it lies on a network file system, where SQLite's locks do not hold; run the daemon on the host that "
               "has the file"};
}

/// About how many rows a table has, without counting them where that would take long.
Result<std::int64_t> estimate_rows(sqlite::Connection& database, const std::string& table) {
  constexpr std::int64_t kRowsMax = 1'000'000'000'000;
  auto last_rowid = database.query_integer("SELECT max(rowid) FROM " + table);
  if (!last_rowid) last_rowid = database.query_integer("SELECT count(*) FROM " + table);  // a table WITHOUT ROWID
  ADM_TRY(last_rowid.ok() ? Status() : Status(last_rowid.error()));
  return std::clamp<std::int64_t>(*last_rowid, 0, kRowsMax);
}

template <class T>
void sort_unique(std::vector<T>& items) {
  std::sort(items.begin(), items.end());
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

std::uint8_t records_bit(std::int64_t kind) {
  switch (static_cast<ChangeKind>(kind)) {
    case ChangeKind::kUser: return kUserRecords;
    case ChangeKind::kEvent: return kEventRecords;
    case ChangeKind::kProduct: return kProductRecords;
    case ChangeKind::kCountryMapping:
    case ChangeKind::kDeviceMapping:
    case ChangeKind::kProcessedDay:
    case ChangeKind::kMetaDaily:
    case ChangeKind::kMetaCountry:
    case ChangeKind::kMetaRegion:
    case ChangeKind::kMetaDevice:
    case ChangeKind::kHeartbeat: return 0;
  }
  return 0;
}

std::string key_text(const sqlite::Statement& statement, int column) {
  if (statement.type(column) == sqlite::ColumnType::kBlob) return "";
  return std::string(statement.text(column));
}

}  // namespace

struct SqliteSource::Database {
  std::string file;  // identity when it was opened
  // The writer closes last: only a connection that may write takes the log away with it.
  std::unique_ptr<sqlite::Connection> writer;  // triggers and trimming; none with capture = "scan"
  std::unique_ptr<sqlite::Connection> watch;   // never inside a transaction
  sqlite::Statement last_seq;                  // on watch
  sqlite::Statement schema_version;            // on watch
  sqlite::Statement data_version;              // on watch
  // What the last look at the schema found, and the schema it was.
  std::int64_t verified_schema = -1;
  CaptureState verified;
  // Since the last epoch that was taken.
  std::int64_t taken_seq = 0;
  std::int64_t taken_data_version = -1;
  std::int64_t seen_data_version = -1;  // just before the open epoch's snapshot
  std::int64_t acknowledged_seq = 0;
  std::int64_t trimmed_seq = 0;
  LogRetention retention;
  bool marked = false;     // since it was opened
  bool mark_known = true;  // the file was as the ledger has seen it last
};

SqliteSource::SqliteSource(SqliteSourceOptions options) : options_(std::move(options)) {}
SqliteSource::~SqliteSource() { close(); }

const std::string& SqliteSource::path_of(Side side) const {
  return side == kProduct ? options_.product_db : options_.ads_db;
}
std::span<const RawTable> SqliteSource::tables_of(Side side) const {
  return side == kProduct ? product_tables() : ads_tables();
}

void SqliteSource::close() {
  end_snapshot();
  readers_.clear();
  mappings_.reset();
  whole_days_.reset();
  held_from_seq_ = -1;
  snapshots_ = {};
  for (auto& database : databases_) {
    if (!database) continue;
    database->last_seq = {};
    database->schema_version = {};
    database->data_version = {};
    database.reset();
  }
}

Status SqliteSource::ensure_open() {
  for (const Side side : {kProduct, kAds}) {
    if (databases_[side] && databases_[side]->file != sqlite::file_identity(path_of(side))) {
      close();
      rearmed_ = true;
      rearmed_reason_ = path_of(side) + " was replaced by another file";
    }
  }
  for (const Side side : {kProduct, kAds}) {
    if (databases_[side]) continue;
    const std::string& path = path_of(side);
    ADM_TRY(refuse_network_file_system(path));
    auto database = std::make_unique<Database>();
    database->file = sqlite::file_identity(path);
    // The writer first: it rolls back what a killed writer left half done, which a reader may not.
    if (options_.triggers) {
      ADM_ASSIGN(database->writer,
                 sqlite::Connection::open(path, sqlite::OpenMode::kReadWrite, options_.busy_timeout_ms));
    }
    ADM_ASSIGN(database->watch, sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, options_.busy_timeout_ms));
    ADM_ASSIGN(const std::string encoding, database->watch->query_text("PRAGMA encoding"));
    if (encoding != "UTF-8") {
      return Error{Errc::kUnsupported, "open the source", path,
                   "its text encoding is " + encoding + "; only UTF-8 is supported"};
    }
    ADM_ASSIGN(database->schema_version, database->watch->prepare("PRAGMA schema_version"));
    ADM_ASSIGN(database->data_version, database->watch->prepare("PRAGMA data_version"));
    databases_[side] = std::move(database);
  }
  if (readers_.empty()) {
    ADM_ASSIGN(auto product,
               sqlite::Connection::open(options_.product_db, sqlite::OpenMode::kReadOnly, options_.busy_timeout_ms));
    ADM_ASSIGN(auto ads,
               sqlite::Connection::open(options_.ads_db, sqlite::OpenMode::kReadOnly, options_.busy_timeout_ms));
    readers_.push_back(
        std::make_unique<SqliteFactReader>(std::move(product), std::move(ads), options_.stop, options_.rows_read));
  }
  return {};
}

Status SqliteSource::mark_databases(const std::optional<Position>& before) {
  for (const Side side : {kProduct, kAds}) {
    Database& database = *databases_[side];
    if (database.marked) continue;
    const auto known = renew_mark(writer(side, "capture"), before ? before->sides[side].mark : std::string());
    // A file that cannot be written keeps its mark: triggers that stand need no write.
    if (!known && known.error().code != Errc::kReadOnly) return known.error();
    database.mark_known = !known || *known;
    database.marked = true;
  }
  return {};
}

Status SqliteSource::begin_snapshot() {
  snapshot_open_ = true;  // end_snapshot cleans up after half of it, too
  const auto begin = [&](Side side, sqlite::Connection& connection) -> Status {
    Status begun = connection.begin_read();
    if (begun.ok() || begun.error().code != Errc::kReadOnly || !databases_[side]->writer) return begun;
    // A writer was killed and left a hot journal: only a connection that may write can roll it back.
    ADM_TRY(databases_[side]->writer->query_integer("SELECT count(*) FROM sqlite_schema").ok() ? Status() : begun);
    return connection.begin_read();
  };
  ADM_TRY(begin(kProduct, readers_[0]->product()));
  return begin(kAds, readers_[0]->ads());
}

void SqliteSource::end_snapshot() {
  if (!snapshot_open_) return;
  snapshot_open_ = false;
  snapshots_ = {};
  joined_readers_.clear();
  for (auto& reader : readers_) {
    reader->product().rollback();
    if (reader == readers_[0]) reader->ads().rollback();
  }
}

Result<FactReader*> SqliteSource::reader(std::size_t index) {
  if (index == 0) return readers_[0].get();
  if (!snapshots_[kProduct].valid()) {
    auto snapshot = readers_[0]->product().snapshot();
    if (!snapshot) {
      return Error{Errc::kUnsupported, "share the snapshot", options_.product_db, snapshot.error().detail};
    }
    snapshots_[kProduct] = std::move(snapshot).value();
  }
  while (readers_.size() <= index) {
    ADM_ASSIGN(auto product,
               sqlite::Connection::open(options_.product_db, sqlite::OpenMode::kReadOnly, options_.busy_timeout_ms));
    readers_.push_back(
        std::make_unique<SqliteFactReader>(std::move(product), nullptr, options_.stop, options_.rows_read));
  }
  if (std::find(joined_readers_.begin(), joined_readers_.end(), index) == joined_readers_.end()) {
    ADM_TRY(readers_[index]->product().begin_read_at(snapshots_[kProduct]));
    joined_readers_.push_back(index);
  }
  return readers_[index].get();
}

Result<CaptureState> SqliteSource::capture_state(Side side) {
  // Inside the snapshot. The schema is looked at only when its version says that it changed.
  Database& database = *databases_[side];
  sqlite::Connection& connection = side == kProduct ? readers_[0]->product() : readers_[0]->ads();
  ADM_ASSIGN(const std::int64_t schema, connection.query_integer("PRAGMA schema_version"));
  if (schema != database.verified_schema || !database.verified.armed) {
    ADM_ASSIGN(database.verified, read_capture(connection, tables_of(side), recorded_by()));
    database.verified_schema = schema;
    return database.verified;
  }
  ADM_ASSIGN(sqlite::Statement select, connection.prepare("SELECT generation, acknowledged, mark, " +
                                                          std::string(kLastSeqSql) + " FROM _admetrics_capture"));
  ADM_ASSIGN(const bool row, select.step());
  CaptureState state = database.verified;
  state.generation = row ? select.text(0) : "";
  state.acknowledged = row ? select.integer(1) : 0;
  state.mark = row ? select.text(2) : "";
  state.last_seq = row ? select.integer(3) : 0;
  state.armed = !state.generation.empty();
  return state;
}

Result<bool> SqliteSource::ensure_armed(std::array<CaptureState, 2>& states) {
  bool all = true;
  for (const Side side : {kProduct, kAds}) {
    ADM_ASSIGN(states[side], capture_state(side));
    all = all && states[side].armed;
  }
  return all;
}

Result<EpochInput> SqliteSource::begin_epoch(const std::string& position, const EpochWish& wish) {
  end_snapshot();
  ADM_TRY(ensure_open());
  // Before the snapshot: what is committed in between looks like a change once more, and is not lost.
  for (auto& database : databases_) {
    ADM_ASSIGN(const bool row, database->data_version.step());
    database->seen_data_version = row ? database->data_version.integer(0) : -1;
    database->data_version.reset();
  }
  const std::string_view capture = options_.triggers ? "triggers" : "scan";
  const auto before = Position::parse(position, capture);
  bool reconcile = wish.reconcile != Reconcile::kIfNeeded;
  EpochInput input;
  input.recorded = options_.triggers;
  std::array<CaptureState, 2> states;
  if (options_.triggers) {
    // Arm first, then take the snapshot, never the other way (pitfalls.md 17).
    for (int attempt = 0;; ++attempt) {
      ADM_TRY(mark_databases(before));
      ADM_TRY(begin_snapshot());
      ADM_ASSIGN(const bool armed, ensure_armed(states));
      if (armed) break;
      end_snapshot();
      if (attempt == kArmAttemptsMax) {
        return Error{Errc::kBusy, "arm the capture", options_.product_db, "the schema keeps changing under us"};
      }
      for (const Side side : {kProduct, kAds}) {
        if (states[side].armed) continue;
        Status installed = arm_capture(writer(side, "capture"), tables_of(side), recorded_by());
        if (!installed.ok() && installed.error().code == Errc::kReadOnly) {
          return Error{Errc::kReadOnly, "install capture triggers", path_of(side),
                       "the file cannot be written; use capture = \"scan\" for a source that must not be written"};
        }
        ADM_TRY(installed);
      }
      rearmed_ = true;
      if (rearmed_reason_.empty()) rearmed_reason_ = "capture had to be installed or repaired";
    }
  } else {
    ADM_TRY(begin_snapshot());
    for (const Side side : {kProduct, kAds}) {
      sqlite::Connection& connection = side == kProduct ? readers_[0]->product() : readers_[0]->ads();
      if (auto present = present_tables(connection, tables_of(side)); !present) return std::move(present).error();
    }
  }

  Position now;
  const auto must_reconcile = [&](std::string why) {
    reconcile = true;
    if (input.reconcile_reason.empty()) input.reconcile_reason = std::move(why);
  };
  if (!before) must_reconcile(position.empty() ? "nothing was read yet" : "the way of capture changed");
  if (rearmed_ && before) must_reconcile(rearmed_reason_);
  for (const Side side : {kProduct, kAds}) {
    Database& database = *databases_[side];
    now.sides[side] = {states[side].generation, states[side].last_seq, states[side].signature, database.file,
                       states[side].mark};
    if (!before || !options_.triggers) continue;
    const SidePosition& then = before->sides[side];
    const SidePosition& here = now.sides[side];
    const std::string& path = path_of(side);
    if (then.generation != here.generation) must_reconcile("the change log of " + path + " is another one");
    if (then.seq > here.seq) must_reconcile(path + " was set back, as by a restored backup");
    if ((side == kProduct || is_one_file() ? before->product_done_seq() : then.seq) < states[side].acknowledged)
      must_reconcile("change records of " + path + " were taken by someone else");
    if (then.signature != here.signature) must_reconcile("a table of " + path + " was dropped, replaced or altered");
    if (!database.mark_known) must_reconcile(path + " is not as it was left, as after a restored backup");
    if (then.file != here.file) must_reconcile(path + " is another file");
  }
  if (!options_.triggers && before && !reconcile) {
    // Nothing was committed since the last look: nothing to read.
    const bool changed = std::any_of(databases_.begin(), databases_.end(), [](const auto& database) {
      return database->seen_data_version != database->taken_data_version;
    });
    if (changed) must_reconcile("the interval of capture = \"scan\" has passed");
  }

  // Mappings and days are read again when a record names them, or when nobody knows.
  bool side_tables_known = !reconcile && options_.triggers;
  if (side_tables_known && now.sides[kProduct].seq != before->sides[kProduct].seq) {
    ADM_ASSIGN(
        const std::int64_t touched,
        readers_[0]->product().query_integer("SELECT EXISTS (SELECT 1 FROM _admetrics_changes WHERE seq > " +
                                             std::to_string(before->sides[kProduct].seq) + " AND kind IN (4, 5, 6))"));
    side_tables_known = touched == 0;
  }
  if (!side_tables_known || !mappings_) {
    mappings_.reset();
    ADM_ASSIGN(mappings_, read_mappings());
  }
  input.mappings = *mappings_;

  ADM_TRY(look_for_torn_days(before, !side_tables_known, now));
  if (wish.reconcile == Reconcile::kMust) now.holding = false;
  if (before && before->holding && before->held_everyone && !now.holding)
    must_reconcile("the torn days are whole again");

  input.reconcile = reconcile;
  input.scan_users = reconcile && !now.holding;
  input.scan_meta = reconcile;
  if (reconcile) {
    now.held_everyone = now.holding;
    ADM_ASSIGN(input.users_estimate, estimate_rows(readers_[0]->product(), "mixpanel_user"));
  } else {
    ADM_TRY(read_user_changes(*before, now, input));
    ADM_TRY(read_ad_day_changes(before->sides[kAds], now.sides[kAds], input));
  }
  add_wish(wish, now, input);
  if (!now.holding || now.held_everyone) held_users_.clear();
  held_back_.users = static_cast<std::int64_t>(held_users_.size());
  held_back_.everyone = now.holding && now.held_everyone;
  if (!now.holding) held_back_.days.clear();
  input.position = now.json(capture);
  return input;
}

Status SqliteSource::look_for_torn_days(const std::optional<Position>& before, bool days_changed, Position& now) {
  held_back_ = {};
  hold_deadline_seconds_ = INT64_MAX;
  if (options_.hold_torn_days_max_seconds == 0 || options_.clock == nullptr) return {};
  sqlite::Connection& product = readers_[0]->product();
  if (days_changed || !whole_days_) {
    whole_days_.reset();
    ADM_ASSIGN(
        const std::int64_t exists,
        product.query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name COLLATE NOCASE = "
                              "'processed_event_days'"));
    if (exists == 0) return {};  // nothing to hold by
    std::vector<Day> whole;
    ADM_ASSIGN(sqlite::Statement select, product.prepare("SELECT date_day FROM processed_event_days"));
    ADM_TRY(select.for_each_row([&] {
      if (const auto day = parse_day(select.text(0))) whole.push_back(*day);
    }));
    whole_days_ = std::move(whole);
  }
  if (before) now.torn = before->torn;
  if (before && days_changed && options_.triggers) {
    ADM_ASSIGN(sqlite::Statement named,
               product.prepare("SELECT DISTINCT key1 FROM _admetrics_changes WHERE seq > ?1 AND kind = ?2"));
    named.bind(1, before->sides[kProduct].seq);
    named.bind(2, static_cast<std::int64_t>(ChangeKind::kProcessedDay));
    ADM_TRY(named.for_each_row([&] {
      if (const auto day = parse_day(named.text(0))) now.torn.was_there(*day);
    }));
  }
  const std::int64_t hold_max = options_.hold_torn_days_max_seconds;
  held_back_.given_up = now.torn.update(*whole_days_, options_.clock->now().seconds, hold_max);
  held_back_.days = now.torn.held();
  now.holding = before && !held_back_.days.empty();
  if (!now.holding) return {};
  hold_deadline_seconds_ = now.torn.deadline_seconds(hold_max);
  now.held_from_seq = before->holding ? before->held_from_seq : before->sides[kProduct].seq;
  // A scan does not know whose events changed.
  now.held_everyone = !options_.triggers || (before->holding && before->held_everyone);
  return {};
}

Status SqliteSource::read_held_users(Position& now, std::int64_t users_max) {
  if (held_from_seq_ != now.held_from_seq) {
    held_users_.clear();
    held_from_seq_ = now.held_from_seq;
    held_read_seq_ = now.held_from_seq;
  }
  ADM_ASSIGN(
      sqlite::Statement select,
      readers_[0]->product().prepare("SELECT DISTINCT key1 FROM _admetrics_changes WHERE seq > ?1 AND kind = ?2"));
  select.bind(1, held_read_seq_);
  select.bind(2, static_cast<std::int64_t>(ChangeKind::kEvent));
  while (static_cast<std::int64_t>(held_users_.size()) <= users_max) {
    ADM_ASSIGN(const bool row, select.step());
    if (!row) {
      held_read_seq_ = now.sides[kProduct].seq;
      return {};
    }
    held_users_.insert(key_text(select, 0));
  }
  now.held_everyone = true;  // a list without bound is none to keep
  return {};
}

Status SqliteSource::read_user_changes(const Position& before, Position& now, EpochInput& input) {
  const std::int64_t from_seq = before.sides[kProduct].seq;
  const std::int64_t to_seq = now.sides[kProduct].seq;
  const bool released = before.holding && !now.holding;
  if (from_seq == to_seq && !released && !now.holding) return {};
  if (now.held_everyone) return {};
  input.records += static_cast<std::uint64_t>(to_seq - from_seq);
  sqlite::Connection& product = readers_[0]->product();
  ADM_ASSIGN(const std::int64_t rows, estimate_rows(product, "mixpanel_event"));
  ADM_ASSIGN(input.users_estimate, estimate_rows(product, "mixpanel_user"));
  const std::int64_t lookups_max =
      ((rows + input.users_estimate * 2) * kScanRowNanos + kScanFixedNanos) / kLookupUserNanos;
  if (now.holding) {
    ADM_TRY(read_held_users(now, lookups_max));
    if (now.held_everyone || from_seq == to_seq) return {};
  }
  ADM_ASSIGN(sqlite::Statement select,
             product.prepare("SELECT DISTINCT key1, kind FROM _admetrics_changes WHERE seq > ?1 AND kind <= ?2 "
                             "AND (seq > ?3 OR kind = ?4)"));
  select.bind(1, released ? before.held_from_seq : from_seq);
  select.bind(2, static_cast<std::int64_t>(ChangeKind::kProduct));
  select.bind(3, from_seq);
  select.bind(4, static_cast<std::int64_t>(ChangeKind::kEvent));
  std::map<std::string, std::uint8_t> tables;
  for (;;) {
    ADM_ASSIGN(const bool row, select.step());
    if (!row) break;
    std::string user = key_text(select, 0);
    if (now.holding && held_users_.contains(user)) continue;
    tables[std::move(user)] |= records_bit(select.integer(1));
    if (static_cast<std::int64_t>(tables.size()) <= lookups_max) continue;
    // Everything is cheaper, but a scan would read the held users too.
    now.held_everyone = now.holding;
    input.scan_users = !now.holding;
    return {};
  }
  for (auto& [user, records] : tables) {
    input.users.push_back(user);
    input.user_tables.push_back(records);
  }
  return {};
}

void SqliteSource::add_wish(const EpochWish& wish, const Position& now, EpochInput& input) const {
  // Who is held back follows when the days are whole, wish or not.
  if (!input.scan_users && !now.held_everyone) {
    std::vector<std::string> wished;
    for (const std::string& user : wish.users) {
      if (now.holding && held_users_.contains(user)) continue;
      if (!std::binary_search(input.users.begin(), input.users.end(), user)) wished.push_back(user);
    }
    sort_unique(wished);
    input.user_tables.resize(input.users.size() + wished.size());  // no record names them
    std::move(wished.begin(), wished.end(), std::back_inserter(input.users));
  }
  if (!input.scan_meta) {
    if (!wish.ad_days.empty()) input.recorded_ad_days = input.ad_days;
    input.ad_days.insert(input.ad_days.end(), wish.ad_days.begin(), wish.ad_days.end());
    sort_unique(input.ad_days);
  }
}

Status SqliteSource::read_ad_day_changes(const SidePosition& before, const SidePosition& now, EpochInput& input) {
  if (before.seq == now.seq) return {};
  if (!is_one_file()) input.records += static_cast<std::uint64_t>(now.seq - before.seq);
  sqlite::Connection& ads = readers_[0]->ads();
  ADM_ASSIGN(const std::int64_t daily_rows, estimate_rows(ads, "ad_performance_daily"));
  constexpr std::int64_t kMetaRowsPerDailyRow = 8;
  const std::int64_t lookups_max =
      (daily_rows * kMetaRowsPerDailyRow * kScanRowNanos + kScanFixedNanos) / kLookupAdDayNanos;
  ADM_ASSIGN(sqlite::Statement select,
             ads.prepare("SELECT DISTINCT key1, key2 FROM _admetrics_changes WHERE seq > ?1 AND kind >= ?2"));
  select.bind(1, before.seq);
  select.bind(2, static_cast<std::int64_t>(ChangeKind::kMetaDaily));
  for (;;) {
    ADM_ASSIGN(const bool row, select.step());
    if (!row) break;
    input.ad_days.push_back(AdDayKey{key_text(select, 0), key_text(select, 1)});
    if (static_cast<std::int64_t>(input.ad_days.size()) <= lookups_max) continue;
    input.scan_meta = true;
    release(input.ad_days);
    return {};
  }
  sort_unique(input.ad_days);
  return {};
}

Result<Mappings> SqliteSource::read_mappings() {
  sqlite::Connection& product = readers_[0]->product();
  const auto read = [&](const char* table, const char* from, const char* to) -> Result<std::vector<ValueMapping::Row>> {
    std::vector<ValueMapping::Row> rows;
    ADM_ASSIGN(const std::int64_t exists,
               product.query_integer(
                   std::string("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name COLLATE NOCASE = ") +
                   sqlite::quote_text(table)));
    if (exists == 0) return rows;
    // A flag is true when it is a non-zero number (metrics.md section 2). A row without a key maps nothing, but it is a
    // row: the table is not empty.
    ADM_ASSIGN(sqlite::Statement select,
               product.prepare(std::string("SELECT ") + from + ", " + to +
                               ", typeof(is_active) IN ('integer', 'real') AND is_active <> 0 AND " + from +
                               " IS NOT NULL FROM " + table + " ORDER BY 1, 2"));
    ADM_TRY(select.for_each_row([&] {
      rows.push_back({std::string(select.text(0)), std::string(select.text(1)), select.integer(2) != 0});
    }));
    return rows;
  };
  ADM_ASSIGN(const auto country, read("meta_country_mapping", "meta_country_name", "mixpanel_country_code"));
  ADM_ASSIGN(const auto device, read("meta_device_mapping", "meta_device_type", "mixpanel_store_category"));
  return Mappings{ValueMapping::country(country), ValueMapping::device(device)};
}

Status SqliteSource::acknowledge(const std::string& position) {
  rearmed_ = false;
  rearmed_reason_.clear();
  const auto taken = Position::parse(position, options_.triggers ? "triggers" : "scan");
  if (!taken) return {};
  for (const Side side : {kProduct, kAds}) {
    Database& database = *databases_[side];
    database.taken_seq = taken->sides[side].seq;
    database.mark_known = true;
    database.acknowledged_seq = side == kProduct || is_one_file() ? taken->product_done_seq() : database.taken_seq;
    if (!options_.triggers) {
      database.taken_data_version = database.seen_data_version;
      continue;
    }
    const bool keeps = options_.clock != nullptr;
    database.retention.acknowledge(database.acknowledged_seq, keeps ? options_.clock->steady_micros() : 0,
                                   keeps ? options_.keep_acknowledged_micros : 0);
    const std::int64_t expired = expired_seq(side);
    if (expired - database.trimmed_seq >= kTrimAfterRecords) {
      if (auto trimmed = trim_side(side, expired, kTrimTransactionsPerEpoch); !trimmed)
        return std::move(trimmed).error();
    }
  }
  return {};
}

sqlite::Connection& SqliteSource::writer(Side side, std::string_view work) {
  sqlite::Connection& connection = *databases_[side]->writer;
  if (options_.locks != nullptr)
    connection.set_lock_meter(&options_.locks->of(side == kProduct ? "product" : "ads", work));
  return connection;
}

std::int64_t SqliteSource::expired_seq(Side side) {
  Database& database = *databases_[side];
  const std::int64_t now = options_.clock == nullptr ? 0 : options_.clock->steady_micros();
  return std::max(database.retention.expired(now), database.trimmed_seq);
}

Result<bool> SqliteSource::trim_side(Side side, std::int64_t seq, int transactions_max) {
  ADM_ASSIGN(const bool all, trim_log(writer(side, "trim"), seq, transactions_max, options_.pause));
  if (all) databases_[side]->trimmed_seq = seq;
  return all;
}

Status SqliteSource::trim() {
  if (!options_.triggers) return {};
  for (const Side side : {kProduct, kAds}) {
    if (!databases_[side] || databases_[side]->acknowledged_seq == databases_[side]->trimmed_seq) continue;
    const std::int64_t seq = databases_[side]->acknowledged_seq;
    if (auto trimmed = trim_side(side, seq, std::numeric_limits<int>::max()); !trimmed)
      return std::move(trimmed).error();
  }
  return {};
}

Result<bool> SqliteSource::trim_some() {
  if (!options_.triggers) return true;
  bool all = true;
  for (const Side side : {kProduct, kAds}) {
    if (!databases_[side] || databases_[side]->acknowledged_seq == databases_[side]->trimmed_seq) continue;
    const std::int64_t seq = expired_seq(side);
    bool trimmed = true;
    if (seq != databases_[side]->trimmed_seq) {
      ADM_ASSIGN(trimmed, trim_side(side, seq, kTrimTransactionsPerEpoch));
    }
    all = all && trimmed && seq == databases_[side]->acknowledged_seq;
  }
  return all;
}

Result<LogSize> SqliteSource::log_size() {
  LogSize size;
  if (!options_.triggers) return size;
  for (auto& database : databases_) {
    if (!database) continue;
    // Removed from the front only, so what stands is one stretch; its keys' length is that of the latest ones.
    ADM_ASSIGN(
        const std::int64_t records,
        database->watch->query_integer("SELECT coalesce((SELECT max(seq) FROM _admetrics_changes) - (SELECT min(seq) "
                                       "FROM _admetrics_changes) + 1, 0)"));
    ADM_ASSIGN(const std::int64_t bytes_each,
               database->watch->query_integer("SELECT coalesce(avg(length(key1) + coalesce(length(key2), 0)), 0) + 12 "
                                              "FROM (SELECT key1, key2 FROM _admetrics_changes ORDER BY seq DESC LIMIT "
                                              "64)"));
    size.records += records;
    size.bytes += records * bytes_each;
  }
  return size;
}

Status SqliteSource::write_heartbeat() {
  Database* database = databases_[kProduct].get();
  if (!options_.triggers || database == nullptr) return {};
  sqlite::Connection& connection = writer(kProduct, "heartbeat");
  ADM_TRY(connection.begin_immediate());
  sqlite::Transaction transaction(connection);
  ADM_TRY(connection.execute("INSERT INTO _admetrics_changes (kind) VALUES (" +
                             std::to_string(static_cast<int>(ChangeKind::kHeartbeat)) + ")"));
  return transaction.commit();
}

Result<std::int64_t> SqliteSource::pending_records() {
  std::int64_t pending = 0;
  if (!options_.triggers) return pending;
  for (auto& database : databases_) {
    if (!database || (is_one_file() && database == databases_[kAds])) continue;
    ADM_ASSIGN(const std::int64_t last, database->watch->query_integer("SELECT " + std::string(kLastSeqSql)));
    pending += std::max<std::int64_t>(0, last - database->taken_seq);
  }
  return pending;
}

Result<bool> SqliteSource::has_changes() {
  if (hold_deadline_seconds_ != INT64_MAX && options_.clock->now().seconds >= hold_deadline_seconds_) return true;
  for (const Side side : {kProduct, kAds}) {
    auto& database = databases_[side];
    if (!database || database->file != sqlite::file_identity(path_of(side))) return true;
    if (!options_.triggers) {
      ADM_ASSIGN(const bool row, database->data_version.step());
      const bool same = row && database->data_version.integer(0) == database->taken_data_version;
      database->data_version.reset();
      if (!same) return true;
      continue;
    }
    ADM_ASSIGN(const bool row, database->schema_version.step());
    const bool same_schema = row && database->schema_version.integer(0) == database->verified_schema;
    database->schema_version.reset();
    if (!same_schema) return true;
    if (!database->last_seq.valid()) {
      ADM_ASSIGN(database->last_seq, database->watch->prepare("SELECT " + std::string(kLastSeqSql)));
    }
    ADM_ASSIGN(const bool known, database->last_seq.step());
    const std::int64_t last = known ? database->last_seq.integer(0) : 0;
    database->last_seq.reset();
    if (last != database->taken_seq) return true;
  }
  return false;
}

}  // namespace admetrics::source
