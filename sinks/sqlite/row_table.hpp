#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/engine/ports.hpp"
#include "core/model/row.hpp"
#include "core/sqlite/database.hpp"

namespace admetrics::sink {

/// One of the two metric tables: reads, compares and writes rows of it by key. A row that stands already as it should
/// is not written; `metric_id` never changes while a row lives (`metrics.md` section 5).
class RowTable {
 public:
  /// Key values in the order of the table's unique key, as texts.
  using Key = std::span<const std::string_view>;

  /// `prefix` stands before the table's name, where it is filled aside.
  static Result<RowTable> open(sqlite::Connection& database, bool main, std::string_view prefix = "");

  /// Hears of a breakdown row that changed, by its type and value.
  using OnChange = std::function<void(std::string_view type, std::string_view value)>;

  /// Inserts without looking: for a table that holds no row with this key.
  Status insert(Key key, const RowValues& values, std::string_view computed_at, SinkReceipt& receipt);
  /// Makes the row of `key` have `values`; none: makes it not exist. Says whether anything changed.
  Result<bool> put(Key key, const RowValues* values, std::string_view computed_at, SinkReceipt& receipt);

  /// Whether `put` would change anything; counts what stands already.
  Result<bool> differs(Key key, const RowValues* values, SinkReceipt& receipt);

  /// The breakdown table only: makes the rows of one cell exactly `rows`, which ascend by (breakdown name, value).
  /// `on_change(type, value)` hears of each row that changed.
  Result<bool> replace_cell(Key cell, std::span<const BreakdownWrite> rows, std::string_view computed_at,
                            SinkReceipt& receipt, const OnChange& on_change = nullptr);
  /// Whether `replace_cell` would change anything; counts what stands already.
  Result<bool> cell_differs(Key cell, std::span<const BreakdownWrite> rows, SinkReceipt& receipt);

 private:
  struct Column {
    std::string_view name;
    bool is_list = false;
    std::size_t index = 0;  // of the number or the list
    int digits = 0;
  };

  /// What has to be done to a cell's rows.
  struct CellChanges {
    std::vector<std::int64_t> to_delete;
    std::vector<std::pair<std::int64_t, const RowValues*>> to_update;
    std::vector<const BreakdownWrite*> to_insert;

    [[nodiscard]] bool any() const { return !to_delete.empty() || !to_update.empty() || !to_insert.empty(); }
  };
  Result<CellChanges> compare_cell(Key cell, std::span<const BreakdownWrite> rows, SinkReceipt& receipt,
                                   const OnChange& on_change);

  [[nodiscard]] bool equals(const sqlite::Statement& row, int first_column, const RowValues& values) const;
  void bind_values(sqlite::Statement& statement, int first_parameter, const RowValues& values) const;
  Status update(std::int64_t metric_id, const RowValues& values, std::string_view computed_at, SinkReceipt& receipt);
  Status remove(std::int64_t metric_id, SinkReceipt& receipt);

  std::vector<Column> columns_;
  int key_columns_ = 0;
  sqlite::Statement select_;
  sqlite::Statement select_cell_;  // breakdown table only
  sqlite::Statement insert_;
  sqlite::Statement update_;
  sqlite::Statement delete_;
};

/// Binds a number scaled by 10^digits as the table stores it: an integer where it is one, else the nearest double.
void bind_scaled(sqlite::Statement& statement, int parameter, std::int64_t scaled, int digits);
/// Whether the stored value is exactly what `bind_scaled` would store.
bool equals_scaled(const sqlite::Statement& row, int column, std::int64_t scaled, int digits);

}  // namespace admetrics::sink
