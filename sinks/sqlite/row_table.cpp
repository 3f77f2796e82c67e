#include "sinks/sqlite/row_table.hpp"

#include <array>
#include <charconv>

namespace admetrics::sink {
namespace {

constexpr std::array<std::int64_t, 5> kPowersOfTen{1, 10, 100, 1'000, 10'000};

/// The double nearest to `scaled` / 10^`digits`.
double nearest(std::int64_t scaled, int digits) {
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  // The quotient of two exact doubles is the nearest one; a larger number would be rounded twice.
  if (scaled > -kExact && scaled < kExact) {
    return static_cast<double>(scaled) / static_cast<double>(kPowersOfTen[static_cast<std::size_t>(digits)]);
  }
  const std::string text = std::to_string(scaled) + "e-" + std::to_string(digits);
  double number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string join(const std::vector<std::string>& parts, std::string_view between) {
  std::string joined;
  for (const std::string& part : parts) {
    if (!joined.empty()) joined += between;
    joined += part;
  }
  return joined;
}

}  // namespace

void bind_scaled(sqlite::Statement& statement, int parameter, std::int64_t scaled, int digits) {
  const std::int64_t scale = kPowersOfTen[static_cast<std::size_t>(digits)];
  if (scaled % scale == 0) {
    statement.bind(parameter, scaled / scale);
  } else {
    statement.bind(parameter, nearest(scaled, digits));
  }
}

bool equals_scaled(const sqlite::Statement& row, int column, std::int64_t scaled, int digits) {
  const std::int64_t scale = kPowersOfTen[static_cast<std::size_t>(digits)];
  switch (row.type(column)) {
    case sqlite::ColumnType::kInteger:
      if (scaled % scale == 0) return row.integer(column) == scaled / scale;
      // So large that its nearest double is whole: NUMERIC affinity keeps it as an integer.
      return static_cast<double>(row.integer(column)) == nearest(scaled, digits);
    case sqlite::ColumnType::kReal: return row.real(column) == nearest(scaled, digits);
    case sqlite::ColumnType::kText:
    case sqlite::ColumnType::kBlob:
    case sqlite::ColumnType::kNull: return false;
  }
  return false;
}

Result<RowTable> RowTable::open(sqlite::Connection& database, bool main, std::string_view prefix) {
  RowTable table;
  for (const ListColumn& column : list_columns()) {
    table.columns_.push_back(
        {main ? column.main_name : column.breakdown_name, true, static_cast<std::size_t>(column.list), 0});
  }
  for (const NumberColumn& column : number_columns()) {
    const std::string_view name = main ? column.main_name : column.breakdown_name;
    if (name.empty()) continue;
    table.columns_.push_back({name, false, static_cast<std::size_t>(column.number), digits_of(column.kind)});
  }
  std::vector<std::string> keys{"entity_type", "entity_id", "date"};
  if (!main) keys.insert(keys.end(), {"breakdown_type", "breakdown_value"});
  table.key_columns_ = static_cast<int>(keys.size());

  const std::string name = std::string(prefix) + std::string(main ? kMainTable : kBreakdownTable);
  std::vector<std::string> names;
  std::vector<std::string> assignments;
  std::vector<std::string> parameters;
  for (const Column& column : table.columns_) {
    names.emplace_back(column.name);
    assignments.push_back(std::string(column.name) + " = ?" + std::to_string(names.size()));
  }
  std::vector<std::string> conditions;
  for (std::size_t i = 0; i < keys.size(); ++i) conditions.push_back(keys[i] + " = ?" + std::to_string(i + 1));
  for (std::size_t i = 0; i < keys.size() + names.size() + 1; ++i) parameters.push_back("?" + std::to_string(i + 1));

  ADM_ASSIGN(table.select_, database.prepare("SELECT metric_id, " + join(names, ", ") + " FROM " + name + " WHERE " +
                                             join(conditions, " AND ")));
  ADM_ASSIGN(table.insert_,
             database.prepare("INSERT INTO " + name + " (" + join(keys, ", ") + ", " + join(names, ", ") +
                              ", computed_at) VALUES (" + join(parameters, ", ") + ")"));
  ADM_ASSIGN(table.update_, database.prepare("UPDATE " + name + " SET " + join(assignments, ", ") +
                                             ", computed_at = ?" + std::to_string(names.size() + 1) +
                                             " WHERE metric_id = ?" + std::to_string(names.size() + 2)));
  ADM_ASSIGN(table.delete_, database.prepare("DELETE FROM " + name + " WHERE metric_id = ?1"));
  if (!main) {
    ADM_ASSIGN(
        table.select_cell_,
        database.prepare(
            "SELECT metric_id, breakdown_type, breakdown_value, " + join(names, ", ") + " FROM " + name +
            " WHERE entity_type = ?1 AND entity_id = ?2 AND date = ?3 ORDER BY breakdown_type, breakdown_value"));
  }
  return table;
}

bool RowTable::equals(const sqlite::Statement& row, int first_column, const RowValues& values) const {
  int column = first_column;
  for (const Column& spec : columns_) {
    const bool same =
        spec.is_list ? row.type(column) == sqlite::ColumnType::kText && row.text(column) == values.lists[spec.index]
                     : equals_scaled(row, column, values.numbers[spec.index], spec.digits);
    if (!same) return false;
    ++column;
  }
  return true;
}

void RowTable::bind_values(sqlite::Statement& statement, int first_parameter, const RowValues& values) const {
  int parameter = first_parameter;
  for (const Column& spec : columns_) {
    if (spec.is_list) {
      statement.bind(parameter, std::string_view(values.lists[spec.index]));
    } else {
      bind_scaled(statement, parameter, values.numbers[spec.index], spec.digits);
    }
    ++parameter;
  }
}

Status RowTable::insert(Key key, const RowValues& values, std::string_view computed_at, SinkReceipt& receipt) {
  for (int i = 0; i < key_columns_; ++i) insert_.bind(i + 1, key[static_cast<std::size_t>(i)]);
  bind_values(insert_, key_columns_ + 1, values);
  insert_.bind(key_columns_ + static_cast<int>(columns_.size()) + 1, computed_at);
  ADM_TRY(insert_.run());
  ++receipt.inserted;
  return {};
}

Status RowTable::update(std::int64_t metric_id, const RowValues& values, std::string_view computed_at,
                        SinkReceipt& receipt) {
  bind_values(update_, 1, values);
  update_.bind(static_cast<int>(columns_.size()) + 1, computed_at);
  update_.bind(static_cast<int>(columns_.size()) + 2, metric_id);
  ADM_TRY(update_.run());
  ++receipt.updated;
  return {};
}

Status RowTable::remove(std::int64_t metric_id, SinkReceipt& receipt) {
  delete_.bind(1, metric_id);
  ADM_TRY(delete_.run());
  ++receipt.deleted;
  return {};
}

Result<bool> RowTable::put(Key key, const RowValues* values, std::string_view computed_at, SinkReceipt& receipt) {
  for (int i = 0; i < key_columns_; ++i) select_.bind(i + 1, key[static_cast<std::size_t>(i)]);
  ADM_ASSIGN(const bool exists, select_.step());
  if (!exists) {
    if (values == nullptr) return false;
    ADM_TRY(insert(key, *values, computed_at, receipt));
    return true;
  }
  const std::int64_t metric_id = select_.integer(0);
  const bool same = values != nullptr && equals(select_, 1, *values);
  select_.reset();
  if (same) {
    ++receipt.unchanged;
    return false;
  }
  if (values == nullptr) {
    ADM_TRY(remove(metric_id, receipt));
  } else {
    ADM_TRY(update(metric_id, *values, computed_at, receipt));
  }
  return true;
}

Result<bool> RowTable::differs(Key key, const RowValues* values, SinkReceipt& receipt) {
  for (int i = 0; i < key_columns_; ++i) select_.bind(i + 1, key[static_cast<std::size_t>(i)]);
  ADM_ASSIGN(const bool exists, select_.step());
  if (!exists) return values != nullptr;
  const bool same = values != nullptr && equals(select_, 1, *values);
  select_.reset();
  if (same) ++receipt.unchanged;
  return !same;
}

Result<RowTable::CellChanges> RowTable::compare_cell(Key cell, std::span<const BreakdownWrite> rows,
                                                     SinkReceipt& receipt, const OnChange& on_change) {
  const auto tell = [&](std::string_view type, std::string_view value) {
    if (on_change) on_change(type, value);
  };
  CellChanges changes;
  auto& to_delete = changes.to_delete;
  auto& to_update = changes.to_update;
  auto& to_insert = changes.to_insert;
  std::size_t next = 0;
  const auto name_and_value = [](const BreakdownWrite& row) { return std::pair(name_of(row.breakdown), row.value); };
  const auto pass_until = [&](const auto& stored) {
    for (; next < rows.size() && name_and_value(rows[next]) < stored; ++next) {
      if (rows[next].values) to_insert.push_back(&rows[next]);
    }
  };
  for (int i = 0; i < 3; ++i) select_cell_.bind(i + 1, cell[static_cast<std::size_t>(i)]);
  ADM_TRY(select_cell_.for_each_row([&] {
    const std::int64_t metric_id = select_cell_.integer(0);
    const auto stored = std::pair(select_cell_.text(1), select_cell_.text(2));
    pass_until(stored);
    const bool text_key =
        select_cell_.type(1) == sqlite::ColumnType::kText && select_cell_.type(2) == sqlite::ColumnType::kText;
    if (!text_key) {
      to_delete.push_back(metric_id);
      return;
    }
    if (next == rows.size() || name_and_value(rows[next]) != stored || !rows[next].values) {
      to_delete.push_back(metric_id);
      tell(stored.first, stored.second);
    } else if (equals(select_cell_, 3, *rows[next].values)) {
      ++receipt.unchanged;
    } else {
      to_update.emplace_back(metric_id, &*rows[next].values);
      tell(stored.first, stored.second);
    }
    if (next < rows.size() && name_and_value(rows[next]) == stored) ++next;
  }));
  for (; next < rows.size(); ++next) {
    if (rows[next].values) to_insert.push_back(&rows[next]);
  }
  return changes;
}

Result<bool> RowTable::cell_differs(Key cell, std::span<const BreakdownWrite> rows, SinkReceipt& receipt) {
  ADM_ASSIGN(const CellChanges changes, compare_cell(cell, rows, receipt, nullptr));
  return changes.any();
}

Result<bool> RowTable::replace_cell(Key cell, std::span<const BreakdownWrite> rows, std::string_view computed_at,
                                    SinkReceipt& receipt, const OnChange& on_change) {
  // First look at what stands, then write: a statement must not walk over rows that are being changed.
  ADM_ASSIGN(const CellChanges changes, compare_cell(cell, rows, receipt, on_change));
  for (const std::int64_t metric_id : changes.to_delete) ADM_TRY(remove(metric_id, receipt));
  for (const auto& [metric_id, values] : changes.to_update) ADM_TRY(update(metric_id, *values, computed_at, receipt));
  for (const BreakdownWrite* row : changes.to_insert) {
    const std::array<std::string_view, 5> key{cell[0], cell[1], cell[2], name_of(row->breakdown), row->value};
    ADM_TRY(insert(key, *row->values, computed_at, receipt));
    if (on_change) on_change(key[3], key[4]);
  }
  return changes.any();
}

}  // namespace admetrics::sink
