#include "dashboard/user_list.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace admetrics::dashboard {
namespace {

std::string merged(const std::vector<std::string_view>& lists) {
  std::string out;
  append_merged(lists, out);
  return out;
}

TEST(UserListTest, IdsAreCounted) {
  EXPECT_EQ(count_ids(""), 0);
  EXPECT_EQ(count_ids("[]"), 0);
  EXPECT_EQ(count_ids(R"(["u1"])"), 1);
  EXPECT_EQ(count_ids(R"(["u1","u2","u3"])"), 3);
  EXPECT_EQ(count_ids(R"([""])"), 1);
  EXPECT_EQ(count_ids(R"(["a,b","]","[\"]"])"), 3);
  EXPECT_EQ(count_ids(R"(["a\"b","c\\","d\\\"e"])"), 3);
}

TEST(UserListTest, WhatIsNoListHoldsWhatCanBeRead) {
  EXPECT_EQ(count_ids("null"), 0);
  EXPECT_EQ(count_ids("u1,u2"), 0);
  EXPECT_EQ(count_ids("["), 0);
  EXPECT_EQ(count_ids(R"(["u1)"), 0);
  EXPECT_EQ(count_ids(R"(["u1","u2)"), 1);
  EXPECT_EQ(count_ids(R"(["u1\)"), 0);
}

TEST(UserListTest, ListsMergeInOrderOfBytes) {
  EXPECT_EQ(merged({}), "[]");
  EXPECT_EQ(merged({R"(["u2"])"}), R"(["u2"])");
  EXPECT_EQ(merged({R"(["u2","u9"])", R"(["u1"])", "[]", R"(["u10","u3"])"}), R"(["u1","u10","u2","u3","u9"])");
  EXPECT_EQ(merged({R"(["same-beginning-b"])", R"(["same-beginning-a"])", R"(["same-beg"])", R"([""])"}),
            R"(["","same-beg","same-beginning-a","same-beginning-b"])");
}

TEST(UserListTest, EscapedIdsStandWhereTheirBytesBelong) {
  // As bytes: 01, 'a', '"' is 22, '\' is 5c, 'Z' is 5a.
  const std::string out = merged({R"(["a"])", R"(["\\"])", R"(["\""])", R"(["\u0001"])", R"(["Z"])"});
  EXPECT_EQ(out, R"(["\u0001","\"","Z","\\","a"])");
  EXPECT_EQ(boost::json::parse(out).as_array().size(), 5U);
}

}  // namespace
}  // namespace admetrics::dashboard
