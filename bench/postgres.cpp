#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "core/model/row.hpp"
#include "sinks/postgres/connection.hpp"
#include "sinks/postgres/postgres_sink.hpp"
#include "tests/support/postgres_server.hpp"

/// How fast the PostgreSQL sink takes an epoch, beside what the same server needs at least for the same rows: a bare COPY
/// into a temporary table and one INSERT … ON CONFLICT DO UPDATE for each table, in one transaction, into tables with the same keys
/// and indexes. Lines of the floor are made before its time begins; the sink makes its own within its time.
///
///   bench_postgres [CELLS]     a cell is a main row and five breakdown rows; default 20,000
///
/// Starts a server of its own. Each figure is the best of three, sink and floor in turn.
namespace {

using namespace admetrics;
using Clock = std::chrono::steady_clock;
using sink::postgres::Connection;

constexpr int kRepeats = 3;
constexpr int kBreakdownRows = 5;
constexpr std::size_t kChunkCells = 256;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "bench_postgres: %s\n", status.error().line().c_str());
  std::exit(1);
}

RowValues values_of(int cell, int row, int version) {
  RowValues values;
  for (std::size_t i = 0; i < kNumberCount; ++i)
    values.numbers.at(i) =
        (cell * 31 + row * 7 + static_cast<int>(i) * 13 + version * 101) % 997;  // so small that each DECIMAL holds it
  std::string list = "[";
  for (int user = 0; user < 6; ++user) {
    if (user > 0) list += ',';
    list += "\"user-" + std::to_string(cell * 17 + user + row) + "\"";
    values.lists.at(static_cast<std::size_t>(user)) = list + "]";
  }
  return values;
}

struct Cells {
  std::vector<std::string> ids;
  std::vector<CellWrite> cells;
  std::vector<std::string> codes{"AT", "CA", "DE", "FR", "US"};

  explicit Cells(int count, int version) {
    ids.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
      char id[32];
      std::snprintf(id, sizeof id, "12021%010d", i);
      ids.emplace_back(id);
    }
    for (int i = 0; i < count; ++i) {
      CellWrite& cell = cells.emplace_back();
      cell.level = Level::kAd;
      cell.entity_id = ids[static_cast<std::size_t>(i)];
      cell.day = Day{20'000};
      cell.whole = true;
      cell.main = values_of(i, 0, version);
      for (int row = 0; row < kBreakdownRows; ++row)
        cell.breakdowns.push_back(
            {Breakdown::kCountry, codes[static_cast<std::size_t>(row)], values_of(i, row + 1, version)});
    }
  }
  Cells(const Cells&) = delete;
  Cells& operator=(const Cells&) = delete;
};

std::string columns_of(bool main, const char* prefix = "") {
  std::string names;
  const auto add = [&](std::string_view name) {
    if (!name.empty()) names += std::string(names.empty() ? "" : ", ") + prefix + std::string(name);
  };
  for (const ListColumn& column : list_columns()) add(main ? column.main_name : column.breakdown_name);
  for (const NumberColumn& column : number_columns()) add(main ? column.main_name : column.breakdown_name);
  return names;
}

std::string assignments_of(bool main) {
  std::string sql;
  const auto add = [&](std::string_view name) {
    if (!name.empty())
      sql += std::string(sql.empty() ? "" : ", ") + std::string(name) + " = excluded." + std::string(name);
  };
  for (const ListColumn& column : list_columns()) add(main ? column.main_name : column.breakdown_name);
  for (const NumberColumn& column : number_columns()) add(main ? column.main_name : column.breakdown_name);
  return sql;
}

void append_values(const RowValues& values, bool main, std::string& line) {
  for (const std::string& list : values.lists) line += '\t' + list;
  for (std::size_t i = 0; i < kNumberCount; ++i) {
    const NumberColumn& column = number_columns()[i];
    if (!main && column.breakdown_name.empty()) continue;
    double scale = 1;
    for (int digit = 0; digit < digits_of(column.kind); ++digit) scale *= 10;
    char number[32];
    std::snprintf(number, sizeof number, "\t%.*f", digits_of(column.kind),
                  static_cast<double>(values.numbers.at(i)) / scale);
    line += number;
  }
  line += '\n';
}

struct Lines {
  std::string main;
  std::string breakdown;

  explicit Lines(const Cells& cells) {
    for (const CellWrite& cell : cells.cells) {
      const std::string key = "ad\t" + std::string(cell.entity_id) + "\t2024-10-04";
      main += key;
      append_values(*cell.main, true, main);
      for (const BreakdownWrite& row : cell.breakdowns) {
        breakdown += key + "\tcountry\t" + std::string(row.value);
        append_values(*row.values, false, breakdown);
      }
    }
  }
};

double floor_seconds(Connection& connection, const Lines& lines) {
  const auto start = Clock::now();
  must(connection.execute("BEGIN"));
  for (const bool main : {true, false}) {
    const std::string table(main ? kMainTable : kBreakdownTable);
    const std::string keys =
        main ? "entity_type, entity_id, date" : "entity_type, entity_id, date, breakdown_type, breakdown_value";
    must(connection.execute("CREATE TEMPORARY TABLE bare ON COMMIT DROP AS SELECT " + keys + ", " + columns_of(main) +
                            " FROM " + table + " LIMIT 0"));
    must(connection.begin_copy("COPY bare FROM STDIN"));
    must(connection.put_copy(main ? lines.main : lines.breakdown));
    must(connection.end_copy());
    must(connection.execute("INSERT INTO " + table + " (" + keys + ", " + columns_of(main) +
                            ") SELECT * FROM bare ON CONFLICT (" + keys + ") DO UPDATE SET " + assignments_of(main)));
    must(connection.execute("DROP TABLE bare"));
  }
  must(connection.execute("COMMIT"));
  return seconds_since(start);
}

double sink_seconds(Sink& sink, const Cells& cells, std::uint64_t epoch) {
  const auto start = Clock::now();
  must(sink.begin({"ledger", EpochId{epoch}, "{}", Day{20'000}, Instant{1'700'000'000, 0}}, false));
  for (std::size_t at = 0; at < cells.cells.size(); at += kChunkCells) {
    must(sink.write_cells(std::span(cells.cells).subspan(at, std::min(kChunkCells, cells.cells.size() - at))));
  }
  const auto receipt = sink.commit();
  if (!receipt) must(receipt.error());
  return seconds_since(start);
}

}  // namespace

int main(int argc, char** argv) {
  const int count = argc > 1 ? std::atoi(argv[1]) : 20'000;
  support::PostgresServer& server = support::PostgresServer::shared();
  if (!server.problem().empty()) {
    std::fprintf(stderr, "bench_postgres: %s\n", server.problem().c_str());
    return 1;
  }
  sink::PostgresSinkOptions options;
  options.conninfo = server.conninfo();
  const Cells first(count, 1);
  const Cells second(count, 2);
  const Lines first_lines(first);
  const Lines second_lines(second);
  double best[3][2] = {{1e9, 1e9}, {1e9, 1e9}, {1e9, 1e9}};  // fill, change, nothing new: sink, floor
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    sink::PostgresSinkOptions bare = options;
    options.schema = "sink" + std::to_string(repeat);
    bare.schema = "floor" + std::to_string(repeat);
    sink::PostgresSink sink(options);
    auto opened = sink.open();
    if (!opened) must(opened.error());
    {
      sink::PostgresSink makes_the_tables(bare);
      opened = makes_the_tables.open();
      if (!opened) must(opened.error());
    }
    auto connected = Connection::open(bare);
    if (!connected) must(connected.error());
    Connection& connection = **connected;
    must(connection.execute("SET search_path = " + bare.schema));
    const auto take = [&](int figure, const Cells& cells, const Lines& lines, std::uint64_t epoch) {
      best[figure][0] = std::min(best[figure][0], sink_seconds(sink, cells, epoch));
      best[figure][1] = std::min(best[figure][1], floor_seconds(connection, lines));
    };
    take(0, first, first_lines, 1);
    take(1, second, second_lines, 2);
    take(2, second, second_lines, 3);
    must(connection.execute("DROP SCHEMA " + options.schema + " CASCADE; DROP SCHEMA " + bare.schema + " CASCADE"));
  }
  const double rows = static_cast<double>(count) * (1 + kBreakdownRows);
  const char* names[] = {"empty tables", "every row changes", "no row changes"};
  std::printf("%.0f rows (%d cells)\n", rows, count);
  for (int figure = 0; figure < 3; ++figure) {
    std::printf("%-18s  sink %7.0f rows/s (%.2f s)  floor %7.0f rows/s (%.2f s)  ratio %.2f\n", names[figure],
                rows / best[figure][0], best[figure][0], rows / best[figure][1], best[figure][1],
                best[figure][1] / best[figure][0]);
  }
  return 0;
}
