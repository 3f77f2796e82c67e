#include "sinks/sqlite/sqlite_sink.hpp"

#include <array>
#include <tuple>

#include "core/base/limits.hpp"
#include "sinks/sqlite/schema.hpp"

namespace admetrics::sink {
namespace {

std::optional<Level> level_of(std::string_view name) {
  for (const Level level : kLevels) {
    if (name_of(level) == name) return level;
  }
  return std::nullopt;
}

std::optional<Breakdown> breakdown_of(std::string_view name) {
  for (const Breakdown breakdown : kBreakdowns) {
    if (name_of(breakdown) == name) return breakdown;
  }
  return std::nullopt;
}

// Pages kept while an epoch writes: indexes are written out of order, and a page that was thrown out is read again.
constexpr const char* kUsualCache = "PRAGMA cache_size = -8192";  // 8 MiB
constexpr std::size_t kLargeEpochCells = 10'000;

}  // namespace

struct SqliteSink::Statements {
  sqlite::Statement put_state;
  sqlite::Statement put_key;
  sqlite::Statement clear_keys;
  sqlite::Statement get_name;
  sqlite::Statement insert_name;
  sqlite::Statement update_name;
  sqlite::Statement delete_name;
  sqlite::Statement get_hierarchy;
  sqlite::Statement insert_hierarchy;
  sqlite::Statement update_hierarchy;
  sqlite::Statement delete_hierarchy;
  sqlite::Statement data_version;
  std::array<sqlite::Statement, 4> edges;
};

SqliteSink::SqliteSink(SqliteSinkOptions options) : options_(std::move(options)) {}
SqliteSink::~SqliteSink() = default;

Result<SinkState> SqliteSink::open() {
  statements_.reset();
  main_.reset();
  breakdown_.reset();
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
  ADM_TRY(create_missing());
  ADM_TRY(check_shape(*database_));
  ADM_TRY(prepare());
  foreign_work_ = {};  // the state says what has to be looked at
  ADM_ASSIGN(edges_, read_edges());
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
  ADM_TRY(database_->begin_immediate());
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

Status SqliteSink::prepare() {
  ADM_ASSIGN(main_, RowTable::open(*database_, true));
  ADM_ASSIGN(breakdown_, RowTable::open(*database_, false));
  auto statements = std::make_unique<Statements>();
  const std::vector<std::pair<sqlite::Statement*, const char*>> all{
      {&statements->put_state,
       "INSERT INTO _admetrics_sink VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET ledger = ?1, epoch = "
       "?2, "
       "position = ?3, as_of = ?4, committed_at = ?5, keys_known = ?6"},
      {&statements->put_key, "INSERT INTO _admetrics_sink_keys VALUES (?1, ?2, ?3, ?4)"},
      {&statements->clear_keys, "DELETE FROM _admetrics_sink_keys"},
      {&statements->get_name,
       "SELECT canonical_name, frequency_count, last_seen_date FROM id_name_mapping WHERE entity_type = ?1 AND "
       "entity_id = ?2"},
      {&statements->insert_name,
       "INSERT INTO id_name_mapping (entity_type, entity_id, canonical_name, frequency_count, last_seen_date, "
       "created_at, "
       "updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)"},
      {&statements->update_name,
       "UPDATE id_name_mapping SET canonical_name = ?3, frequency_count = ?4, last_seen_date = ?5, updated_at = ?6 "
       "WHERE "
       "entity_type = ?1 AND entity_id = ?2"},
      {&statements->delete_name, "DELETE FROM id_name_mapping WHERE entity_type = ?1 AND entity_id = ?2"},
      {&statements->get_hierarchy,
       "SELECT adset_id, campaign_id, relationship_confidence, first_seen_date, last_seen_date FROM "
       "id_hierarchy_mapping "
       "WHERE ad_id = ?1"},
      {&statements->insert_hierarchy,
       "INSERT INTO id_hierarchy_mapping (ad_id, adset_id, campaign_id, relationship_confidence, first_seen_date, "
       "last_seen_date, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)"},
      {&statements->update_hierarchy,
       "UPDATE id_hierarchy_mapping SET adset_id = ?2, campaign_id = ?3, relationship_confidence = ?4, first_seen_date "
       "= ?5, "
       "last_seen_date = ?6, updated_at = ?7 WHERE ad_id = ?1"},
      {&statements->delete_hierarchy, "DELETE FROM id_hierarchy_mapping WHERE ad_id = ?1"},
      {&statements->data_version, "PRAGMA data_version"},
      // Each is a look at both ends of a tree. VACUUM gives tables without such a key other row numbers.
      {&statements->edges[0],
       "SELECT (SELECT min(metric_id) FROM daily_mixpanel_metrics), (SELECT max(metric_id) FROM "
       "daily_mixpanel_metrics)"},
      {&statements->edges[1],
       "SELECT (SELECT min(metric_id) FROM daily_mixpanel_metrics_breakdown), (SELECT max(metric_id) FROM "
       "daily_mixpanel_metrics_breakdown)"},
      {&statements->edges[2], "SELECT EXISTS (SELECT 1 FROM id_name_mapping), 0"},
      {&statements->edges[3], "SELECT EXISTS (SELECT 1 FROM id_hierarchy_mapping), 0"},
  };
  for (const auto& [statement, sql] : all) {
    ADM_ASSIGN(*statement, database_->prepare(sql));
  }
  statements_ = std::move(statements);
  return {};
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
      const auto level = level_of(select.text(0));
      const auto day = parse_day(select.text(2));
      if (level && day && !select.text(1).empty())
        visit({SinkKey::Kind::kCell, *level, std::string(select.text(1)), *day});
    }));
  }
  ADM_ASSIGN(sqlite::Statement names, database_->prepare("SELECT entity_type, entity_id FROM id_name_mapping"));
  ADM_TRY(names.for_each_row([&] {
    if (const auto level = level_of(names.text(0)))
      visit({SinkKey::Kind::kName, *level, std::string(names.text(1)), kNoDay});
  }));
  ADM_ASSIGN(sqlite::Statement ads, database_->prepare("SELECT ad_id FROM id_hierarchy_mapping"));
  return ads.for_each_row([&] { visit({SinkKey::Kind::kHierarchy, Level::kAd, std::string(ads.text(0)), kNoDay}); });
}

Status SqliteSink::purge() {
  constexpr const char* kForeignKey =
      " WHERE entity_type NOT IN ('campaign', 'adset', 'ad') OR typeof(entity_id) <> 'text' OR entity_id = '' OR "
      "typeof(date) <> 'text' OR date NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]' OR date IS NOT date(date)";
  for (const std::string_view table : {kMainTable, kBreakdownTable}) {
    ADM_TRY(database_->execute("DELETE FROM " + std::string(table) + kForeignKey));
    receipt_.deleted += database_->changes();
  }
  ADM_TRY(
      database_->execute("DELETE FROM id_name_mapping WHERE entity_type NOT IN ('campaign', 'adset', 'ad') OR "
                         "typeof(entity_id) <> 'text'"));
  receipt_.deleted += database_->changes();
  ADM_TRY(database_->execute("DELETE FROM id_hierarchy_mapping WHERE typeof(ad_id) <> 'text'"));
  receipt_.deleted += database_->changes();
  return {};
}

Status SqliteSink::begin(const CommitHeader& header, bool purge_unrecognized) {
  if (!statements_) {
    auto opened = open();
    if (!opened) return std::move(opened).error();
  }
  if (replaced()) return Error{Errc::kReplaced, "write the epoch", options_.path, "another file was put in its place"};
  header_ = header;
  committed_at_ = format_timestamp(header.committed_at);
  receipt_ = {};
  receipt_.rows_known = true;
  keys_noted_ = 0;
  cells_written_ = 0;
  ADM_TRY(database_->begin_immediate());
  ADM_TRY(check_still_ours());
  ADM_TRY(look_for_foreign_work());  // what stands now; after our own rows nobody can tell
  // The same epoch again: the ledger never heard of the first one, and may not hear of this one. What both changed has to
  // be listed then.
  const bool again = known_ledger_ == header.ledger && known_epoch_ == header.epoch;
  if (again) {
    ADM_ASSIGN(const std::int64_t listed, database_->query_integer("SELECT count(*) FROM _admetrics_sink_keys"));
    keys_noted_ = static_cast<std::size_t>(listed);
    ADM_ASSIGN(const std::int64_t known, database_->query_integer("SELECT keys_known FROM _admetrics_sink"));
    keys_complete_ = known != 0;
  } else {
    ADM_TRY(statements_->clear_keys.run());
    keys_complete_ = true;
  }
  // An audit compares everything; one that the ledger never hears of has to be done again, whole.
  if (purge_unrecognized) keys_complete_ = false;
  if (purge_unrecognized) ADM_TRY(purge());
  receipt_.changed_more = receipt_.deleted > 0;  // rows whose keys are none of ours
  ADM_ASSIGN(const std::int64_t rows,
             database_->query_integer("SELECT EXISTS (SELECT 1 FROM daily_mixpanel_metrics) OR EXISTS (SELECT 1 FROM "
                                      "daily_mixpanel_metrics_breakdown)"));
  tables_empty_ = rows == 0;
  last_cell_.reset();
  return {};
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
  if (++keys_noted_ > kSinkKeysListedMax) return {};
  sqlite::Statement& put = statements_->put_key;
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
  cells_written_ += cells.size();
  for (const CellWrite& cell : cells) {
    const std::string date = format_day(cell.day);
    const std::array<std::string_view, 3> key{name_of(cell.level), cell.entity_id, date};
    // Cells come ascending: one beyond the last cannot have a row yet where there was none at the beginning.
    auto cell_key = std::make_tuple(std::string(key[0]), std::string(key[1]), cell.day);
    const bool insert_only = tables_empty_ && (!last_cell_ || *last_cell_ < cell_key);
    if (insert_only) last_cell_ = std::move(cell_key);
    const SinkKey written{SinkKey::Kind::kCell, cell.level, std::string(cell.entity_id), cell.day};
    bool changed = false;
    if (insert_only) {
      if (cell.main) ADM_TRY(main_->insert(key, *cell.main, committed_at_, receipt_));
      changed = cell.main.has_value();
    } else {
      ADM_ASSIGN(changed, main_->put(key, cell.main ? &*cell.main : nullptr, committed_at_, receipt_));
    }
    if (changed) note_row(written, Breakdown::kNone, {});
    if (cell.whole && !insert_only) {
      ADM_ASSIGN(const bool rows_changed, breakdown_->replace_cell(key, cell.breakdowns, committed_at_, receipt_,
                                                                   [&](std::string_view type, std::string_view value) {
                                                                     if (const auto breakdown = breakdown_of(type))
                                                                       note_row(written, *breakdown, value);
                                                                   }));
      changed = changed || rows_changed;
    } else {
      for (const BreakdownWrite& row : cell.breakdowns) {
        const std::array<std::string_view, 5> row_key{key[0], key[1], key[2], name_of(row.breakdown), row.value};
        const RowValues* values = row.values ? &*row.values : nullptr;
        if (insert_only) {
          if (values == nullptr) continue;
          ADM_TRY(breakdown_->insert(row_key, *values, committed_at_, receipt_));
          note_row(written, row.breakdown, row.value);
        } else {
          ADM_ASSIGN(const bool row_changed, breakdown_->put(row_key, values, committed_at_, receipt_));
          changed = changed || row_changed;
          if (row_changed) note_row(written, row.breakdown, row.value);
        }
      }
    }
    if (changed) ADM_TRY(note_key(SinkKey::Kind::kCell, cell.level, cell.entity_id, cell.day));
  }
  return {};
}

Status SqliteSink::write_names(std::span<const NameWrite> names) {
  for (const NameWrite& name : names) {
    const std::string_view level = name_of(name.level);
    const std::string last_seen = name.canonical_name ? format_day(name.last_seen) : "";
    sqlite::Statement& get = statements_->get_name;
    get.bind(1, level);
    get.bind(2, name.entity_id);
    ADM_ASSIGN(const bool exists, get.step());
    const bool same = exists && name.canonical_name && get.type(0) == sqlite::ColumnType::kText &&
                      get.text(0) == *name.canonical_name && equals_scaled(get, 1, name.frequency_count, 0) &&
                      get.text(2) == last_seen;
    get.reset();
    if (same || (!exists && !name.canonical_name)) {
      if (same) ++receipt_.unchanged;
      continue;
    }
    sqlite::Statement& write = !name.canonical_name ? statements_->delete_name
                               : exists             ? statements_->update_name
                                                    : statements_->insert_name;
    ++(!name.canonical_name ? receipt_.deleted : exists ? receipt_.updated : receipt_.inserted);
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
  }
  return {};
}

Status SqliteSink::write_hierarchies(std::span<const HierarchyWrite> hierarchies) {
  for (const HierarchyWrite& hierarchy : hierarchies) {
    const std::string first_seen = hierarchy.present ? format_day(hierarchy.first_seen) : "";
    const std::string last_seen = hierarchy.present ? format_day(hierarchy.last_seen) : "";
    sqlite::Statement& get = statements_->get_hierarchy;
    get.bind(1, hierarchy.ad_id);
    ADM_ASSIGN(const bool exists, get.step());
    const bool same = exists && hierarchy.present && get.text(0) == hierarchy.adset_id &&
                      get.text(1) == hierarchy.campaign_id &&
                      equals_scaled(get, 2, hierarchy.confidence_hundredths, 2) && get.text(3) == first_seen &&
                      get.text(4) == last_seen;
    get.reset();
    if (same || (!exists && !hierarchy.present)) {
      if (same) ++receipt_.unchanged;
      continue;
    }
    sqlite::Statement& write = !hierarchy.present ? statements_->delete_hierarchy
                               : exists           ? statements_->update_hierarchy
                                                  : statements_->insert_hierarchy;
    ++(!hierarchy.present ? receipt_.deleted : exists ? receipt_.updated : receipt_.inserted);
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
  }
  return {};
}

Result<SinkReceipt> SqliteSink::commit() {
  const std::string as_of = format_day(header_.as_of);
  const bool keys_known = keys_complete_ && keys_noted_ <= kSinkKeysListedMax;
  if (!keys_known) ADM_TRY(statements_->clear_keys.run());
  sqlite::Statement& put = statements_->put_state;
  put.bind(1, std::string_view(header_.ledger));
  put.bind(2, static_cast<std::int64_t>(header_.epoch.value));
  put.bind(3, std::string_view(header_.position));
  put.bind(4, std::string_view(as_of));
  put.bind(5, std::string_view(committed_at_));
  put.bind(6, static_cast<std::int64_t>(keys_known ? 1 : 0));
  ADM_TRY(put.run());
  if (receipt_.written() > 0) {
    ADM_ASSIGN(edges_, read_edges());
  }
  ADM_TRY(database_->commit());
  known_ledger_ = header_.ledger;
  known_epoch_ = header_.epoch;
  if (cells_written_ >= kLargeEpochCells) {
    ADM_TRY(database_->execute(kUsualCache));
    database_->release_memory();
  }
  return std::move(receipt_);
}

Result<SqliteSink::Edges> SqliteSink::read_edges() {
  Edges edges;
  for (std::size_t table = 0; table < edges.size(); ++table) {
    sqlite::Statement& select = statements_->edges[table];
    ADM_ASSIGN(const bool row, select.step());
    if (row) edges[table] = {select.integer(0), select.integer(1)};
    select.reset();
  }
  return edges;
}

bool SqliteSink::is_free() {
  if (!database_) return true;  // opened by the epoch
  const bool asked = database_->execute("PRAGMA busy_timeout = 0").ok();
  const bool free = database_->begin_immediate().ok();
  database_->rollback();
  const bool restored =
      database_->execute("PRAGMA busy_timeout = " + std::to_string(options_.busy_timeout_ms)).ok();
  return asked && free && restored;
}

ForeignWork SqliteSink::take_foreign_work() {
  // What fails here fails in the next epoch, too, where somebody acts on it.
  if (statements_ && !replaced()) static_cast<void>(look_for_foreign_work().ok());
  return std::exchange(foreign_work_, {});
}

Status SqliteSink::look_for_foreign_work() {
  ADM_ASSIGN(const bool known, statements_->data_version.step());
  const std::int64_t version = known ? statements_->data_version.integer(0) : 0;
  statements_->data_version.reset();
  if (version == seen_data_version_ || !edges_) return {};
  ADM_ASSIGN(const Edges now, read_edges());
  const Edges then = std::exchange(edges_, now).value();
  seen_data_version_ = version;
  if (now == then) return {};

  constexpr std::array<std::string_view, 4> kTables{kMainTable, kBreakdownTable, kNameTable, kHierarchyTable};
  constexpr std::int64_t kAddedMax = 1'000;
  const auto compare_everything = [&](std::string why) {
    if (foreign_work_.everything.empty()) foreign_work_.everything = std::move(why);
  };
  for (std::size_t table = 0; table < kTables.size(); ++table) {
    const std::string name(kTables[table]);
    const auto [first_then, last_then] = then[table];
    const auto [first_now, last_now] = now[table];
    if (then[table] == now[table]) continue;
    if (now[table] == std::pair<std::int64_t, std::int64_t>{}) {
      compare_everything("somebody emptied " + name);
    } else if (kTables[table] != kMainTable && kTables[table] != kBreakdownTable) {
      compare_everything("somebody filled " + name);
    } else if (first_now != first_then || last_now < last_then || last_then == 0) {
      compare_everything("somebody added, removed or replaced rows of " + name);
    } else {
      ADM_ASSIGN(sqlite::Statement added, database_->prepare("SELECT entity_type, entity_id, date FROM " + name +
                                                             " WHERE metric_id > ?1 LIMIT ?2"));
      added.bind(1, last_then);
      added.bind(2, kAddedMax + 1);
      std::int64_t rows = 0;
      ADM_TRY(added.for_each_row([&] {
        ++rows;
        const auto level = level_of(added.text(0));
        const auto day = parse_day(added.text(2));
        if (level && day && added.type(1) == sqlite::ColumnType::kText && !added.text(1).empty()) {
          foreign_work_.added.push_back({SinkKey::Kind::kCell, *level, std::string(added.text(1)), *day});
        } else {
          foreign_work_.strange_keys = true;
        }
      }));
      if (rows > kAddedMax) compare_everything("somebody added rows to " + name);
    }
  }
  // One list, however often somebody adds to it before it is taken.
  if (static_cast<std::int64_t>(foreign_work_.added.size()) > kAddedMax)
    compare_everything("somebody added rows to " + std::string(kMainTable) + " or " + std::string(kBreakdownTable));
  if (!foreign_work_.everything.empty()) foreign_work_.added.clear();
  return {};
}

bool SqliteSink::replaced() const { return database_ != nullptr && sqlite::file_identity(options_.path) != file_; }

void SqliteSink::rollback() {
  if (database_) database_->rollback();
}

}  // namespace admetrics::sink
