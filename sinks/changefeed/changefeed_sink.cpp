#include "sinks/changefeed/changefeed_sink.hpp"

#include <charconv>
#include <vector>

#include "core/base/storable_text.hpp"
#include "core/model/row.hpp"

namespace admetrics::sink {
namespace {

constexpr std::size_t kDeliveryBytes = std::size_t{4} << 20;  // lines that are written and remembered together

/// A column as a line tells it.
struct Told {
  std::string name;
  enum class Form { kText, kJson, kNumber } form = Form::kText;
  int digits = 0;
};

struct ToldTable {
  std::string name;
  std::vector<std::string> key;
  std::vector<Told> columns;
};

std::vector<ToldTable> told_tables() {
  std::vector<ToldTable> tables{
      {std::string(kMainTable), {"entity_type", "entity_id", "date"}, {}},
      {std::string(kBreakdownTable), {"entity_type", "entity_id", "date", "breakdown_type", "breakdown_value"}, {}}};
  for (const bool main : {true, false}) {
    ToldTable& table = tables[main ? 0 : 1];
    for (const ListColumn& column : list_columns())
      table.columns.push_back({std::string(main ? column.main_name : column.breakdown_name), Told::Form::kJson, 0});
    for (const NumberColumn& column : number_columns()) {
      const std::string_view name = main ? column.main_name : column.breakdown_name;
      if (!name.empty()) table.columns.push_back({std::string(name), Told::Form::kNumber, digits_of(column.kind)});
    }
  }
  tables.push_back({std::string(kNameTable),
                    {"entity_type", "entity_id"},
                    {{"canonical_name", Told::Form::kText, 0},
                     {"frequency_count", Told::Form::kNumber, 0},
                     {"last_seen_date", Told::Form::kText, 0}}});
  tables.push_back({std::string(kHierarchyTable),
                    {"ad_id"},
                    {{"adset_id", Told::Form::kText, 0},
                     {"campaign_id", Told::Form::kText, 0},
                     {"relationship_confidence", Told::Form::kNumber, 2},
                     {"first_seen_date", Told::Form::kText, 0},
                     {"last_seen_date", Told::Form::kText, 0}}});
  return tables;
}

/// SQL that gives a stored value as JSON.
std::string as_json(const Told& column, const std::string& value) {
  switch (column.form) {
    case Told::Form::kText: return "json_quote(" + value + ")";
    case Told::Form::kJson: return "coalesce(" + value + ", 'null')";  // our own text, which is JSON already
    case Told::Form::kNumber:
      return "CASE typeof(" + value + ") WHEN 'real' THEN printf('%!." + std::to_string(column.digits) + "f', " +
             value + ") ELSE json_quote(" + value + ") END";
  }
  return "";
}

/// A trigger that writes the part of a line that the row alone decides.
std::string trigger_sql(const ToldTable& table, const std::string& op) {
  const bool has_old = op != "insert";
  const bool has_new = op != "delete";
  std::string key;
  for (const std::string& name : table.key) {
    key += (key.empty() ? "'\"" : " || ',\"") + name + "\":' || json_quote(" + (has_new ? "NEW." : "OLD.") + name + ")";
  }
  std::string changed;
  for (const Told& column : table.columns) {
    std::string pair;
    if (has_old) pair += "'\"old\":' || " + as_json(column, "OLD." + column.name);
    if (has_new) pair += (has_old ? " || ',\"new\":' || " : "'\"new\":' || ") + as_json(column, "NEW." + column.name);
    std::string one = "',\"" + column.name + "\":{' || " + pair + " || '}'";
    if (has_old && has_new)
      one = "CASE WHEN OLD." + column.name + " IS NOT NEW." + column.name + " THEN " + one + " ELSE '' END";
    changed += (changed.empty() ? "" : " || ") + one;
  }
  std::string when;
  if (has_old && has_new) {
    // What only moves the row's time is no change that anybody is told.
    for (const Told& column : table.columns)
      when += (when.empty() ? " WHEN " : " OR ") + ("OLD." + column.name + " IS NOT NEW." + column.name);
  }
  return "CREATE TEMP TRIGGER _admetrics_feed_" + table.name + "_" + op + " AFTER " + op + " ON main." + table.name +
         when + " BEGIN INSERT INTO _admetrics_feed_outbox (line) VALUES ('\"table\":\"" + table.name + "\",\"op\":\"" +
         op + "\",\"key\":{' || " + key + " || '},\"changed\":{' || substr(" + changed + ", 2) || '}'); END;\n";
}

SqliteSinkOptions rows_options(const ChangefeedSinkOptions& feed) {
  SqliteSinkOptions options;
  options.path = feed.state_path;
  options.busy_timeout_ms = feed.busy_timeout_ms;
  options.name = "changefeed";
  return options;
}

}  // namespace

ChangefeedSink::ChangefeedSink(ChangefeedSinkOptions options)
    : rows_([&] {
        SqliteSinkOptions rows = rows_options(options);
        rows.on_open = [this](sqlite::Connection& database) { return prepare(database); };
        rows.before_commit = [](sqlite::Connection& database, const CommitHeader& header) -> Status {
          ADM_ASSIGN(
              sqlite::Statement put,
              database.prepare("INSERT INTO _admetrics_feed_epochs SELECT max(id), ?1, ?2, ?3 FROM "
                               "_admetrics_feed_outbox HAVING max(id) IS NOT NULL ON CONFLICT DO UPDATE SET epoch "
                               "= ?1, time = ?2, seconds = ?3"));
          const std::string time = format_timestamp(header.committed_at);
          put.bind(1, static_cast<std::int64_t>(header.epoch.value));
          put.bind(2, std::string_view(time));
          put.bind(3, header.committed_at.seconds);
          return put.run();
        };
        return rows;
      }()),
      files_(std::move(options.files)) {}

ChangefeedSink::~ChangefeedSink() = default;

Status ChangefeedSink::prepare(sqlite::Connection& database) {
  database_ = &database;
  // Looking first keeps a database that has everything free of a write.
  ADM_ASSIGN(const std::int64_t present,
             database.query_integer("SELECT count(*) FROM sqlite_schema WHERE name IN ('_admetrics_feed_outbox', "
                                    "'_admetrics_feed_epochs', '_admetrics_feed_place')"));
  constexpr std::int64_t kTables = 3;
  if (present != kTables) {
    ADM_TRY(database.begin_immediate());
    sqlite::Transaction transaction(database);
    ADM_TRY(
        database.execute("CREATE TABLE IF NOT EXISTS _admetrics_feed_outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, "
                         "line TEXT NOT NULL);\n"
                         "CREATE TABLE IF NOT EXISTS _admetrics_feed_epochs (last_id INTEGER PRIMARY KEY, epoch "
                         "INTEGER NOT NULL, time TEXT "
                         "NOT NULL, seconds INTEGER NOT NULL);\n"
                         "CREATE TABLE IF NOT EXISTS _admetrics_feed_place (id INTEGER PRIMARY KEY CHECK (id = 1), "
                         "number INTEGER NOT NULL, "
                         "offset INTEGER NOT NULL, opened_at INTEGER NOT NULL);\n"
                         "INSERT INTO _admetrics_feed_place VALUES (1, 0, 0, 0) ON CONFLICT DO NOTHING"));
    ADM_TRY(transaction.commit());
  }
  std::string sql;
  for (const ToldTable& table : told_tables()) {
    for (const char* op : {"insert", "update", "delete"}) sql += trigger_sql(table, op);
  }
  return database.execute(sql);
}

Result<SinkState> ChangefeedSink::open() {
  database_ = nullptr;
  ADM_ASSIGN(SinkState state, rows_.open());
  ADM_TRY(deliver());
  return state;
}

Result<SinkReceipt> ChangefeedSink::commit() {
  ADM_ASSIGN(SinkReceipt receipt, rows_.commit());
  ADM_TRY(deliver());
  return receipt;
}

Status ChangefeedSink::deliver() {
  FeedPlace place;
  {
    ADM_ASSIGN(sqlite::Statement get,
               database_->prepare("SELECT number, offset, opened_at FROM _admetrics_feed_place"));
    ADM_ASSIGN(const bool row, get.step());
    if (row) place = {get.integer(0), get.integer(1), get.integer(2)};
  }
  for (;;) {
    std::string lines;
    std::int64_t last = 0;
    std::int64_t now_seconds = 0;
    {
      ADM_ASSIGN(
          sqlite::Statement select,
          database_->prepare("SELECT o.id, o.line, e.epoch, e.time, e.seconds FROM _admetrics_feed_outbox o JOIN "
                             "_admetrics_feed_epochs e ON e.last_id = (SELECT min(last_id) FROM "
                             "_admetrics_feed_epochs WHERE last_id >= o.id) ORDER BY o.id"));
      while (lines.size() < kDeliveryBytes) {
        ADM_ASSIGN(const bool row, select.step());
        if (!row) break;
        last = select.integer(0);
        now_seconds = select.integer(4);
        std::string time(select.text(3));
        time[10] = 'T';  // between the day and the time of day
        lines += "{\"sequence\":" + std::to_string(last) + ",\"epoch\":" + std::to_string(select.integer(2)) +
                 ",\"time\":\"" + time + "Z\",";
        append_storable(select.text(1), lines);
        lines += "}\n";
      }
    }
    if (lines.empty()) return {};
    const std::int64_t number_before = place.number;
    ADM_ASSIGN(place, files_.append(place, lines, Instant{now_seconds, 0}));
    ADM_TRY(database_->begin_immediate());
    sqlite::Transaction transaction(*database_);
    ADM_ASSIGN(sqlite::Statement put,
               database_->prepare("UPDATE _admetrics_feed_place SET number = ?1, offset = ?2, opened_at = ?3"));
    put.bind(1, place.number);
    put.bind(2, place.offset);
    put.bind(3, place.opened_at_seconds);
    ADM_TRY(put.run());
    ADM_TRY(database_->execute("DELETE FROM _admetrics_feed_outbox WHERE id <= " + std::to_string(last) +
                               "; DELETE FROM _admetrics_feed_epochs WHERE last_id <= " + std::to_string(last)));
    ADM_TRY(transaction.commit());
    if (place.number != number_before) files_.remove_old(place);
  }
}

}  // namespace admetrics::sink
