#include "sources/sqlite/raw_rows.hpp"

namespace admetrics::source {
namespace {

/// A number's text is of interest for rejects only, and costs a conversion each: it is left out here.
RawValue number_at(const sqlite::Statement& statement, int column) {
  RawValue value;
  switch (statement.type(column)) {
    case sqlite::ColumnType::kInteger:
      value.kind = RawValue::Kind::kInteger;
      value.integer = statement.integer(column);
      return value;
    case sqlite::ColumnType::kReal:
      value.kind = RawValue::Kind::kReal;
      value.real = statement.real(column);
      return value;
    case sqlite::ColumnType::kNull:
    case sqlite::ColumnType::kText:
    case sqlite::ColumnType::kBlob: return value_at(statement, column);
  }
  return value;
}

}  // namespace

RawValue value_at(const sqlite::Statement& statement, int column) {
  RawValue value;
  switch (statement.type(column)) {
    case sqlite::ColumnType::kNull: return value;
    case sqlite::ColumnType::kInteger:
      value.kind = RawValue::Kind::kInteger;
      value.integer = statement.integer(column);
      break;
    case sqlite::ColumnType::kReal:
      value.kind = RawValue::Kind::kReal;
      value.real = statement.real(column);
      break;
    case sqlite::ColumnType::kText: value.kind = RawValue::Kind::kText; break;
    case sqlite::ColumnType::kBlob: value.kind = RawValue::Kind::kBlob; break;
  }
  value.text = statement.text(column);
  return value;
}

RawUser user_at(const sqlite::Statement& s) {
  return {value_at(s, 0), {s.text(1), s.text(2), s.text(3)}, s.text(4), s.text(5), number_at(s, 6)};
}
RawEvent event_at(const sqlite::Statement& s) {
  return {value_at(s, 1), value_at(s, 2), s.text(0), value_at(s, 3), number_at(s, 4)};
}
RawProduct product_at(const sqlite::Statement& s) {
  return {value_at(s, 0),
          value_at(s, 1),
          value_at(s, 2),
          value_at(s, 3),
          s.text(4),
          number_at(s, 5),
          {number_at(s, 6), number_at(s, 7), number_at(s, 8)}};
}
RawMeta meta_at(const sqlite::Statement& s, Breakdown breakdown) {
  RawMeta row;
  row.breakdown = breakdown;
  row.ad_id = value_at(s, 0);
  row.date = value_at(s, 1);
  for (int i = 0; i < 2; ++i) row.ids[i] = s.text(2 + i);
  for (int i = 0; i < 3; ++i) row.names[i] = s.text(4 + i);
  row.spend = number_at(s, 7);
  for (int i = 0; i < 4; ++i) row.counts[i] = number_at(s, 8 + i);
  if (breakdown != Breakdown::kNone) row.value = s.text(12);
  return row;
}

}  // namespace admetrics::source
