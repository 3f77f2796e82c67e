#include "daemon/api/answer_cache.hpp"

#include <gtest/gtest.h>

namespace admetrics::api {
namespace {

http::ContentPtr of(std::size_t bytes) { return http::make_content(std::string(bytes, 'x')); }

TEST(AnswerCacheTest, KeepsAnswersOfOneEpoch) {
  AnswerCache cache(1'000'000);
  const auto one = of(100);
  cache.keep("e1", "a", one);
  EXPECT_EQ(cache.find("e1", "a"), one);
  EXPECT_EQ(cache.find("e1", "b"), nullptr);
  EXPECT_EQ(cache.find("e2", "a"), nullptr);
  cache.keep("e2", "b", of(100));
  EXPECT_EQ(cache.find("e1", "a"), nullptr);
  EXPECT_EQ(cache.bytes(), 150U);
}

TEST(AnswerCacheTest, ForgetsWhatWasAskedForLongest) {
  AnswerCache cache(460);  // room for three, each with its compressed half
  cache.keep("e", "a", of(100));
  cache.keep("e", "b", of(100));
  cache.keep("e", "c", of(100));
  EXPECT_NE(cache.find("e", "a"), nullptr);
  cache.keep("e", "d", of(100));
  EXPECT_EQ(cache.find("e", "b"), nullptr);
  for (const char* kept : {"a", "c", "d"}) EXPECT_NE(cache.find("e", kept), nullptr) << kept;
}

TEST(AnswerCacheTest, WhatDoesNotFitIsNotKept) {
  AnswerCache cache(100);
  cache.keep("e", "a", of(1'000));
  EXPECT_EQ(cache.find("e", "a"), nullptr);
  EXPECT_EQ(cache.bytes(), 0U);
  AnswerCache none(0);
  none.keep("e", "a", of(1));
  EXPECT_EQ(none.find("e", "a"), nullptr);
}

}  // namespace
}  // namespace admetrics::api
