#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/storable_text.hpp"
#include "sinks/postgres/connection.hpp"
#include "sinks/postgres/postgres_sink.hpp"
#include "sinks/postgres/text.hpp"
#include "tests/sinks/sink_conformance.hpp"
#include "tests/support/postgres_server.hpp"

namespace admetrics::sink {

/// A schema of its own in the tests' server, and somebody else's connections to it.
class PostgresTarget : public SinkTarget {
 public:
  explicit PostgresTarget(UserLists lists) : lists_(lists) {
    static int schemas = 0;
    schema_ = "target \"" + std::to_string(++schemas);  // a name that has to be quoted
  }
  ~PostgresTarget() override { run("DROP SCHEMA IF EXISTS " + postgres::identifier(schema_) + " CASCADE"); }

  [[nodiscard]] PostgresSinkOptions options() const {
    PostgresSinkOptions options;
    options.conninfo = support::PostgresServer::shared().conninfo();
    options.schema = schema_;
    options.user_lists = lists_;
    options.lock_timeout_ms = 300;
    return options;
  }
  [[nodiscard]] const std::string& schema() const { return schema_; }

  std::unique_ptr<Sink> connect() override { return std::make_unique<PostgresSink>(options()); }

  std::vector<Row> rows(std::string_view table) override {
    const auto connection = open();
    const std::vector<std::string> name{schema_, std::string(table)};
    const auto columns = connection->query(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
        name);
    EXPECT_TRUE(columns.ok()) << columns.error().line();
    std::string select;
    for (std::size_t i = 0; i < columns->rows.size(); ++i) {
      const std::string column = columns->text(i, 0);
      const std::string type = columns->text(i, 1);
      select += select.empty() ? "" : ", ";
      if (type == "date") {
        select += "CASE WHEN " + column + " < '0001-01-01' THEN '0000' || to_char(" + column +
                  ", '-MM-DD') ELSE to_char(" + column + ", 'YYYY-MM-DD') END";
      } else if (type.starts_with("timestamp")) {
        select += "to_char(" + column + ", 'YYYY-MM-DD HH24:MI:SS.MS')";
      } else if (type == "numeric") {
        select += "trim_scale(" + column + ")";
      } else {
        select += column;
      }
    }
    const auto found = connection->query("SELECT " + select + " FROM " + std::string(table));
    EXPECT_TRUE(found.ok()) << found.error().line();
    std::vector<Row> rows;
    for (std::size_t i = 0; found.ok() && i < found->rows.size(); ++i) {
      Row& row = rows.emplace_back();
      for (std::size_t c = 0; c < columns->rows.size(); ++c) {
        std::string text = found->text(i, c);
        if (columns->text(c, 1) == "jsonb") text = postgres::compact_json(text);
        if (columns->text(c, 0).ends_with("_id") || columns->text(c, 0) == "breakdown_value")
          text = whole(*connection, text);
        row[columns->text(c, 0)] = original(text);
      }
    }
    std::sort(rows.begin(), rows.end(),
              [&](const Row& a, const Row& b) { return key_of(table, a) < key_of(table, b); });
    return rows;
  }

  bool add_foreign_row(std::string_view table, const Row& row) override {
    std::string names;
    std::string values;
    for (const auto& [name, value] : row) {
      const auto day = parse_day(value);
      if (name == "date" && (!day || format_day(*day) != value)) return false;
      names += (names.empty() ? "" : ", ") + name;
      values += (values.empty() ? "" : ", ") + postgres::literal(value);
    }
    // A sink has created the tables, or will: the row comes from somebody who found them.
    run("INSERT INTO " + std::string(table) + " (" + names + ") VALUES (" + values + ")");
    return true;
  }
  bool change_foreign(std::string_view table, const std::string& column, const std::string& value) override {
    const Status done =
        open()->execute("UPDATE " + std::string(table) + " SET " + column + " = " + postgres::literal(value));
    if (!done.ok()) {
      EXPECT_THAT(done.error().detail, testing::HasSubstr("22007"));
    }
    return done.ok();
  }
  std::shared_ptr<void> keep_busy() override {
    std::shared_ptr<postgres::Connection> writer = open();
    EXPECT_TRUE(
        writer
            ->execute("BEGIN; LOCK TABLE _admetrics_sink, daily_mixpanel_metrics, "
                      "daily_mixpanel_metrics_breakdown, id_name_mapping, id_hierarchy_mapping IN EXCLUSIVE MODE")
            .ok());
    return writer;
  }

  [[nodiscard]] std::unique_ptr<postgres::Connection> open() const {
    static PostgresSinkOptions options;  // outlives every connection
    options.conninfo = support::PostgresServer::shared().conninfo();
    auto opened = postgres::Connection::open(options);
    EXPECT_TRUE(opened.ok()) << opened.error().line();
    EXPECT_TRUE((*opened)->execute("SET search_path = " + postgres::identifier(schema_)).ok());
    return std::move(opened).value();
  }
  void run(const std::string& sql) const {
    const Status done = open()->execute(sql);
    EXPECT_TRUE(done.ok()) << done.error().line() << "\n" << sql;
  }
  [[nodiscard]] std::string ask(const std::string& sql) const {
    const auto answer = open()->query(sql);
    EXPECT_TRUE(answer.ok()) << answer.error().line();
    return answer.ok() && !answer->empty() ? answer->text(0, 0) : "";
  }

 private:
  static std::vector<std::string> key_of(std::string_view table, const Row& row) {
    if (table == kHierarchyTable) return {row.at("ad_id")};
    if (table == kNameTable) return {row.at("entity_type"), row.at("entity_id")};
    if (table == kMainTable) return {row.at("entity_type"), row.at("entity_id"), row.at("date")};
    return {row.at("entity_type"), row.at("entity_id"), row.at("date"), row.at("breakdown_type"),
            row.at("breakdown_value")};
  }
  static std::string whole(postgres::Connection& connection, const std::string& text) {
    const std::vector<std::string> id{text};
    const auto found = connection.query("SELECT long_id FROM _admetrics_sink_long_ids WHERE short_id = $1", id);
    return found.ok() && !found->empty() ? found->text(0, 0) : text;
  }

  const UserLists lists_;
  std::string schema_;
};

}  // namespace admetrics::sink
