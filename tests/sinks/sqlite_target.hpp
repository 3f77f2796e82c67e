#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/sqlite/database.hpp"
#include "sinks/sqlite/sqlite_sink.hpp"
#include "tests/sinks/sink_conformance.hpp"

namespace admetrics::sink {

/// A folder with one database file, and somebody else's connections to it.
class SqliteTarget : public SinkTarget {
 public:
  explicit SqliteTarget(const std::string& journal_mode) {
    std::string folder = (std::filesystem::temp_directory_path() / "sink-test-XXXXXX").string();
    EXPECT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
    run("PRAGMA journal_mode = " + journal_mode);
  }
  ~SqliteTarget() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path() const { return folder_ + "/out.db"; }

  std::unique_ptr<Sink> connect() override { return connect_by(path()); }
  /// `path` may be a URI of the same file.
  static std::unique_ptr<Sink> connect_by(const std::string& path) {
    SqliteSinkOptions options;
    options.path = path;
    options.busy_timeout_ms = 20;
    return std::make_unique<SqliteSink>(options);
  }

  std::vector<Row> rows(std::string_view table) override {
    const std::string key = table == kMainTable        ? "entity_type, entity_id, date"
                            : table == kBreakdownTable ? "entity_type, entity_id, date, breakdown_type, breakdown_value"
                            : table == kNameTable      ? "entity_type, entity_id"
                                                       : "ad_id";
    return select("SELECT * FROM " + std::string(table) + " ORDER BY " + key, std::string(table));
  }
  bool add_foreign_row(std::string_view table, const Row& row) override {
    std::string names;
    std::string values;
    for (const auto& [name, value] : row) {
      names += (names.empty() ? "" : ", ") + name;
      values += (values.empty() ? "" : ", ") + sqlite::quote_text(value);
    }
    run("INSERT INTO " + std::string(table) + " (" + names + ") VALUES (" + values + ")");
    return true;
  }
  bool change_foreign(std::string_view table, const std::string& column, const std::string& value) override {
    run("UPDATE " + std::string(table) + " SET " + column + " = " + sqlite::quote_text(value));
    return true;
  }
  std::shared_ptr<void> keep_busy() override {
    std::shared_ptr<sqlite::Connection> writer = open();
    EXPECT_TRUE(writer->begin_immediate().ok());
    return writer;
  }

  [[nodiscard]] std::unique_ptr<sqlite::Connection> open() const {
    auto opened = sqlite::Connection::open(path(), sqlite::OpenMode::kCreate, 5'000);
    EXPECT_TRUE(opened.ok()) << opened.error().line();
    return std::move(opened).value();
  }
  void run(const std::string& sql) const {
    const Status done = open()->execute(sql);
    EXPECT_TRUE(done.ok()) << done.error().line() << "\n" << sql;
  }
  [[nodiscard]] std::int64_t ask(const std::string& sql) const {
    const auto answer = open()->query_integer(sql);
    EXPECT_TRUE(answer.ok()) << answer.error().line();
    return answer.ok() ? *answer : -1;
  }
  [[nodiscard]] std::string ask_text(const std::string& sql) const {
    const auto answer = open()->query_text(sql);
    EXPECT_TRUE(answer.ok()) << answer.error().line();
    return answer.ok() ? *answer : "";
  }

 private:
  [[nodiscard]] std::vector<Row> select(const std::string& sql, const std::string& table) const {
    const auto connection = open();
    std::vector<std::string> names;
    auto columns = connection->prepare("SELECT name FROM pragma_table_xinfo(?1)");
    columns->bind(1, std::string_view(table));
    while (columns->step().value()) names.emplace_back(columns->text(0));
    std::vector<Row> found;
    auto rows = connection->prepare(sql);
    EXPECT_TRUE(rows.ok()) << rows.error().line();
    while (rows->step().value()) {
      Row& row = found.emplace_back();
      for (int i = 0; i < rows->column_count(); ++i) row[names[static_cast<std::size_t>(i)]] = rows->text(i);
    }
    return found;
  }

  std::string folder_;
};

}  // namespace admetrics::sink
