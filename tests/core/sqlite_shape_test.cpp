// How a table looks, as far as it matters to whoever writes into it.
#include <gtest/gtest.h>

#include "core/sqlite/shape.hpp"

namespace admetrics::sqlite {
namespace {

TableShape shape_of(const std::string& sql, const std::string& table = "t") {
  auto shapes = shapes_of(sql, {table});
  EXPECT_TRUE(shapes.ok()) << shapes.error().line();
  return shapes.value().front();
}

TEST(SqliteShape, WhatIsNotThereHasNoColumns) {
  const TableShape shape = shape_of("CREATE TABLE other (a)");
  EXPECT_FALSE(shape.exists);
  EXPECT_TRUE(shape.columns.empty());
}

TEST(SqliteShape, ColumnsAreToldAsDeclared) {
  const TableShape shape =
      shape_of("CREATE TABLE t (Id INTEGER PRIMARY KEY, a DECIMAL(10,2) NOT NULL DEFAULT 0.00, b AS (a) VIRTUAL)");
  ASSERT_TRUE(shape.exists);
  EXPECT_EQ(shape.row_number_column(), "id");
  ASSERT_NE(shape.column("a"), nullptr);
  EXPECT_EQ(shape.column("a")->type, "DECIMAL(10,2)");
  EXPECT_TRUE(shape.column("a")->not_null);
  EXPECT_EQ(shape.column("a")->default_value, "0.00");
  EXPECT_FALSE(shape.column("a")->generated);
  EXPECT_TRUE(shape.column("b")->generated);
  EXPECT_EQ(shape.column("c"), nullptr);
}

TEST(SqliteShape, OnlyAnIntegerPrimaryKeyAloneIsTheRowsNumber) {
  EXPECT_EQ(shape_of("CREATE TABLE t (id INT PRIMARY KEY)").row_number_column(), "");
  EXPECT_EQ(shape_of("CREATE TABLE t (id INTEGER, b, PRIMARY KEY (id, b))").row_number_column(), "");
  EXPECT_EQ(shape_of("CREATE TABLE t (id INTEGER PRIMARY KEY) WITHOUT ROWID").row_number_column(), "");
  EXPECT_EQ(shape_of("CREATE TABLE t (id INTEGER)").row_number_column(), "");
}

TEST(SqliteShape, AKeyMayBeDeclaredInAnyWayAndOrder) {
  EXPECT_TRUE(shape_of("CREATE TABLE t (a, b, UNIQUE (b, a))").has_unique_key({"a", "b"}));
  EXPECT_TRUE(shape_of("CREATE TABLE t (a, b, PRIMARY KEY (a, b))").has_unique_key({"a", "b"}));
  EXPECT_TRUE(shape_of("CREATE TABLE t (a, b); CREATE UNIQUE INDEX i ON t (a, b)").has_unique_key({"a", "b"}));
  EXPECT_TRUE(shape_of("CREATE TABLE t (a INTEGER PRIMARY KEY, b)").has_unique_key({"a"}));
  EXPECT_FALSE(shape_of("CREATE TABLE t (a, b); CREATE INDEX i ON t (a, b)").has_unique_key({"a", "b"}));
  EXPECT_FALSE(
      shape_of("CREATE TABLE t (a, b); CREATE UNIQUE INDEX i ON t (a, b) WHERE a > 0").has_unique_key({"a", "b"}));
  EXPECT_FALSE(shape_of("CREATE TABLE t (a, b, c, UNIQUE (a, b, c))").has_unique_key({"a", "b"}));
}

TEST(SqliteShape, AViewIsNoTable) { EXPECT_TRUE(shape_of("CREATE VIEW t AS SELECT 1 AS a").is_view); }

TEST(SqliteShape, TypesThatKeepValuesAlike) {
  EXPECT_TRUE(keeps_values_alike("DECIMAL(10,2)", "NUMERIC"));
  EXPECT_TRUE(keeps_values_alike("DECIMAL(10,2)", "REAL"));
  EXPECT_TRUE(keeps_values_alike("INTEGER", ""));
  EXPECT_TRUE(keeps_values_alike("TEXT", "VARCHAR(20)"));
  EXPECT_TRUE(keeps_values_alike("TEXT", ""));
  EXPECT_TRUE(keeps_values_alike("DATE", "TEXT"));
  EXPECT_TRUE(keeps_values_alike("DATETIME", "INTEGER"));
  EXPECT_FALSE(keeps_values_alike("DECIMAL(10,2)", "TEXT"));
  EXPECT_FALSE(keeps_values_alike("INTEGER", "varchar"));
  EXPECT_FALSE(keeps_values_alike("TEXT", "INTEGER"));
  EXPECT_FALSE(keeps_values_alike("TEXT", "STRING"));  // NUMERIC, whatever it sounds like
}

}  // namespace
}  // namespace admetrics::sqlite
