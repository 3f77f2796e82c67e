#include "sinks/sqlite/sqlite_sink.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/limits.hpp"
#include "core/base/release.hpp"
#include "sinks/sqlite/first_fill.hpp"
#include "sinks/sqlite/schema.hpp"
#include "sinks/sqlite/sink_statements.hpp"
#include "sinks/sqlite/stored_rows.hpp"

namespace admetrics::sink {
namespace {

// Pages kept while an epoch writes: indexes are written out of order, and a page that was thrown out is read again.
constexpr const char* kUsualCache = "PRAGMA cache_size = -8192";  // 8 MiB
constexpr std::size_t kLargeEpochCells = 10'000;

constexpr std::string_view kForeignCell =
    " WHERE entity_type NOT IN ('campaign', 'adset', 'ad') OR typeof(entity_id) <> 'text' OR entity_id = '' OR "
    "typeof(date) <> 'text' OR date NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' OR date IS NOT date(date)";
/// Rows whose key is none of ours, in the order of `Filled`.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kForeignRows{
    {{kMainTable, kForeignCell},
     {kBreakdownTable, kForeignCell},
     {kNameTable, " WHERE entity_type NOT IN ('campaign', 'adset', 'ad') OR typeof(entity_id) <> 'text'"},
     {kHierarchyTable, " WHERE typeof(ad_id) <> 'text'"}}};

/// About what a cell takes while it waits to be written.
std::int64_t bytes_of(const CellWrite& cell) {
  const auto row_bytes = [](const std::optional<RowValues>& row) {
    std::size_t bytes = sizeof(RowValues);
    if (row) {
      for (const std::string& list : row->lists) bytes += list.capacity();
    }
    return bytes;
  };
  std::size_t bytes = sizeof(CellWrite) + row_bytes(cell.main);
  for (const BreakdownWrite& row : cell.breakdowns) bytes += sizeof(BreakdownWrite) + row_bytes(row.values);
  return static_cast<std::int64_t>(bytes);
}

}  // namespace

SqliteSink::SqliteSink(SqliteSinkOptions options)
    : options_(std::move(options)), pace_(options_.clock, options_.pause, options_.hold_alone_micros) {}
SqliteSink::~SqliteSink() = default;

Result<SinkState> SqliteSink::open() {
  aside_.reset();
  live_.reset();
  watch_.reset();
  database_.reset();
  const bool made = sqlite::file_identity(options_.path).empty();
  ADM_ASSIGN(database_, sqlite::Connection::open(options_.path, sqlite::OpenMode::kCreate, options_.busy_timeout_ms));
  file_ = sqlite::file_identity(options_.path);
  if (made) ADM_TRY(database_->execute("PRAGMA journal_mode = WAL"));  // a file of our own: readers never wait
  ADM_TRY(database_->execute(kUsualCache));
  ADM_ASSIGN(const std::string encoding, database_->query_text("PRAGMA encoding"));
  if (encoding != "UTF-8") {
    return Error{Errc::kUnsupported, "open the sink", options_.path,
                 "its text encoding is " + encoding + "; only UTF-8 is supported"};
  }
  // After a failure the engine opens once, to hear how it ended, and begins the epoch again.
  const bool keep_fill = std::exchange(fill_failed_, false);
  ADM_ASSIGN(const auto standing, aside_items(*database_, fill_token_));
  if (!keep_fill || !standing) ADM_TRY(remove_unfinished_fill());
  ADM_TRY(create_missing());
  ADM_TRY(check_shape(*database_));
  ADM_ASSIGN(live_, prepare(""));
  ADM_ASSIGN(watch_, ForeignWatch::open(*database_));
  if (options_.on_open) ADM_TRY(options_.on_open(*database_));
  return read_state();
}

Status SqliteSink::create_missing() {
  // Looking first keeps a database that has everything free of a write.
  ADM_ASSIGN(
      const std::int64_t present,
      database_->query_integer("SELECT count(*) FROM sqlite_schema WHERE name IN ('daily_mixpanel_metrics', "
                               "'daily_mixpanel_metrics_breakdown', 'id_name_mapping', 'id_hierarchy_mapping', "
                               "'_admetrics_sink', '_admetrics_sink_keys', 'idx_breakdown_entity_lookup', "
                               "'idx_breakdown_type_value', 'idx_breakdown_date_range', 'idx_breakdown_computed', "
                               "'idx_daily_level_date', 'idx_hierarchy_campaign', 'idx_hierarchy_adset')"));
  constexpr std::int64_t kObjects = 13;
  constexpr std::int64_t kTables = 6;
  if (present == kObjects) return {};
  ADM_ASSIGN(
      const std::int64_t tables,
      database_->query_integer("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN "
                               "('daily_mixpanel_metrics', 'daily_mixpanel_metrics_breakdown', 'id_name_mapping', "
                               "'id_hierarchy_mapping', '_admetrics_sink', '_admetrics_sink_keys')"));
  ADM_TRY(begin_immediate("create"));
  sqlite::Transaction transaction(*database_);
  if (Status created = database_->execute(create_missing_sql()); !created.ok()) {
    // An index on a column that an older table lacks: say what is wrong with the table instead.
    database_->rollback();
    ADM_TRY(check_shape(*database_));
    return created;
  }
  // Where a table had to be made beside others of ours, rows are gone: what the position says is not true any more.
  if (tables != kTables) ADM_TRY(database_->execute("DELETE FROM _admetrics_sink"));
  return transaction.commit();
}

Result<SqliteSink::Tables> SqliteSink::prepare(std::string_view prefix) {
  Tables tables;
  ADM_ASSIGN(tables.main, RowTable::open(*database_, true, prefix));
  ADM_ASSIGN(tables.breakdown, RowTable::open(*database_, false, prefix));
  tables.statements = std::make_unique<Statements>();
  Statements* const statements = tables.statements.get();
  const std::string names = std::string(prefix) + std::string(kNameTable);
  const std::string hierarchies = std::string(prefix) + std::string(kHierarchyTable);
  std::vector<std::pair<sqlite::Statement*, std::string>> all{
      {&statements->put_state,
       "INSERT INTO _admetrics_sink VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET ledger = ?1, epoch = "
       "?2, "
       "position = ?3, as_of = ?4, committed_at = ?5, keys_known = ?6"},
      {&statements->put_key, "INSERT INTO _admetrics_sink_keys VALUES (?1, ?2, ?3, ?4)"},
      {&statements->clear_keys, "DELETE FROM _admetrics_sink_keys"},
      {&statements->get_name, "SELECT canonical_name, frequency_count, last_seen_date FROM " + names +
                                  " WHERE entity_type = ?1 AND entity_id = ?2"},
      {&statements->insert_name,
       "INSERT INTO " + names +
           " (entity_type, entity_id, canonical_name, frequency_count, last_seen_date, created_at, updated_at) VALUES "
           "(?1, ?2, ?3, ?4, ?5, ?6, ?6)"},
      {&statements->update_name,
       "UPDATE " + names +
           " SET canonical_name = ?3, frequency_count = ?4, last_seen_date = ?5, updated_at = ?6 WHERE entity_type = "
           "?1 AND entity_id = ?2"},
      {&statements->delete_name, "DELETE FROM " + names + " WHERE entity_type = ?1 AND entity_id = ?2"},
      {&statements->get_hierarchy,
       "SELECT adset_id, campaign_id, relationship_confidence, first_seen_date, last_seen_date FROM " + hierarchies +
           " WHERE ad_id = ?1"},
      {&statements->insert_hierarchy,
       "INSERT INTO " + hierarchies +
           " (ad_id, adset_id, campaign_id, relationship_confidence, first_seen_date, last_seen_date, created_at, "
           "updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)"},
      {&statements->update_hierarchy,
       "UPDATE " + hierarchies +
           " SET adset_id = ?2, campaign_id = ?3, relationship_confidence = ?4, first_seen_date = ?5, last_seen_date = "
           "?6, updated_at = ?7 WHERE ad_id = ?1"},
      {&statements->delete_hierarchy, "DELETE FROM " + hierarchies + " WHERE ad_id = ?1"},
  };
  if (!prefix.empty()) {
    all.emplace_back(&statements->note_items, "UPDATE " + std::string(kFillTable) + " SET items = ?2 WHERE token = ?1");
  }
  for (const auto& [statement, sql] : all) {
    ADM_ASSIGN(*statement, database_->prepare(sql));
  }
  return tables;
}

Result<SinkState> SqliteSink::read_state() {
  SinkState state;
  ADM_ASSIGN(
      const std::int64_t rows,
      database_->query_integer("SELECT EXISTS (SELECT 1 FROM daily_mixpanel_metrics) OR EXISTS (SELECT 1 FROM "
                               "daily_mixpanel_metrics_breakdown) OR EXISTS (SELECT 1 FROM id_name_mapping) OR EXISTS "
                               "(SELECT 1 FROM id_hierarchy_mapping)"));
  state.empty = rows == 0;
  ADM_ASSIGN(const std::int64_t main_rows,
             database_->query_integer("SELECT EXISTS (SELECT 1 FROM daily_mixpanel_metrics)"));
  state.main_empty = main_rows == 0;
  known_ledger_.clear();
  known_epoch_ = {};
  ADM_ASSIGN(sqlite::Statement select, database_->prepare("SELECT ledger, epoch, keys_known FROM _admetrics_sink"));
  ADM_ASSIGN(const bool row, select.step());
  if (!row) return state;
  state.fresh = false;
  state.ledger = select.text(0);
  state.epoch = EpochId{static_cast<std::uint64_t>(select.integer(1))};
  known_ledger_ = state.ledger;
  known_epoch_ = state.epoch;
  state.last_keys_known = select.integer(2) != 0;
  select.reset();
  if (!state.last_keys_known) return state;
  ADM_ASSIGN(sqlite::Statement keys,
             database_->prepare("SELECT kind, level, entity_id, day FROM _admetrics_sink_keys"));
  ADM_TRY(keys.for_each_row([&] {
    state.last_keys.push_back({static_cast<SinkKey::Kind>(keys.integer(0)), static_cast<Level>(keys.integer(1)),
                               std::string(keys.text(2)), Day{static_cast<std::int32_t>(keys.integer(3))}});
  }));
  return state;
}

Status SqliteSink::visit_keys(const std::function<void(const SinkKey&)>& visit) {
  for (const std::string_view table : {kMainTable, kBreakdownTable}) {
    ADM_ASSIGN(sqlite::Statement select,
               database_->prepare("SELECT DISTINCT entity_type, entity_id, date FROM " + std::string(table)));
    ADM_TRY(select.for_each_row([&] {
      const auto level = parse_level(select.text(0));
      const auto day = parse_day(select.text(2));
      if (level && day && !select.text(1).empty())
        visit({SinkKey::Kind::kCell, *level, std::string(select.text(1)), *day});
    }));
  }
  return visit_mapping_keys(*database_, visit);
}

Result<std::unique_ptr<StoredRowReader>> SqliteSink::read_rows() {
  return open_row_reader(options_.path, options_.busy_timeout_ms);
}

Result<bool> SqliteSink::anything_to_purge() {
  for (const auto& [table, condition] : kForeignRows) {
    ADM_ASSIGN(const std::int64_t found, database_->query_integer("SELECT EXISTS (SELECT 1 FROM " + std::string(table) +
                                                                  std::string(condition) + ")"));
    if (found != 0) return true;
  }
  return false;
}

Status SqliteSink::purge() {
  for (std::size_t i = 0; i < kForeignRows.size(); ++i) {
    const auto& [table, condition] = kForeignRows[i];
    ADM_TRY(database_->execute("DELETE FROM " + std::string(table) + std::string(condition)));
    counts_[i].deleted += database_->changes();
  }
  return {};
}

Status SqliteSink::begin(const CommitHeader& header, bool purge_unrecognized) {
  if (!live_) {
    auto opened = open();
    if (!opened) return std::move(opened).error();
  }
  if (replaced()) return Error{Errc::kReplaced, "write the epoch", options_.path, "another file was put in its place"};
  header_ = header;
  committed_at_ = format_timestamp(header.committed_at);
  receipt_ = {};
  counts_ = {};
  receipt_.rows_known = true;
  keys_noted_ = 0;
  cells_written_ = 0;
  items_ = 0;
  items_standing_ = 0;
  last_cell_.reset();
  tables_empty_ = true;
  can_fill_ = false;
  comparing_ = false;
  begun_ = false;
  ADM_ASSIGN(const bool goes_on, resume_fill());
  if (goes_on) return {};
  differing_.clear();
  differing_bytes_ = 0;
  audit_ = purge_unrecognized;
  purge_ = false;
  if (audit_) {
    // Looked for without the lock: it takes long, and finds nothing but after somebody else's writing.
    ADM_ASSIGN(purge_, anything_to_purge());
  }
  // Whether the epoch can be written is said now; the lock is let go again until the first rows are there.
  ADM_TRY(begin_immediate("epoch"));
  const sqlite::Transaction look(*database_);
  ADM_TRY(check_still_ours());
  ADM_TRY(look_whether_empty());
  // What somebody builds on these tables hears of each row: they stay where they are.
  if (tables_empty_ && !options_.on_open) {
    ADM_ASSIGN(can_fill_, can_be_exchanged(*database_));
  }
  return {};
}

Status SqliteSink::look_whether_empty() {
  ADM_ASSIGN(const std::int64_t rows,
             database_->query_integer("SELECT EXISTS (SELECT 1 FROM daily_mixpanel_metrics) OR EXISTS (SELECT 1 FROM "
                                      "daily_mixpanel_metrics_breakdown)"));
  tables_empty_ = rows == 0;
  can_fill_ = can_fill_ && tables_empty_;
  return {};
}

Status SqliteSink::begin_epoch() {
  if (begun_ || aside_) return {};
  begun_ = true;
  ADM_TRY(begin_immediate("epoch"));
  ADM_TRY(check_still_ours());
  ADM_TRY(watch_->look());  // at what stands now; after our own rows nobody can tell
  ADM_TRY(look_whether_empty());
  // The same epoch again: the ledger never heard of the first one, and may not hear of this one. What both changed has to
  // be listed then.
  const bool again = known_ledger_ == header_.ledger && known_epoch_ == header_.epoch;
  if (again) {
    ADM_ASSIGN(const std::int64_t listed, database_->query_integer("SELECT count(*) FROM _admetrics_sink_keys"));
    keys_noted_ = static_cast<std::size_t>(listed);
    ADM_ASSIGN(const std::int64_t known, database_->query_integer("SELECT keys_known FROM _admetrics_sink"));
    keys_complete_ = known != 0;
  } else {
    ADM_TRY(live_->statements->clear_keys.run());
    keys_complete_ = true;
  }
  // An audit compares everything; one that the ledger never hears of has to be done again, whole.
  if (audit_) keys_complete_ = false;
  if (purge_) ADM_TRY(purge());
  receipt_.changed_more = purge_ && total().deleted > 0;  // rows whose keys are none of ours
  return {};
}

Status SqliteSink::compare(std::span<const CellWrite> cells) {
  ADM_TRY(database_->begin_read());
  const sqlite::Transaction moment(*database_);
  for (const CellWrite& cell : cells) {
    const std::string date = format_day(cell.day);
    const std::array<std::string_view, 3> key{name_of(cell.level), cell.entity_id, date};
    SinkReceipt main;
    SinkReceipt breakdown;
    ADM_ASSIGN(bool differs, live_->main.differs(key, cell.main ? &*cell.main : nullptr, main));
    if (cell.whole) {
      ADM_ASSIGN(const bool rows_differ, live_->breakdown.cell_differs(key, cell.breakdowns, breakdown));
      differs = differs || rows_differ;
    } else {
      for (const BreakdownWrite& row : cell.breakdowns) {
        const std::array<std::string_view, 5> row_key{key[0], key[1], key[2], name_of(row.breakdown), row.value};
        ADM_ASSIGN(const bool row_differs,
                   live_->breakdown.differs(row_key, row.values ? &*row.values : nullptr, breakdown));
        differs = differs || row_differs;
      }
    }
    if (differs) {
      differing_.push_back(cell);  // and counted when it is written
      differing_bytes_ += bytes_of(cell);
    } else {
      counts_[kMain].unchanged += main.unchanged;
      counts_[kBreakdown].unchanged += breakdown.unchanged;
    }
  }
  return {};
}

Status SqliteSink::begin_writing() {
  ADM_TRY(begin_epoch());
  comparing_ = false;
  for (const CellWrite& cell : differing_) ADM_TRY(write_cell(cell));
  release(differing_);
  return {};
}

Status SqliteSink::begin_immediate(std::string_view work) {
  if (options_.locks != nullptr) database_->set_lock_meter(&options_.locks->of("sink", work));
  return database_->begin_immediate();
}

Status SqliteSink::check_still_ours() {
  // A backup restored in place, or tables dropped and recreated, take our position along with the rows.
  ADM_ASSIGN(sqlite::Statement select, database_->prepare("SELECT ledger, epoch FROM _admetrics_sink"));
  ADM_ASSIGN(const bool row, select.step());
  const bool same =
      row ? select.text(0) == known_ledger_ && select.integer(1) == static_cast<std::int64_t>(known_epoch_.value)
          : known_ledger_.empty();
  if (same) return {};
  return Error{Errc::kReplaced, "write the epoch", options_.path,
               "its position is not the one that was written last, as after a restored backup"};
}

Status SqliteSink::note_key(SinkKey::Kind kind, Level level, std::string_view entity_id, Day day) {
  if (receipt_.changed.size() < kReceiptKeysMax) {
    receipt_.changed.push_back({kind, level, std::string(entity_id), day});
  } else {
    receipt_.changed_more = true;
  }
  if (aside_ || ++keys_noted_ > kSinkKeysListedMax) return {};
  sqlite::Statement& put = live_->statements->put_key;
  put.bind(1, static_cast<std::int64_t>(kind));
  put.bind(2, static_cast<std::int64_t>(level));
  put.bind(3, entity_id);
  put.bind(4, static_cast<std::int64_t>(day.value));
  return put.run();
}

void SqliteSink::note_row(const SinkKey& key, Breakdown breakdown, std::string_view value) {
  if (!receipt_.rows_known) return;
  if (receipt_.rows.size() == kReceiptRowsMax) {
    receipt_.rows_known = false;
    receipt_.rows = {};
    return;
  }
  receipt_.rows.push_back({key, breakdown, std::string(value)});
}

Status SqliteSink::write_cells(std::span<const CellWrite> cells) {
  if (cells_written_ < kLargeEpochCells && cells_written_ + cells.size() >= kLargeEpochCells) {
    ADM_TRY(database_->execute("PRAGMA cache_size = -" + std::to_string(options_.large_cache_bytes / 1'024)));
  }
  // What stands is looked at without the lock, and the lock taken for what differs.
  if (!tables_empty_ && cells_written_ == 0 && cells.size() > kInlineCellsMax) comparing_ = true;
  if (comparing_) {
    cells_written_ += cells.size();
    ADM_TRY(compare(cells));
    return differing_bytes_ > options_.large_cache_bytes ? begin_writing() : Status();
  }
  ADM_TRY(begin_writing());
  if (can_fill_ && cells_written_ + cells.size() > kInlineCellsMax) ADM_TRY(begin_fill());
  cells_written_ += cells.size();
  for (const CellWrite& cell : cells) {
    ADM_ASSIGN(const bool stands, begin_item());
    if (stands) {
      // Counted as it was when it was written.
      const SinkKey written{SinkKey::Kind::kCell, cell.level, std::string(cell.entity_id), cell.day};
      if (cell.main) {
        ++counts_[kMain].inserted;
        note_row(written, Breakdown::kNone, {});
      }
      for (const BreakdownWrite& row : cell.breakdowns) {
        if (!row.values) continue;
        ++counts_[kBreakdown].inserted;
        note_row(written, row.breakdown, row.value);
      }
      last_cell_ = write_place_of(cell);
      continue;
    }
    ADM_TRY(write_cell(cell));
    ADM_TRY(end_item());
  }
  return {};
}

Status SqliteSink::write_cell(const CellWrite& cell) {
  RowTable& main = tables().main;
  RowTable& breakdown = tables().breakdown;
  const std::string date = format_day(cell.day);
  const std::array<std::string_view, 3> key{name_of(cell.level), cell.entity_id, date};
  // Cells come in order: one beyond the last cannot have a row yet where there was none at the beginning.
  auto cell_key = write_place_of(cell);
  const bool insert_only = tables_empty_ && (!last_cell_ || *last_cell_ < cell_key);
  if (insert_only) last_cell_ = std::move(cell_key);
  const SinkKey written{SinkKey::Kind::kCell, cell.level, std::string(cell.entity_id), cell.day};
  bool changed = false;
  if (insert_only) {
    if (cell.main) ADM_TRY(main.insert(key, *cell.main, committed_at_, counts_[kMain]));
    changed = cell.main.has_value();
  } else {
    ADM_ASSIGN(changed, main.put(key, cell.main ? &*cell.main : nullptr, committed_at_, counts_[kMain]));
  }
  if (changed) note_row(written, Breakdown::kNone, {});
  if (cell.whole && !insert_only) {
    const auto on_change = [&](std::string_view type, std::string_view value) {
      if (const auto changed_in = parse_breakdown(type)) note_row(written, *changed_in, value);
    };
    ADM_ASSIGN(const bool rows_changed,
               breakdown.replace_cell(key, cell.breakdowns, committed_at_, counts_[kBreakdown], on_change));
    changed = changed || rows_changed;
  } else {
    for (const BreakdownWrite& row : cell.breakdowns) {
      const std::array<std::string_view, 5> row_key{key[0], key[1], key[2], name_of(row.breakdown), row.value};
      const RowValues* values = row.values ? &*row.values : nullptr;
      if (insert_only) {
        if (values == nullptr) continue;
        ADM_TRY(breakdown.insert(row_key, *values, committed_at_, counts_[kBreakdown]));
        note_row(written, row.breakdown, row.value);
      } else {
        ADM_ASSIGN(const bool row_changed, breakdown.put(row_key, values, committed_at_, counts_[kBreakdown]));
        changed = changed || row_changed;
        if (row_changed) note_row(written, row.breakdown, row.value);
      }
    }
  }
  if (changed) ADM_TRY(note_key(SinkKey::Kind::kCell, cell.level, cell.entity_id, cell.day));
  return {};
}

Status SqliteSink::write_names(std::span<const NameWrite> names) {
  ADM_TRY(begin_writing());
  for (const NameWrite& name : names) {
    ADM_ASSIGN(const bool stands, begin_item());
    if (stands) {
      if (name.canonical_name) {
        ++counts_[kNames].inserted;
        note_row({SinkKey::Kind::kName, name.level, std::string(name.entity_id), kNoDay}, Breakdown::kNone, {});
      }
      continue;
    }
    ADM_TRY(write_name(name));
    ADM_TRY(end_item());
  }
  return {};
}

Status SqliteSink::write_name(const NameWrite& name) {
  Statements& statements = *tables().statements;
  const std::string_view level = name_of(name.level);
  const std::string last_seen = name.canonical_name ? format_day(name.last_seen) : "";
  sqlite::Statement& get = statements.get_name;
  get.bind(1, level);
  get.bind(2, name.entity_id);
  ADM_ASSIGN(const bool exists, get.step());
  const bool same = exists && name.canonical_name && get.type(0) == sqlite::ColumnType::kText &&
                    get.text(0) == *name.canonical_name && equals_scaled(get, 1, name.frequency_count, 0) &&
                    get.text(2) == last_seen;
  get.reset();
  if (same || (!exists && !name.canonical_name)) {
    if (same) ++counts_[kNames].unchanged;
    return {};
  }
  sqlite::Statement& write = !name.canonical_name ? statements.delete_name
                             : exists             ? statements.update_name
                                                  : statements.insert_name;
  ++(!name.canonical_name ? counts_[kNames].deleted : exists ? counts_[kNames].updated : counts_[kNames].inserted);
  write.bind(1, level);
  write.bind(2, name.entity_id);
  if (name.canonical_name) {
    write.bind(3, std::string_view(*name.canonical_name));
    write.bind(4, name.frequency_count);
    write.bind(5, std::string_view(last_seen));
    write.bind(6, std::string_view(committed_at_));
  }
  ADM_TRY(write.run());
  ADM_TRY(note_key(SinkKey::Kind::kName, name.level, name.entity_id, kNoDay));
  note_row({SinkKey::Kind::kName, name.level, std::string(name.entity_id), kNoDay}, Breakdown::kNone, {});
  return {};
}

Status SqliteSink::write_hierarchies(std::span<const HierarchyWrite> hierarchies) {
  ADM_TRY(begin_writing());
  for (const HierarchyWrite& hierarchy : hierarchies) {
    ADM_ASSIGN(const bool stands, begin_item());
    if (stands) {
      if (hierarchy.present) {
        ++counts_[kHierarchies].inserted;
        note_row({SinkKey::Kind::kHierarchy, Level::kAd, std::string(hierarchy.ad_id), kNoDay}, Breakdown::kNone, {});
      }
      continue;
    }
    ADM_TRY(write_hierarchy(hierarchy));
    ADM_TRY(end_item());
  }
  return {};
}

Status SqliteSink::write_hierarchy(const HierarchyWrite& hierarchy) {
  Statements& statements = *tables().statements;
  const std::string first_seen = hierarchy.present ? format_day(hierarchy.first_seen) : "";
  const std::string last_seen = hierarchy.present ? format_day(hierarchy.last_seen) : "";
  sqlite::Statement& get = statements.get_hierarchy;
  get.bind(1, hierarchy.ad_id);
  ADM_ASSIGN(const bool exists, get.step());
  const bool same = exists && hierarchy.present && get.text(0) == hierarchy.adset_id &&
                    get.text(1) == hierarchy.campaign_id && equals_scaled(get, 2, hierarchy.confidence_hundredths, 2) &&
                    get.text(3) == first_seen && get.text(4) == last_seen;
  get.reset();
  if (same || (!exists && !hierarchy.present)) {
    if (same) ++counts_[kHierarchies].unchanged;
    return {};
  }
  sqlite::Statement& write = !hierarchy.present ? statements.delete_hierarchy
                             : exists           ? statements.update_hierarchy
                                                : statements.insert_hierarchy;
  ++(!hierarchy.present ? counts_[kHierarchies].deleted
     : exists           ? counts_[kHierarchies].updated
                        : counts_[kHierarchies].inserted);
  write.bind(1, hierarchy.ad_id);
  if (hierarchy.present) {
    write.bind(2, hierarchy.adset_id);
    write.bind(3, hierarchy.campaign_id);
    bind_scaled(write, 4, hierarchy.confidence_hundredths, 2);
    write.bind(5, std::string_view(first_seen));
    write.bind(6, std::string_view(last_seen));
    write.bind(7, std::string_view(committed_at_));
  }
  ADM_TRY(write.run());
  ADM_TRY(note_key(SinkKey::Kind::kHierarchy, Level::kAd, hierarchy.ad_id, kNoDay));
  note_row({SinkKey::Kind::kHierarchy, Level::kAd, std::string(hierarchy.ad_id), kNoDay}, Breakdown::kNone, {});
  return {};
}

Result<SinkReceipt> SqliteSink::commit() {
  ADM_TRY(begin_writing());
  if (aside_) ADM_TRY(end_fill());
  const std::string as_of = format_day(header_.as_of);
  const bool keys_known = keys_complete_ && keys_noted_ <= kSinkKeysListedMax;
  if (!keys_known) ADM_TRY(live_->statements->clear_keys.run());
  sqlite::Statement& put = live_->statements->put_state;
  put.bind(1, std::string_view(header_.ledger));
  put.bind(2, static_cast<std::int64_t>(header_.epoch.value));
  put.bind(3, std::string_view(header_.position));
  put.bind(4, std::string_view(as_of));
  put.bind(5, std::string_view(committed_at_));
  put.bind(6, static_cast<std::int64_t>(keys_known ? 1 : 0));
  ADM_TRY(put.run());
  if (total().written() > 0) ADM_TRY(watch_->note_own_rows());
  if (options_.before_commit) ADM_TRY(options_.before_commit(*database_, header_));
  ADM_TRY(database_->commit());
  known_ledger_ = header_.ledger;
  known_epoch_ = header_.epoch;
  fill_token_.clear();
  if (cells_written_ >= kLargeEpochCells) {
    ADM_TRY(database_->execute(kUsualCache));
    database_->release_memory();
  }
  static constexpr std::array<std::string_view, 4> kTables{kMainTable, kBreakdownTable, kNameTable, kHierarchyTable};
  const SinkReceipt all = total();
  receipt_.inserted = all.inserted;
  receipt_.updated = all.updated;
  receipt_.deleted = all.deleted;
  receipt_.unchanged = all.unchanged;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const SinkReceipt& one = counts_[i];
    receipt_.tables.push_back({kTables[i], one.inserted, one.updated, one.deleted, one.unchanged});
  }
  return std::move(receipt_);
}

std::int64_t SqliteSink::rows_written() const {
  // What was found to differ, and is written with the commit, counts as written.
  return total().written() + static_cast<std::int64_t>(differing_.size()) + (purge_ ? 1 : 0);
}

bool SqliteSink::is_free() {
  if (!database_) return true;  // opened by the epoch
  const bool asked = database_->execute("PRAGMA busy_timeout = 0").ok();
  const bool free = database_->begin_immediate().ok();
  database_->rollback();
  const bool restored = database_->execute("PRAGMA busy_timeout = " + std::to_string(options_.busy_timeout_ms)).ok();
  return asked && free && restored;
}

ForeignWork SqliteSink::take_foreign_work() {
  // What fails here fails in the next epoch, too, where somebody acts on it.
  if (!watch_) return {};
  if (!replaced()) static_cast<void>(watch_->look().ok());
  return watch_->take();
}

SinkReceipt SqliteSink::total() const {
  SinkReceipt all;
  for (const SinkReceipt& one : counts_) {
    all.inserted += one.inserted;
    all.updated += one.updated;
    all.deleted += one.deleted;
    all.unchanged += one.unchanged;
  }
  return all;
}

bool SqliteSink::replaced() const { return database_ != nullptr && sqlite::file_identity(options_.path) != file_; }

void SqliteSink::rollback() {
  fill_failed_ = !fill_token_.empty();
  aside_.reset();
  release(differing_);
  comparing_ = false;
  begun_ = false;
  if (database_) database_->rollback();
}

}  // namespace admetrics::sink
