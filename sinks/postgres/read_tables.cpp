#include "sinks/postgres/read_tables.hpp"

#include <map>

#include "core/base/storable_text.hpp"
#include "sinks/postgres/connection.hpp"
#include "sinks/postgres/schema.hpp"
#include "sinks/postgres/text.hpp"

namespace admetrics::sink {
namespace {

/// A column of ours as SQL that gives the text which was written.
std::string as_text(const postgres::Column& column) {
  if (column.type == "date") {
    return "CASE WHEN " + column.name + " < '0001-01-01' THEN '0000' || to_char(" + column.name +
           ", '-MM-DD') ELSE to_char(" + column.name + ", 'YYYY-MM-DD') END";
  }
  if (column.type.starts_with("timestamp")) return "to_char(" + column.name + ", 'YYYY-MM-DD HH24:MI:SS.MS')";
  if (column.type == "boolean") return column.name + "::integer";
  return column.name;
}

}  // namespace

Status read_postgres_tables(const PostgresSinkOptions& options, const TableReader& reader) {
  ADM_ASSIGN(const auto connection, postgres::Connection::open(options));
  ADM_TRY(connection->execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET search_path = " +
                              postgres::identifier(options.schema)));
  const std::vector<std::string> name{options.schema};
  ADM_ASSIGN(const postgres::Answer there,
             connection->query("SELECT 1 FROM information_schema.tables WHERE table_schema = $1 AND table_name = "
                               "'_admetrics_sink'",
                               name));
  if (there.empty()) {
    return Error{Errc::kNotFound, "read the sink postgres", connection->where(),
                 "the schema " + options.schema + " holds no tables of ours yet"};
  }
  std::map<std::string, std::string> long_ids;
  ADM_TRY(connection->copy_out("COPY (SELECT short_id, long_id FROM _admetrics_sink_long_ids) TO STDOUT",
                               [&](auto row) -> Status {
                                 long_ids[row[0].value_or("")] = row[1].value_or("");
                                 return {};
                               }));
  for (const postgres::Table& table : postgres::wanted_tables(options.user_lists)) {
    if (table.name == postgres::kKeysTable || table.name == postgres::kLongTable) continue;
    std::string select;
    std::vector<std::string> columns;
    for (const postgres::Column& column : table.columns) {
      if (column.name == "id") continue;
      select += (select.empty() ? "" : ", ") + as_text(column);
      columns.push_back(column.name);
    }
    ADM_TRY(reader.on_table(table.name, columns));
    std::vector<std::optional<std::string>> values;
    ADM_TRY(
        connection->copy_out("COPY (SELECT " + select + " FROM " + table.name + ") TO STDOUT", [&](auto row) -> Status {
          values.assign(row.begin(), row.end());
          std::size_t i = 0;
          for (const postgres::Column& column : table.columns) {
            if (column.name == "id") continue;
            std::optional<std::string>& value = values[i++];
            if (!value || (column.type != "text" && column.type != "jsonb")) continue;
            if (column.type == "jsonb") value = postgres::compact_json(*value);
            const bool id = column.definition.find("COLLATE") != std::string::npos;
            if (const auto whole = id && postgres::looks_short(*value) ? long_ids.find(*value) : long_ids.end();
                whole != long_ids.end())
              value = whole->second;
            value = original(*value);
          }
          return reader.on_row(values);
        }));
  }
  return {};
}

Status forget_postgres_position(const PostgresSinkOptions& options) {
  ADM_ASSIGN(const auto connection, postgres::Connection::open(options));
  return connection->execute("DELETE FROM " + postgres::identifier(options.schema) + "." +
                             std::string(postgres::kStateTable));
}

Result<std::vector<std::string>> missing_in_postgres(const PostgresSinkOptions& options) {
  ADM_ASSIGN(const auto connection, postgres::Connection::open(options));
  return postgres::missing_in_schema(*connection, options);
}

}  // namespace admetrics::sink
