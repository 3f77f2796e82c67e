#include "dashboard/json_text.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace admetrics::dashboard {
namespace {

std::string number(std::int64_t scaled, int digits) {
  JsonText json;
  json.decimal(scaled, digits);
  return json.take();
}

std::string text(std::string_view value) {
  JsonText json;
  json.text(value);
  return json.take();
}

TEST(JsonTextTest, NumbersAreWrittenFromWholeNumbers) {
  EXPECT_EQ(number(0, 2), "0");
  EXPECT_EQ(number(1, 2), "0.01");
  EXPECT_EQ(number(-1, 2), "-0.01");
  EXPECT_EQ(number(10, 2), "0.1");
  EXPECT_EQ(number(1'234, 2), "12.34");
  EXPECT_EQ(number(-1'230, 2), "-12.3");
  EXPECT_EQ(number(100, 2), "1");
  EXPECT_EQ(number(6'667, 4), "0.6667");
  EXPECT_EQ(number(INT64_MAX, 2), "92233720368547758.07");
  EXPECT_EQ(number(INT64_MIN, 4), "-922337203685477.5808");
  EXPECT_EQ(number(INT64_MIN, 0), "-9223372036854775808");
}

TEST(JsonTextTest, TextsAreEscaped) {
  EXPECT_EQ(text("a\"b\\c\n\x01/ü"), "\"a\\\"b\\\\c\\u000a\\u0001/ü\"");
  EXPECT_EQ(boost::json::parse(text("a\"b\\c\n\x01/ü")), "a\"b\\c\n\x01/ü");
}

TEST(JsonTextTest, WhatIsNotUtf8IsReplaced) {
  EXPECT_EQ(text("a\xff"
                 "b\xc3"),
            "\"a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\"");
  EXPECT_EQ(text("\xed\xa0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");  // half a surrogate pair
  EXPECT_EQ(text("ü€😀"), "\"ü€😀\"");
  EXPECT_EQ(text("ü\xff€😀"), "\"ü\xEF\xBF\xBD€😀\"");
}

TEST(JsonTextTest, ObjectsAndArraysNest) {
  JsonText json;
  json.open_object().name("a").open_array().whole(1).whole(2).open_object().close_object().close_array();
  json.name("b").null().name("c").flag(true).name("d").raw("[7]").close_object();
  EXPECT_EQ(json.take(), R"({"a":[1,2,{}],"b":null,"c":true,"d":[7]})");
}

}  // namespace
}  // namespace admetrics::dashboard
