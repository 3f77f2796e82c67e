#include "tests/property/journal_watch.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "core/model/row.hpp"
#include "explain/explain.hpp"
#include "state/journal.hpp"
#include "tests/support/must.hpp"

namespace admetrics {
namespace {

constexpr std::size_t kStatesMax = 40;
constexpr std::size_t kChunk = 5;  // so that most scans take several

/// A stored row's place: what the journal calls it. Nothing for rows whose key is none of ours.
std::optional<SinkRow> place_of(const std::string& table, const std::string& key) {
  SinkRow row;
  if (table == kHierarchyTable) {
    row.key = {SinkKey::Kind::kHierarchy, Level::kAd, key, kNoDay};
    return row;
  }
  // LEVEL|ID, then |DAY, then |TYPE|VALUE. Ids and values may hold anything, so the day is looked for from the end.
  const std::size_t level_end = key.find('|');
  if (level_end == std::string::npos) return std::nullopt;
  const auto found = parse_level(key.substr(0, level_end));
  if (!found) return std::nullopt;
  row.key.level = *found;
  const std::string rest = key.substr(level_end + 1);
  if (table == kNameTable) {
    if (rest.empty()) return std::nullopt;
    row.key.kind = SinkKey::Kind::kName;
    row.key.entity_id = rest;
    row.key.day = kNoDay;
    return row;
  }
  constexpr std::size_t kDayLength = 10;
  for (std::size_t bar = rest.rfind('|'); bar != std::string::npos && bar > 0; bar = rest.rfind('|', bar - 1)) {
    const auto day = parse_day(rest.substr(bar + 1, kDayLength));
    if (!day) continue;
    const std::string behind = rest.substr(std::min(rest.size(), bar + 1 + kDayLength));
    row.key.entity_id = rest.substr(0, bar);
    row.key.day = *day;
    if (table == kMainTable) return behind.empty() ? std::optional(row) : std::nullopt;
    for (const Breakdown breakdown : kBreakdowns) {
      const std::string type = '|' + std::string(name_of(breakdown)) + '|';
      if (!behind.starts_with(type)) continue;
      row.breakdown = breakdown;
      row.value = behind.substr(type.size());
      return row;
    }
  }
  return std::nullopt;
}

std::string told(const SinkKey& key) {
  return std::to_string(static_cast<int>(key.kind)) + '|' + std::string(name_of(key.level)) + '|' + key.entity_id +
         '|' + std::to_string(key.day.value);
}

/// The keys whose rows differ.
std::set<std::string> changed_keys(const support::StoredTables& before, const support::StoredTables& after) {
  std::set<std::string> keys;
  for (std::size_t i = 0; i < before.tables.size(); ++i) {
    const support::StoredTable& old_table = before.tables[i];
    const support::StoredTable& new_table = after.tables[i];
    const auto note = [&](const std::string& key) {
      if (const auto row = place_of(new_table.name, key)) keys.insert(told(row->key));
    };
    for (const auto& [key, row] : old_table.rows) {
      const auto now = new_table.rows.find(key);
      if (now == new_table.rows.end() || now->second.values != row.values) note(key);
    }
    for (const auto& [key, row] : new_table.rows) {
      if (!old_table.rows.contains(key)) note(key);
    }
  }
  return keys;
}

}  // namespace

void JournalWatch::remember(support::World& world) {
  const LedgerHeader header = support::must(world.machine().ledger().open());
  if (header.ledger != ledger_) states_.clear();
  ledger_ = header.ledger;
  if (header.epoch.value == 0 || !std::filesystem::exists(world.sink_db())) return;
  states_.emplace(header.epoch.value, world.stored());
  if (states_.size() > kStatesMax) states_.erase(states_.begin());
}

std::vector<std::string> JournalWatch::missing(support::World& world) {
  std::vector<std::string> lines;
  Engine& engine = world.machine().engine();
  if (engine.header().ledger != ledger_) states_.clear();
  const EpochId listed_since = support::must(engine.changes_listed_since());
  const support::StoredTables now = world.stored();
  for (const auto& [epoch, then] : states_) {
    if (epoch < listed_since.value) continue;
    std::set<std::string> listed;
    JournalCursor cursor{EpochId{epoch}, {}};
    while (support::must(engine.scan_changes(cursor, kChunk, [&](const SinkKey& key) { listed.insert(told(key)); })) ==
           kChunk) {
    }
    for (const std::string& key : changed_keys(then, now)) {
      if (!listed.contains(key)) lines.push_back("the journal lacks " + key + " since epoch " + std::to_string(epoch));
    }
  }
  return lines;
}

std::vector<std::string> JournalWatch::unexplained(support::World& world) {
  std::vector<std::string> lines;
  const auto ledger =
      support::must(sqlite::Connection::open(world.machine().ledger().path(), sqlite::OpenMode::kReadOnly, 5'000));
  const support::StoredTables stored = world.stored();
  for (const support::StoredTable& table : stored.tables) {
    if (table.name == kNameTable || table.name == kHierarchyTable) continue;
    for (const auto& [key, stored_row] : table.rows) {
      const auto place = place_of(table.name, key);
      if (!place) continue;
      Explanation explanation;
      explanation.stored = true;
      explanation.computed_at = stored_row.written_at;
      tell_last_change(support::must(read_row_history(*ledger, *place)), explanation);
      if (explanation.last_change) continue;
      // Found right by this ledger, and never written by it.
      if (explanation.causes.front().evidence.starts_with("an earlier ledger wrote it")) continue;
      lines.push_back("the journal does not say when " + key + " was written: " + stored_row.written_at + ": " +
                      explanation.causes.front().evidence);
    }
  }
  return lines;
}

}  // namespace admetrics
