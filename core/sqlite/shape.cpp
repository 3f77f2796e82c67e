#include "core/sqlite/shape.hpp"

#include <algorithm>
#include <cctype>

namespace admetrics::sqlite {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

/// SQLite's rules, in its order (https://www.sqlite.org/datatype3.html section 3.1).
enum class Affinity : std::uint8_t { kInteger, kText, kBlob, kReal, kNumeric };
Affinity affinity_of(std::string_view type) {
  const std::string name = upper(type);
  const auto has = [&](std::string_view part) { return name.find(part) != std::string::npos; };
  if (has("INT")) return Affinity::kInteger;
  if (has("CHAR") || has("CLOB") || has("TEXT")) return Affinity::kText;
  if (has("BLOB") || name.empty()) return Affinity::kBlob;
  if (has("REAL") || has("FLOA") || has("DOUB")) return Affinity::kReal;
  return Affinity::kNumeric;
}

}  // namespace

const ColumnShape* TableShape::column(std::string_view wanted) const {
  const auto found = std::find_if(columns.begin(), columns.end(), [&](const auto& c) { return c.name == wanted; });
  return found == columns.end() ? nullptr : &*found;
}

const IndexShape* TableShape::index(std::string_view wanted) const {
  const auto found = std::find_if(indexes.begin(), indexes.end(), [&](const auto& i) { return i.name == wanted; });
  return found == indexes.end() ? nullptr : &*found;
}

std::string TableShape::row_number_column() const {
  if (without_rowid) return "";
  std::string found;
  for (const ColumnShape& column : columns) {
    if (column.primary_key == 0) continue;
    // Several columns, or a type that is not to the letter INTEGER, make a key of their own instead.
    if (!found.empty() || upper(column.type) != "INTEGER") return "";
    found = column.name;
  }
  return found;
}

bool TableShape::has_unique_key(const std::vector<std::string>& key) const {
  std::vector<std::string> wanted = key;
  std::sort(wanted.begin(), wanted.end());
  if (wanted.size() == 1 && row_number_column() == wanted.front()) return true;
  return std::any_of(indexes.begin(), indexes.end(), [&](const IndexShape& index) {
    std::vector<std::string> indexed = index.columns;
    std::sort(indexed.begin(), indexed.end());
    return index.unique && !index.partial && indexed == wanted;
  });
}

Result<TableShape> read_shape(Connection& database, std::string_view table) {
  TableShape shape;
  shape.name = table;
  ADM_ASSIGN(Statement found,
             database.prepare("SELECT l.type, l.wr, coalesce(s.sql, '') FROM pragma_table_list(?1) l LEFT JOIN "
                              "sqlite_schema s ON s.name = l.name WHERE l.schema = 'main'"));
  found.bind(1, table);
  ADM_ASSIGN(shape.exists, found.step());
  if (!shape.exists) return shape;
  shape.is_view = found.text(0) == "view";
  shape.without_rowid = found.integer(1) != 0;
  shape.sql = found.text(2);
  found.reset();

  ADM_ASSIGN(Statement columns, database.prepare("SELECT lower(name), type, \"notnull\", dflt_value, pk, hidden FROM "
                                                 "pragma_table_xinfo(?1) ORDER BY cid"));
  columns.bind(1, table);
  ADM_TRY(columns.for_each_row([&] {
    ColumnShape column;
    column.name = columns.text(0);
    column.type = columns.text(1);
    column.not_null = columns.integer(2) != 0;
    if (!columns.is_null(3)) column.default_value = std::string(columns.text(3));
    column.primary_key = static_cast<int>(columns.integer(4));
    column.generated = columns.integer(5) >= 2;
    shape.columns.push_back(std::move(column));
  }));

  ADM_ASSIGN(Statement indexes,
             database.prepare("SELECT il.name, il.\"unique\", il.partial, il.origin = 'c', lower(ii.name) FROM "
                              "pragma_index_list(?1) il, pragma_index_info(il.name) ii ORDER BY il.seq, ii.seqno"));
  indexes.bind(1, table);
  ADM_TRY(indexes.for_each_row([&] {
    if (shape.indexes.empty() || shape.indexes.back().name != indexes.text(0)) {
      shape.indexes.push_back({std::string(indexes.text(0)),
                               indexes.integer(1) != 0,
                               indexes.integer(2) != 0,
                               indexes.integer(3) != 0,
                               {}});
    }
    shape.indexes.back().columns.emplace_back(indexes.text(4));
  }));
  return shape;
}

Result<std::vector<TableShape>> shapes_of(const std::string& sql, const std::vector<std::string>& tables) {
  ADM_ASSIGN(const auto model, Connection::open(":memory:", OpenMode::kCreate, 0));
  ADM_TRY(model->execute(sql));
  std::vector<TableShape> shapes;
  for (const std::string& table : tables) {
    ADM_ASSIGN(TableShape shape, read_shape(*model, table));
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

bool keeps_values_alike(std::string_view wanted, std::string_view found) {
  const Affinity to = affinity_of(found);
  if (affinity_of(wanted) == Affinity::kText) return to == Affinity::kText || to == Affinity::kBlob;
  // A day or a time is a text that no affinity takes for a number.
  if (upper(wanted).starts_with("DATE")) return true;
  return to != Affinity::kText;
}

bool same_type(std::string_view a, std::string_view b) { return upper(a) == upper(b); }

std::string ShapeDifference::text() const {
  switch (kind) {
    case Kind::kTable: return "table " + table + " " + what;
    case Kind::kColumn: return "column " + table + "." + name + " " + what;
    case Kind::kType: return "type of " + table + "." + name + " " + what;
    case Kind::kKey: return "key " + table + " (" + name + ") " + what;
    case Kind::kIndex: return "index " + name + " on " + table + " " + what;
  }
  return "";
}

std::string_view name_of(ShapeDifference::Kind kind) {
  switch (kind) {
    case ShapeDifference::Kind::kTable: return "table";
    case ShapeDifference::Kind::kColumn: return "column";
    case ShapeDifference::Kind::kType: return "type";
    case ShapeDifference::Kind::kKey: return "key";
    case ShapeDifference::Kind::kIndex: return "index";
  }
  return "";
}

}  // namespace admetrics::sqlite
