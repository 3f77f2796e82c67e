#include "tests/story/story.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

namespace admetrics {
namespace {

/// The same story, told in other worlds: what is true must not depend on how it is captured, stored or shared out.
struct Variant {
  std::string name;
  support::WorldOptions options;
};

std::vector<Variant> variants() {
  support::WorldOptions usual;
  support::WorldOptions alone;
  alone.machine.shards = 1;
  alone.machine.workers = 1;
  alone.machine.triggers = false;
  alone.source.product_wal = alone.source.ads_wal = false;
  support::WorldOptions together;
  together.machine.shards = 16;
  together.machine.workers = 4;
  together.sink_in_product_db = true;
  together.source.recursive_triggers = true;
  return {{"captured_by_triggers", usual}, {"captured_by_scans", alone}, {"in_one_database", together}};
}

std::vector<Story> all_stories() {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(ADMETRICS_STORY_FOLDER)) {
    if (entry.path().extension() == ".story") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  std::vector<Story> stories;
  for (const std::string& file : files) {
    for (Story& story : read_stories(file)) stories.push_back(std::move(story));
  }
  return stories;
}

struct Telling {
  Story story;
  Variant variant;
};

std::vector<Telling> all_tellings() {
  std::vector<Telling> tellings;
  for (const Story& story : all_stories()) {
    for (const Variant& variant : variants()) tellings.push_back({story, variant});
  }
  return tellings;
}

void PrintTo(const Telling& telling, std::ostream* out) { *out << telling.story.title; }

std::string test_name(const testing::TestParamInfo<Telling>& info) {
  std::string name;
  for (const char c : info.param.story.title) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain) {
      name += c;
    } else if (!name.empty() && name.back() != '_') {
      name += '_';
    }
  }
  return name + "_" + info.param.variant.name;
}

class Stories : public testing::TestWithParam<Telling> {};

TEST_P(Stories, Hold) {
  const std::string fault = play(GetParam().story, GetParam().variant.options);
  if (!fault.empty()) ADD_FAILURE() << fault;
}

INSTANTIATE_TEST_SUITE_P(All, Stories, testing::ValuesIn(all_tellings()), test_name);

TEST(Canary, FailsForTheReasonThatItWasGiven) {
  const std::vector<Story> stories = read_stories(ADMETRICS_CANARY);
  ASSERT_EQ(stories.size(), 1U);
  const std::string fault = play(stories.front());
  EXPECT_NE(fault.find("canary.story:6: there is no such row"), std::string::npos) << fault;
}

// What keeps the stories honest: a story can fail, says where, and is never half understood.
Story told(std::vector<std::string> lines) { return {"made up", "made_up.story", 1, std::move(lines)}; }

TEST(Interpreter, SaysWhatIsOtherwiseThanExpected) {
  const std::string fault = play(told(
      {"user u1 ad=a7", "event u1 2026-01-03T10:00Z RC Trial started", "expect ad a7 2026-01-03 trial_users_count=2"}));
  EXPECT_NE(fault.find("made_up.story:3: trial_users_count is 1"), std::string::npos) << fault;
}

TEST(Interpreter, RefusesAVerbThatItDoesNotKnow) {
  const std::string fault = play(told({"user u1 ad=a7", "usr u2 ad=a7"}));
  EXPECT_NE(fault.find("made_up.story:2: no verb is called usr"), std::string::npos) << fault;
}

TEST(Interpreter, RefusesAColumnThatItDoesNotKnow) {
  EXPECT_NE(play(told({"user u1 add=a7"})).find("made_up.story:1: no column is called add"), std::string::npos);
  EXPECT_NE(play(told({"user u1 ad=a7", "event u1 2026-01-03T10:00Z RC Trial started",
                       "expect ad a7 2026-01-03 trial_count=1"}))
                .find("no column is called trial_count"),
            std::string::npos);
}

TEST(Interpreter, RefusesWordsThatNobodyTook) {
  EXPECT_NE(play(told({"user u1 ad=a7", "no write at all"})).find("not understood: at"), std::string::npos);
}

TEST(Interpreter, RefusesToUpdateWhatIsNotThere) {
  EXPECT_NE(play(told({"update user u1 ad=a7"})).find("there is no such row"), std::string::npos);
}

TEST(Interpreter, SeesARowThatShouldBeGone) {
  const std::string fault =
      play(told({"user u1 ad=a7", "event u1 2026-01-03T10:00Z RC Trial started", "expect ad a7 2026-01-03 none"}));
  EXPECT_NE(fault.find("there is such a row"), std::string::npos) << fault;
}

TEST(Interpreter, SeesRowsThatWereTamperedWith) {
  const std::string fault = play(told(
      {"user u1 ad=a7", "event u1 2026-01-03T10:00Z RC Trial started", "sink DELETE FROM daily_mixpanel_metrics"}));
  EXPECT_NE(fault.find("rows that somebody else wrote"), std::string::npos) << fault;
}

TEST(Interpreter, SeesAWriteWhereNoneShouldBe) {
  const std::string fault = play(told({"user u1 ad=a7", "event u1 2026-01-03T10:00Z RC Trial started", "no write"}));
  EXPECT_NE(fault.find("inserted 4"), std::string::npos) << fault;
}

}  // namespace
}  // namespace admetrics
