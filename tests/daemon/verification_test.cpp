#include "daemon/verification.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>

#include "tests/support/temp_folder.hpp"

namespace admetrics {
namespace {

Verification different() {
  Verification verification;
  verification.at_seconds = 1'753'956'000;
  verification.known = true;
  verification.differences = 7;
  verification.epoch = 12;
  verification.whole = false;
  verification.duration_seconds = 1.5;
  return verification;
}

TEST(VerificationTest, WhatIsKeptIsRead) {
  const support::TempFolder folder;
  EXPECT_EQ(read_verification(folder.path()).at_seconds, 0) << "there was none";
  ASSERT_TRUE(write_verification(folder.path(), different()).ok());
  EXPECT_EQ(read_verification(folder.path()), different());
  Verification unknown;
  unknown.at_seconds = 1'753'956'001;
  unknown.error = "cannot \"tell\"\n";
  ASSERT_TRUE(write_verification(folder.path(), unknown).ok());
  EXPECT_EQ(read_verification(folder.path()), unknown);
}

TEST(VerificationTest, EqualIsTrueFalseOrNotKnown) {
  Verification verification = different();
  EXPECT_EQ(to_json(verification).at("equal"), false);
  verification.equal = true;
  EXPECT_EQ(to_json(verification).at("equal"), true);
  verification.known = false;
  EXPECT_TRUE(to_json(verification).at("equal").is_null());
  EXPECT_TRUE(to_json(Verification()).is_null());
}

TEST(VerificationTest, AnythingElseIsNone) {
  const support::TempFolder folder;
  for (const char* text :
       {"", "{", "null", "[]", "{}", R"({"at":1})", R"({"at":"2025-07-31 10:00:00.000","equal":1})"}) {
    std::ofstream(folder.path() + "/verification.json") << text;
    EXPECT_EQ(read_verification(folder.path()).at_seconds, 0) << text;
  }
}

TEST(VerificationTest, AFolderThatIsNotThereSaysSo) {
  EXPECT_FALSE(write_verification("/nowhere/at/all", different()).ok());
}

}  // namespace
}  // namespace admetrics
