// The conformance suite on the change feed's own rows, and its lines: each once, in order, and true, whatever is cut off.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>
#include <map>

#include "core/base/storable_text.hpp"
#include "sinks/changefeed/changefeed_sink.hpp"
#include "tests/sinks/sqlite_target.hpp"

namespace admetrics::sink {
namespace {

namespace json = boost::json;
using testing::IsEmpty;

/// The feed's own database, and its files beside it.
class ChangefeedTarget : public SqliteTarget {
 public:
  ChangefeedTarget() : SqliteTarget("WAL") {}

  [[nodiscard]] std::string folder() const { return path() + ".feed"; }
  std::unique_ptr<Sink> connect() override {
    ChangefeedSinkOptions options;
    options.state_path = path();
    options.busy_timeout_ms = 20;
    options.files.path = folder() + "/rows.ndjson";
    options.files.size_max = size_max;
    options.files.age_max_seconds = age_max_seconds;
    options.files.keep = keep;
    return std::make_unique<ChangefeedSink>(options);
  }
  [[nodiscard]] std::string file(int number) const {
    return FeedFiles({folder() + "/rows.ndjson", 0, 0, 0, nullptr}).path_of(number);
  }
  [[nodiscard]] std::vector<std::string> lines(int first = 1) const {
    std::vector<std::string> found;
    for (int number = first; ::access(file(number).c_str(), F_OK) == 0; ++number) {
      std::ifstream in(file(number));
      for (std::string line; std::getline(in, line);) found.push_back(line);
    }
    return found;
  }

  std::int64_t size_max = 0;
  std::int64_t age_max_seconds = 0;
  std::int64_t keep = 0;
};

SinkTargetFactory factory() {
  return {"changefeed", [] { return std::make_unique<ChangefeedTarget>(); }};
}

INSTANTIATE_TEST_SUITE_P(Changefeed, SinkConformance, testing::Values(factory()));

class ChangefeedTest : public SinkConformance {
 protected:
  ChangefeedTarget& feed() { return dynamic_cast<ChangefeedTarget&>(*target_); }
  std::vector<json::object> told() {
    std::vector<json::object> all;
    for (const std::string& line : feed().lines()) all.push_back(json::parse(line).as_object());
    return all;
  }
  static std::int64_t size_of(const std::string& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 ? found.st_size : -1;
  }
};

INSTANTIATE_TEST_SUITE_P(Own, ChangefeedTest, testing::Values(factory()));

TEST_P(ChangefeedTest, InsertUpdateAndDeleteTellKeyAndValues) {
  commit(1, {cell("a1", values(1'250, "[\"u1\"]"))});
  commit(2, {cell("a1", values(1'325, "[\"u1\",\"u2\"]"))});
  commit(3, {cell("a1", values(1'325, "[\"u1\",\"u2\"]"))});  // nothing changes: nothing is told
  commit(4, {cell("a1", std::nullopt)});
  const auto lines = told();
  ASSERT_EQ(lines.size(), 3U);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(lines[i].at("sequence"), i + 1);
    EXPECT_EQ(lines[i].at("table"), "daily_mixpanel_metrics");
    EXPECT_EQ(lines[i].at("key"), json::parse(R"({"entity_type":"ad","entity_id":"a1","date":"2024-10-04"})"));
  }
  EXPECT_EQ(lines[0].at("op"), "insert");
  EXPECT_EQ(lines[0].at("epoch"), 1);
  EXPECT_EQ(lines[0].at("time"), "2023-11-14T22:13:21.005Z");
  EXPECT_EQ(lines[0].at("changed").at("meta_spend"), json::parse(R"({"new":12.5})"));
  EXPECT_EQ(lines[0].at("changed").as_object().size(), kNumberCount + kListCount) << "computed_at is the line's time";
  EXPECT_EQ(lines[1].at("op"), "update");
  EXPECT_EQ(
      lines[1].at("changed"),
      json::parse(R"({"trial_users_list":{"old":["u1"],"new":["u1","u2"]},"meta_spend":{"old":12.5,"new":13.25}})"));
  EXPECT_EQ(lines[2].at("op"), "delete");
  EXPECT_EQ(lines[2].at("epoch"), 4);
  EXPECT_EQ(lines[2].at("changed").at("meta_spend"), json::parse(R"({"old":13.25})"));
}

TEST_P(ChangefeedTest, NamesAndPairsAreToldToo) {
  commit(1, {}, {{Level::kCampaign, "c1", "One", 3, Day{20'000}}}, {{"a1", true, "s1", "c1", 67, Day{1}, Day{2}}});
  commit(2, {}, {{Level::kCampaign, "c1", "Two \"quoted\"\n", 3, Day{20'000}}}, {no_hierarchy("a1")});
  const auto lines = told();
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[2].at("changed"), json::parse(R"({"canonical_name":{"old":"One","new":"Two \"quoted\"\n"}})"));
  EXPECT_EQ(lines[3].at("op"), "delete");
  EXPECT_EQ(lines[3].at("key"), json::parse(R"({"ad_id":"a1"})"));
}

TEST_P(ChangefeedTest, ARollbackTellsNothing) {
  begin_and_write(1, {cell("a1", values(1))});
  sink_->rollback();
  reopen();
  EXPECT_THAT(told(), IsEmpty());
  commit(1, {cell("a1", values(1))});
  EXPECT_EQ(told().size(), 1U);
}

TEST_P(ChangefeedTest, LinesAreUtf8WhateverTheSourceHolds) {
  const std::string id = "\xff\xc3\xa4";
  commit(1, {cell(id, values(1, "[\"\xfe\"]"))});
  const auto lines = told();  // parsed by a library that insists on UTF-8
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(original(std::string(lines[0].at("key").at("entity_id").as_string())), id);
}

TEST_P(ChangefeedTest, WhatWasWrittenButNotRememberedIsCutOffAndWrittenOnce) {
  commit(1, {cell("a1", values(1))});
  const std::vector<std::string> before = feed().lines();
  // As a kill between the file and the database leaves it: lines in the outbox, and in the file, whole and torn.
  feed().run("INSERT INTO _admetrics_feed_outbox (line) VALUES ('\"table\":\"t\"')");
  feed().run(
      "INSERT INTO _admetrics_feed_epochs SELECT max(id), 2, '2025-01-01 00:00:00.000', 1735689600 FROM "
      "_admetrics_feed_outbox");
  std::ofstream(feed().file(1), std::ios::app) << "{\"sequence\":2,\"epoch\":2,\"ti";
  reopen();
  const std::vector<std::string> after = feed().lines();
  ASSERT_EQ(after.size(), before.size() + 1);
  EXPECT_EQ(after.back(), R"({"sequence":2,"epoch":2,"time":"2025-01-01T00:00:00.000Z","table":"t"})");
  reopen();
  EXPECT_EQ(feed().lines(), after);
}

TEST_P(ChangefeedTest, FilesAreRotatedBySizeAtTheEndOfALineAndOldOnesGo) {
  feed().size_max = 1;
  feed().keep = 2;
  reopen();
  for (std::uint64_t epoch = 1; epoch <= 6; ++epoch)
    commit(epoch, {cell("a1", values(static_cast<std::int64_t>(epoch)))});
  for (int number = 1; number <= 3; ++number) EXPECT_EQ(size_of(feed().file(number)), -1) << number;
  EXPECT_EQ(feed().lines(4).size(), 3U);
  for (int number = 4; number <= 6; ++number) EXPECT_GT(size_of(feed().file(number)), 0) << number;
}

TEST_P(ChangefeedTest, FilesAreRotatedByAge) {
  feed().age_max_seconds = 2;  // an epoch of these tests is a second
  reopen();
  for (std::uint64_t epoch = 1; epoch <= 5; ++epoch)
    commit(epoch, {cell("a1", values(static_cast<std::int64_t>(epoch)))});
  EXPECT_GT(size_of(feed().file(3)), 0);
  EXPECT_EQ(size_of(feed().file(4)), -1);
  EXPECT_EQ(told().size(), 5U);
}

TEST_P(ChangefeedTest, AFileThatWasTakenAwayOrCutOffIsLeftBehind) {
  commit(1, {cell("a1", values(1))});
  ::unlink(feed().file(1).c_str());
  commit(2, {cell("a1", values(2))});
  EXPECT_GT(size_of(feed().file(2)), 0);
  ASSERT_EQ(::truncate(feed().file(2).c_str(), 3), 0);
  commit(3, {cell("a1", values(3))});
  std::ifstream third(feed().file(3));
  std::string line;
  ASSERT_TRUE(std::getline(third, line));
  EXPECT_EQ(json::parse(line).at("sequence"), 3);
  EXPECT_EQ(size_of(feed().file(1)), -1);
  EXPECT_EQ(size_of(feed().file(2)), 3);
}

TEST_P(ChangefeedTest, LinesThatCannotBeWrittenFailTheCommitAndComeLater) {
  commit(1, {cell("a1", values(1))});
  feed().size_max = 1;
  reopen();
  std::filesystem::create_directory(feed().file(2));  // where the next file should be
  begin_and_write(2, {cell("a1", values(2))});
  EXPECT_FALSE(sink_->commit().ok());
  sink_ = target_->connect();
  EXPECT_FALSE(sink_->open().ok());
  std::filesystem::remove(feed().file(2));
  EXPECT_EQ(open().epoch, EpochId{2}) << "the rows stood already";
  EXPECT_EQ(told().size(), 2U);
}

}  // namespace
}  // namespace admetrics::sink
