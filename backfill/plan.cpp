#include <unordered_map>
#include <unordered_set>

#include "backfill/backfill.hpp"
#include "core/engine/codec.hpp"
#include "core/metrics/contribution.hpp"

/// Which keys a backfill looks at. Everything is read in short transactions, so that no checkpoint waits for it; what
/// changes meanwhile is a change like any other, and streams.
namespace admetrics::backfill {
namespace {

constexpr int kBusyTimeoutMs = 30'000;
constexpr std::int64_t kRowsPerRead = 100'000;
constexpr std::size_t kCellsRememberedMax = 500'000;

const char* column_of(Level level) {
  switch (level) {
    case Level::kCampaign: return "campaign_id";
    case Level::kAdset: return "adset_id";
    case Level::kAd: return "ad_id";
  }
  return "";
}
const char* user_column_of(Level level) {
  switch (level) {
    case Level::kCampaign: return "abi_campaign_id";
    case Level::kAdset: return "abi_ad_set_id";
    case Level::kAd: return "abi_ad_id";
  }
  return "";
}

class Planner {
 public:
  Planner(sqlite::Connection& list, const Places& places, const Request& request, const std::atomic<bool>& stop,
          const std::function<void(std::int64_t)>& found)
      : list_(&list), places_(&places), request_(&request), stop_(&stop), found_(&found) {}

  Status run() {
    ADM_TRY(list_->execute(
        "DROP TABLE IF EXISTS item; DROP TABLE IF EXISTS found;"
        "CREATE TABLE found (day INTEGER NOT NULL, kind INTEGER NOT NULL, key1 TEXT NOT NULL, key2 TEXT NOT NULL);"));
    ADM_ASSIGN(insert_, list_->prepare("INSERT INTO found VALUES (?1, ?2, ?3, ?4)"));
    ADM_TRY(list_->execute("BEGIN"));
    sqlite::Transaction filling(*list_);
    ADM_TRY(from_ledger());
    ADM_TRY(from_ads());
    ADM_TRY(from_product());
    ADM_TRY(from_sink());
    insert_ = {};
    // The order in which they are taken. A user is looked at once, on his newest day.
    ADM_TRY(list_->execute(
        "CREATE TABLE item (id INTEGER PRIMARY KEY, day INTEGER NOT NULL, kind INTEGER NOT NULL, key1 TEXT NOT NULL, "
        "key2 TEXT NOT NULL);"
        "INSERT INTO item (day, kind, key1, key2) SELECT max(day), kind, key1, key2 FROM found GROUP BY kind, key1, "
        "key2, "
        "CASE kind WHEN 3 THEN day ELSE 0 END ORDER BY 1 DESC, 2, 3, 4;"
        "DROP TABLE found;"));
    return filling.commit();
  }

 private:
  [[nodiscard]] bool in_range(Day day) const {
    return (!request_->since || day >= *request_->since) && (!request_->until || day <= *request_->until);
  }
  [[nodiscard]] bool ranged() const { return request_->since || request_->until; }

  Status add(Day day, Item kind, std::string_view key1, std::string_view key2 = "") {
    insert_.bind(1, static_cast<std::int64_t>(day.value));
    insert_.bind(2, static_cast<std::int64_t>(kind));
    insert_.bind(3, key1);
    insert_.bind(4, key2);
    ADM_TRY(insert_.run());
    constexpr std::int64_t kTellEvery = 10'000;
    if (++items_ % kTellEvery == 0) {
      (*found_)(items_);
      if (stop_->load()) return Error{Errc::kInterrupted, "plan the backfill", list_->path(), "asked to stop"};
    }
    return {};
  }

  static Result<std::unique_ptr<sqlite::Connection>> open(const std::string& path) {
    return sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs);
  }

  /// Calls `on_row` for each row of `select`, which ends in conditions, in reads of a bounded number of rows each. `tail`
  /// follows the conditions.
  template <class OnRow>
  Status read_in_parts(sqlite::Connection& from, const std::string& table, const std::string& select, OnRow&& on_row,
                       const char* tail = "") {
    const auto last = from.query_integer("SELECT max(rowid) FROM " + table);
    const auto first = from.query_integer("SELECT min(rowid) FROM " + table);
    if (!last || !first) {  // WITHOUT ROWID: in one go
      ADM_ASSIGN(sqlite::Statement whole, from.prepare(select + " AND ?1 IS ?1 AND ?2 IS ?2" + tail));
      return read(whole, on_row);
    }
    ADM_ASSIGN(sqlite::Statement part, from.prepare(select + " AND rowid BETWEEN ?1 AND ?2" + tail));
    for (std::int64_t begin = *first; begin <= *last; begin += kRowsPerRead) {
      part.bind(1, begin);
      part.bind(2, begin + kRowsPerRead - 1);
      ADM_TRY(read(part, on_row));
      if (begin > INT64_MAX - kRowsPerRead) break;
    }
    return {};
  }
  template <class OnRow>
  static Status read(sqlite::Statement& statement, OnRow& on_row) {
    for (;;) {
      ADM_ASSIGN(const bool row, statement.step());
      if (!row) return {};
      if (Status done = on_row(statement); !done.ok()) {
        statement.reset();
        return done;
      }
    }
  }

  /// What stands in the ledger: users and Meta contributions by the days of their rows, and those rows.
  Status from_ledger() {
    ADM_ASSIGN(auto ledger, open(places_->ledger_db));
    std::unordered_map<std::uint32_t, std::string> texts;
    ADM_ASSIGN(sqlite::Statement dictionary, ledger->prepare("SELECT id, text FROM dictionary"));
    std::optional<Entity> wanted;
    ADM_TRY(dictionary.for_each_row([&] {
      const auto id = static_cast<std::uint32_t>(dictionary.integer(0));
      if (request_->level && dictionary.text(1) == request_->entity_id)
        wanted = Entity(*request_->level, DictionaryId{id});
      texts.emplace(id, dictionary.text(1));
    }));
    if (request_->level && !wanted) return {};  // the ledger has never seen it

    std::unordered_set<std::uint64_t> cells;
    const auto add_cell = [&](CellKey cell) -> Status {
      if (!in_range(cell.day) || (wanted && cell.entity != *wanted)) return {};
      const std::uint64_t packed =
          (static_cast<std::uint64_t>(cell.entity.packed) << 32) | static_cast<std::uint32_t>(cell.day.value);
      if (cells.size() >= kCellsRememberedMax) cells.clear();  // the list takes each once in any case
      if (!cells.insert(packed).second) return {};
      const auto text = texts.find(cell.entity.id().value);
      return text == texts.end() ? Status() : add(cell.day, Item::kCell, name_of(cell.entity.level()), text->second);
    };

    std::string last_user;
    for (bool more = true, first = true; more; first = false) {
      ADM_ASSIGN(sqlite::Statement users,
                 ledger->prepare(
                     "SELECT distinct_id, contribution FROM user WHERE distinct_id > ?1 OR ?2 ORDER BY 1 LIMIT ?3"));
      const std::string after = last_user;
      users.bind(1, std::string_view(after));
      users.bind(2, static_cast<std::int64_t>(first));
      users.bind(3, kRowsPerRead);
      std::int64_t rows = 0;
      const auto on_user = [&](const sqlite::Statement& row) -> Status {
        ++rows;
        last_user = row.text(0);
        ADM_ASSIGN(const UserContribution contribution, decode_user(row.blob(1)));
        Day newest = kNoDay;
        Status added;
        for_each_cell(contribution, [&](CellKey cell) {
          if (!added.ok() || !in_range(cell.day) || (wanted && cell.entity != *wanted)) return;
          newest = std::max(newest, cell.day);
          added = add_cell(cell);
        });
        ADM_TRY(added);
        return newest == kNoDay ? Status() : add(newest, Item::kUser, last_user);
      };
      ADM_TRY(read(users, on_user));
      more = rows == kRowsPerRead;
    }

    ADM_ASSIGN(sqlite::Statement ad_days, ledger->prepare("SELECT ad, day FROM ad_day"));
    const auto on_ad_day = [&](const sqlite::Statement& row) -> Status {
      const CellKey cell{Entity(Level::kAd, DictionaryId{static_cast<std::uint32_t>(row.integer(0))}),
                         Day{static_cast<std::int32_t>(row.integer(1))}};
      const auto text = texts.find(cell.entity.id().value);
      if (!in_range(cell.day) || text == texts.end() || (wanted && cell.entity != *wanted)) return {};
      ADM_TRY(add(cell.day, Item::kAdDay, text->second, format_day(cell.day)));
      return add_cell(cell);
    };
    ADM_TRY(read(ad_days, on_ad_day));
    ADM_ASSIGN(sqlite::Statement meta_cells, ledger->prepare("SELECT entity, day FROM meta_cell"));
    const auto on_cell = [&](const sqlite::Statement& row) -> Status {
      CellKey cell;
      cell.entity.packed = static_cast<std::uint32_t>(row.integer(0));
      cell.day = Day{static_cast<std::int32_t>(row.integer(1))};
      return add_cell(cell);
    };
    return read(meta_cells, on_cell);
  }

  Status from_ads() {
    ADM_ASSIGN(auto ads, open(places_->ads_db));
    for (const char* suffix : {"", "_country", "_region", "_device"}) {
      const std::string table = std::string("ad_performance_daily") + suffix;
      std::string select = "SELECT DISTINCT ad_id, date, adset_id, campaign_id FROM " + table + " WHERE 1";
      if (request_->level)
        select += std::string(" AND ") + column_of(*request_->level) + " = " + sqlite::quote_text(request_->entity_id);
      const auto on_row = [&](const sqlite::Statement& row) -> Status {
        const std::string ad(row.text(0));
        const std::string date(row.text(1));
        const auto day = parse_day(date);
        if (ranged() && (!day || !in_range(*day))) return {};
        ADM_TRY(add(day.value_or(kFirstDay), Item::kAdDay, ad, date));
        if (*suffix != '\0') return {};
        constexpr std::array<std::pair<Level, int>, 3> kNamed{
            {{Level::kAd, 0}, {Level::kAdset, 2}, {Level::kCampaign, 3}}};
        for (const auto& [level, column] : kNamed) {
          const std::string_view id = row.text(column);
          if (id.empty() || !names_.emplace(std::string(name_of(level)) + '\x1f' + std::string(id)).second) continue;
          if (request_->level && (level != *request_->level || id != request_->entity_id)) continue;
          ADM_TRY(add(kFirstDay, Item::kName, name_of(level), id));
          if (level == Level::kAd) ADM_TRY(add(kFirstDay, Item::kHierarchy, id));
        }
        return {};
      };
      ADM_TRY(read_in_parts(*ads, table, select, on_row));
    }
    return {};
  }

  Status from_product() {
    ADM_ASSIGN(auto product, open(places_->product_db));
    // NULL, the empty text and blobs are one owner.
    const std::string owner = "CASE WHEN typeof(distinct_id) IN ('null', 'blob') THEN '' ELSE distinct_id END";
    if (request_->level) {
      const auto on_user = [&](const sqlite::Statement& row) {
        return add(request_->until.value_or(kLastDay), Item::kUser, row.text(0));
      };
      return read_in_parts(*product, "mixpanel_user",
                           "SELECT " + owner + " FROM mixpanel_user WHERE " + user_column_of(*request_->level) + " = " +
                               sqlite::quote_text(request_->entity_id),
                           on_user);
    }
    const auto on_event = [&](const sqlite::Statement& row) -> Status {
      const auto day = parse_day(row.text(1));
      if (!day && ranged()) return {};
      return add(day.value_or(kFirstDay), Item::kUser, row.text(0));
    };
    // The text's day may be a neighbour of the day in the reporting zone: a day more on both sides, which does no harm.
    std::string select = "SELECT " + owner + ", max(substr(event_time, 1, 10)) FROM mixpanel_event WHERE 1";
    if (request_->since)
      select += " AND event_time >= '" + format_day(Day{std::max(request_->since->value - 1, kFirstDay.value)}) + "'";
    if (request_->until)
      select += " AND event_time < '" + format_day(Day{std::min(request_->until->value + 2, kLastDay.value)}) + "'";
    return read_in_parts(*product, "mixpanel_event", select, on_event, " GROUP BY 1");
  }

  /// Rows that stand in the tables, whoever wrote them.
  Status from_sink() {
    ADM_ASSIGN(auto sink, open(places_->sink_db));
    const std::string entity = request_->level ? " AND entity_type = " + sqlite::quote_text(name_of(*request_->level)) +
                                                     " AND entity_id = " + sqlite::quote_text(request_->entity_id)
                                               : "";
    const auto on_cell = [&](const sqlite::Statement& row) -> Status {
      const auto day = parse_day(row.text(2));
      if (!parse_level(row.text(0)) || !day || row.type(1) != sqlite::ColumnType::kText || row.text(1).empty()) {
        strange_keys_ = true;  // the self-audit and a full `--backfill --once` remove those
        return {};
      }
      return in_range(*day) ? add(*day, Item::kCell, row.text(0), row.text(1)) : Status();
    };
    for (const std::string table : {"daily_mixpanel_metrics", "daily_mixpanel_metrics_breakdown"}) {
      ADM_TRY(read_in_parts(
          *sink, table, "SELECT DISTINCT entity_type, entity_id, date FROM " + table + " WHERE 1" + entity, on_cell));
    }
    const auto on_name = [&](const sqlite::Statement& row) -> Status {
      if (parse_level(row.text(0)) && row.type(1) == sqlite::ColumnType::kText)
        return add(kFirstDay, Item::kName, row.text(0), row.text(1));
      strange_keys_ = true;
      return Status();
    };
    ADM_TRY(read_in_parts(*sink, "id_name_mapping",
                          "SELECT entity_type, entity_id FROM id_name_mapping WHERE 1" + entity, on_name));
    if (request_->level && *request_->level != Level::kAd) return {};
    const std::string ad = request_->level ? " AND ad_id = " + sqlite::quote_text(request_->entity_id) : "";
    const auto on_pair = [&](const sqlite::Statement& row) -> Status {
      if (row.type(0) == sqlite::ColumnType::kText) return add(kFirstDay, Item::kHierarchy, row.text(0));
      strange_keys_ = true;
      return {};
    };
    ADM_TRY(
        read_in_parts(*sink, "id_hierarchy_mapping", "SELECT ad_id FROM id_hierarchy_mapping WHERE 1" + ad, on_pair));
    return strange_keys_ && request_->strange_keys ? add(kLastDay, Item::kStrangeKeys, "") : Status();
  }

  sqlite::Connection* list_;
  const Places* places_;
  const Request* request_;
  const std::atomic<bool>* stop_;
  const std::function<void(std::int64_t)>* found_;
  sqlite::Statement insert_;
  std::int64_t items_ = 0;
  bool strange_keys_ = false;
  std::unordered_set<std::string> names_;
};

}  // namespace

Status make_plan(sqlite::Connection& list, const Places& places, const Request& request, const std::atomic<bool>& stop,
                 const std::function<void(std::int64_t)>& found) {
  return Planner(list, places, request, stop, found).run();
}

}  // namespace admetrics::backfill
