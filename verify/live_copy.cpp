#include "verify/live_copy.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>

namespace admetrics::verification {
namespace {

constexpr const char* kChangesTable = "_admetrics_changes";

constexpr std::int64_t kRowsPerPiece = 10'000;  // some 20 milliseconds
// A log is begun anew only where nobody reads it while it is checkpointed: between looks, when somebody writes, we are
// away for as long as the last one took, and at least so long.
constexpr auto kPauseMin = std::chrono::milliseconds(10);
// Who is written thousands of times a second is known at a position only by a look that close to it. So looks come in
// dense rows, and a row is short enough for a checkpoint to wait.
constexpr int kLooksInRow = 24;
constexpr auto kPauseInRow = std::chrono::microseconds(200);
constexpr int kPatience = 12;  // times `align_timeout_ms`, for a sink that keeps coming nearer

// What the kinds of change records name. They stand in the log, and never change (sources/sqlite, `ChangeKind`).
constexpr const char* kUserKinds = "(1, 2, 3)";
constexpr const char* kMappingKinds = "(4, 5)";
constexpr const char* kAdDayKinds = "(10, 11, 12, 13)";

// `side` is 0 for a user, k1 its id; 1 for an ad on a day, k1 and k2. `raw1` and `raw2` are the cells as they were logged.
constexpr const char* kTables = R"sql(
  CREATE TABLE touched(side INTEGER, k1 TEXT, k2 INTEGER, seq INTEGER, PRIMARY KEY (side, k1, k2, seq)) WITHOUT ROWID;
  CREATE INDEX touched_when ON touched(side, seq);
  CREATE TABLE to_read(side INTEGER, k1 TEXT, k2 INTEGER, raw1, raw2, PRIMARY KEY (side, k1, k2)) WITHOUT ROWID;
  CREATE TABLE taken(side INTEGER, k1 TEXT, k2 INTEGER, raw1, raw2, PRIMARY KEY (side, k1, k2)) WITHOUT ROWID;
  CREATE TABLE look(n INTEGER PRIMARY KEY, product INTEGER, ads INTEGER);
  CREATE TABLE version(side INTEGER, k1 TEXT, k2 INTEGER, look INTEGER, PRIMARY KEY (side, k1, k2, look)) WITHOUT ROWID;
  CREATE TABLE chosen(side INTEGER, k1 TEXT, k2 INTEGER, look INTEGER, PRIMARY KEY (side, k1, k2)) WITHOUT ROWID;
)sql";

std::string late(const std::string& table) { return "late_" + table; }

std::string text_of(std::int64_t number) { return std::to_string(number); }

/// The condition that finds a key's raw rows; over `k`, a row of `taken`, and the raw table `t`.
std::string found_by(const RawCopy& copy) {
  // The second half: a column's own collation may take two keys for one.
  return copy.by_ad_day ? "t.ad_id = k.raw1 AND t.date = k.raw2 AND adm_key(t.ad_id) = k.k1 AND adm_date(t.date) = k.k2"
                        : "t.distinct_id = k.raw1 AND adm_key(t.distinct_id) = k.k1";
}

/// How long to wait for a sink: it may take its time while it moves on.
class Patience {
 public:
  explicit Patience(int milliseconds)
      : step_(milliseconds),
        until_(std::chrono::steady_clock::now() + step_),
        at_last_(until_ + step_ * (kPatience - 1)) {}

  bool ends(const std::string& position) {
    const auto now = std::chrono::steady_clock::now();
    if (position != position_) until_ = now + step_;
    position_ = position;
    return now >= std::min(until_, at_last_);
  }

 private:
  std::chrono::milliseconds step_;
  std::chrono::steady_clock::time_point until_;
  std::chrono::steady_clock::time_point at_last_;
  std::string position_;
};

}  // namespace

Result<bool> LiveCopy::possible(Workspace& workspace) {
  ADM_ASSIGN(const SinkState sink, workspace.read_sink_state());
  if (!sink.recorded || sink.product_seq < 0 || sink.ads_seq < 0) return false;
  for (const std::string& schema : {workspace.product(), workspace.ads()}) {
    ADM_ASSIGN(const auto missing, workspace.missing_columns(schema, kChangesTable, {"seq", "kind", "key1", "key2"}));
    if (!missing.empty()) return false;
  }
  const auto has_index = [&](const std::string& schema, const char* table, const char* column) -> Result<bool> {
    ADM_ASSIGN(const std::int64_t count,
               workspace.connection().query_integer(
                   std::string("SELECT count(*) FROM pragma_index_list('") + table + "', '" + schema +
                   "') l CROSS JOIN pragma_index_info(l.name, '" + schema +
                   "') c WHERE NOT l.partial AND c.seqno = 0 AND lower(c.name) = '" + column + "'"));
    return count > 0;
  };
  for (const char* table : {"mixpanel_user", "mixpanel_event", "user_product_metrics"}) {
    ADM_ASSIGN(const bool indexed, has_index(workspace.product(), table, "distinct_id"));
    if (!indexed) return false;
  }
  for (const char* table : {"ad_performance_daily", "ad_performance_daily_country", "ad_performance_daily_region",
                            "ad_performance_daily_device"}) {
    ADM_ASSIGN(const bool indexed, has_index(workspace.ads(), table, "ad_id"));
    if (!indexed) return false;
  }
  return true;
}

Error LiveCopy::replaced(const std::string& why) const {
  return Error{Errc::kReplaced, "verify", options_->product_db, why + " while it was read; try again"};
}

Status LiveCopy::begin(std::vector<std::string>& notes) {
  ADM_TRY(workspace_->connection().execute("BEGIN"));
  ADM_TRY(workspace_->connection().query_integer("SELECT count(*) FROM " + workspace_->sink() + ".sqlite_schema"));
  ADM_ASSIGN(copies_, prepare_distil(*workspace_));
  ADM_TRY(distil_small(*workspace_, notes));
  ADM_TRY(workspace_->connection().execute(kTables));
  for (const RawCopy& copy : copies_) {
    ADM_TRY(workspace_->connection().execute(
        "CREATE TABLE IF NOT EXISTS " + late(copy.target) + " AS SELECT 0 AS look, * FROM " + copy.target +
        " WHERE false; CREATE INDEX IF NOT EXISTS " + late(copy.target) + "_key ON " + late(copy.target) +
        (copy.by_ad_day ? "(ad, day, look)" : "(distinct_id, look)")));
  }
  ADM_ASSIGN(now_.at.product, workspace_->last_change(workspace_->product()));
  ADM_ASSIGN(now_.at.ads, workspace_->last_change(workspace_->ads()));
  ADM_TRY(workspace_->end());

  const LogPosition begun = now_.at;
  Patience patience(options_->align_timeout_ms);
  for (;;) {
    ADM_ASSIGN(const SinkState sink, look(Reading::kLogOnly));
    ADM_TRY(workspace_->end());
    const LogPosition stands{sink.product_seq, sink.ads_seq};
    if (stands.reaches(begun) && now_.at.reaches(stands) && !sink.holding) {
      still_ = stands == now_.at;
      return {};
    }
    if (patience.ends(sink.position)) {
      return workspace_->behind(now_.at.product - stands.product, now_.at.ads - stands.ads);
    }
    std::this_thread::sleep_for(kPauseMin);
  }
}

Status LiveCopy::end_look() {
  ADM_TRY(workspace_->end());
  const auto took = std::chrono::steady_clock::now() - looked_at_;
  if (written_) std::this_thread::sleep_for(std::max<std::chrono::steady_clock::duration>(took, kPauseMin));
  return {};
}

Result<SinkState> LiveCopy::look(Reading reading) {
  looked_at_ = std::chrono::steady_clock::now();
  ADM_TRY(workspace_->connection().execute("BEGIN"));
  // The sink's snapshot first: its position then lies within what the sources hold.
  ADM_ASSIGN(SinkState sink, workspace_->read_sink_state());
  if (!sink.recorded || sink.product_seq < 0 || sink.ads_seq < 0) return replaced("the sink lost its position");
  std::int64_t schemas = 0;
  for (const std::string& schema : {workspace_->product(), workspace_->ads(), workspace_->sink()}) {
    ADM_ASSIGN(const std::int64_t version,
               workspace_->connection().query_integer("PRAGMA " + schema + ".schema_version"));
    schemas = schemas * 1'000'003 + version;
  }
  if (schemas_ >= 0 && schemas != schemas_) return replaced("a table was created, dropped or altered");
  schemas_ = schemas;

  Look next{now_.number + 1, {}};
  ADM_ASSIGN(next.at.product, workspace_->last_change(workspace_->product()));
  ADM_ASSIGN(next.at.ads, workspace_->last_change(workspace_->ads()));
  if (!next.at.reaches(now_.at)) return replaced("a source was set back");
  ADM_TRY(follow_log(workspace_->product(), now_.at.product, next.at.product));
  if (workspace_->ads() != workspace_->product()) {
    ADM_TRY(follow_log(workspace_->ads(), now_.at.ads, next.at.ads));
  }
  written_ = sink.position != sink_position_ || next.at != now_.at;
  still_ = still_ && !written_;
  sink_position_ = sink.position;
  now_ = next;
  if (mappings_changed_) {
    std::vector<std::string> told_before;
    ADM_TRY(distil_small(*workspace_, told_before));
    mappings_changed_ = false;
  }
  if (reading == Reading::kAgain) ADM_TRY(read_again());
  return sink;
}

Status LiveCopy::follow_log(const std::string& schema, std::int64_t& read_to, std::int64_t last) {
  if (last == read_to) return {};
  sqlite::Connection& connection = workspace_->connection();
  const std::string log = schema + "." + kChangesTable;
  const std::string after = " WHERE seq > " + text_of(read_to) + " AND seq <= " + text_of(last);
  // Records are removed in the order of their numbers, some time after they were taken.
  ADM_ASSIGN(const std::int64_t first, connection.query_integer("SELECT min(seq) FROM " + log + after));
  if (first != read_to + 1) return replaced("change records were removed");
  const bool mappings = schema == workspace_->product();
  if (mappings) {
    ADM_ASSIGN(const std::int64_t mapped,
               connection.query_integer("SELECT max(seq) FROM " + log + after + " AND kind IN " + kMappingKinds));
    mappings_changed_ = mappings_changed_ || mapped > 0;
    mapped_at_ = std::max(mapped_at_, mapped);
  }
  // A key that cannot be read belongs to nobody.
  for (const bool ad_days : {false, true}) {
    const std::string keys = ad_days ? "1, adm_key(key1), adm_date(key2)" : "0, adm_key(key1), 0";
    const std::string named = std::string(" AND kind IN ") + (ad_days ? kAdDayKinds : kUserKinds) +
                              " AND adm_key(key1) IS NOT NULL" + (ad_days ? " AND adm_date(key2) IS NOT NULL" : "");
    ADM_TRY(workspace_->run("INSERT OR IGNORE INTO main.touched SELECT " + keys + ", seq FROM " + log + after + named));
    if (connection.changes() == 0) continue;
    ADM_TRY(workspace_->run("INSERT OR IGNORE INTO main.to_read SELECT " + keys + ", key1, key2 FROM " + log + after +
                            named));
  }
  return {};
}

Status LiveCopy::read_again() {
  const std::string number = text_of(now_.number);
  ADM_TRY(workspace_->run("INSERT INTO main.look VALUES (" + number + ", " + text_of(now_.at.product) + ", " +
                          text_of(now_.at.ads) + ")"));
  ADM_TRY(workspace_->run("DELETE FROM main.taken"));
  ADM_ASSIGN(const std::uint64_t taken,
             workspace_->run("INSERT INTO main.taken SELECT * FROM main.to_read LIMIT " + text_of(keys_per_look_)));
  if (taken > 0) {
    for (const RawCopy& copy : copies_) {
      ADM_TRY(workspace_->run("INSERT INTO main." + late(copy.target) + "(look, " + copy.columns + ") SELECT " +
                              number + ", " + copy.values + " FROM main.taken k CROSS JOIN " + copy.schema + "." +
                              copy.table + " t WHERE k.side = " + (copy.by_ad_day ? "1" : "0") + " AND " +
                              found_by(copy) + " AND (" + copy.condition + ")"));
    }
    ADM_TRY(workspace_->run("INSERT INTO main.version SELECT side, k1, k2, " + number + " FROM main.taken"));
    ADM_TRY(workspace_->run("DELETE FROM main.to_read WHERE (side, k1, k2) IN (SELECT side, k1, k2 FROM main.taken)"));
  }
  if (taken < static_cast<std::uint64_t>(keys_per_look_)) {
    all_read_.push_back(now_.at);
    keys_per_look_ = kKeysPerLookMin;
  } else {
    keys_per_look_ *= 2;  // else whoever names more between two looks is never caught up with
  }
  return {};
}

Result<bool> LiveCopy::is_row_table(const std::string& schema, const std::string& table) {
  ADM_ASSIGN(const std::int64_t count,
             workspace_->connection().query_integer(
                 "SELECT count(*) FROM pragma_table_list(" + sqlite::quote_text(table) +
                 ") WHERE schema = " + sqlite::quote_text(schema) + " AND type = 'table' AND NOT wr"));
  return count > 0;
}

Status LiveCopy::copy_in_pieces(const std::string& schema, const std::string& table, const std::string& insert) {
  sqlite::Connection& connection = workspace_->connection();
  const std::string name = schema + "." + table;
  ADM_TRY(look(Reading::kLogOnly));
  ADM_ASSIGN(const bool in_pieces, is_row_table(schema, table));
  if (!in_pieces) {
    ADM_TRY(workspace_->run(insert));
    return end_look();
  }
  // What comes later stands in the change log.
  ADM_ASSIGN(const std::int64_t last, connection.query_integer("SELECT max(rowid) FROM " + name));
  ADM_ASSIGN(std::int64_t done, connection.query_integer("SELECT min(rowid) - 1 FROM " + name));
  for (;;) {
    if (options_->progress) {
      options_->progress({"reading " + table, static_cast<std::uint64_t>(std::max<std::int64_t>(done, 0)),
                          static_cast<std::uint64_t>(std::max<std::int64_t>(last, 0))});
    }
    const std::string after = "rowid > " + text_of(done) + " AND ";
    ADM_ASSIGN(std::int64_t end,
               connection.query_integer("SELECT coalesce((SELECT rowid FROM " + name + " WHERE " + after +
                                        "rowid <= " + text_of(last) + " ORDER BY rowid LIMIT 1 OFFSET " +
                                        text_of(kRowsPerPiece - 1) + "), " + text_of(last) + ")"));
    ADM_TRY(workspace_->run(insert + " AND t." + after + "t.rowid <= " + text_of(end)));
    ADM_TRY(end_look());
    done = end;
    if (done >= last) return {};
    ADM_TRY(look(Reading::kLogOnly));
  }
}

Status LiveCopy::copy_sources() {
  for (const RawCopy& copy : copies_) {
    ADM_TRY(copy_in_pieces(copy.schema, copy.table, copy.insert_into(copy.target) + copy.select("")));
  }
  return {};
}

Status LiveCopy::copy_stored_rows(const Table& table) {
  ADM_TRY(look(Reading::kLogOnly));
  ADM_ASSIGN(const StoredCopy copy, prepare_stored(*workspace_, *options_, table));
  ADM_TRY(workspace_->end());
  if (copy.insert.empty()) return {};
  return copy_in_pieces(workspace_->sink(), std::string(table.name),
                        copy.select(workspace_->sink() + "." + std::string(table.name) + " t", ""));
}

Result<SinkState> LiveCopy::catch_up() {
  if (options_->progress) options_->progress({"reading again what changed", 0, 0});
  // Each look takes at most so many keys: what one names while it reads is left for the next.
  for (;;) {
    ADM_ASSIGN(SinkState sink, look(Reading::kAgain));
    ADM_TRY(end_look());
    if (all_read_.empty() || all_read_.back() != now_.at) continue;
    known_ = now_.at;
    all_read_.clear();
    ADM_TRY(take_versions_of(now_.at));
    return sink;
  }
}

std::string LiveCopy::version_at(const char* side, const LogPosition& position) const {
  const bool ads = side[0] == '1';
  const std::string at = text_of(ads ? position.ads : position.product);
  const std::string seq = ads ? "l.ads" : "l.product";
  // The last version that no record of this key lies in between of.
  return std::string("(SELECT max(v.look) FROM main.version v CROSS JOIN main.look l ON l.n = v.look WHERE v.side = ") +
         side + " AND v.k1 = t.k1 AND v.k2 = t.k2 AND NOT EXISTS (SELECT 1 FROM main.touched x WHERE x.side = " + side +
         " AND x.k1 = t.k1 AND x.k2 = t.k2 AND x.seq > min(" + seq + ", " + at + ") AND x.seq <= max(" + seq + ", " +
         at + ")))";
}

Result<bool> LiveCopy::all_known_at(const LogPosition& position) {
  if (!position.reaches(known_) || position.product < mapped_at_) return false;
  while (!all_read_.empty() && position.reaches(all_read_.front())) {
    known_ = all_read_.front();
    all_read_.pop_front();
  }
  // The two sides of a position are of two instants: a look may lie between them.
  const auto after =
      std::find_if(all_read_.begin(), all_read_.end(), [&](const LogPosition& look) { return look.reaches(position); });
  if (after == all_read_.end() && known_ != position) return false;
  const LogPosition next = after == all_read_.end() ? known_ : *after;
  // Between two looks after which nothing was left open, only whose records lie there can be in doubt.
  for (const bool ads : {false, true}) {
    const char* side = ads ? "1" : "0";
    const std::string since = text_of(ads ? known_.ads : known_.product);
    const std::string until = text_of(ads ? next.ads : next.product);
    const std::string at = text_of(ads ? position.ads : position.product);
    // Nothing of a key up to this position: the rows that were copied at the beginning are its version.
    ADM_ASSIGN(const std::int64_t doubt,
               workspace_->connection().query_integer(
                   std::string("SELECT EXISTS (SELECT 1 FROM (SELECT DISTINCT k1, k2 FROM main.touched WHERE side = ") +
                   side + " AND seq > " + since + " AND seq <= " + until + ") t WHERE " + version_at(side, position) +
                   " IS NULL AND (SELECT min(x.seq) FROM main.touched x WHERE x.side = " + side +
                   " AND x.k1 = t.k1 AND x.k2 = t.k2) <= " + at + ")"));
    if (doubt != 0) return false;
  }
  return true;
}

Status LiveCopy::take_versions_of(const LogPosition& position) {
  ADM_TRY(workspace_->connection().execute("BEGIN"));
  ADM_TRY(workspace_->run("DELETE FROM main.chosen"));
  for (const char* side : {"0", "1"}) {
    ADM_TRY(workspace_->run(std::string("INSERT INTO main.chosen SELECT * FROM (SELECT ") + side + ", k1, k2, " +
                            version_at(side, position) +
                            " AS look FROM (SELECT DISTINCT k1, k2 FROM main.touched WHERE side = " + side +
                            ") t) WHERE look IS NOT NULL"));
  }
  ADM_ASSIGN(const std::int64_t any,
             workspace_->connection().query_integer("SELECT EXISTS (SELECT 1 FROM main.chosen)"));
  std::string done;  // several raw tables may go into one
  for (const RawCopy& copy : copies_) {
    if (any == 0 || copy.target == done) continue;
    done = copy.target;
    const std::string side = copy.by_ad_day ? "1" : "0";
    const std::string key = copy.by_ad_day ? "(ad, day)" : "distinct_id";
    const std::string keys = copy.by_ad_day ? "k1, k2" : "k1";
    ADM_TRY(workspace_->run("DELETE FROM main." + copy.target + " WHERE " + key + " IN (SELECT " + keys +
                            " FROM main.chosen WHERE side = " + side + ")"));
    ADM_TRY(workspace_->run(copy.insert_into(copy.target) + "SELECT " + copy.columns +
                            " FROM main.chosen c CROSS JOIN main." + late(copy.target) + " r WHERE c.side = " + side +
                            " AND r.look = c.look AND " +
                            (copy.by_ad_day ? "r.ad = c.k1 AND r.day = c.k2" : "r.distinct_id = c.k1")));
  }
  return workspace_->end();
}

Result<SinkState> LiveCopy::look_exactly(const std::function<Status()>& in_look) {
  Patience patience(options_->align_timeout_ms);
  std::string refused;
  for (int looks = 1;; ++looks) {
    ADM_ASSIGN(const SinkState sink, look(Reading::kAgain));
    ADM_TRY(workspace_->end());
    const LogPosition stands{sink.product_seq, sink.ads_seq};
    if (!sink.holding && sink.position != refused) {
      ADM_ASSIGN(const bool known, all_known_at(stands));
      if (known) {
        // Only the sink is read now; should it have moved on meanwhile, there will be another time.
        ADM_TRY(workspace_->connection().execute("BEGIN"));
        ADM_ASSIGN(const SinkState still, workspace_->read_sink_state());
        if (still.position == sink.position) ADM_TRY(in_look());
        ADM_TRY(workspace_->end());
        if (still.position == sink.position) {
          ADM_TRY(take_versions_of(stands));
          return sink;
        }
      } else {
        refused = sink.position;
      }
    }
    if (patience.ends(sink.position)) {
      return workspace_->behind(now_.at.product - stands.product, now_.at.ads - stands.ads);
    }
    if (looks % kLooksInRow == 0) {
      std::this_thread::sleep_for(2 * kPauseMin);
    } else {
      std::this_thread::sleep_for(kPauseInRow);
    }
  }
}

}  // namespace admetrics::verification
