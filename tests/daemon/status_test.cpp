#include "daemon/status.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace admetrics {
namespace {

boost::json::object document_of(const DaemonStatus& status) { return boost::json::parse(to_json(status)).as_object(); }

DaemonStatus after_an_epoch() {
  DaemonStatus status;
  status.phase = "streaming";
  status.started_at_seconds = 1'700'000'000;
  status.written_at_seconds = 1'700'000'090;
  status.as_of = "2025-07-31";
  status.position = R"({"product":{"seq":7}})";
  status.epochs = 3;
  status.last_epoch.epoch = EpochId{12};
  status.last_epoch.records = 5;
  status.last_epoch.reconciled = true;
  status.last_epoch.reason = "said \"so\"\n";
  status.last_epoch.total_micros = 1'500;
  SinkReceipt receipt;
  receipt.inserted = 1;
  receipt.updated = 2;
  receipt.deleted = 4;
  status.last_epoch.receipts.push_back(receipt);
  status.rows_inserted_total = 10;
  status.rows_updated_total = 20;
  status.rows_deleted_total = 40;
  status.rejects.push_back({"mixpanel_event", RejectReason::kBadTime, 9});
  status.unmapped.push_back({Breakdown::kCountry, "Côte d'\"Ivoire\"\t", 2});
  return status;
}

TEST(StatusTest, BeforeTheFirstEpochThereIsNoLastOne) {
  const auto document = document_of(DaemonStatus());
  EXPECT_EQ(document.at("phase"), "starting");
  EXPECT_TRUE(document.at("last_epoch").is_null());
  EXPECT_TRUE(document.at("position").is_null());
  EXPECT_TRUE(document.at("last_error").is_null());
  EXPECT_TRUE(document.at("rejects").as_array().empty());
  EXPECT_TRUE(document.at("unmapped").as_array().empty());
  EXPECT_EQ(document.at("pid").as_int64(), ::getpid());
}

TEST(StatusTest, EachSinkIsTold) {
  DaemonStatus status;
  status.sinks.resize(1);
  status.sinks[0].sink = "postgres";
  status.sinks[0].state = follow::State::kWaiting;
  status.sinks[0].lag_epochs = 3;
  status.sinks[0].last_error = "no server";
  const auto document = document_of(status);
  const auto& sink = document.at("sinks").as_array().at(0);
  EXPECT_EQ(sink.at("sink"), "postgres");
  EXPECT_EQ(sink.at("state"), "waiting");
  EXPECT_TRUE(sink.at("epoch").is_null());
  EXPECT_EQ(sink.at("lag_epochs").to_number<int>(), 3);
  EXPECT_EQ(sink.at("last_error"), "no server");
}

TEST(StatusTest, TheLastEpochIsToldWithItsCounts) {
  const auto document = document_of(after_an_epoch());
  const auto& epoch = document.at("last_epoch").as_object();
  EXPECT_EQ(epoch.at("id").to_number<int>(), 12);
  EXPECT_EQ(epoch.at("rows_written").to_number<int>(), 7);
  EXPECT_EQ(epoch.at("reason"), "said \"so\"\n");
  EXPECT_DOUBLE_EQ(epoch.at("duration_ms").as_double(), 1.5);
  EXPECT_EQ(document.at("rows_written_total").to_number<int>(), 70);
  EXPECT_EQ(document.at("uptime_seconds").to_number<int>(), 90);
  EXPECT_EQ(document.at("position").at("product").at("seq").to_number<int>(), 7);
}

TEST(StatusTest, RejectsAndUnmappedValuesAreListed) {
  const auto document = document_of(after_an_epoch());
  EXPECT_EQ(document.at("rejects"), boost::json::parse(R"([{"table":"mixpanel_event","reason":"bad_time","rows":9}])"));
  const auto& unmapped = document.at("unmapped").as_array().at(0);
  EXPECT_EQ(unmapped.at("breakdown"), "country");
  EXPECT_EQ(unmapped.at("value"), "Côte d'\"Ivoire\"\t");
  EXPECT_EQ(unmapped.at("rows").to_number<int>(), 2);
}

TEST(StatusTest, AnErrorIsTextAndGoesAway) {
  DaemonStatus status = after_an_epoch();
  status.last_error = "cannot commit (x.db): the disk is full";
  EXPECT_EQ(document_of(status).at("last_error"), "cannot commit (x.db): the disk is full");
  status.last_error.clear();
  EXPECT_TRUE(document_of(status).at("last_error").is_null());
}

TEST(StatusTest, APositionThatIsNoJsonIsNoCrash) {
  DaemonStatus status;
  status.position = "{broken";
  EXPECT_TRUE(document_of(status).at("position").is_null());
}

class StatusFileTest : public testing::Test {
 protected:
  StatusFileTest() {
    std::string pattern = testing::TempDir() + "admetricsd-status-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~StatusFileTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string content() const {
    std::stringstream text;
    text << std::ifstream(folder_ / "status.json").rdbuf();
    return text.str();
  }

  std::filesystem::path folder_;
};

TEST_F(StatusFileTest, IsReplacedAsAWholeAndLeavesNothingBeside) {
  DaemonStatus status = after_an_epoch();
  ASSERT_TRUE(write_status_file(folder_.string(), status).ok());
  EXPECT_EQ(content(), to_json(status) + "\n");
  status.phase = "stopping";
  ASSERT_TRUE(write_status_file(folder_.string(), status).ok());
  EXPECT_EQ(content(), to_json(status) + "\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

TEST_F(StatusFileTest, AFolderThatIsGoneIsAnError) {
  const std::string gone = (folder_ / "gone").string();
  const Status written = write_status_file(gone, DaemonStatus());
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().code, Errc::kIo);
  EXPECT_NE(written.error().where.find(gone), std::string::npos);
}

TEST(ResidentMemoryTest, IsSomethingAndNotEverything) {
  EXPECT_GT(resident_memory_bytes(), 1 << 20);
  EXPECT_LT(resident_memory_bytes(), std::int64_t{1} << 40);
}

}  // namespace
}  // namespace admetrics
