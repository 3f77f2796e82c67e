#include "state/ledger_store.hpp"

#include <limits>

namespace admetrics {
namespace {

/// Stored in `header` under "format". A ledger of another format is refused, not guessed at.
constexpr std::string_view kFormat = "1";
constexpr int kBusyTimeoutMs = 5'000;
constexpr int kUnlistedChangesMax = 1'000;  // the newest, and the first

constexpr const char* kSchema = R"sql(
CREATE TABLE IF NOT EXISTS header (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dictionary (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS user (distinct_id TEXT PRIMARY KEY, contribution BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ad_day (ad INTEGER, day INTEGER, contribution BLOB NOT NULL, PRIMARY KEY (ad, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta_cell (entity INTEGER, day INTEGER, cell BLOB NOT NULL, PRIMARY KEY (entity, day)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS raw_value (breakdown INTEGER, value INTEGER, rows INTEGER NOT NULL, PRIMARY KEY (breakdown, value)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reject_owner (owner TEXT PRIMARY KEY, digest INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reject (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, source_table TEXT NOT NULL, row_key TEXT NOT NULL, reason INTEGER NOT NULL, column_name TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS reject_by_owner ON reject (owner);
CREATE TABLE IF NOT EXISTS mapping (breakdown INTEGER, raw TEXT, value TEXT NOT NULL, PRIMARY KEY (breakdown, raw)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS change (kind INTEGER, entity INTEGER, day INTEGER, epoch INTEGER NOT NULL, at INTEGER NOT NULL, causes INTEGER NOT NULL, PRIMARY KEY (kind, entity, day)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS change_by_epoch ON change (epoch, kind, entity, day);
CREATE TABLE IF NOT EXISTS row_change (entity INTEGER, day INTEGER, breakdown INTEGER, value INTEGER, epoch INTEGER NOT NULL, at INTEGER NOT NULL, causes INTEGER NOT NULL, PRIMARY KEY (entity, day, breakdown, value)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unlisted_change (epoch INTEGER PRIMARY KEY, at INTEGER, causes INTEGER NOT NULL);
)sql";

std::vector<ValueMapping::Row> rows_of(const ValueMapping& mapping) {
  std::vector<ValueMapping::Row> rows;
  for (const auto& [from, to] : mapping.entries()) rows.push_back({from, to, true});
  return rows;
}

std::int64_t micros_of(Instant at) { return at.seconds * 1'000'000 + at.nanos / 1'000; }

void copy(std::span<const std::byte> from, Bytes& to) { to.assign(from.begin(), from.end()); }

}  // namespace

struct SqliteLedger::Statements {
  sqlite::Statement put_header;
  sqlite::Statement put_text;
  sqlite::Statement put_user;
  sqlite::Statement erase_user;
  sqlite::Statement put_reject_owner;
  sqlite::Statement erase_reject_owner;
  sqlite::Statement erase_rejects;
  sqlite::Statement put_reject;
  sqlite::Statement put_raw_value;
  sqlite::Statement erase_raw_value;
  sqlite::Statement get_ad_day;
  sqlite::Statement put_ad_day;
  sqlite::Statement erase_ad_day;
  sqlite::Statement scan_ad;
  sqlite::Statement get_cell;
  sqlite::Statement put_cell;
  sqlite::Statement erase_cell;
  sqlite::Statement scan_entity;
  sqlite::Statement erase_mapping;
  sqlite::Statement put_mapping;
  sqlite::Statement put_change;
  sqlite::Statement put_row_change;
  sqlite::Statement put_unlisted_change;
  sqlite::Statement forget_unlisted_changes;
  sqlite::Statement scan_changes;
};

Result<std::unique_ptr<SqliteLedger>> SqliteLedger::open_folder(const std::string& folder,
                                                                const std::string& identity) {
  ADM_ASSIGN(auto lock, FolderLock::take(folder));
  std::unique_ptr<SqliteLedger> ledger(new SqliteLedger(std::move(lock)));
  ADM_ASSIGN(ledger->database_,
             sqlite::Connection::open(folder + "/ledger.db", sqlite::OpenMode::kCreate, kBusyTimeoutMs));
  sqlite::Connection& database = *ledger->database_;
  ADM_TRY(database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -16384"));
  ADM_TRY(database.begin_immediate());
  sqlite::Transaction transaction(database);
  ADM_TRY(database.execute(kSchema));
  ADM_ASSIGN(const std::string format, database.query_text("SELECT value FROM header WHERE name = 'format'"));
  if (format.empty()) {
    ADM_TRY(database.execute("INSERT INTO header VALUES ('format', '" + std::string(kFormat) + "'), ('ledger', " +
                             sqlite::quote_text(identity) + ")"));
  } else if (format != kFormat) {
    return Error{Errc::kSchema, "open the ledger", database.path(),
                 "it is of format " + format + ", this program writes format " + std::string(kFormat) +
                     "; move the state folder away to rebuild it from the source"};
  }
  ADM_TRY(ledger->begin_journal());
  ADM_TRY(transaction.commit());
  ADM_TRY(ledger->prepare());
  return ledger;
}

SqliteLedger::SqliteLedger(std::unique_ptr<FolderLock> lock) : lock_(std::move(lock)) {}

SqliteLedger::~SqliteLedger() {
  statements_.reset();
  database_.reset();
}

Status SqliteLedger::begin_journal() {
  // A ledger of a version that kept no journal, or one that such a version wrote to in between.
  ADM_ASSIGN(const std::int64_t epoch,
             database_->query_integer("SELECT CAST(value AS INTEGER) FROM header WHERE name = 'epoch'"));
  ADM_ASSIGN(const std::int64_t journaled,
             database_->query_integer("SELECT CAST(value AS INTEGER) FROM header WHERE name = 'journal_epoch'"));
  if (epoch == journaled) return {};
  return database_->execute("INSERT OR REPLACE INTO unlisted_change VALUES (" + std::to_string(epoch) + ", NULL, " +
                            std::to_string(Causes(Cause::kNotKnown).bits()) +
                            "); INSERT OR REPLACE INTO header VALUES ('journal_epoch', '" + std::to_string(epoch) +
                            "')");
}

Status SqliteLedger::prepare() {
  auto statements = std::make_unique<Statements>();
  const std::vector<std::pair<sqlite::Statement*, std::string>> all{
      {&statements->put_header, "INSERT INTO header VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value"},
      {&statements->put_text, "INSERT INTO dictionary VALUES (?1, ?2)"},
      {&statements->put_user,
       "INSERT INTO user VALUES (?1, ?2) ON CONFLICT DO UPDATE SET contribution = excluded.contribution"},
      {&statements->erase_user, "DELETE FROM user WHERE distinct_id = ?1"},
      {&statements->put_reject_owner,
       "INSERT INTO reject_owner VALUES (?1, ?2) ON CONFLICT DO UPDATE SET digest = excluded.digest"},
      {&statements->erase_reject_owner, "DELETE FROM reject_owner WHERE owner = ?1"},
      {&statements->erase_rejects, "DELETE FROM reject WHERE owner = ?1"},
      {&statements->put_reject,
       "INSERT INTO reject (owner, source_table, row_key, reason, column_name, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"},
      {&statements->put_raw_value,
       "INSERT INTO raw_value VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET rows = excluded.rows"},
      {&statements->erase_raw_value, "DELETE FROM raw_value WHERE breakdown = ?1 AND value = ?2"},
      {&statements->get_ad_day, "SELECT contribution FROM ad_day WHERE ad = ?1 AND day = ?2"},
      {&statements->put_ad_day,
       "INSERT INTO ad_day VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET contribution = excluded.contribution"},
      {&statements->erase_ad_day, "DELETE FROM ad_day WHERE ad = ?1 AND day = ?2"},
      {&statements->scan_ad, "SELECT day, contribution FROM ad_day WHERE ad = ?1 AND day BETWEEN ?2 AND ?3"},
      {&statements->get_cell, "SELECT cell FROM meta_cell WHERE entity = ?1 AND day = ?2"},
      {&statements->put_cell,
       "INSERT INTO meta_cell VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET cell = excluded.cell"},
      {&statements->erase_cell, "DELETE FROM meta_cell WHERE entity = ?1 AND day = ?2"},
      {&statements->scan_entity, "SELECT day, cell FROM meta_cell WHERE entity = ?1 AND day BETWEEN ?2 AND ?3"},
      {&statements->erase_mapping, "DELETE FROM mapping"},
      {&statements->put_mapping, "INSERT INTO mapping VALUES (?1, ?2, ?3)"},
      {&statements->put_change,
       "INSERT INTO change VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET epoch = ?4, at = ?5, causes = ?6"},
      {&statements->put_row_change,
       "INSERT INTO row_change VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO UPDATE SET epoch = ?5, at = ?6, "
       "causes = ?7"},
      {&statements->put_unlisted_change,
       "INSERT INTO unlisted_change VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET at = ?2, causes = ?3"},
      {&statements->forget_unlisted_changes,
       "DELETE FROM unlisted_change WHERE epoch NOT IN (SELECT epoch FROM unlisted_change ORDER BY epoch DESC LIMIT " +
           std::to_string(kUnlistedChangesMax) + ") AND epoch <> (SELECT min(epoch) FROM unlisted_change)"},
      // Row values compare in order: everything behind (epoch, key).
      {&statements->scan_changes,
       "SELECT epoch, kind, entity, day, causes FROM change INDEXED BY change_by_epoch WHERE "
       "(epoch, kind, entity, day) > (?1, ?2, ?3, ?4) ORDER BY epoch, kind, entity, day LIMIT ?5"},
  };
  for (const auto& [statement, sql] : all) {
    ADM_ASSIGN(*statement, database_->prepare(sql));
  }
  statements_ = std::move(statements);
  return {};
}

Result<LedgerHeader> SqliteLedger::open() {
  LedgerHeader header;
  ADM_ASSIGN(sqlite::Statement select, database_->prepare("SELECT name, value FROM header"));
  ADM_TRY(select.for_each_row([&] {
    const std::string_view name = select.text(0);
    const std::string_view value = select.text(1);
    if (name == "ledger") header.ledger = value;
    if (name == "epoch") header.epoch = EpochId{static_cast<std::uint64_t>(select.integer(1))};
    if (name == "position") header.position = value;
    if (name == "as_of") header.as_of = parse_day(value).value_or(kNoDay);
    if (name == "fingerprint") header.fingerprint = value;
  }));
  ADM_ASSIGN(sqlite::Statement mappings, database_->prepare("SELECT breakdown, raw, value FROM mapping"));
  std::vector<ValueMapping::Row> country;
  std::vector<ValueMapping::Row> device;
  ADM_TRY(mappings.for_each_row([&] {
    auto& rows = mappings.integer(0) == static_cast<std::int64_t>(Breakdown::kCountry) ? country : device;
    rows.push_back({std::string(mappings.text(1)), std::string(mappings.text(2)), true});
  }));
  header.mappings.country = ValueMapping::country(country);
  // No entries at all were once an all-inactive table: one inactive row keeps it from meaning the defaults.
  if (device.empty()) device.push_back({});
  header.mappings.device = ValueMapping::device(device);
  stored_mappings_ = header.mappings;
  return header;
}

Status SqliteLedger::load_dictionary(const std::function<void(std::uint32_t, std::string_view)>& visit) {
  ADM_ASSIGN(sqlite::Statement select, database_->prepare("SELECT id, text FROM dictionary ORDER BY id"));
  return select.for_each_row([&] { visit(static_cast<std::uint32_t>(select.integer(0)), select.text(1)); });
}

Result<std::int64_t> SqliteLedger::user_count() { return database_->query_integer("SELECT count(*) FROM user"); }

Status SqliteLedger::load_users(const std::function<void(std::string_view, BytesView)>& visit) {
  ADM_ASSIGN(sqlite::Statement select, database_->prepare("SELECT distinct_id, contribution FROM user"));
  return select.for_each_row([&] { visit(select.text(0), select.blob(1)); });
}

Status SqliteLedger::load_reject_owners(const std::function<void(std::string_view, std::uint64_t)>& visit) {
  ADM_ASSIGN(sqlite::Statement select, database_->prepare("SELECT owner, digest FROM reject_owner"));
  return select.for_each_row([&] { visit(select.text(0), static_cast<std::uint64_t>(select.integer(1))); });
}

Status SqliteLedger::load_raw_values(const std::function<void(Breakdown, DictionaryId, std::int64_t)>& visit) {
  ADM_ASSIGN(sqlite::Statement select, database_->prepare("SELECT breakdown, value, rows FROM raw_value"));
  return select.for_each_row([&] {
    visit(static_cast<Breakdown>(select.integer(0)), DictionaryId{static_cast<std::uint32_t>(select.integer(1))},
          select.integer(2));
  });
}

Status SqliteLedger::begin() { return database_->begin_immediate(); }
void SqliteLedger::rollback() { database_->rollback(); }

Status SqliteLedger::put_text(std::uint32_t id, std::string_view text) {
  statements_->put_text.bind(1, static_cast<std::int64_t>(id));
  statements_->put_text.bind(2, text);
  return statements_->put_text.run();
}

Status SqliteLedger::put_user(std::string_view distinct_id, BytesView contribution) {
  statements_->put_user.bind(1, distinct_id);
  statements_->put_user.bind_blob(2, contribution);
  return statements_->put_user.run();
}

Status SqliteLedger::erase_user(std::string_view distinct_id) {
  statements_->erase_user.bind(1, distinct_id);
  return statements_->erase_user.run();
}

Status SqliteLedger::put_rejects(std::string_view owner, std::uint64_t digest, std::span<const Reject> rejects) {
  statements_->erase_rejects.bind(1, owner);
  ADM_TRY(statements_->erase_rejects.run());
  if (digest == 0) {
    statements_->erase_reject_owner.bind(1, owner);
    return statements_->erase_reject_owner.run();
  }
  statements_->put_reject_owner.bind(1, owner);
  statements_->put_reject_owner.bind(2, static_cast<std::int64_t>(digest));
  ADM_TRY(statements_->put_reject_owner.run());
  for (const Reject& reject : rejects) {
    sqlite::Statement& put = statements_->put_reject;
    put.bind(1, owner);
    put.bind(2, reject.table);
    put.bind(3, reject.row_key);
    put.bind(4, static_cast<std::int64_t>(reject.reason));
    put.bind(5, reject.column);
    put.bind(6, reject.text);
    ADM_TRY(put.run());
  }
  return {};
}

Status SqliteLedger::put_raw_value(Breakdown breakdown, DictionaryId value, std::int64_t rows) {
  sqlite::Statement& put = rows == 0 ? statements_->erase_raw_value : statements_->put_raw_value;
  put.bind(1, static_cast<std::int64_t>(breakdown));
  put.bind(2, static_cast<std::int64_t>(value.value));
  if (rows != 0) put.bind(3, rows);
  return put.run();
}

namespace {

void bind_key(sqlite::Statement& statement, std::uint32_t id, Day day) {
  statement.bind(1, static_cast<std::int64_t>(id));
  statement.bind(2, static_cast<std::int64_t>(day.value));
}

Status get_bytes(sqlite::Statement& statement, std::uint32_t id, Day day, Bytes& out) {
  out.clear();
  bind_key(statement, id, day);
  ADM_ASSIGN(const bool row, statement.step());
  if (!row) return {};
  copy(statement.blob(0), out);
  statement.reset();
  return {};
}

Status put_bytes(sqlite::Statement& put, sqlite::Statement& erase, std::uint32_t id, Day day, BytesView bytes) {
  sqlite::Statement& statement = bytes.empty() ? erase : put;
  bind_key(statement, id, day);
  if (!bytes.empty()) statement.bind_blob(3, bytes);
  return statement.run();
}

Status scan_days(sqlite::Statement& statement, std::uint32_t id, Day from, Day to,
                 const std::function<void(Day, BytesView)>& visit) {
  bind_key(statement, id, from);
  statement.bind(3, static_cast<std::int64_t>(to.value));
  return statement.for_each_row(
      [&] { visit(Day{static_cast<std::int32_t>(statement.integer(0))}, statement.blob(1)); });
}

}  // namespace

Status SqliteLedger::get_ad_day(DictionaryId ad, Day day, Bytes& out) {
  return get_bytes(statements_->get_ad_day, ad.value, day, out);
}
Status SqliteLedger::put_ad_day(DictionaryId ad, Day day, BytesView contribution) {
  return put_bytes(statements_->put_ad_day, statements_->erase_ad_day, ad.value, day, contribution);
}
Status SqliteLedger::scan_ad(DictionaryId ad, Day from, Day to, const std::function<void(Day, BytesView)>& visit) {
  return scan_days(statements_->scan_ad, ad.value, from, to, visit);
}
Status SqliteLedger::get_cell(Entity entity, Day day, Bytes& out) {
  return get_bytes(statements_->get_cell, entity.packed, day, out);
}
Status SqliteLedger::put_cell(Entity entity, Day day, BytesView cell) {
  return put_bytes(statements_->put_cell, statements_->erase_cell, entity.packed, day, cell);
}
Status SqliteLedger::scan_entity(Entity entity, Day from, Day to, const std::function<void(Day, BytesView)>& visit) {
  return scan_days(statements_->scan_entity, entity.packed, from, to, visit);
}

Status SqliteLedger::scan_ad_day_keys(const std::function<void(DictionaryId, Day)>& visit) {
  ADM_ASSIGN(sqlite::Statement select, database_->prepare("SELECT ad, day FROM ad_day"));
  return select.for_each_row([&] {
    visit(DictionaryId{static_cast<std::uint32_t>(select.integer(0))},
          Day{static_cast<std::int32_t>(select.integer(1))});
  });
}

Status SqliteLedger::scan_cell_keys(const std::function<void(Entity, Day)>& visit) {
  ADM_ASSIGN(sqlite::Statement select, database_->prepare("SELECT entity, day FROM meta_cell"));
  return select.for_each_row([&] {
    Entity entity;
    entity.packed = static_cast<std::uint32_t>(select.integer(0));
    visit(entity, Day{static_cast<std::int32_t>(select.integer(1))});
  });
}

Status SqliteLedger::put_changes(EpochId epoch, Instant at, std::span<const JournalChange> keys,
                                 std::span<const JournalRowChange> rows) {
  const std::int64_t micros = micros_of(at);
  for (const JournalChange& change : keys) {
    sqlite::Statement& put = statements_->put_change;
    put.bind(1, static_cast<std::int64_t>(change.key.kind));
    put.bind(2, static_cast<std::int64_t>(change.key.entity.packed));
    put.bind(3, static_cast<std::int64_t>(change.key.day.value));
    put.bind(4, static_cast<std::int64_t>(epoch.value));
    put.bind(5, micros);
    put.bind(6, static_cast<std::int64_t>(change.causes.bits()));
    ADM_TRY(put.run());
  }
  for (const JournalRowChange& change : rows) {
    sqlite::Statement& put = statements_->put_row_change;
    put.bind(1, static_cast<std::int64_t>(change.row.cell.entity.packed));
    put.bind(2, static_cast<std::int64_t>(change.row.cell.day.value));
    put.bind(3, static_cast<std::int64_t>(change.row.breakdown));
    put.bind(4, static_cast<std::int64_t>(change.row.value.value));
    put.bind(5, static_cast<std::int64_t>(epoch.value));
    put.bind(6, micros);
    put.bind(7, static_cast<std::int64_t>(change.causes.bits()));
    ADM_TRY(put.run());
  }
  return {};
}

Status SqliteLedger::put_unlisted_change(EpochId epoch, Instant at, Causes causes) {
  sqlite::Statement& put = statements_->put_unlisted_change;
  put.bind(1, static_cast<std::int64_t>(epoch.value));
  put.bind(2, micros_of(at));
  put.bind(3, static_cast<std::int64_t>(causes.bits()));
  ADM_TRY(put.run());
  return statements_->forget_unlisted_changes.run();
}

Result<EpochId> SqliteLedger::changes_listed_since() {
  ADM_ASSIGN(const std::int64_t epoch, database_->query_integer("SELECT max(epoch) FROM unlisted_change"));
  return EpochId{static_cast<std::uint64_t>(epoch)};
}

Result<std::size_t> SqliteLedger::scan_changes(JournalCursor& cursor, std::size_t limit,
                                               const std::function<void(const JournalKey&, EpochId, Causes)>& visit) {
  sqlite::Statement& scan = statements_->scan_changes;
  // Without a key: behind every key of that epoch.
  const JournalKey key = cursor.key.value_or(JournalKey{});
  scan.bind(1, static_cast<std::int64_t>(cursor.epoch.value));
  scan.bind(2, cursor.key ? static_cast<std::int64_t>(key.kind) : std::numeric_limits<std::int64_t>::max());
  scan.bind(3, static_cast<std::int64_t>(key.entity.packed));
  scan.bind(4, static_cast<std::int64_t>(key.day.value));
  scan.bind(5, static_cast<std::int64_t>(limit));
  std::size_t visited = 0;
  ADM_TRY(scan.for_each_row([&] {
    JournalKey next;
    next.kind = static_cast<SinkKey::Kind>(scan.integer(1));
    next.entity.packed = static_cast<std::uint32_t>(scan.integer(2));
    next.day = Day{static_cast<std::int32_t>(scan.integer(3))};
    cursor.epoch = EpochId{static_cast<std::uint64_t>(scan.integer(0))};
    cursor.key = next;
    ++visited;
    visit(next, cursor.epoch, Causes::from_bits(static_cast<std::uint16_t>(scan.integer(4))));
  }));
  return visited;
}

Status SqliteLedger::commit(const LedgerHeader& header) {
  const auto put = [&](std::string_view name, std::string_view value) -> Status {
    statements_->put_header.bind(1, name);
    statements_->put_header.bind(2, value);
    return statements_->put_header.run();
  };
  ADM_TRY(put("epoch", std::to_string(header.epoch.value)));
  ADM_TRY(put("journal_epoch", std::to_string(header.epoch.value)));
  ADM_TRY(put("position", header.position));
  ADM_TRY(put("as_of", header.as_of == kNoDay ? "" : format_day(header.as_of)));
  ADM_TRY(put("fingerprint", header.fingerprint));
  if (stored_mappings_ != header.mappings) {
    stored_mappings_.reset();  // until the commit has happened, nobody knows
    ADM_TRY(statements_->erase_mapping.run());
    for (const auto& [breakdown, mapping] : {std::pair(Breakdown::kCountry, &header.mappings.country),
                                             std::pair(Breakdown::kDevice, &header.mappings.device)}) {
      for (const ValueMapping::Row& row : rows_of(*mapping)) {
        statements_->put_mapping.bind(1, static_cast<std::int64_t>(breakdown));
        statements_->put_mapping.bind(2, row.from);
        statements_->put_mapping.bind(3, row.to);
        ADM_TRY(statements_->put_mapping.run());
      }
    }
  }
  ADM_TRY(database_->commit());
  stored_mappings_ = header.mappings;
  return {};
}

Result<std::vector<SqliteLedger::RejectCount>> SqliteLedger::reject_counts() {
  ADM_ASSIGN(sqlite::Statement select,
             database_->prepare("SELECT source_table, reason, count(*) FROM reject GROUP BY 1, 2 ORDER BY 1, 2"));
  std::vector<RejectCount> counts;
  ADM_TRY(select.for_each_row([&] {
    counts.push_back({std::string(select.text(0)), static_cast<RejectReason>(select.integer(1)), select.integer(2)});
  }));
  return counts;
}

Result<std::vector<Reject>> read_rejects(sqlite::Connection& ledger, std::int64_t limit) {
  ADM_ASSIGN(sqlite::Statement select,
             ledger.prepare(
                 "SELECT source_table, row_key, reason, column_name, value FROM reject ORDER BY 1, 2, id LIMIT ?1"));
  select.bind(1, limit);
  std::vector<Reject> rejects;
  ADM_TRY(select.for_each_row([&] {
    rejects.push_back({std::string(select.text(0)), std::string(select.text(1)),
                       static_cast<RejectReason>(select.integer(2)), std::string(select.text(3)),
                       std::string(select.text(4))});
  }));
  return rejects;
}

Status read_ledger_users(sqlite::Connection& ledger, const std::function<void(BytesView)>& visit) {
  ADM_ASSIGN(sqlite::Statement select, ledger.prepare("SELECT contribution FROM user"));
  return select.for_each_row([&] { visit(select.blob(0)); });
}

}  // namespace admetrics
