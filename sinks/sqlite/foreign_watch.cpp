#include "sinks/sqlite/foreign_watch.hpp"

#include <algorithm>
#include <iterator>

namespace admetrics::sink {
namespace {

constexpr std::size_t kAddedMax = 1'000;  // rows; beyond that all are compared
constexpr std::array<std::string_view, 4> kNames{kMainTable, kBreakdownTable, kNameTable, kHierarchyTable};

bool has_row_numbers(std::string_view table) { return table == kMainTable || table == kBreakdownTable; }

}  // namespace

void ForeignWork::add(ForeignWork&& more) {
  if (everything.empty()) everything = std::move(more.everything);
  std::move(more.added.begin(), more.added.end(), std::back_inserter(added));
  strange_keys = strange_keys || more.strange_keys;
  if (added.size() > kAddedMax && everything.empty()) everything = "somebody added many rows";
  if (!everything.empty()) added.clear();  // among everything
}

Result<ForeignWatch> ForeignWatch::open(sqlite::Connection& database) {
  ForeignWatch watch(database);
  ADM_ASSIGN(watch.data_version_, database.prepare("PRAGMA data_version"));
  for (std::size_t table = 0; table < kTables; ++table) {
    const std::string name(kNames[table]);
    // Each is a look at both ends of a tree. VACUUM gives tables without such a key other row numbers.
    const std::string ends = has_row_numbers(name) ? "SELECT (SELECT min(metric_id) FROM " + name +
                                                         "), (SELECT max(metric_id) FROM " + name + ")"
                                                   : "SELECT EXISTS (SELECT 1 FROM " + name + "), 0";
    ADM_ASSIGN(watch.select_edges_[table], database.prepare(ends));
  }
  ADM_ASSIGN(watch.edges_, watch.read_edges());
  return watch;
}

Result<ForeignWatch::Edges> ForeignWatch::read_edges() {
  Edges edges;
  for (std::size_t table = 0; table < kTables; ++table) {
    sqlite::Statement& select = select_edges_[table];
    ADM_ASSIGN(const bool row, select.step());
    if (row) edges[table] = {select.integer(0), select.integer(1)};
    select.reset();
  }
  return edges;
}

Status ForeignWatch::note_own_rows() {
  ADM_ASSIGN(edges_, read_edges());
  return {};
}

Status ForeignWatch::look() {
  ADM_ASSIGN(const bool known, data_version_.step());
  const std::int64_t version = known ? data_version_.integer(0) : 0;
  data_version_.reset();
  if (version == seen_data_version_) return {};
  ADM_ASSIGN(const Edges now, read_edges());
  const Edges then = std::exchange(edges_, now);
  seen_data_version_ = version;
  ForeignWork found;
  for (std::size_t table = 0; table < kTables; ++table) {
    if (now[table] != then[table]) ADM_TRY(look_at_table(table, then, now, found));
  }
  found_.add(std::move(found));
  return {};
}

Status ForeignWatch::look_at_table(std::size_t table, const Edges& then, const Edges& now, ForeignWork& found) {
  const std::string name(kNames[table]);
  const auto [first_then, last_then] = then[table];
  const auto [first_now, last_now] = now[table];
  const auto compare_everything = [&](const std::string& why) {
    if (found.everything.empty()) found.everything = why + name;
  };
  if (first_now == 0 && last_now == 0) {
    compare_everything("somebody emptied ");
  } else if (!has_row_numbers(name)) {
    compare_everything("somebody filled ");
  } else if (first_now != first_then || last_now < last_then || last_then == 0) {
    compare_everything("somebody added, removed or replaced rows of ");
  } else {
    ADM_ASSIGN(sqlite::Statement added, database_->prepare("SELECT entity_type, entity_id, date FROM " + name +
                                                           " WHERE metric_id > ?1 LIMIT ?2"));
    added.bind(1, last_then);
    added.bind(2, static_cast<std::int64_t>(kAddedMax + 1));
    std::size_t rows = 0;
    ADM_TRY(added.for_each_row([&] {
      ++rows;
      const auto level = parse_level(added.text(0));
      const auto day = parse_day(added.text(2));
      if (level && day && added.type(1) == sqlite::ColumnType::kText && !added.text(1).empty()) {
        found.added.push_back({SinkKey::Kind::kCell, *level, std::string(added.text(1)), *day});
      } else {
        found.strange_keys = true;
      }
    }));
    if (rows > kAddedMax) compare_everything("somebody added rows to ");
  }
  return {};
}

}  // namespace admetrics::sink
