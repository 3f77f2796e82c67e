#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/http/head.hpp"
#include "daemon/http/routes.hpp"
#include "daemon/http/target.hpp"

namespace admetrics::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

TEST(TargetTest, PathAndValuesAreDecoded) {
  const auto target = parse_target("/a%20b/c?x=1&y=%C3%BC+z&x=&flag");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/a b/c");
  EXPECT_THAT(target->values, ElementsAre(Pair("x", "1"), Pair("y", "ü z"), Pair("x", ""), Pair("flag", "")));
  EXPECT_EQ(parse_target("http://host:80/path?q=1")->path, "/path");
}

TEST(TargetTest, WhatIsNoTargetIsNone) {
  for (const char* text : {"", "*", "path", "/a%zz", "/a%4", "/a b", "/a\x01", "//[", "/\xff"}) {
    EXPECT_FALSE(parse_target(text)) << text;
  }
}

TEST(RoutesTest, TheFirstThatFits) {
  Routes routes;
  routes.add({"/", {Method::kGet}, false, {}});
  routes.add({"/api/data", {Method::kGet, Method::kPost}, false, {}});
  routes.add({"/assets/*", {Method::kGet}, true, {}});
  EXPECT_EQ(routes.find("/")->path, "/");
  EXPECT_EQ(routes.find("/assets/x/y.js")->path, "/assets/*");
  EXPECT_EQ(routes.find("/api/data/"), nullptr);
  EXPECT_EQ(routes.find(""), nullptr);
  EXPECT_EQ(allowed_methods(*routes.find("/api/data")), "GET, HEAD, POST, OPTIONS");
}

TEST(TokenTest, OnlyTheRightOnes) {
  const std::vector<std::string> tokens{"secret", "another-secret"};
  EXPECT_TRUE(is_authorized("", {}));
  EXPECT_TRUE(is_authorized("Bearer secret", tokens));
  EXPECT_TRUE(is_authorized("bearer   another-secret ", tokens));
  for (const char* wrong : {"", "Bearer", "Bearer ", "secret", "Bearer secre", "Bearer secrets", "Basic secret",
                            "Bearer Secret", "Bearer secret secret", "Bearersecret", "Bearer secretsecret"}) {
    EXPECT_FALSE(is_authorized(wrong, tokens)) << wrong;
  }
}

TEST(OriginTest, OnlyThoseThatAreConfigured) {
  EXPECT_EQ(allowed_origin("https://a", {}), std::nullopt);
  EXPECT_EQ(allowed_origin("https://a", {"https://b", "https://a"}), "https://a");
  EXPECT_EQ(allowed_origin("https://a.evil", {"https://a"}), std::nullopt);
  EXPECT_EQ(allowed_origin("", {"*"}), std::nullopt);
  EXPECT_EQ(allowed_origin("https://a", {"*"}), "*");
}

TEST(EncodingTest, GzipIsTakenWhereItIsWanted) {
  for (const char* yes : {"gzip", "GZIP", "br, gzip", "gzip;q=0.5", "deflate,gzip ; q=1", "*", "*;q=0.1, br"}) {
    EXPECT_TRUE(accepts_gzip(yes)) << yes;
  }
  for (const char* no : {"", "br", "gzip;q=0", "gzip; q=0.000", "gzip;q=0, *", "*;q=0", "xgzip", "identity"}) {
    EXPECT_FALSE(accepts_gzip(no)) << no;
  }
}

TEST(TagTest, WeakAndStrongMeanTheSameToACache) {
  Request request;
  EXPECT_FALSE(request.has("\"a\""));
  request.if_none_match = "\"x\", W/\"a\"";
  EXPECT_TRUE(request.has("\"a\""));
  EXPECT_TRUE(request.has("W/\"a\""));
  EXPECT_FALSE(request.has("\"b\""));
  request.if_none_match = "*";
  EXPECT_TRUE(request.has("\"b\""));
}

TEST(HeadTest, DatesAreAsHttpWritesThem) {
  EXPECT_EQ(http_date({784'111'777, 0}), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date({0, 0}), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(http_date({1'709'164'800, 0}), "Thu, 29 Feb 2024 00:00:00 GMT");
}

TEST(HeadTest, FieldsSayWhatTheBodyIs) {
  Response response = Response::json(200, "{}");
  response.etag = "\"a\"";
  HeadOptions options;
  options.content_bytes = 2;
  options.keep_alive = false;
  options.origin = "https://a";
  const std::string head = head_of(response, options);
  EXPECT_THAT(head, testing::StartsWith("HTTP/1.1 200 OK\r\nDate: "));
  EXPECT_THAT(head, testing::EndsWith("\r\n\r\n"));
  for (const char* field :
       {"Content-Type: application/json\r\n", "Content-Length: 2\r\n", "ETag: \"a\"\r\n", "Connection: close\r\n",
        "Access-Control-Allow-Origin: https://a\r\n", "Cache-Control: private, no-cache\r\n"}) {
    EXPECT_THAT(head, HasSubstr(field));
  }
  EXPECT_THAT(head_of(Response::json(500, ""), {}), Not(HasSubstr("ETag")));
}

}  // namespace
}  // namespace admetrics::http
