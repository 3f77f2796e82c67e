#include "sinks/postgres/postgres_sink.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "core/base/limits.hpp"
#include "core/base/storable_text.hpp"
#include "sinks/postgres/connection.hpp"
#include "sinks/postgres/text.hpp"

namespace admetrics::sink {
namespace {

using postgres::append_copy_value;
using postgres::literal;

constexpr std::size_t kStageBytesMax = std::size_t{4} << 20;  // lines that wait here before they are sent
constexpr std::size_t kAnalyzeRows = 5'000;  // staged rows from which on the planner shall know of them
constexpr int kDigitsMax = 19;               // of any 64-bit number
constexpr std::array<std::uint64_t, 20> kPowersOfTen = [] {
  std::array<std::uint64_t, 20> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i) powers.at(i) = powers.at(i - 1) * 10;
  return powers;
}();

constexpr const char* kLevelOf =
    "CASE entity_type WHEN 'campaign' THEN 0 WHEN 'adset' THEN 1 WHEN 'ad' THEN 2 ELSE -1 END";
constexpr const char* kOursOnly =
    "entity_type IN ('campaign', 'adset', 'ad') AND entity_id <> '' AND date BETWEEN DATE '0001-01-01 BC' AND DATE "
    "'9999-12-31'";
// A day as the number that we know it by.
constexpr const char* kDayNumber = "(date - DATE '1970-01-01')";

std::string names_of(bool main, const char* prefix) {
  std::string names;
  const auto add = [&](std::string_view name) {
    if (!name.empty()) names += (names.empty() ? "" : ", ") + (prefix + std::string(name));
  };
  for (const ListColumn& column : list_columns()) add(main ? column.main_name : column.breakdown_name);
  for (const NumberColumn& column : number_columns()) add(main ? column.main_name : column.breakdown_name);
  return names;
}

std::string key_names(bool main) {
  return main ? "entity_type, entity_id, date" : "entity_type, entity_id, date, breakdown_type, breakdown_value";
}

/// a.x = b.x AND a.y = b.y …
std::string keys_equal(bool main, const std::string& a, const std::string& b) {
  std::string sql;
  const std::string names = key_names(main);
  for (std::size_t from = 0; from < names.size();) {
    const std::size_t to = std::min(names.find(',', from), names.size());
    const std::string name = names.substr(from, to - from);
    sql += (sql.empty() ? "" : " AND ") + a + "." + name + " = " + b + "." + name;
    from = to + 2;
  }
  return sql;
}

void append_day(Day day, std::string& line) {
  // There is no year 0 in PostgreSQL's calendar: it is 1 BC.
  std::string text = format_day(day);
  if (text.starts_with("0000-")) text = "0001" + text.substr(4) + " BC";
  line += text;
}

std::uint64_t magnitude(std::int64_t number) {
  return number < 0 ? 0 - static_cast<std::uint64_t>(number) : static_cast<std::uint64_t>(number);
}

void append_scaled(std::int64_t scaled, int digits, std::string& line) {
  const std::uint64_t size = magnitude(scaled);
  const std::uint64_t scale = kPowersOfTen.at(static_cast<std::size_t>(digits));
  if (scaled < 0) line += '-';
  std::array<char, 24> text;
  char* end = std::to_chars(text.data(), text.data() + text.size(), size / scale).ptr;
  line.append(text.data(), end);
  const std::uint64_t rest = size % scale;
  if (rest == 0) return;
  end =
      std::to_chars(text.data(), text.data() + text.size(), scale + rest).ptr;  // a 1, then all digits of the fraction
  line += '.';
  line.append(text.data() + 1, end);
}

void append_text(std::string_view text, std::string& line) {
  thread_local std::string stored;
  stored.clear();
  append_storable(text, stored);
  append_copy_value(stored, line);
}

}  // namespace

PostgresSink::PostgresSink(PostgresSinkOptions options) : options_(std::move(options)) {
  main_ = {"_admetrics_stage_main", key_names(true) + ", " + names_of(true, ""), "", 0};
  breakdown_ = {"_admetrics_stage_breakdown", key_names(false) + ", " + names_of(false, ""), "", 0};
  cells_ = {"_admetrics_stage_cells", "entity_type, entity_id, date, main_gone, whole", "", 0};
  gone_ = {"_admetrics_stage_gone", key_names(false), "", 0};
}

PostgresSink::~PostgresSink() = default;

// ── Where it stands ──

Result<SinkState> PostgresSink::open() {
  connection_.reset();
  open_ = false;
  ADM_ASSIGN(connection_, postgres::Connection::open(options_));
  const auto looked = [&]() -> Result<SinkState> {
    ADM_ASSIGN(const postgres::Answer server,
               connection_->query("SELECT current_setting('server_encoding'), pg_is_in_recovery(), "
                                  "current_setting('server_version_num')::integer, "
                                  "current_setting('default_transaction_read_only')"));
    const auto refuse = [&](Errc code, const std::string& why) {
      return Error{code, "open the sink", connection_->where(), why};
    };
    constexpr std::int64_t kVersionMin = 150'000;
    if (server.integer(0, 2) < kVersionMin) return refuse(Errc::kUnsupported, "the server is older than PostgreSQL 15");
    if (server.text(0, 0) != "UTF8")
      return refuse(Errc::kUnsupported, "its encoding is " + server.text(0, 0) + "; only UTF8 is supported");
    if (server.text(0, 1) == "t")
      return refuse(Errc::kReadOnly, "the server is a standby and takes no writes; name the primary");
    if (server.text(0, 3) == "on")
      return refuse(Errc::kReadOnly, "transactions are read-only there (default_transaction_read_only)");
    ADM_ASSIGN(standing_, postgres::prepare_schema(*connection_, options_));
    standing_committed_ = standing_;
    ADM_TRY(create_stages());
    return read_state();
  };
  auto state = looked();
  if (!state) connection_.reset();
  return state;
}

Status PostgresSink::create_stages() {
  const auto types = [&](bool main) {
    std::string sql;
    for (const ListColumn& column : list_columns())
      sql += ", " + std::string(main ? column.main_name : column.breakdown_name) +
             (options_.user_lists == UserLists::kJsonb ? " jsonb" : " text");
    for (const NumberColumn& column : number_columns()) {
      const std::string_view name = main ? column.main_name : column.breakdown_name;
      if (!name.empty()) sql += ", " + std::string(name) + (column.kind == NumberKind::kCount ? " bigint" : " numeric");
    }
    return sql;
  };
  const std::string cell = R"(entity_type text COLLATE "C", entity_id text COLLATE "C", date date)";
  const std::string row = cell + R"(, breakdown_type text COLLATE "C", breakdown_value text COLLATE "C")";
  const auto create = [](const std::string& name, const std::string& columns) {
    return "CREATE TEMPORARY TABLE " + name + " (" + columns + ") ON COMMIT DELETE ROWS; ";
  };
  return connection_->execute(
      create(main_.table, cell + types(true)) + create(breakdown_.table, row + types(false)) +
      create(cells_.table, cell + ", main_gone boolean, whole boolean") + create(gone_.table, row) +
      create(
          "_admetrics_stage_names",
          R"(entity_type text COLLATE "C", entity_id text COLLATE "C", canonical_name text, frequency_count bigint, )"
          "last_seen_date date, gone boolean") +
      create("_admetrics_stage_hierarchies",
             R"(ad_id text COLLATE "C", adset_id text COLLATE "C", campaign_id text COLLATE "C", )"
             "relationship_confidence numeric, first_seen_date date, last_seen_date date, gone boolean") +
      create("_admetrics_changed", R"(kind integer, level integer, entity_id text COLLATE "C", day integer)"));
}

Result<SinkState> PostgresSink::read_state() {
  SinkState state;
  ADM_ASSIGN(const postgres::Answer rows,
             connection_->query("SELECT EXISTS (SELECT 1 FROM daily_mixpanel_metrics) OR EXISTS (SELECT 1 FROM "
                                "daily_mixpanel_metrics_breakdown) OR EXISTS (SELECT 1 FROM id_name_mapping) OR EXISTS "
                                "(SELECT 1 FROM id_hierarchy_mapping)"));
  state.empty = rows.text(0, 0) != "t";
  known_ledger_.clear();
  known_epoch_ = {};
  ADM_ASSIGN(const postgres::Answer position,
             connection_->query("SELECT ledger, epoch, keys_known FROM _admetrics_sink"));
  if (position.empty()) return state;
  state.fresh = false;
  state.ledger = position.text(0, 0);
  state.epoch = EpochId{static_cast<std::uint64_t>(position.integer(0, 1))};
  known_ledger_ = state.ledger;
  known_epoch_ = state.epoch;
  state.last_keys_known = position.text(0, 2) == "t";
  if (!state.last_keys_known) return state;
  ADM_ASSIGN(const postgres::Answer keys,
             connection_->query("SELECT kind, level, entity_id, day FROM _admetrics_sink_keys"));
  for (std::size_t i = 0; i < keys.rows.size(); ++i) {
    ADM_ASSIGN(std::string id, original_id(keys.text(i, 2)));
    state.last_keys.push_back({static_cast<SinkKey::Kind>(keys.integer(i, 0)), static_cast<Level>(keys.integer(i, 1)),
                               std::move(id), Day{static_cast<std::int32_t>(keys.integer(i, 3))}});
  }
  return state;
}

bool PostgresSink::replaced() const { return connection_ != nullptr && !connection_->alive(); }

Status PostgresSink::visit_keys(const std::function<void(const SinkKey&)>& visit) {
  if (!connection_) return Error{Errc::kIo, "read the sink's keys", "PostgreSQL", "not connected"};
  if (open_) ADM_TRY(merge_cells());
  std::vector<SinkKey> long_keys;  // their ids are looked up when the copy is through
  const auto take = [&](SinkKey::Kind kind, int level, const std::string& id, std::int32_t day) {
    SinkKey key{kind, static_cast<Level>(level), id, Day{day}};
    if (postgres::looks_short(id)) {
      long_keys.push_back(std::move(key));
    } else {
      key.entity_id = original(id);
      visit(key);
    }
  };
  for (const std::string_view table : {kMainTable, kBreakdownTable}) {
    ADM_TRY(connection_->copy_out("COPY (SELECT DISTINCT " + std::string(kLevelOf) + ", entity_id, " + kDayNumber +
                                      " FROM " + std::string(table) + " WHERE " + kOursOnly + ") TO STDOUT",
                                  [&](auto row) -> Status {
                                    take(SinkKey::Kind::kCell, std::stoi(*row[0]), *row[1], std::stoi(*row[2]));
                                    return {};
                                  }));
  }
  ADM_TRY(
      connection_->copy_out("COPY (SELECT " + std::string(kLevelOf) +
                                ", entity_id FROM id_name_mapping WHERE entity_type IN ('campaign', 'adset', 'ad')) "
                                "TO STDOUT",
                            [&](auto row) -> Status {
                              take(SinkKey::Kind::kName, std::stoi(*row[0]), *row[1], kNoDay.value);
                              return {};
                            }));
  ADM_TRY(connection_->copy_out("COPY (SELECT ad_id FROM id_hierarchy_mapping) TO STDOUT", [&](auto row) -> Status {
    take(SinkKey::Kind::kHierarchy, static_cast<int>(Level::kAd), *row[0], kNoDay.value);
    return {};
  }));
  for (SinkKey& key : long_keys) {
    ADM_ASSIGN(key.entity_id, original_id(key.entity_id));
    visit(key);
  }
  return {};
}

// ── An epoch ──

Status PostgresSink::begin(const CommitHeader& header, bool purge_unrecognized) {
  if (!connection_) {
    auto opened = open();
    if (!opened) return std::move(opened).error();
  }
  rollback();
  if (!connection_) return Error{Errc::kIo, "write the epoch", "PostgreSQL", "the connection is lost"};
  header_ = header;
  committed_at_ = format_timestamp(header.committed_at);
  receipt_ = {};
  offered_ = 0;
  for (Stage* stage : {&main_, &breakdown_, &cells_, &gone_}) {
    stage->lines.clear();
    stage->rows = 0;
  }
  standing_ = standing_committed_;
  largest_.fill(0);
  last_cell_.reset();
  long_ids_.clear();
  Status begun = begin_transaction(purge_unrecognized);
  if (!begun.ok()) rollback();
  return begun;
}

Status PostgresSink::begin_transaction(bool purge_unrecognized) {
  open_ = true;
  ADM_TRY(connection_->execute("BEGIN; LOCK TABLE _admetrics_sink IN EXCLUSIVE MODE"));
  // A backup restored in place, or tables dropped and created again, take our position along with the rows.
  ADM_ASSIGN(const postgres::Answer position,
             connection_->query("SELECT ledger, epoch, keys_known, (SELECT count(*) FROM _admetrics_sink_keys) FROM "
                                "_admetrics_sink"));
  const bool same = position.empty() ? known_ledger_.empty()
                                     : position.text(0, 0) == known_ledger_ &&
                                           position.integer(0, 1) == static_cast<std::int64_t>(known_epoch_.value);
  if (!same) {
    return Error{Errc::kReplaced, "write the epoch", connection_->where(),
                 "its position is not the one that was written last, as after a restored backup"};
  }
  // The same epoch again: the ledger never heard of the first one. What both changed has to be listed then.
  const bool again = known_ledger_ == header_.ledger && known_epoch_ == header_.epoch;
  keys_complete_ = true;
  if (again) {
    keys_complete_ = position.empty() || position.text(0, 2) == "t";
  } else if (!position.empty()) {
    ADM_TRY(connection_->execute("DELETE FROM _admetrics_sink_keys"));
  }
  if (purge_unrecognized) {
    keys_complete_ = false;  // an audit that the ledger never hears of has to be done again, whole
    ADM_TRY(purge());
  }
  receipt_.changed_more = receipt_.deleted > 0;  // rows whose keys are none of ours
  ADM_ASSIGN(const postgres::Answer rows,
             connection_->query("SELECT EXISTS (SELECT 1 FROM daily_mixpanel_metrics) OR EXISTS (SELECT 1 FROM "
                                "daily_mixpanel_metrics_breakdown)"));
  tables_empty_ = rows.text(0, 0) != "t";
  return {};
}

Status PostgresSink::purge() {
  for (const std::string& from :
       {std::string(kMainTable) + " WHERE NOT (" + kOursOnly + ")",
        std::string(kBreakdownTable) + " WHERE NOT (" + kOursOnly + ")",
        std::string("id_name_mapping WHERE entity_type NOT IN ('campaign', 'adset', 'ad')")}) {
    ADM_ASSIGN(const postgres::Answer deleted,
               connection_->query("WITH gone AS (DELETE FROM " + from + " RETURNING 1) SELECT count(*) FROM gone"));
    receipt_.deleted += deleted.integer(0, 0);
  }
  return {};
}

Result<std::string> PostgresSink::stored_id(std::string_view id) {
  std::string stored = storable(id);
  // One that only looks shortened is shortened as well, so that no two ids become one.
  if (stored.size() <= postgres::kIdBytesMax && !postgres::looks_short(stored)) return stored;
  if (const auto known = long_ids_.find(stored); known != long_ids_.end()) return known->second;
  const std::vector<std::string> parameters{stored};
  ADM_ASSIGN(const postgres::Answer made,
             connection_->query("INSERT INTO _admetrics_sink_long_ids SELECT left($1, 100) || " +
                                    literal(postgres::kShortMark) +
                                    " || encode(sha256(convert_to($1, 'UTF8')), 'hex'), $1 ON CONFLICT (short_id) DO "
                                    "UPDATE SET long_id = excluded.long_id "
                                    "RETURNING short_id",
                                parameters));
  return long_ids_.emplace(std::move(stored), made.text(0, 0)).first->second;
}

Result<std::string> PostgresSink::original_id(const std::string& stored) {
  if (!postgres::looks_short(stored)) return original(stored);
  const std::vector<std::string> parameters{stored};
  ADM_ASSIGN(const postgres::Answer whole,
             connection_->query("SELECT long_id FROM _admetrics_sink_long_ids WHERE short_id = $1", parameters));
  return original(whole.empty() ? stored : whole.text(0, 0));
}

void PostgresSink::append_values(const RowValues& values, bool main, std::string& line) {
  for (const ListColumn& column : list_columns()) {
    line += '\t';
    if (options_.user_lists == UserLists::kJsonb) {
      std::string json = storable(values[column.list]);
      postgres::replace_json_nul(json);
      append_copy_value(json, line);
    } else {
      append_text(values[column.list], line);
    }
  }
  for (std::size_t i = 0; i < kNumberCount; ++i) {
    const NumberColumn& column = number_columns()[i];
    if (!main && column.breakdown_name.empty()) continue;
    const std::int64_t number = values.numbers.at(i);
    largest_.at(i) = std::max(largest_.at(i), magnitude(number));
    line += '\t';
    append_scaled(number, digits_of(column.kind), line);
  }
  line += '\n';
}

Status PostgresSink::write_cells(std::span<const CellWrite> cells) {
  if (!connection_ || !open_) return Error{Errc::kIo, "write the epoch", "PostgreSQL", "the connection is lost"};
  for (const CellWrite& cell : cells) {
    WritePlace place = write_place_of(cell);
    // One statement must not meet a row twice: what came before the last cell may be staged already.
    if (last_cell_ && place <= *last_cell_) ADM_TRY(merge_cells());
    last_cell_ = std::move(place);
    ADM_ASSIGN(const std::string id, stored_id(cell.entity_id));
    line_.clear();
    line_ += name_of(cell.level);
    line_ += '\t';
    append_copy_value(id, line_);
    line_ += '\t';
    append_day(cell.day, line_);
    if (cell.main) {
      main_.lines += line_;
      append_values(*cell.main, true, main_.lines);
      ++main_.rows;
      ++offered_;
    }
    if (!tables_empty_ && (cell.whole || !cell.main)) {
      cells_.lines += line_;
      cells_.lines += cell.main ? "\tf" : "\tt";
      cells_.lines += cell.whole ? "\tt\n" : "\tf\n";
      ++cells_.rows;
    }
    for (const BreakdownWrite& row : cell.breakdowns) {
      if (!row.values && (cell.whole || tables_empty_)) continue;
      ADM_ASSIGN(const std::string value, stored_id(row.value));
      Stage& stage = row.values ? breakdown_ : gone_;
      stage.lines += line_;
      stage.lines += '\t';
      stage.lines += name_of(row.breakdown);
      stage.lines += '\t';
      append_copy_value(value, stage.lines);
      if (row.values) {
        append_values(*row.values, false, stage.lines);
        ++offered_;
      } else {
        stage.lines += '\n';
      }
      ++stage.rows;
    }
    for (Stage* stage : {&main_, &breakdown_, &cells_, &gone_}) ADM_TRY(send_if_large(*stage));
  }
  return {};
}

Status PostgresSink::send_if_large(Stage& stage) {
  return stage.lines.size() < kStageBytesMax ? Status() : send(stage);
}

Status PostgresSink::send(Stage& stage) {
  if (stage.lines.empty()) return {};
  ADM_TRY(connection_->begin_copy("COPY " + stage.table + " (" + stage.columns + ") FROM STDIN"));
  ADM_TRY(connection_->put_copy(stage.lines));
  ADM_TRY(connection_->end_copy());
  stage.lines.clear();
  return {};
}

Status PostgresSink::merge_cells() {
  last_cell_.reset();
  std::string cleared;
  for (Stage* stage : {&main_, &breakdown_, &cells_, &gone_}) {
    if (stage->rows == 0) continue;
    ADM_TRY(send(*stage));
    cleared += (cleared.empty() ? "TRUNCATE " : ", ") + stage->table;
    // For the joins with what stands: only by their keys, and only where something stands.
    if (!tables_empty_ && stage->rows >= kAnalyzeRows)
      ADM_TRY(connection_->execute("ANALYZE " + stage->table + " (entity_type, entity_id, date)"));
  }
  if (cleared.empty()) return {};
  ADM_TRY(delete_rows());
  for (const bool main : {true, false}) {
    if ((main ? main_ : breakdown_).rows == 0) continue;
    ADM_TRY(widen_columns(main));
    ADM_TRY(merge_rows(main));
  }
  for (Stage* stage : {&main_, &breakdown_, &cells_, &gone_}) stage->rows = 0;
  largest_.fill(0);
  tables_empty_ = false;
  return connection_->execute(cleared);
}

/// Runs a statement that ends in `merged` (kind, level, entity_id, day, op), and takes its rows into the receipt.
Status PostgresSink::count(const std::string& sql) {
  ADM_ASSIGN(
      const postgres::Answer counts,
      connection_->query(sql +
                         ", noted AS (INSERT INTO _admetrics_changed SELECT DISTINCT kind, level, entity_id, "
                         "day FROM merged LIMIT " +
                         std::to_string(kSinkKeysListedMax + 1) + ") SELECT op, count(*) FROM merged GROUP BY op"));
  for (std::size_t i = 0; i < counts.rows.size(); ++i) {
    const std::string op = counts.text(i, 0);
    (op == "i" ? receipt_.inserted : op == "u" ? receipt_.updated : receipt_.deleted) += counts.integer(i, 1);
  }
  return {};
}

Status PostgresSink::delete_rows() {
  const std::string returning = " RETURNING 1 AS kind, " + [] {
    std::string level = kLevelOf;
    level.replace(level.find("entity_type"), 11, "t.entity_type");
    return level;
  }() + " AS level, t.entity_id, (t.date - DATE '1970-01-01') AS day, 'd' AS op)";
  if (cells_.rows > 0) {
    ADM_TRY(count(
        "WITH merged AS (DELETE FROM daily_mixpanel_metrics t USING _admetrics_stage_cells s WHERE s.main_gone AND " +
        keys_equal(true, "t", "s") + returning));
    ADM_TRY(count(
        "WITH merged AS (DELETE FROM daily_mixpanel_metrics_breakdown t USING _admetrics_stage_cells s WHERE "
        "s.whole AND " +
        keys_equal(true, "t", "s") +
        // Not NOT EXISTS: the keys' columns hang together, the planner takes them for few rows, and then compares each
        // with each. A hashed list cannot be quadratic.
        " AND (t.entity_type, t.entity_id, t.date, t.breakdown_type, t.breakdown_value) NOT IN (SELECT " +
        key_names(false) + " FROM _admetrics_stage_breakdown)" + returning));
  }
  if (gone_.rows > 0) {
    ADM_TRY(
        count("WITH merged AS (DELETE FROM daily_mixpanel_metrics_breakdown t USING _admetrics_stage_gone s WHERE " +
              keys_equal(false, "t", "s") + returning));
  }
  return {};
}

Status PostgresSink::widen_columns(bool main) {
  auto& digits = main ? standing_.main : standing_.breakdown;
  for (std::size_t i = 0; i < kNumberCount; ++i) {
    const NumberColumn& column = number_columns()[i];
    const std::string_view name = main ? column.main_name : column.breakdown_name;
    const int held = digits.at(i);
    if (name.empty() || held == 0 || held >= kDigitsMax) continue;
    if (largest_.at(i) < kPowersOfTen.at(static_cast<std::size_t>(held))) continue;
    // Only the precision grows, so no row is rewritten.
    ADM_TRY(connection_->execute("ALTER TABLE " + std::string(main ? kMainTable : kBreakdownTable) + " ALTER COLUMN " +
                                 std::string(name) + " TYPE numeric(" + std::to_string(kDigitsMax) + "," +
                                 std::to_string(digits_of(column.kind)) + ")"));
    digits.at(i) = kDigitsMax;
  }
  return {};
}

Status PostgresSink::merge_rows(bool main) {
  const std::string table(main ? kMainTable : kBreakdownTable);
  const std::string& stage = main ? main_.table : breakdown_.table;
  const std::string keys = key_names(main);
  const std::string names = names_of(main, "");
  std::string assignments;
  for (std::size_t from = 0; from < names.size();) {
    const std::size_t to = std::min(names.find(',', from), names.size());
    const std::string name = names.substr(from, to - from);
    assignments += name + " = excluded." + name + ", ";
    from = to + 2;
  }
  std::string staged = "SELECT " + keys + ", " + names + " FROM " + stage;
  if (!tables_empty_) {
    // Rows that stand already are left out here: ON CONFLICT would lock each of them, which is a write.
    std::string prefixed;
    for (std::size_t from = 0; from < keys.size();) {
      const std::size_t to = std::min(keys.find(',', from), keys.size());
      prefixed += "s." + keys.substr(from, to - from) + ", ";
      from = to + 2;
    }
    staged = "SELECT " + prefixed + names_of(main, "s.") + " FROM " + stage + " s LEFT JOIN " + table + " t ON " +
             keys_equal(main, "t", "s") + " WHERE t.metric_id IS NULL OR (" + names_of(main, "t.") +
             ") IS DISTINCT FROM (" + names_of(main, "s.") + ")";
  }
  const std::string at = literal(committed_at_) + "::timestamp";
  return count("WITH merged AS (INSERT INTO " + table + " AS t (" + keys + ", " + names + ", computed_at) SELECT " +
               keys + ", " + names + ", " + at + " FROM (" + staged + ") AS staged ON CONFLICT (" + keys +
               ") DO UPDATE SET " + assignments + "computed_at = excluded.computed_at RETURNING 1 AS kind, " +
               kLevelOf + " AS level, entity_id, " + kDayNumber +
               " AS day, CASE WHEN xmax = 0 THEN 'i' ELSE 'u' END AS op)");
}

Status PostgresSink::write_names(std::span<const NameWrite> names) {
  if (!connection_ || !open_) return Error{Errc::kIo, "write the epoch", "PostgreSQL", "the connection is lost"};
  if (names.empty()) return {};
  std::map<std::pair<Level, std::string_view>, const NameWrite*> last;
  for (const NameWrite& name : names) last[{name.level, name.entity_id}] = &name;
  Stage stage{"_admetrics_stage_names", "entity_type, entity_id, canonical_name, frequency_count, last_seen_date, gone",
              "", 0};
  for (const auto& [key, name] : last) {
    ADM_ASSIGN(const std::string id, stored_id(name->entity_id));
    stage.lines += name_of(name->level);
    stage.lines += '\t';
    append_copy_value(id, stage.lines);
    if (name->canonical_name) {
      stage.lines += '\t';
      append_text(*name->canonical_name, stage.lines);
      stage.lines += '\t' + std::to_string(name->frequency_count) + '\t';
      append_day(name->last_seen, stage.lines);
      stage.lines += "\tf\n";
      ++offered_;
    } else {
      stage.lines += "\t\\N\t\\N\t\\N\tt\n";
    }
    ADM_TRY(send_if_large(stage));
  }
  ADM_TRY(send(stage));
  const std::string returning =
      " RETURNING 2 AS kind, CASE t.entity_type WHEN 'campaign' THEN 0 WHEN 'adset' THEN 1 ELSE 2 "
      "END AS level, t.entity_id, " +
      std::to_string(kNoDay.value) + " AS day, ";
  ADM_TRY(
      count("WITH merged AS (DELETE FROM id_name_mapping t USING _admetrics_stage_names s WHERE s.gone AND "
            "t.entity_type = s.entity_type AND t.entity_id = s.entity_id" +
            returning + "'d' AS op)"));
  const std::string at = literal(committed_at_) + "::timestamp";
  ADM_TRY(count(
      "WITH merged AS (INSERT INTO id_name_mapping AS t (entity_type, entity_id, canonical_name, frequency_count, "
      "last_seen_date, created_at, updated_at) SELECT s.entity_type, s.entity_id, s.canonical_name, "
      "s.frequency_count, s.last_seen_date, " +
      at + ", " + at +
      " FROM _admetrics_stage_names s LEFT JOIN id_name_mapping o ON o.entity_type = s.entity_type AND "
      "o.entity_id = s.entity_id WHERE NOT s.gone AND (o.entity_id IS NULL OR (o.canonical_name, "
      "o.frequency_count, o.last_seen_date) IS DISTINCT FROM (s.canonical_name, s.frequency_count, "
      "s.last_seen_date)) ON CONFLICT (entity_type, entity_id) DO UPDATE SET canonical_name = "
      "excluded.canonical_name, frequency_count = excluded.frequency_count, last_seen_date = "
      "excluded.last_seen_date, updated_at = excluded.updated_at" +
      returning + "CASE WHEN t.xmax = 0 THEN 'i' ELSE 'u' END AS op)"));
  return connection_->execute("TRUNCATE _admetrics_stage_names");
}

Status PostgresSink::write_hierarchies(std::span<const HierarchyWrite> hierarchies) {
  if (!connection_ || !open_) return Error{Errc::kIo, "write the epoch", "PostgreSQL", "the connection is lost"};
  if (hierarchies.empty()) return {};
  std::map<std::string_view, const HierarchyWrite*> last;
  for (const HierarchyWrite& hierarchy : hierarchies) last[hierarchy.ad_id] = &hierarchy;
  Stage stage{"_admetrics_stage_hierarchies",
              "ad_id, adset_id, campaign_id, relationship_confidence, first_seen_date, last_seen_date, gone", "", 0};
  for (const auto& [id, hierarchy] : last) {
    ADM_ASSIGN(const std::string ad, stored_id(id));
    append_copy_value(ad, stage.lines);
    if (hierarchy->present) {
      for (const std::string_view parent : {hierarchy->adset_id, hierarchy->campaign_id}) {
        ADM_ASSIGN(const std::string stored, stored_id(parent));
        stage.lines += '\t';
        append_copy_value(stored, stage.lines);
      }
      stage.lines += '\t';
      append_scaled(hierarchy->confidence_hundredths, 2, stage.lines);
      stage.lines += '\t';
      append_day(hierarchy->first_seen, stage.lines);
      stage.lines += '\t';
      append_day(hierarchy->last_seen, stage.lines);
      stage.lines += "\tf\n";
      ++offered_;
    } else {
      stage.lines += "\t\\N\t\\N\t\\N\t\\N\t\\N\tt\n";
    }
    ADM_TRY(send_if_large(stage));
  }
  ADM_TRY(send(stage));
  const std::string returning =
      " RETURNING 3 AS kind, 2 AS level, t.ad_id AS entity_id, " + std::to_string(kNoDay.value) + " AS day, ";
  ADM_TRY(
      count("WITH merged AS (DELETE FROM id_hierarchy_mapping t USING _admetrics_stage_hierarchies s WHERE s.gone AND "
            "t.ad_id = s.ad_id" +
            returning + "'d' AS op)"));
  const std::string at = literal(committed_at_) + "::timestamp";
  ADM_TRY(
      count("WITH merged AS (INSERT INTO id_hierarchy_mapping AS t (ad_id, adset_id, campaign_id, "
            "relationship_confidence, first_seen_date, last_seen_date, created_at, updated_at) SELECT s.ad_id, "
            "s.adset_id, s.campaign_id, s.relationship_confidence, s.first_seen_date, s.last_seen_date, " +
            at + ", " + at +
            " FROM _admetrics_stage_hierarchies s LEFT JOIN id_hierarchy_mapping o ON o.ad_id = s.ad_id WHERE NOT "
            "s.gone AND (o.ad_id IS NULL OR (o.adset_id, o.campaign_id, o.relationship_confidence, "
            "o.first_seen_date, o.last_seen_date) IS DISTINCT FROM (s.adset_id, s.campaign_id, "
            "s.relationship_confidence, s.first_seen_date, s.last_seen_date)) ON CONFLICT (ad_id) DO UPDATE SET "
            "adset_id = excluded.adset_id, campaign_id = excluded.campaign_id, relationship_confidence = "
            "excluded.relationship_confidence, first_seen_date = excluded.first_seen_date, last_seen_date = "
            "excluded.last_seen_date, updated_at = excluded.updated_at" +
            returning + "CASE WHEN t.xmax = 0 THEN 'i' ELSE 'u' END AS op)"));
  return connection_->execute("TRUNCATE _admetrics_stage_hierarchies");
}

Result<SinkReceipt> PostgresSink::commit() {
  if (!connection_ || !open_) return Error{Errc::kIo, "commit the epoch", "PostgreSQL", "the connection is lost"};
  ADM_TRY(merge_cells());
  ADM_ASSIGN(const postgres::Answer changed,
             connection_->query("SELECT DISTINCT kind, level, entity_id, day FROM _admetrics_changed LIMIT " +
                                std::to_string(kReceiptKeysMax + 1)));
  for (std::size_t i = 0; i < changed.rows.size() && i < kReceiptKeysMax; ++i) {
    ADM_ASSIGN(std::string id, original_id(changed.text(i, 2)));
    receipt_.changed.push_back({static_cast<SinkKey::Kind>(changed.integer(i, 0)),
                                static_cast<Level>(changed.integer(i, 1)), std::move(id),
                                Day{static_cast<std::int32_t>(changed.integer(i, 3))}});
  }
  receipt_.changed_more = receipt_.changed_more || changed.rows.size() > kReceiptKeysMax;
  receipt_.unchanged = offered_ - receipt_.inserted - receipt_.updated;
  bool keys_known = keys_complete_;
  if (keys_known) {
    ADM_TRY(connection_->execute(
        "INSERT INTO _admetrics_sink_keys SELECT DISTINCT kind, level, entity_id, day FROM _admetrics_changed EXCEPT "
        "SELECT kind, level, entity_id, day FROM _admetrics_sink_keys"));
    ADM_ASSIGN(const postgres::Answer listed, connection_->query("SELECT count(*) FROM _admetrics_sink_keys"));
    keys_known = listed.integer(0, 0) <= static_cast<std::int64_t>(kSinkKeysListedMax);
  }
  if (!keys_known) ADM_TRY(connection_->execute("DELETE FROM _admetrics_sink_keys"));
  const std::vector<std::string> position{header_.ledger,
                                          std::to_string(header_.epoch.value),
                                          storable(header_.position),
                                          format_day(header_.as_of),
                                          committed_at_,
                                          keys_known ? "t" : "f"};
  ADM_ASSIGN(
      const postgres::Answer put,
      connection_->query("INSERT INTO _admetrics_sink (id, ledger, epoch, position, as_of, committed_at, keys_known) "
                         "VALUES (1, $1, $2::bigint, $3, $4, $5, $6::boolean) ON CONFLICT (id) DO UPDATE SET ledger "
                         "= excluded.ledger, epoch = excluded.epoch, position = excluded.position, as_of = "
                         "excluded.as_of, committed_at = excluded.committed_at, keys_known = excluded.keys_known",
                         position));
  ADM_TRY(connection_->execute("COMMIT"));
  open_ = false;
  standing_committed_ = standing_;
  known_ledger_ = header_.ledger;
  known_epoch_ = header_.epoch;
  return receipt_;
}

void PostgresSink::rollback() {
  if (!connection_ || !open_) return;
  open_ = false;
  // Where even this fails the server undoes it by itself, once it notices that nobody is there.
  if (!connection_->execute("ROLLBACK").ok()) connection_.reset();
}

}  // namespace admetrics::sink
