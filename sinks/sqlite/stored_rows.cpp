#include "sinks/sqlite/stored_rows.hpp"

#include <array>

#include "sinks/sqlite/row_table.hpp"

namespace admetrics::sink {
namespace {

constexpr std::int64_t kRowsPerTransaction = 10'000;

bool is_text(const sqlite::Statement& row, int column) { return row.type(column) == sqlite::ColumnType::kText; }

/// One of the two tables, and the row at which its statement stands.
class Table : public StoredRow {
 public:
  static Result<std::unique_ptr<Table>> open(sqlite::Connection& database, bool main) {
    auto table = std::make_unique<Table>();
    const std::string name(main ? kMainTable : kBreakdownTable);
    auto edges =
        database.prepare("SELECT (SELECT min(rowid) FROM " + name + "), (SELECT max(rowid) FROM " + name + ")");
    if (!edges) {
      if (edges.error().code != Errc::kSchema) return std::move(edges).error();
      return Error{Errc::kUnsupported, "read stored rows", database.path(), name + " has no row numbers"};
    }
    table->edges_ = std::move(edges).value();
    table->main_ = main;
    std::string columns = "rowid, entity_type, entity_id, date";
    if (!main) columns += ", breakdown_type, breakdown_value";
    table->first_list_ = main ? 4 : 6;
    for (const ListColumn& list : list_columns()) {
      columns += ", " + std::string(main ? list.main_name : list.breakdown_name);
    }
    for (const NumberColumn& number : number_columns()) {
      const std::string_view column = main ? number.main_name : number.breakdown_name;
      if (column.empty()) continue;
      columns += ", " + std::string(column);
      table->numbers_.push_back({static_cast<std::size_t>(number.number), digits_of(number.kind)});
    }
    ADM_ASSIGN(table->rows_, database.prepare("SELECT " + columns + " FROM " + name +
                                              " WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid LIMIT ?3"));
    return table;
  }

  Status scan(ScanPart part, const std::function<void(const StoredRow&)>& visit) {
    ADM_ASSIGN(const bool known, edges_.step());
    if (!known || edges_.is_null(0)) {
      edges_.reset();
      return {};
    }
    const std::int64_t first = edges_.integer(0);
    const std::int64_t last = edges_.integer(1);
    edges_.reset();
    __extension__ using Wide = __int128;
    const Wide span = static_cast<Wide>(last) - first + 1;
    const auto cut = [&](std::size_t index) {
      return first + span * static_cast<Wide>(index) / static_cast<Wide>(part.count);
    };
    // Ends included: the last row number may be the largest integer there is.
    Wide from = cut(part.index);
    const Wide to = cut(part.index + 1) - 1;
    while (from <= to) {
      rows_.bind(1, static_cast<std::int64_t>(from));
      rows_.bind(2, static_cast<std::int64_t>(to));
      rows_.bind(3, kRowsPerTransaction);
      std::int64_t rows = 0;
      ADM_TRY(rows_.for_each_row([&] {
        ++rows;
        from = static_cast<Wide>(rows_.integer(0)) + 1;
        if (take_key()) visit(*this);
      }));
      if (rows < kRowsPerTransaction) return {};
    }
    return {};
  }

  [[nodiscard]] std::optional<std::string_view> list(List list) const override {
    const int column = first_list_ + static_cast<int>(list);
    if (!is_text(rows_, column)) return std::nullopt;
    return rows_.text(column);
  }

  [[nodiscard]] bool holds(const std::array<std::int64_t, kNumberCount>& numbers) const override {
    int column = first_list_ + static_cast<int>(kListCount);
    for (const NumberPlace& place : numbers_) {
      if (!equals_scaled(rows_, column++, numbers[place.number], place.digits)) return false;
    }
    return true;
  }

 private:
  struct NumberPlace {
    std::size_t number = 0;
    int digits = 0;
  };

  /// False: a key that nobody could have wanted, and that only purging removes.
  bool take_key() {
    for (int column = 1; column <= 3; ++column) {
      if (!is_text(rows_, column)) return false;
    }
    const auto known_level = parse_level(rows_.text(1));
    const auto known_day = parse_day(rows_.text(3));
    entity_id = rows_.text(2);
    if (!known_level || !known_day || entity_id.empty()) return false;
    level = *known_level;
    day = *known_day;
    if (main_) return true;
    // Of a breakdown or a value that cannot be ours, but in a cell that is: no row of the cell has an empty value, so the
    // cell is known to differ.
    const auto known_breakdown = is_text(rows_, 4) ? parse_breakdown(rows_.text(4)) : std::nullopt;
    breakdown = known_breakdown.value_or(Breakdown::kCountry);
    value = known_breakdown && is_text(rows_, 5) ? rows_.text(5) : std::string_view();
    return true;
  }

  bool main_ = false;
  int first_list_ = 0;  // column
  std::vector<NumberPlace> numbers_;
  sqlite::Statement edges_;
  sqlite::Statement rows_;
};

class SqliteRowReader : public StoredRowReader {
 public:
  static Result<std::unique_ptr<StoredRowReader>> open(const std::string& path, int busy_timeout_ms) {
    auto reader = std::make_unique<SqliteRowReader>();
    ADM_ASSIGN(reader->database_, sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, busy_timeout_ms));
    ADM_ASSIGN(reader->main_, Table::open(*reader->database_, true));
    ADM_ASSIGN(reader->breakdown_, Table::open(*reader->database_, false));
    return std::unique_ptr<StoredRowReader>(std::move(reader));
  }

  Status scan(ScanPart part, const std::function<void(const StoredRow&)>& visit) override {
    ADM_TRY(main_->scan(part, visit));
    return breakdown_->scan(part, visit);
  }
  Status visit_mapping_keys(const std::function<void(const SinkKey&)>& visit) override {
    return sink::visit_mapping_keys(*database_, visit);
  }

 private:
  std::unique_ptr<sqlite::Connection> database_;
  // Their statements are finalized before the connection closes.
  std::unique_ptr<Table> main_;
  std::unique_ptr<Table> breakdown_;
};

}  // namespace

Status visit_mapping_keys(sqlite::Connection& database, const std::function<void(const SinkKey&)>& visit) {
  ADM_ASSIGN(sqlite::Statement names, database.prepare("SELECT entity_type, entity_id FROM id_name_mapping"));
  ADM_TRY(names.for_each_row([&] {
    if (const auto level = parse_level(names.text(0)))
      visit({SinkKey::Kind::kName, *level, std::string(names.text(1)), kNoDay});
  }));
  ADM_ASSIGN(sqlite::Statement ads, database.prepare("SELECT ad_id FROM id_hierarchy_mapping"));
  return ads.for_each_row([&] { visit({SinkKey::Kind::kHierarchy, Level::kAd, std::string(ads.text(0)), kNoDay}); });
}

Result<std::unique_ptr<StoredRowReader>> open_row_reader(const std::string& path, int busy_timeout_ms) {
  return SqliteRowReader::open(path, busy_timeout_ms);
}

}  // namespace admetrics::sink
