#include "compare/compare.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <set>

#include "compare/causes.hpp"
#include "core/model/row.hpp"
#include "core/sqlite/database.hpp"
#include "core/sqlite/shape.hpp"

namespace admetrics {
namespace comparison {
namespace {

using sqlite::ColumnType;
using sqlite::Statement;

constexpr std::uint64_t kProgressRows = 20'000;
// Of the campaigns, which count everything once.
constexpr std::array<std::string_view, 5> kDayColumns{"meta_spend", "trial_users_count", "purchase_users_count",
                                                      "actual_revenue_usd", "estimated_revenue_usd"};

struct Spec {
  std::string name;
  std::string name_there;
  bool list = false;
  int digits = 0;
};

/// What a stored list holds. Legacy jobs order and space it as they like, and leave it NULL when it is empty.
struct Members {
  std::set<std::string> users;
  bool readable = true;
};

Members members_of(const Statement& row, int column) {
  Members members;
  if (row.is_null(column)) return members;
  boost::json::error_code error;
  const boost::json::value parsed = boost::json::parse(row.text(column), error);
  if (error || !parsed.is_array()) {
    members.readable = row.text(column).empty();
    return members;
  }
  for (const boost::json::value& each : parsed.get_array()) {
    members.users.insert(each.is_string() ? std::string(each.get_string()) : boost::json::serialize(each));
  }
  return members;
}

/// How many users a list has, without making them: most lists are equal, and only counted.
std::size_t length_of(std::string_view list) {
  std::size_t commas = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i] == '\\')
      ++i;
    else if (list[i] == '"')
      quoted = !quoted;
    else if (list[i] == ',' && !quoted)
      ++commas;
  }
  return list == "[]" ? 0 : commas + 1;
}

std::string number_text(double number) {
  std::array<char, 64> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return {buffer.data(), static_cast<std::size_t>(end - buffer.data())};
}

std::string list_text(const Members& ours, const Members& theirs) {
  constexpr std::size_t kShown = 3;
  if (!ours.readable) return "not a list";
  std::string text = std::to_string(ours.users.size()) + " users";
  std::size_t only = 0;
  std::string names;
  for (const std::string& user : ours.users) {
    if (theirs.users.contains(user)) continue;
    if (++only <= kShown) names += (names.empty() ? "" : ", ") + user;
  }
  if (only > 0)
    text += ", only here: " + names + (only > kShown ? " and " + std::to_string(only - kShown) + " more" : "");
  return text;
}

/// What `schema` can be read by, in the order of the keys. Nothing: there is no such table.
Result<std::optional<sqlite::TableShape>> shape_in(sqlite::Connection& connection, const std::string& schema,
                                                   std::string_view table) {
  sqlite::TableShape shape;
  shape.name = table;
  ADM_ASSIGN(Statement columns,
             connection.prepare("SELECT lower(name), type FROM pragma_table_xinfo(?1, ?2) ORDER BY cid"));
  columns.bind(1, table);
  columns.bind(2, schema);
  ADM_TRY(columns.for_each_row([&] {
    sqlite::ColumnShape column;
    column.name = columns.text(0);
    column.type = columns.text(1);
    shape.columns.push_back(std::move(column));
  }));
  if (shape.columns.empty()) return std::optional<sqlite::TableShape>();
  return std::optional(std::move(shape));
}

class TableWalk {
 public:
  TableWalk(sqlite::Connection& connection, const CompareOptions& options, bool main, CompareReport& report,
            Causes& causes)
      : connection_(connection), options_(options), main_(main), report_(report), causes_(causes) {
    table_.name = main ? kMainTable : kBreakdownTable;
    keys_ = {"entity_type", "entity_id", "date"};
    if (!main) keys_.insert(keys_.end(), {"breakdown_type", "breakdown_value"});
  }

  /// False: one side has no such table.
  Result<bool> run() {
    ADM_ASSIGN(const auto here, shape_in(connection_, "here", table_.name));
    ADM_ASSIGN(const auto there, shape_in(connection_, "there", table_.name));
    if (!here || !there) {
      report_.notes.push_back("there is no " + table_.name + " in " + (here ? report_.there : report_.here));
      return false;
    }
    ADM_TRY(choose_columns(*here, *there));
    ADM_ASSIGN(Statement ours, select("here"));
    ADM_ASSIGN(Statement theirs, select("there"));
    ADM_TRY(walk(ours, theirs));
    report_.tables.push_back(std::move(table_));
    return true;
  }

  /// The names of the trial and the purchase list on a side; "" when it has none.
  [[nodiscard]] std::vector<std::string> lists(bool here) const {
    std::vector<std::string> names{"", ""};
    for (const Spec& spec : specs_) {
      const std::string& name = here ? spec.name : spec.name_there;
      if (spec.name == "trial_users_list") names[0] = name;
      if (spec.name == "purchase_users_list") names[1] = name;
    }
    return names;
  }

 private:
  Status choose_columns(const sqlite::TableShape& here, const sqlite::TableShape& there) {
    for (const auto& [shape, path] : {std::pair(&here, &options_.here), std::pair(&there, &options_.there)}) {
      for (const std::string& key : keys_) {
        if (shape->column(key) != nullptr) continue;
        return Error{Errc::kSchema, "compare " + table_.name, *path, "it has no column " + key};
      }
    }
    const auto add = [&](std::string name, bool list, int digits) {
      if (here.column(name) == nullptr) {
        report_.notes.push_back(table_.name + "." + name + " is missing here: run `admetricsd schema migrate`");
        return;
      }
      std::string theirs = there.column(name) == nullptr ? "" : name;
      // The main table's lists had other names once.
      if (theirs.empty() && name == "trial_users_list" && there.column("trial_user_ids")) theirs = "trial_user_ids";
      if (theirs.empty() && name == "purchase_users_list" && there.column("purchase_user_ids")) {
        theirs = "purchase_user_ids";
      }
      Column column;
      column.name = name;
      column.name_there = theirs;
      column.list = list;
      table_.columns.push_back(std::move(column));
      specs_.push_back({std::move(name), std::move(theirs), list, digits});
    };
    for (const ListColumn& column : list_columns()) {
      add(std::string(main_ ? column.main_name : column.breakdown_name), true, 0);
    }
    for (const NumberColumn& column : number_columns()) {
      const std::string_view name = main_ ? column.main_name : column.breakdown_name;
      if (!name.empty()) add(std::string(name), false, digits_of(column.kind));
    }
    return {};
  }

  Result<Statement> select(const std::string& schema) {
    // As they stand the keys come in an index's order; made into texts they have to be sorted, rows and all.
    std::string odd;
    for (const std::string& key : keys_) odd += (odd.empty() ? "typeof(" : " OR typeof(") + key + ") <> 'text'";
    ADM_ASSIGN(const std::int64_t oddities,
               connection_.query_integer("SELECT EXISTS (SELECT 1 FROM " + schema + "." + table_.name + " WHERE " +
                                         odd + " OR length(date) <> 10)"));
    std::string columns;
    for (const std::string& key : keys_) {
      const std::string text = oddities == 0 ? key : "CAST(" + key + " AS TEXT)";
      // A day may have a time of day behind it.
      columns +=
          (columns.empty() ? "" : ", ") + (key == "date" && oddities != 0 ? "substr(" + text + ", 1, 10)" : text);
    }
    for (const Spec& spec : specs_) {
      const std::string& name = schema == "here" ? spec.name : spec.name_there;
      columns += ", " + (name.empty() ? "NULL" : name);
    }
    std::string scope = " WHERE true";
    if (options_.since) scope += " AND CAST(date AS TEXT) >= " + sqlite::quote_text(format_day(*options_.since));
    if (options_.until) {
      scope += " AND substr(CAST(date AS TEXT), 1, 10) <= " + sqlite::quote_text(format_day(*options_.until));
    }
    std::string order;
    for (std::size_t i = 1; i <= keys_.size(); ++i)
      order += (i == 1 ? " ORDER BY " : ", ") + std::to_string(i) + " COLLATE BINARY";
    return connection_.prepare("SELECT " + columns + " FROM " + schema + "." + table_.name + scope + order);
  }

  Status walk(Statement& ours, Statement& theirs) {
    ADM_ASSIGN(bool here, ours.step());
    ADM_ASSIGN(bool there, theirs.step());
    for (std::uint64_t rows = 0; here || there; ++rows) {
      if (options_.progress && rows % kProgressRows == 0) options_.progress(table_.name, rows);
      const int order = !there ? -1 : !here ? 1 : compare_keys(ours, theirs);
      if (order == 0) {
        ADM_TRY(compare_rows(ours, theirs));
      } else {
        ADM_TRY(lone_row(order < 0 ? ours : theirs, order < 0));
      }
      if (order <= 0) {
        ADM_ASSIGN(here, ours.step());
      }
      if (order >= 0) {
        ADM_ASSIGN(there, theirs.step());
      }
    }
    return {};
  }

  [[nodiscard]] int compare_keys(const Statement& a, const Statement& b) const {
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const int order = a.text(static_cast<int>(i)).compare(b.text(static_cast<int>(i)));
      if (order != 0) return order;
    }
    return 0;
  }

  [[nodiscard]] std::vector<std::string> key_of(const Statement& row) const {
    std::vector<std::string> key;
    for (std::size_t i = 0; i < keys_.size(); ++i) key.emplace_back(row.text(static_cast<int>(i)));
    return key;
  }

  LevelRows& level(const Statement& row) {
    const std::string_view name = row.text(0);
    for (LevelRows& each : table_.levels) {
      if (each.level == name) return each;
    }
    LevelRows rows;
    rows.level = name;
    table_.levels.push_back(std::move(rows));
    return table_.levels.back();
  }

  Status compare_rows(const Statement& ours, const Statement& theirs) {
    const std::vector<std::string> key = key_of(ours);
    unsigned topics = 0;
    bool tiny = true;
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      const Spec& spec = specs_[i];
      if (spec.name_there.empty()) continue;
      Column& column = table_.columns[i];
      ++column.compared;
      const int at = static_cast<int>(keys_.size() + i);
      const double far =
          spec.list ? compare_list(ours, theirs, at, key, column) : compare_number(ours, theirs, at, key, spec, column);
      ADM_TRY(failure_);
      if (far == 0) {
        ++column.equal;
        continue;
      }
      topics |= 1U << static_cast<unsigned>(topic_of(spec.name));
      // Half a unit more than one: what is one unit apart may be a hair further in floating point.
      tiny = tiny && !spec.list && spec.digits > 0 && far <= 1.5 * std::pow(10.0, -spec.digits);
    }
    add_day(key, ours, &theirs);
    LevelRows& rows = level(ours);
    ++rows.both;
    if (topics == 0) {
      ++rows.equal;
      return {};
    }
    return causes_.row(main_, key, topics, tiny);
  }

  /// How far apart they are; 0: they agree.
  double compare_number(const Statement& ours, const Statement& theirs, int at, const std::vector<std::string>& key,
                        const Spec& spec, Column& column) {
    const auto is_number = [&](const Statement& row) {
      return row.type(at) == ColumnType::kInteger || row.type(at) == ColumnType::kReal || row.is_null(at);
    };
    const double a = ours.real(at);
    const double b = theirs.real(at);
    column.sum_here += a;
    column.sum_there += b;
    if (!is_number(ours) || !is_number(theirs)) {
      keep_largest(column, {key, std::string(ours.text(at)), std::string(theirs.text(at)), HUGE_VAL});
      return HUGE_VAL;
    }
    // Both as they would be stored here: what a float sum drifts by is no difference.
    const double scale = std::pow(10.0, spec.digits);
    const double far = std::fabs(std::round(a * scale) - std::round(b * scale)) / scale;
    const auto own = options_.tolerances.find(spec.name);
    const double tolerance = own == options_.tolerances.end() ? options_.tolerance : own->second;
    if (far <= tolerance + 1e-9) return 0;
    keep_largest(column, {key, number_text(a), number_text(b), far});
    return far;
  }

  double compare_list(const Statement& ours, const Statement& theirs, int at, const std::vector<std::string>& key,
                      Column& column) {
    const std::string_view text = ours.text(at);
    if (text == theirs.text(at) && text.starts_with('[') && text.ends_with(']')) {
      const auto length = static_cast<double>(length_of(text));
      column.sum_here += length;
      column.sum_there += length;
      return 0;
    }
    const Members here = members_of(ours, at);
    const Members there = members_of(theirs, at);
    column.sum_here += static_cast<double>(here.users.size());
    column.sum_there += static_cast<double>(there.users.size());
    double far = here.readable && there.readable ? 0 : 1;
    far += static_cast<double>(note_members(here, there, key, column.name, true));
    far += static_cast<double>(note_members(there, here, key, column.name, false));
    if (far > 0) keep_largest(column, {key, list_text(here, there), list_text(there, here), far});
    return far;
  }

  /// How many users only `mine` has. Those of the main table's two lists are what causes are found by.
  std::size_t note_members(const Members& mine, const Members& others, const std::vector<std::string>& key,
                           const std::string& column, bool here) {
    std::size_t only = 0;
    const bool purchase = column == "purchase_users_list";
    const bool telling = main_ && (purchase || column == "trial_users_list");
    for (const std::string& user : mine.users) {
      if (others.users.contains(user)) continue;
      ++only;
      if (!telling) continue;
      if (Status noted = causes_.member(purchase, key, user, here); !noted.ok()) failure_ = noted;
    }
    return only;
  }

  Status lone_row(const Statement& row, bool here) {
    const std::vector<std::string> key = key_of(row);
    ++(here ? level(row).only_here : level(row).only_there);
    auto& keys = here ? table_.only_here : table_.only_there;
    if (keys.size() < options_.keys_kept) keys.push_back(key);
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      if (!main_ || !specs_[i].list || specs_[i].name_there.empty()) continue;
      note_members(members_of(row, static_cast<int>(keys_.size() + i)), {}, key, specs_[i].name, here);
    }
    ADM_TRY(failure_);
    if (here) {
      add_day(key, row, nullptr);
    } else {
      add_day_there(key, row);
    }
    return causes_.lone_row(main_, key, here);
  }

  void add_day(const std::vector<std::string>& key, const Statement& ours, const Statement* theirs) {
    add_sums(key, [&](int at, std::pair<double, double>& sums) {
      sums.first += ours.real(at);
      if (theirs != nullptr) sums.second += theirs->real(at);
    });
  }
  void add_day_there(const std::vector<std::string>& key, const Statement& theirs) {
    add_sums(key, [&](int at, std::pair<double, double>& sums) { sums.second += theirs.real(at); });
  }
  template <class Add>
  void add_sums(const std::vector<std::string>& key, Add&& add) {
    if (!main_ || key[0] != "campaign") return;
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      if (specs_[i].name_there.empty()) continue;
      if (std::find(kDayColumns.begin(), kDayColumns.end(), specs_[i].name) == kDayColumns.end()) continue;
      add(static_cast<int>(keys_.size() + i), report_.days[key[2]].columns[specs_[i].name]);
    }
  }

  void keep_largest(Column& column, Difference difference) {
    auto& kept = column.largest;
    const auto place = std::upper_bound(kept.begin(), kept.end(), difference,
                                        [](const Difference& a, const Difference& b) { return a.size > b.size; });
    if (place == kept.end() && kept.size() >= options_.largest_kept) return;
    kept.insert(place, std::move(difference));
    if (kept.size() > options_.largest_kept) kept.pop_back();
  }

  sqlite::Connection& connection_;
  const CompareOptions& options_;
  const bool main_;
  CompareReport& report_;
  Causes& causes_;
  Table table_;
  std::vector<std::string> keys_;
  std::vector<Spec> specs_;
  Status failure_;  // of noting a member
};

Status attach(sqlite::Connection& connection, const std::string& path, const std::string& schema) {
  std::error_code failed;
  if (!std::filesystem::exists(path, failed)) return Error{Errc::kNotFound, "open the database", path, "no such file"};
  ADM_ASSIGN(Statement statement, connection.prepare("ATTACH ?1 AS " + schema));
  const std::string address = sqlite::read_only_address(std::filesystem::absolute(path, failed).string());
  statement.bind(1, std::string_view(address));
  Status done = statement.run();
  if (done.ok()) {
    // The first read tells whether this is a database at all.
    if (auto first = connection.query_integer("SELECT count(*) FROM " + schema + ".sqlite_schema"); !first) {
      done = std::move(first).error();
    }
  }
  if (done.ok()) return {};
  Error error = done.error();
  error.operation = "open the database";
  error.where = path;
  return error;
}

}  // namespace

double Column::accuracy() const {
  return compared == 0 ? 100 : 100.0 * static_cast<double>(equal) / static_cast<double>(compared);
}

std::uint64_t Table::total(std::uint64_t LevelRows::*number) const {
  std::uint64_t sum = 0;
  for (const LevelRows& each : levels) sum += each.*number;
  return sum;
}

}  // namespace comparison

bool CompareReport::equal() const {
  using comparison::LevelRows;
  return std::all_of(tables.begin(), tables.end(), [](const comparison::Table& table) {
    return table.total(&LevelRows::both) == table.total(&LevelRows::equal) && table.total(&LevelRows::only_here) == 0 &&
           table.total(&LevelRows::only_there) == 0;
  });
}

Result<CompareReport> compare(const CompareOptions& options) {
  CompareReport report;
  report.here = options.here;
  report.there = options.there;
  // A database without a name: on disk when it grows, gone when we are.
  ADM_ASSIGN(const auto connection, sqlite::Connection::open("", sqlite::OpenMode::kCreate, options.busy_timeout_ms));
  ADM_TRY(
      connection->execute("PRAGMA main.journal_mode = OFF; PRAGMA main.synchronous = OFF; PRAGMA temp_store = FILE"));
  ADM_TRY(comparison::attach(*connection, options.here, "here"));
  ADM_TRY(comparison::attach(*connection, options.there, "there"));
  ADM_ASSIGN(comparison::Causes causes, comparison::Causes::create(*connection));
  ADM_TRY(connection->execute("BEGIN"));
  std::vector<std::string> here_lists;
  std::vector<std::string> there_lists;
  for (const bool main : {true, false}) {
    comparison::TableWalk walk(*connection, options, main, report, causes);
    ADM_ASSIGN(const bool compared, walk.run());
    if (!main) continue;
    if (!compared) {
      return Error{Errc::kSchema, "compare", options.there, report.notes.back()};
    }
    here_lists = walk.lists(true);
    there_lists = walk.lists(false);
  }
  if (options.progress) options.progress("finding causes", 0);
  ADM_ASSIGN(report.causes, causes.explain(here_lists, there_lists));
  ADM_TRY(connection->commit());
  return report;
}

}  // namespace admetrics
