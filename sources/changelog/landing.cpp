#include "sources/changelog/landing.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "sources/changelog/digest.hpp"

namespace admetrics::source {
namespace {

constexpr std::size_t kDirtyKeysMax = 65'536;
constexpr std::size_t kUsersGatheredMax = 32'768;
constexpr std::size_t kGatheredBytesMax = 16 << 20;
constexpr std::int64_t kOvertakenMax = 1'000'000;

/// What a stored row, a deletion or a truncation says of itself.
struct Stored {
  Version version;  // whoever copies this points its text at the copy's
  std::string text;
};

/// Reads position, ms and digest from three columns on.
void read_version(const sqlite::Statement& row, int column, Stored& into) {
  into.version = Version();
  switch (row.type(column)) {
    case sqlite::ColumnType::kInteger:
      into.version.position = Version::Position::kNumber;
      into.version.number = row.integer(column);
      break;
    case sqlite::ColumnType::kText:
      into.version.position = Version::Position::kText;
      into.text = row.text(column);
      into.version.text = into.text;
      break;
    case sqlite::ColumnType::kReal:
    case sqlite::ColumnType::kBlob:
    case sqlite::ColumnType::kNull: break;
  }
  into.version.has_ms = !row.is_null(column + 1);
  into.version.ms = row.integer(column + 1);
  into.version.digest = static_cast<std::uint64_t>(row.integer(column + 2));
}

void bind_version(sqlite::Statement& statement, int index, const Version& version) {
  switch (version.position) {
    case Version::Position::kNone: statement.bind_null(index); break;
    case Version::Position::kNumber: statement.bind(index, version.number); break;
    case Version::Position::kText: statement.bind(index, version.text); break;
  }
  if (version.has_ms) {
    statement.bind(index + 1, version.ms);
  } else {
    statement.bind_null(index + 1);
  }
  const bool placed = version.has_ms || version.position != Version::Position::kNone;
  if (placed && version.digest != 0) {
    statement.bind(index + 2, static_cast<std::int64_t>(version.digest));
  } else {
    statement.bind_null(index + 2);
  }
}

void bind_value(sqlite::Statement& statement, int index, const Value& value) {
  switch (value.kind) {
    case Value::Kind::kAbsent:
    case Value::Kind::kNull: statement.bind_null(index); break;
    case Value::Kind::kInteger: statement.bind(index, value.integer); break;
    case Value::Kind::kReal: statement.bind(index, value.real()); break;
    case Value::Kind::kText: statement.bind(index, value.text); break;
  }
}

/// Whether the column holds this value already. A doubt is a no.
bool holds(const sqlite::Statement& row, int column, const Value& value) {
  switch (row.type(column)) {
    case sqlite::ColumnType::kNull: return value.kind == Value::Kind::kNull;
    case sqlite::ColumnType::kInteger:
      return (value.kind == Value::Kind::kInteger && value.integer == row.integer(column)) ||
             (value.kind == Value::Kind::kReal && value.real() == static_cast<double>(row.integer(column)));
    case sqlite::ColumnType::kReal: return value.kind == Value::Kind::kReal && value.real() == row.real(column);
    case sqlite::ColumnType::kText: return value.kind == Value::Kind::kText && value.text == row.text(column);
    case sqlite::ColumnType::kBlob: return false;
  }
  return false;
}

Value value_at(const sqlite::Statement& row, int column) {
  switch (row.type(column)) {
    case sqlite::ColumnType::kNull:
    case sqlite::ColumnType::kBlob: return Value::null();
    case sqlite::ColumnType::kInteger: return Value::of(row.integer(column));
    case sqlite::ColumnType::kReal: return Value::of(row.real(column));
    case sqlite::ColumnType::kText: return Value::of(row.text(column));
  }
  return Value::null();
}

using NumberText = std::array<char, 32>;

/// The text of a value, as a TEXT column keeps it.
std::string_view text_of(const Value& value, NumberText& buffer) {
  switch (value.kind) {
    case Value::Kind::kAbsent:
    case Value::Kind::kNull: return {};
    case Value::Kind::kText: return value.text;
    case Value::Kind::kInteger: {
      const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.integer).ptr;
      return {buffer.data(), static_cast<std::size_t>(end - buffer.data())};
    }
    case Value::Kind::kReal: {
      const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.real()).ptr;
      return {buffer.data(), static_cast<std::size_t>(end - buffer.data())};
    }
  }
  return {};
}

/// Less, equal or greater than 0; nothing where the two say nothing that compares.
std::optional<int> compare_positions(const Version& a, const Version& b) {
  if (a.position != b.position) return std::nullopt;
  switch (a.position) {
    case Version::Position::kNone: return std::nullopt;
    case Version::Position::kNumber: return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
    case Version::Position::kText: return a.text.compare(b.text);
  }
  return std::nullopt;
}

/// When each of a user's columns was told last: by the event's time, and by its key where times are the same.
struct Told {
  std::int64_t ms = INT64_MIN;
  std::uint64_t tie = 0;
  auto operator<=>(const Told&) const = default;
};
using ToldTimes = std::array<Told, 6>;

struct UserNews {
  ToldTimes told;
  std::array<std::string, 6> values;
};

}  // namespace

struct Landing::Impl {
  Impl(sqlite::Connection& landing, std::int64_t most) : database(&landing), tombstones_max(most) {}

  struct Statements {
    sqlite::Statement insert;
    sqlite::Statement select;
    sqlite::Statement update;
    sqlite::Statement remove;
  };

  sqlite::Connection* const database;
  const std::int64_t tombstones_max;
  std::array<Statements, 10> statements;
  sqlite::Statement find_deleted, put_deleted, change_deleted, drop_deleted, find_overtaken, put_overtaken,
      record_change, holder, select_holder, put_truncated, find_user, put_user;
  bool prepared = false;
  std::int64_t overtaken_added = 0;
  std::int64_t deletions = 0;  // ever
  std::int64_t tombstones = 0;
  std::int64_t forgotten = 0;
  std::int64_t deletions_saved = 0, tombstones_saved = 0;
  // Of the transaction.
  bool record_changes = true;
  std::array<bool, 10> any_deleted{};
  std::array<std::optional<Stored>, 10> truncated;
  std::unordered_set<std::string> dirty;
  std::size_t dirty_bytes = 0;
  std::unordered_map<std::string, UserNews> users;
  std::size_t users_bytes = 0;
  std::array<NumberText, kLandingColumnsMax> number_texts;
  std::string dirty_key, key_text_buffer;
  Stored stored;

  Status prepare() {
    if (prepared) return {};
    for (const LandingTable& table : landing_tables()) {
      Statements& of = statements[index_of(table)];
      std::string names;
      std::string values;
      std::string sets;
      std::string key;
      const std::size_t count = table.columns.size();
      for (std::size_t i = 0; i < count; ++i) {
        const std::string name(table.columns[i].name);
        names += name + ", ";
        values += '?' + std::to_string(i + 1) + ", ";
        sets += name + " = ?" + std::to_string(i + 1) + ", ";
        if (i < table.key_columns) key += (i > 0 ? " AND " : "") + name + " = ?" + std::to_string(i + 1);
      }
      const auto parameter = [&](std::size_t i) { return '?' + std::to_string(count + i); };
      const std::string version_names = "_admetrics_position, _admetrics_ms, _admetrics_digest, _admetrics_snapshot";
      const std::string name(table.name);
      ADM_ASSIGN(of.insert, database->prepare("INSERT INTO " + name + " (" + names + version_names + ") VALUES (" +
                                              values + parameter(1) + ", " + parameter(2) + ", " + parameter(3) + ", " +
                                              parameter(4) + ") ON CONFLICT DO NOTHING"));
      const std::string select = "SELECT rowid, " + names + version_names + " FROM " + name + " WHERE " + key;
      ADM_ASSIGN(of.select, database->prepare(select));
      // Used while the other one stands on a row.
      if (table.kind == ChangeKind::kProduct) {
        ADM_ASSIGN(select_holder, database->prepare(select));
      }
      const std::string user_times = table.kind == ChangeKind::kUser ? ", _admetrics_times = NULL" : "";
      ADM_ASSIGN(
          of.update,
          database->prepare("UPDATE " + name + " SET " + sets + "_admetrics_position = " + parameter(1) +
                            ", _admetrics_ms = " + parameter(2) + ", _admetrics_digest = " + parameter(3) +
                            ", _admetrics_snapshot = " + parameter(4) + user_times + " WHERE rowid = " + parameter(5)));
      ADM_ASSIGN(of.remove, database->prepare("DELETE FROM " + name + " WHERE rowid = ?1"));
    }
    ADM_ASSIGN(find_deleted,
               database->prepare("SELECT position, ms, digest FROM _admetrics_deleted WHERE tab = ?1 AND key = ?2"));
    ADM_ASSIGN(put_deleted,
               database->prepare("INSERT INTO _admetrics_deleted (tab, key, position, ms, digest, n) VALUES (?1, "
                                 "?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING"));
    ADM_ASSIGN(change_deleted,
               database->prepare("UPDATE _admetrics_deleted SET position = ?3, ms = ?4, digest = ?5, n = ?6 WHERE tab "
                                 "= ?1 AND key = ?2"));
    ADM_ASSIGN(drop_deleted, database->prepare("DELETE FROM _admetrics_deleted WHERE tab = ?1 AND key = ?2"));
    ADM_ASSIGN(find_overtaken, database->prepare("SELECT 1 FROM _admetrics_overtaken WHERE digest = ?1"));
    ADM_ASSIGN(put_overtaken,
               database->prepare("INSERT OR IGNORE INTO _admetrics_overtaken (digest, ms) VALUES (?1, ?2)"));
    ADM_ASSIGN(record_change,
               database->prepare("INSERT INTO _admetrics_changes (kind, key1, key2) VALUES (?1, ?2, ?3)"));
    ADM_ASSIGN(holder, database->prepare("SELECT user_product_id FROM user_product_metrics WHERE distinct_id = ?1 AND "
                                         "product_id = ?2 AND user_product_id <> ?3"));
    ADM_ASSIGN(put_truncated,
               database->prepare("INSERT OR REPLACE INTO _admetrics_truncated (tab, position, ms, digest) "
                                 "VALUES (?1, ?2, ?3, ?4)"));
    ADM_ASSIGN(find_user,
               database->prepare("SELECT rowid, abi_ad_id, abi_campaign_id, abi_ad_set_id, country, region, "
                                 "has_abi_attribution, _admetrics_times FROM mixpanel_user WHERE distinct_id = ?1"));
    ADM_ASSIGN(put_user,
               database->prepare("INSERT INTO mixpanel_user (distinct_id, abi_ad_id, abi_campaign_id, abi_ad_set_id, "
                                 "country, region, has_abi_attribution, _admetrics_times) VALUES (?1, ?2, ?3, ?4, "
                                 "?5, ?6, ?7, ?8) ON CONFLICT (distinct_id) DO UPDATE SET abi_ad_id = ?2, "
                                 "abi_campaign_id = ?3, abi_ad_set_id = ?4, country = ?5, region = ?6, "
                                 "has_abi_attribution = ?7, _admetrics_times = ?8"));
    prepared = true;
    return {};
  }

  // ── Which record is newer ────────────────────────────────────────────────────────────────────────────────────────

  Result<bool> is_newer(const Version& record, const Version& there) {
    const std::optional<int> by_position = compare_positions(record, there);
    const bool both_ms = record.has_ms && there.has_ms;
    if (record.snapshot && !there.snapshot) return by_position && *by_position > 0;
    if (by_position && *by_position != 0) return *by_position > 0;
    if (there.snapshot && !record.snapshot) return true;  // when a row was read says little of when it was written
    if (!by_position && both_ms && record.ms != there.ms) return record.ms > there.ms;
    if (record.snapshot || (!by_position && !both_ms)) return true;  // the log's order
    // Of the same version: the log's order, unless it is one that was overtaken before.
    if (record.digest == 0 || there.digest == 0) return true;
    if (record.digest == there.digest) return false;
    find_overtaken.bind(1, static_cast<std::int64_t>(record.digest));
    ADM_ASSIGN(const bool overtaken, find_overtaken.step());
    find_overtaken.reset();
    if (overtaken) return false;
    put_overtaken.bind(1, static_cast<std::int64_t>(there.digest));
    put_overtaken.bind(2, there.ms);
    ADM_TRY(put_overtaken.run());
    ++overtaken_added;
    return true;
  }

  /// Of versions long past nothing comes again.
  Status forget_overtaken() {
    if (overtaken_added < kOvertakenMax / 10) return {};
    overtaken_added = 0;
    ADM_ASSIGN(const std::int64_t count, database->query_integer("SELECT count(*) FROM _admetrics_overtaken"));
    if (count <= kOvertakenMax) return {};
    return database->execute(
        "DELETE FROM _admetrics_overtaken WHERE digest IN (SELECT digest FROM _admetrics_overtaken "
        "ORDER BY ms LIMIT " +
        std::to_string(count - kOvertakenMax / 2) + ")");
  }

  /// Of rows deleted long ago nothing comes any more, most likely.
  Status forget_tombstones() {
    if (tombstones > tombstones_max) {
      // Some more than must be, for it reads all of them.
      const std::int64_t many = std::max<std::int64_t>(tombstones - tombstones_max + tombstones_max / 10, 1);
      ADM_TRY(database->execute(
          "DELETE FROM _admetrics_deleted WHERE n < (SELECT n FROM _admetrics_deleted ORDER BY n LIMIT 1 OFFSET " +
          std::to_string(std::min(many, tombstones - 1)) + ")"));
      tombstones -= database->changes();
      forgotten += database->changes();
    }
    if (deletions == deletions_saved && tombstones == tombstones_saved) return {};
    deletions_saved = deletions;
    tombstones_saved = tombstones;
    return database->execute("INSERT OR REPLACE INTO _admetrics_counts VALUES ('deletions', " +
                             std::to_string(deletions) + "), ('tombstones', " + std::to_string(tombstones) +
                             "), ('tombstones forgotten', " + std::to_string(forgotten) + ")");
  }

  Status load_tombstones() {
    const auto count = [&](const std::string& name) {
      return database->query_integer("SELECT number FROM _admetrics_counts WHERE name = '" + name + "'");
    };
    ADM_ASSIGN(deletions, count("deletions"));
    ADM_ASSIGN(tombstones, count("tombstones"));
    ADM_ASSIGN(forgotten, count("tombstones forgotten"));
    deletions_saved = deletions;
    tombstones_saved = tombstones;
    return {};
  }

  /// Whether a truncation of its table left the record nothing to say.
  Result<bool> is_truncated(const LandingTable& table, const Version& record) {
    const auto& floor = truncated[index_of(table)];
    if (!floor) return false;
    if (record.snapshot && !compare_positions(record, floor->version) && record.has_ms && floor->version.has_ms)
      return record.ms <= floor->version.ms;
    ADM_ASSIGN(const bool newer, is_newer(record, floor->version));
    return !newer;
  }

  // ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  std::string_view key_text(const LandingTable& table, const Cells& cells) {
    key_text_buffer.clear();
    NumberText buffer;
    for (std::size_t i = 0; i < table.key_columns; ++i) {
      if (i > 0) key_text_buffer += '\x1f';
      key_text_buffer += text_of(cells[i], buffer);
    }
    return key_text_buffer;
  }

  Status mark_dirty(const LandingTable& table, std::string_view key1, std::string_view key2) {
    if (!record_changes) return {};
    dirty_key.assign(1, static_cast<char>(table.kind));
    dirty_key += key1;
    if (table.owner[1] < kLandingColumnsMax) {
      dirty_key += '\x1f';
      dirty_key += key2;
    }
    if (dirty.insert(dirty_key).second) dirty_bytes += dirty_key.size();
    return dirty.size() < kDirtyKeysMax && dirty_bytes < kGatheredBytesMax ? Status() : write_dirty();
  }
  Status mark_dirty(const LandingTable& table, const Cells& cells) {
    NumberText first;
    NumberText second;
    const bool two = table.owner[1] < kLandingColumnsMax;
    return mark_dirty(table, text_of(cells[table.owner[0]], first),
                      two ? text_of(cells[table.owner[1]], second) : std::string_view());
  }

  Status write_dirty() {
    for (const std::string& key : dirty) {
      const auto kind = static_cast<ChangeKind>(key.front());
      std::string_view first = std::string_view(key).substr(1);
      std::string_view second;
      const bool two = kind >= ChangeKind::kMetaDaily;
      if (two) {
        const std::size_t half = first.rfind('\x1f');
        second = first.substr(half + 1);
        first = first.substr(0, half);
      }
      record_change.bind(1, static_cast<std::int64_t>(kind));
      record_change.bind(2, first);
      if (two) {
        record_change.bind(3, second);
      } else {
        record_change.bind_null(3);
      }
      ADM_TRY(record_change.run());
    }
    dirty.clear();
    dirty_bytes = 0;
    return {};
  }

  Result<bool> find_deletion(const LandingTable& table, std::string_view key) {
    find_deleted.bind(1, static_cast<std::int64_t>(index_of(table)));
    find_deleted.bind(2, key);
    ADM_ASSIGN(const bool found, find_deleted.step());
    if (found) read_version(find_deleted, 0, stored);
    find_deleted.reset();
    return found;
  }

  Status note_deletion(const LandingTable& table, std::string_view key, const Version& version) {
    any_deleted[index_of(table)] = true;
    ++deletions;
    for (sqlite::Statement* statement : {&put_deleted, &change_deleted}) {
      statement->bind(1, static_cast<std::int64_t>(index_of(table)));
      statement->bind(2, key);
      bind_version(*statement, 3, version);
      statement->bind(6, deletions);
      ADM_TRY(statement->run());
      if (statement == &put_deleted && database->changes() == 1) {
        ++tombstones;
        break;
      }
    }
    return {};
  }

  void bind_row(sqlite::Statement& statement, const LandingTable& table, const Cells& cells, const Version& version) {
    const int count = static_cast<int>(table.columns.size());
    for (int i = 0; i < count; ++i) bind_value(statement, i + 1, cells[static_cast<std::size_t>(i)]);
    bind_version(statement, count + 1, version);
    if (version.snapshot) {
      statement.bind(count + 4, std::int64_t{1});
    } else {
      statement.bind_null(count + 4);
    }
  }

  /// Numbers where a text belongs become one, as SQLite would do it; so the key that gets dirty is the one that is stored.
  void settle(const LandingTable& table, Cells& cells) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (table.columns[i].kind == ColumnKind::kText && cells[i].kind > Value::Kind::kNull)
        cells[i] = Value::of(text_of(cells[i], number_texts[i]));
    }
  }

  /// Another row of the same user and product: the source replaced it.
  Result<bool> make_room(const Record& record, const Cells& cells) {
    const LandingTable& table = *record.table;
    if (table.kind != ChangeKind::kProduct || cells[1].empty() || cells[2].empty()) return true;
    bind_value(holder, 1, cells[1]);
    bind_value(holder, 2, cells[2]);
    bind_value(holder, 3, cells[0]);
    ADM_ASSIGN(const bool held, holder.step());
    Cells other;
    if (held) other[0] = Value::of(holder.integer(0));
    holder.reset();
    if (!held) return true;
    return erase(table, other, record.version, select_holder);
  }

  /// False: what is there, or was deleted, is newer.
  Result<bool> erase(const LandingTable& table, const Cells& key, const Version& version) {
    return erase(table, key, version, statements[index_of(table)].select);
  }
  Result<bool> erase(const LandingTable& table, const Cells& key, const Version& version, sqlite::Statement& select) {
    Statements& of = statements[index_of(table)];
    const int count = static_cast<int>(table.columns.size());
    for (std::size_t i = 0; i < table.key_columns; ++i) bind_value(select, static_cast<int>(i) + 1, key[i]);
    ADM_ASSIGN(const bool found, select.step());
    if (!found) {
      ADM_ASSIGN(const bool late, is_truncated(table, version));
      if (late) return false;
      const std::string deleted(key_text(table, key));
      ADM_ASSIGN(const bool known, any_deleted[index_of(table)] ? find_deletion(table, deleted) : Result<bool>(false));
      if (known) {
        ADM_ASSIGN(const bool newer, is_newer(version, stored.version));
        if (!newer) return false;
      }
      ADM_TRY(note_deletion(table, deleted, version));
      return true;
    }
    read_version(select, count + 1, stored);
    stored.version.snapshot = select.integer(count + 4) != 0;
    auto newer = is_newer(version, stored.version);
    if (!newer || !*newer) {
      select.reset();
      return newer;
    }
    Cells gone;
    for (std::size_t i = 0; i < table.columns.size(); ++i) gone[i] = value_at(select, static_cast<int>(i) + 1);
    const std::int64_t rowid = select.integer(0);
    const Status marked = mark_dirty(table, gone);
    select.reset();
    ADM_TRY(marked);
    of.remove.bind(1, rowid);
    ADM_TRY(of.remove.run());
    ADM_TRY(note_deletion(table, key_text(table, key), version));
    return true;
  }

  Status upsert(const Record& record) {
    const LandingTable& table = *record.table;
    const std::size_t index = index_of(table);
    Statements& of = statements[index];
    Cells cells = record.cells;
    settle(table, cells);
    if (record.has_before) {
      const std::string before(key_text(table, record.before));
      if (before != key_text(table, cells)) {
        const auto erased = erase(table, record.before, record.version);
        if (!erased) return erased.error();
      }
    }
    if (truncated[index]) {
      ADM_ASSIGN(const bool late, is_truncated(table, record.version));
      if (late) return {};
    }
    if (any_deleted[index]) {
      const std::string_view key = key_text(table, cells);
      ADM_ASSIGN(const bool deleted, find_deletion(table, key));
      if (deleted) {
        ADM_ASSIGN(const bool newer, is_newer(record.version, stored.version));
        if (!newer) return {};
        drop_deleted.bind(1, static_cast<std::int64_t>(index));
        drop_deleted.bind(2, key);
        ADM_TRY(drop_deleted.run());
        tombstones -= database->changes();
      }
    }
    bind_row(of.insert, table, cells, record.version);
    ADM_TRY(of.insert.run());
    if (database->changes() == 1) return mark_dirty(table, cells);
    for (int attempt = 0;; ++attempt) {
      for (std::size_t i = 0; i < table.key_columns; ++i) bind_value(of.select, static_cast<int>(i) + 1, cells[i]);
      ADM_ASSIGN(const bool found, of.select.step());
      if (found) break;
      // Its key is free, so somebody else holds the user and product.
      ADM_ASSIGN(const bool room, make_room(record, cells));
      if (!room || attempt > 0) return {};
      bind_row(of.insert, table, cells, record.version);
      ADM_TRY(of.insert.run());
      if (database->changes() == 1) return mark_dirty(table, cells);
    }
    Status done = update(record, cells, of);
    of.select.reset();
    return done;
  }

  /// The row stands in `of.select`.
  Status update(const Record& record, Cells& cells, Statements& of) {
    const LandingTable& table = *record.table;
    const int count = static_cast<int>(table.columns.size());
    read_version(of.select, count + 1, stored);
    stored.version.snapshot = of.select.integer(count + 4) != 0;
    ADM_ASSIGN(const bool newer, is_newer(record.version, stored.version));
    if (!newer) return {};
    Cells before;
    bool changed = false;
    for (int i = 0; i < count; ++i) {
      Value& cell = cells[static_cast<std::size_t>(i)];
      before[static_cast<std::size_t>(i)] = value_at(of.select, i + 1);
      if (!cell.given()) {
        cell = before[static_cast<std::size_t>(i)];  // a column that the record does not name stays as it is
      } else {
        changed = changed || !holds(of.select, i + 1, cell);
      }
    }
    if (changed && table.kind == ChangeKind::kProduct) {
      ADM_ASSIGN(const bool room, make_room(record, cells));
      if (!room) return {};
    }
    if (changed) {
      ADM_TRY(mark_dirty(table, before));
      ADM_TRY(mark_dirty(table, cells));
    }
    bind_row(of.update, table, cells, record.version);
    of.update.bind(count + 5, of.select.integer(0));
    return of.update.run();
  }

  Status truncate(const Record& record) {
    const LandingTable& table = *record.table;
    const std::size_t index = index_of(table);
    const Version& version = record.version;
    if (truncated[index]) {
      ADM_ASSIGN(const bool newer, is_newer(version, truncated[index]->version));
      if (!newer) return {};
    }
    const std::string kind = version.position == Version::Position::kNumber ? "integer"
                             : version.position == Version::Position::kText ? "text"
                                                                            : "none";
    const auto later = [&](const std::string& prefix) {
      return "(CASE WHEN typeof(" + prefix + "position) = '" + kind + "' THEN " + prefix +
             "position > ?1 WHEN ?2 IS NOT NULL AND " + prefix + "ms IS NOT NULL THEN " + prefix +
             "ms > ?2 ELSE 0 END)";
    };
    // Of the same version: should such a record come again, it is known as overtaken.
    const auto overtaken = [&](const std::string& prefix) {
      return "(CASE WHEN typeof(" + prefix + "position) = '" + kind + "' THEN " + prefix + "position = ?1 ELSE " +
             prefix + "ms = ?2 END) AND " + prefix + "digest IS NOT NULL";
    };
    const std::string name(table.name);
    const auto run = [&](const std::string& sql) -> Status {
      ADM_ASSIGN(sqlite::Statement statement, database->prepare(sql + " AND ?3 IS ?3"));
      bind_version(statement, 1, version);
      return statement.run();
    };
    if (record_changes) {
      ADM_TRY(write_dirty());
      const std::string second =
          table.owner[1] < kLandingColumnsMax ? std::string(table.columns[table.owner[1]].name) : "NULL";
      ADM_TRY(run("INSERT INTO _admetrics_changes (kind, key1, key2) SELECT DISTINCT " +
                  std::to_string(static_cast<int>(table.kind)) + ", " +
                  std::string(table.columns[table.owner[0]].name) + ", " + second + " FROM " + name + " WHERE NOT " +
                  later("_admetrics_")));
    }
    const std::string deleted = "_admetrics_deleted WHERE tab = " + std::to_string(index) + " AND ";
    if (version.digest != 0) {
      const std::string note = "INSERT OR IGNORE INTO _admetrics_overtaken (digest, ms) SELECT ";
      ADM_TRY(run(note + "_admetrics_digest, _admetrics_ms FROM " + name + " WHERE " + overtaken("_admetrics_")));
      ADM_TRY(run(note + "digest, ms FROM " + deleted + overtaken("")));
    }
    ADM_TRY(run("DELETE FROM " + name + " WHERE NOT " + later("_admetrics_")));
    ADM_TRY(run("DELETE FROM " + deleted + "NOT " + later("")));
    tombstones -= database->changes();
    put_truncated.bind(1, static_cast<std::int64_t>(index));
    bind_version(put_truncated, 2, version);
    ADM_TRY(put_truncated.run());
    truncated[index] = Stored{version, std::string(version.text)};
    truncated[index]->version.text = truncated[index]->text;
    return {};
  }

  // ── Exported events ──────────────────────────────────────────────────────────────────────────────────────────────

  Status land_event(const Record& record) {
    const LandingTable& table = *record.table;
    Statements& of = statements[index_of(table)];
    Cells cells = record.cells;
    settle(table, cells);
    bind_row(of.insert, table, cells, record.version);
    ADM_TRY(of.insert.run());
    if (database->changes() == 1) {
      ADM_TRY(mark_dirty(table, cells));
    } else {
      // Mixpanel tells events apart by this key together with event, user and time.
      bind_value(of.select, 1, cells[0]);
      ADM_ASSIGN(const bool found, of.select.step());
      const bool same =
          found && holds(of.select, 2, cells[1]) && holds(of.select, 3, cells[2]) && holds(of.select, 4, cells[3]);
      of.select.reset();
      if (!same) {
        Digest digest;
        NumberText buffer;
        for (std::size_t i = 1; i <= 3; ++i) digest.add(text_of(cells[i], buffer));
        const std::string other = std::string(cells[0].text) + '#' + std::to_string(digest.value());
        cells[0] = Value::of(std::string_view(other));
        bind_row(of.insert, table, cells, record.version);
        ADM_TRY(of.insert.run());
        if (database->changes() == 1) ADM_TRY(mark_dirty(table, cells));
      }
    }
    return gather_user(record, cells[2], text_of(cells[0], number_texts[0]));
  }

  Status gather_user(const Record& record, const Value& distinct_id, std::string_view event) {
    if (distinct_id.empty()) return {};
    const Told told{record.event_ms, digest_of(event)};
    UserNews* news = nullptr;
    for (std::size_t i = 0; i < record.user.size(); ++i) {
      if (record.user[i].empty()) continue;
      if (news == nullptr) news = &users[std::string(distinct_id.text)];
      if (told < news->told[i]) continue;
      NumberText buffer;
      news->told[i] = told;
      news->values[i] = text_of(record.user[i], buffer);
      users_bytes += news->values[i].size();
    }
    if (news != nullptr) users_bytes += distinct_id.text.size();
    return users.size() < kUsersGatheredMax && users_bytes < kGatheredBytesMax ? Status() : write_users();
  }

  Status write_users() {
    constexpr std::size_t kFlag = 5;
    const LandingTable& table = *find_landing_table("mixpanel_user");
    for (auto& [distinct_id, news] : users) {
      find_user.bind(1, std::string_view(distinct_id));
      ADM_ASSIGN(const bool found, find_user.step());
      ToldTimes told;
      std::array<std::string, 6> values;
      std::array<bool, 6> given{};
      if (found) {
        const auto times = find_user.blob(7);
        if (times.size() !=
            sizeof told) {  // a record of the table itself wrote it: events say nothing that it does not
          find_user.reset();
          continue;
        }
        std::memcpy(told.data(), times.data(), sizeof told);
        for (int i = 0; i < 6; ++i) {
          given[static_cast<std::size_t>(i)] = !find_user.is_null(i + 1);
          values[static_cast<std::size_t>(i)] = find_user.text(i + 1);
        }
      }
      find_user.reset();
      const auto values_before = values;
      const ToldTimes told_before = told;
      for (std::size_t i = 0; i < told.size(); ++i) {
        if (news.told[i].ms == INT64_MIN || news.told[i] < told[i]) continue;
        told[i] = news.told[i];
        values[i] = news.values[i];
        given[i] = true;
      }
      if (told[kFlag].ms == INT64_MIN) {
        const bool attributed = !values[0].empty() || !values[1].empty() || !values[2].empty();
        values[kFlag] = attributed ? "1" : "0";
        given[kFlag] = true;
      }
      if (found && told == told_before) continue;
      put_user.bind(1, std::string_view(distinct_id));
      for (int i = 0; i < 6; ++i) {
        if (given[static_cast<std::size_t>(i)]) {
          put_user.bind(i + 2, std::string_view(values[static_cast<std::size_t>(i)]));
        } else {
          put_user.bind_null(i + 2);
        }
      }
      put_user.bind_blob(8, std::as_bytes(std::span(told)));
      ADM_TRY(put_user.run());
      if (!found || values != values_before) ADM_TRY(mark_dirty(table, distinct_id, {}));
    }
    users.clear();
    users_bytes = 0;
    return {};
  }
};

Landing::Landing(sqlite::Connection& database, std::int64_t tombstones_max)
    : impl_(std::make_unique<Impl>(database, tombstones_max)) {}
Landing::~Landing() = default;

Status Landing::create(sqlite::Connection& database) { return database.execute(landing_schema_sql()); }

Status Landing::begin(bool record_changes) {
  Impl& i = *impl_;
  ADM_TRY(i.prepare());
  i.record_changes = record_changes;
  i.dirty.clear();
  i.users.clear();
  i.dirty_bytes = i.users_bytes = 0;
  ADM_TRY(i.load_tombstones());
  for (std::size_t table = 0; table < i.any_deleted.size(); ++table) {
    ADM_ASSIGN(const std::int64_t any,
               i.database->query_integer(
                   "SELECT EXISTS (SELECT 1 FROM _admetrics_deleted WHERE tab = " + std::to_string(table) + ")"));
    i.any_deleted[table] = any != 0;
    i.truncated[table].reset();
  }
  ADM_ASSIGN(sqlite::Statement select,
             i.database->prepare("SELECT tab, position, ms, digest FROM _admetrics_truncated"));
  return select.for_each_row([&] {
    const auto table = static_cast<std::size_t>(select.integer(0));
    if (table >= i.truncated.size()) return;
    auto& floor = i.truncated[table].emplace();
    read_version(select, 1, floor);
    floor.version.text = floor.text;
  });
}

Status Landing::apply(const Record& record) {
  switch (record.kind) {
    case RecordKind::kUpsert: return impl_->upsert(record);
    case RecordKind::kDelete: {
      const auto erased = impl_->erase(*record.table, record.cells, record.version);
      return erased ? Status() : Status(erased.error());
    }
    case RecordKind::kTruncate: return impl_->truncate(record);
    case RecordKind::kEvent: return impl_->land_event(record);
    case RecordKind::kNothing:
    case RecordKind::kBegin:
    case RecordKind::kEnd: return {};
  }
  return {};
}

Status Landing::flush() {
  ADM_TRY(impl_->write_users());
  ADM_TRY(impl_->write_dirty());
  ADM_TRY(impl_->forget_tombstones());
  return impl_->forget_overtaken();
}

std::int64_t Landing::tombstones() const { return impl_->tombstones; }
std::int64_t Landing::tombstones_forgotten() const { return impl_->forgotten; }

}  // namespace admetrics::source
