#include "daemon/api/values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace admetrics::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

TEST(ValuesTest, MembersBecomeTexts) {
  dashboard::Parameters values;
  EXPECT_EQ(add_json_values(R"({"a":"x","b":true,"c":12,"d":18446744073709551615,"e":null,"f":[1]})", values), "");
  EXPECT_THAT(values, ElementsAre(Pair("a", "x"), Pair("b", "true"), Pair("c", "12"), Pair("d", "18446744073709551615"),
                                  Pair("f", "[1]")));
}

TEST(ValuesTest, NoBodyHasNoMembers) {
  dashboard::Parameters values;
  EXPECT_EQ(add_json_values(" \n", values), "");
  EXPECT_THAT(values, IsEmpty());
}

TEST(ValuesTest, WhatIsNoObjectIsSaid) {
  dashboard::Parameters values;
  EXPECT_THAT(add_json_values("{\"a\":", values), HasSubstr("not JSON"));
  EXPECT_THAT(add_json_values("[1]", values), HasSubstr("must be a JSON object"));
  EXPECT_THAT(add_json_values(std::string(60'000, '['), values), HasSubstr("not JSON"));
  EXPECT_THAT(add_json_values("{\"a\":\"\xff\"}", values), HasSubstr("not JSON"));
  EXPECT_THAT(values, IsEmpty());
}

}  // namespace
}  // namespace admetrics::api
