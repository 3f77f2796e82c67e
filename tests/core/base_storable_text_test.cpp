#include <gtest/gtest.h>
#include <simdjson.h>

#include <set>

#include "core/base/storable_text.hpp"

namespace admetrics {
namespace {

bool is_storable(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size()) && text.find('\0') == std::string_view::npos;
}

TEST(StorableText, TextStaysAsItIs) {
  for (const char* text :
       {"", "a", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xef\xbf\xbd", "\xf4\x8f\xb7\xbf", "\xf4\x8f\xbf\xbf"})
    EXPECT_EQ(storable(text), text);
}

TEST(StorableText, EveryPairOfBytesComesBack) {
  std::set<std::string> seen;
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string bytes{static_cast<char>(first), static_cast<char>(second)};
      const std::string stored = storable(bytes);
      EXPECT_TRUE(is_storable(stored)) << first << ' ' << second;
      EXPECT_EQ(original(stored), bytes);
      EXPECT_TRUE(seen.insert(stored).second) << "two texts became one";
    }
  }
}

TEST(StorableText, WhatStandsForAByteIsToldFromItself) {
  const std::string stands_for_ff = storable("\xff");
  EXPECT_EQ(stands_for_ff, "\xf4\x8f\xbb\xbf");
  EXPECT_NE(storable(stands_for_ff), stands_for_ff);
  EXPECT_EQ(original(storable(stands_for_ff)), stands_for_ff);
  EXPECT_EQ(original(storable(storable(stands_for_ff))), storable(stands_for_ff));
}

TEST(StorableText, TornAndOverlongCharactersComeBack) {
  for (const std::string bytes :
       {"\xe2\x82", "a\xf0\x9f\x98", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf4\x8f", "\xf4\x8f\xb8"}) {
    EXPECT_TRUE(is_storable(storable(bytes)));
    EXPECT_EQ(original(storable(bytes)), bytes);
  }
}

}  // namespace
}  // namespace admetrics
