#include "verify/compare.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <compare>
#include <optional>

#include "verify/reading.hpp"
#include "verify/recompute.hpp"

namespace admetrics::verification {
namespace {

using sqlite::ColumnType;
using sqlite::Statement;

constexpr std::size_t kShownBytesMax = 160;
constexpr std::size_t kShownBytesBefore = 60;  // of them, before the first difference
constexpr std::uint64_t kProgressRows = 50'000;

std::string copy_of(const Table& table) { return "stored_" + std::string(table.name); }

/// A text as it would be typed in SQL, cut to a window around `position`.
std::string shown(std::string_view text, std::size_t position) {
  if (text.size() <= kShownBytesMax) return sqlite::quote_text(text);
  const std::size_t begin = position > kShownBytesBefore ? position - kShownBytesBefore : 0;
  const std::string_view window = text.substr(begin, kShownBytesMax);
  return (begin > 0 ? "…" : "") + sqlite::quote_text(window) + (begin + window.size() < text.size() ? "…" : "") + " (" +
         std::to_string(text.size()) + " bytes)";
}

std::string shown_real(double number) {
  std::array<char, 64> buffer;
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number);
  return {buffer.data(), static_cast<std::size_t>(written.ptr - buffer.data())};
}

std::string shown_stored(const Statement& row, int column, std::size_t position) {
  switch (row.type(column)) {
    case ColumnType::kNull: return "NULL";
    case ColumnType::kInteger: return std::to_string(row.integer(column));
    case ColumnType::kReal: return shown_real(row.real(column));
    case ColumnType::kText: return shown(row.text(column), position);
    case ColumnType::kBlob: return "a blob of " + std::to_string(row.blob(column).size()) + " bytes";
  }
  return "";
}

/// The same text of both rows, or where it first differs.
struct TextComparison {
  bool equal = false;
  std::size_t position = 0;
};

TextComparison compare_text(std::string_view expected, const Statement& stored, int column) {
  if (stored.type(column) != ColumnType::kText) return {};
  const std::string_view text = stored.text(column);
  if (text == expected) return {true, 0};
  const auto [ours, theirs] = std::mismatch(expected.begin(), expected.end(), text.begin(), text.end());
  return {false, static_cast<std::size_t>(ours - expected.begin())};
}

bool holds_number(const Statement& stored, int column, std::int64_t units, int digits) {
  switch (stored.type(column)) {
    case ColumnType::kInteger: return holds_decimal(stored.integer(column), units, digits);
    case ColumnType::kReal: return holds_decimal(stored.real(column), units, digits);
    default: return false;
  }
}

class TableComparison {
 public:
  TableComparison(const Table& table, const VerifyOptions& options, VerifyReport& report, Statement expected,
                  Statement stored, std::optional<Statement> only, std::vector<Mirror> mirrors, RowObserver* observer)
      : table_(table),
        options_(options),
        report_(report),
        expected_(std::move(expected)),
        stored_(std::move(stored)),
        only_(std::move(only)),
        mirrors_(std::move(mirrors)),
        observer_(observer),
        key_count_(static_cast<int>(table.keys.size())) {
    counts_.table = std::string(table.name);
    column_counts_.resize(table.columns.size() + mirrors_.size());
    for (const Column& column : table.columns) counts_.columns.emplace_back(column.name);
    for (const Mirror& mirror : mirrors_) counts_.columns.emplace_back(mirror.name);
  }

  Status run() {
    ADM_ASSIGN(bool expecting, next_expected());
    ADM_ASSIGN(bool storing, next_stored());
    while (expecting || storing) {
      const std::strong_ordering order = !expecting ? std::strong_ordering::greater
                                         : !storing ? std::strong_ordering::less
                                                    : compare_keys(stored_);
      if (order == 0) {
        const bool equal = compare_columns();
        if (equal) ++counts_.rows_equal;
        tell(&expected_, &stored_, equal);
      } else if (order < 0) {
        ++counts_.rows_missing;
        if (counts_.missing.size() < options_.differences_kept) counts_.missing.push_back(key_of(expected_));
        add({DifferenceKind::kMissingRow, counts_.table, key_of(expected_), "", "", ""});
        tell(&expected_, nullptr, false);
      } else {
        extra();
      }
      if (order <= 0) {
        ADM_ASSIGN(expecting, next_expected());
      }
      if (order >= 0) {
        ADM_ASSIGN(storing, next_stored());
      }
    }
    for (std::size_t i = 0; i < column_counts_.size(); ++i) {
      if (column_counts_[i] == 0) continue;
      const std::string_view name =
          i < table_.columns.size() ? table_.columns[i].name : mirrors_[i - table_.columns.size()].name;
      counts_.column_differences.emplace_back(name, column_counts_[i]);
    }
    report_.tables.push_back(std::move(counts_));
    return {};
  }

 private:
  Result<bool> next_expected() {
    for (;;) {
      ADM_ASSIGN(const bool row, expected_.step());
      if (!row) return false;
      ADM_ASSIGN(const bool asked_for, is_asked_for());
      if (asked_for) break;
    }
    if (options_.progress && counts_.rows_expected % kProgressRows == 0) {
      options_.progress({"comparing " + counts_.table, counts_.rows_expected, 0});
    }
    ++counts_.rows_expected;
    return true;
  }

  /// Whether the expected row is one of `only_`, which goes along in the same order.
  Result<bool> is_asked_for() {
    if (!only_) return true;
    while (!only_ended_) {
      const std::strong_ordering order = only_stands_ ? compare_keys(*only_) : std::strong_ordering::greater;
      if (order <= 0) return order == 0;
      ADM_ASSIGN(only_stands_, only_->step());
      if (!only_stands_) {
        only_ended_ = true;
      }
    }
    return false;
  }

  /// Keys that are no texts match nothing; SQLite sorts them apart from the texts.
  Result<bool> next_stored() {
    for (;;) {
      ADM_ASSIGN(const bool row, stored_.step());
      if (!row) return false;
      ++counts_.rows_stored;
      bool texts = true;
      for (int i = 0; i < key_count_; ++i) texts = texts && stored_.type(i) == ColumnType::kText;
      if (texts) return true;
      extra();
    }
  }

  /// The expected row's key beside another row's.
  [[nodiscard]] std::strong_ordering compare_keys(const Statement& other) const {
    for (int i = 0; i < key_count_; ++i) {
      const int order = expected_.text(i).compare(other.text(i));
      if (order != 0) return order < 0 ? std::strong_ordering::less : std::strong_ordering::greater;
    }
    return std::strong_ordering::equal;
  }

  bool compare_columns() {
    bool equal = true;
    for (std::size_t i = 0; i < table_.columns.size(); ++i) {
      const Column& column = table_.columns[i];
      const int at = key_count_ + static_cast<int>(i);
      if (column.kind == ColumnKind::kText || column.kind == ColumnKind::kList) {
        const TextComparison text = compare_text(expected_.text(at), stored_, at);
        if (text.equal) continue;
        differ(i, column.name, shown(expected_.text(at), text.position), shown_stored(stored_, at, text.position));
      } else {
        if (holds_number(stored_, at, expected_.integer(at), column.digits)) continue;
        differ(i, column.name, decimal_text(expected_.integer(at), column.digits), shown_stored(stored_, at, 0));
      }
      equal = false;
    }
    for (std::size_t i = 0; i < mirrors_.size(); ++i) {
      const std::size_t place = table_.columns.size() + i;
      const int at = key_count_ + static_cast<int>(place);
      if (stored_.type(at) == ColumnType::kInteger) continue;  // says that it repeats its column
      const int of = key_count_ + mirrored(mirrors_[i]);
      const TextComparison text = compare_text(expected_.text(of), stored_, at);
      if (text.equal) continue;
      differ(place, mirrors_[i].name, shown(expected_.text(of), text.position),
             shown_stored(stored_, at, text.position));
      equal = false;
    }
    return equal;
  }

  [[nodiscard]] int mirrored(const Mirror& mirror) const {
    const auto found = std::find_if(table_.columns.begin(), table_.columns.end(),
                                    [&](const Column& column) { return column.name == mirror.of; });
    return static_cast<int>(found - table_.columns.begin());
  }

  void differ(std::size_t place, std::string_view column, std::string expected, std::string stored) {
    ++column_counts_[place];
    add({DifferenceKind::kColumn, counts_.table, key_of(expected_), std::string(column), std::move(expected),
         std::move(stored)});
  }

  void extra() {
    ++counts_.rows_extra;
    tell(nullptr, &stored_, false);
    add({DifferenceKind::kExtraRow, counts_.table, key_of(stored_), "", "", ""});
  }

  void tell(const Statement* expected, const Statement* stored, bool equal) {
    if (observer_ != nullptr) observer_->on_row(expected, stored, equal);
  }

  void add(Difference difference) {
    ++report_.difference_count;
    if (report_.differences.size() < options_.differences_kept) report_.differences.push_back(std::move(difference));
  }

  [[nodiscard]] std::vector<std::string> key_of(const Statement& row) const {
    std::vector<std::string> key;
    key.reserve(static_cast<std::size_t>(key_count_));
    for (int i = 0; i < key_count_; ++i) key.emplace_back(row.is_null(i) ? "NULL" : row.text(i));
    return key;
  }

  const Table& table_;
  const VerifyOptions& options_;
  VerifyReport& report_;
  Statement expected_;
  Statement stored_;
  std::optional<Statement> only_;
  bool only_stands_ = false;  // on a row
  bool only_ended_ = false;
  const std::vector<Mirror> mirrors_;
  RowObserver* const observer_;
  const int key_count_;
  TableReport counts_;
  std::vector<std::uint64_t> column_counts_;
};

std::vector<std::string> required_columns(const Table& table) {
  std::vector<std::string> names;
  for (const KeyColumn& key : table.keys) names.emplace_back(key.name);
  for (const Column& column : table.columns) names.emplace_back(column.name);
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

std::string keys_of(const Table& table) {
  std::vector<std::string> names;
  for (const KeyColumn& key : table.keys) names.emplace_back(key.name);
  return joined(names);
}

Result<std::vector<Mirror>> mirrors_in(Workspace& workspace, const std::string& schema, const std::string& stored_table,
                                       const Table& table) {
  std::vector<Mirror> present;
  for (const Mirror& mirror : table.mirrors) {
    ADM_ASSIGN(const auto missing, workspace.missing_columns(schema, stored_table, {std::string(mirror.name)}));
    if (missing.empty()) present.push_back(mirror);
  }
  return present;
}

}  // namespace

Result<StoredCopy> prepare_stored(Workspace& workspace, const VerifyOptions& options, const Table& table) {
  const std::vector<std::string> columns = required_columns(table);
  std::vector<std::string> missing = columns;
  if (!options.any_shape) {
    ADM_TRY(workspace.require(workspace.sink(), table.name, columns, "; run `admetricsd schema migrate`"));
    missing.clear();
  } else if (!workspace.sink().empty()) {
    ADM_ASSIGN(missing, workspace.missing_columns(workspace.sink(), table.name, columns));
  }
  const std::string copy = copy_of(table);
  ADM_TRY(workspace.run("DROP TABLE IF EXISTS main." + copy));
  if (!missing.empty() && missing.size() == columns.size()) {
    // No such table: it holds no row.
    ADM_TRY(workspace.run("CREATE TABLE " + copy + "(" + joined(columns) + ")"));
    return StoredCopy{};
  }
  ADM_ASSIGN(const auto mirrors, mirrors_in(workspace, workspace.sink(), std::string(table.name), table));

  std::string names = joined(columns);
  std::string values;
  for (const std::string& column : columns) {
    const bool lacks = std::find(missing.begin(), missing.end(), column) != missing.end();
    values += (values.empty() ? "" : ", ") + (lacks ? "NULL AS " + column : "t." + column);
  }
  for (const Mirror& mirror : mirrors) {
    if (!missing.empty()) break;  // what it mirrors may be what is missing
    const std::string name = "t." + std::string(mirror.name);
    names += ", " + std::string(mirror.name);
    values += ", CASE WHEN " + name + " IS t." + std::string(mirror.of) + " THEN 1 ELSE " + name + " END";
  }
  // Columns without a type keep each value as it is.
  ADM_TRY(workspace.run("CREATE TABLE " + copy + "(" + names + ")"));
  return StoredCopy{"INSERT INTO main." + copy + " ", values,
                    table.mapping ? "" : scope_by_text(options, "t.entity_type", "t.entity_id", "t.date")};
}

Status copy_stored(Workspace& workspace, const VerifyOptions& options, const Table& table) {
  ADM_ASSIGN(const StoredCopy copy, prepare_stored(workspace, options, table));
  if (copy.insert.empty()) return {};
  if (options.progress) options.progress({"reading " + std::string(table.name), 0, 0});
  ADM_TRY(workspace.run(copy.select(workspace.sink() + "." + std::string(table.name) + " t", "")));
  return {};
}

Status sort_stored(Workspace& workspace, const VerifyOptions& options, const Table& table) {
  const std::string copy = copy_of(table);
  if (options.progress) options.progress({"sorting " + std::string(table.name), 0, 0});
  ADM_TRY(workspace.run("CREATE INDEX " + copy + "_key ON " + copy + "(" + keys_of(table) + ")"));
  return {};
}

Status compare_table(Workspace& workspace, const VerifyOptions& options, const Table& table, VerifyReport& report,
                     RowObserver* observer, const std::string& only) {
  const std::vector<std::string> columns = required_columns(table);
  const std::string copy = copy_of(table);
  ADM_ASSIGN(std::vector<Mirror> mirrors, mirrors_in(workspace, "main", copy, table));
  std::string names = joined(columns);
  for (const Mirror& mirror : mirrors) names += ", " + std::string(mirror.name);
  const std::string keys = keys_of(table);

  ADM_ASSIGN(Statement expected_rows, workspace.connection().prepare(expected_sql(table)));
  ADM_ASSIGN(Statement stored_rows, workspace.connection().prepare("SELECT " + names + " FROM " + copy +
                                                                   " INDEXED BY " + copy + "_key ORDER BY " + keys));
  std::optional<Statement> asked_for;
  if (!only.empty()) {
    std::string key_names;
    std::string texts;
    for (std::size_t i = 0; i < table.keys.size(); ++i) {
      const std::string name = "k" + std::to_string(i);
      key_names += (i == 0 ? "" : ", ") + name;
      texts += (i == 0 ? "typeof(" : " AND typeof(") + name + ") = 'text'";
    }
    ADM_ASSIGN(asked_for, workspace.connection().prepare("SELECT DISTINCT " + key_names + " FROM " + only + " WHERE " +
                                                         texts + " ORDER BY " + key_names));
  }
  return TableComparison(table, options, report, std::move(expected_rows), std::move(stored_rows), std::move(asked_for),
                         std::move(mirrors), observer)
      .run();
}

}  // namespace admetrics::verification
