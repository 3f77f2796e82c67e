#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "daemon/api/http_service.hpp"
#include "daemon/system_clock.hpp"
#include "sinks/sqlite/sqlite_sink.hpp"

namespace admetrics::api {
namespace {

namespace asio = boost::asio;
using testing::HasSubstr;
using testing::StartsWith;

/// The API in this process, over tables that a sink writes.
class ApiTest : public testing::Test {
 protected:
  ApiTest() {
    std::string pattern = testing::TempDir() + "admetricsd-api-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    config_.file = folder_ + "/admetricsd.toml";
    config_.product_db = folder_ + "/product.db";
    config_.ads_db = folder_ + "/ads.db";
    config_.sink_path = folder_ + "/sink.db";
    config_.state_dir = folder_;
    config_.reporting.zone = std::move(TimeZone::find("UTC")).value();
    config_.http.listen = "127.0.0.1:0";
    config_.http.port = 0;
  }
  ~ApiTest() override {
    service_.stop();
    std::filesystem::remove_all(folder_);
  }

  void commit(std::uint64_t epoch, std::int64_t spend_cents) {
    if (!sink_) sink_ = std::make_unique<sink::SqliteSink>(sink::SqliteSinkOptions{config_.sink_path});
    const SystemClock clock;
    ASSERT_TRUE(sink_->begin({"ledger", EpochId{epoch}, "{}", day_, clock.now()}, false).ok());
    RowValues values;
    for (std::string& list : values.lists) list = "[]";
    values[Number::kMetaSpend] = spend_cents;
    CellWrite cell{Level::kCampaign, "c1", day_, true, values, {}};
    ASSERT_TRUE(sink_->write_cells({&cell, 1}).ok());
    auto receipt = sink_->commit();
    ASSERT_TRUE(receipt.ok());
    EpochEvent event;
    event.report.epoch = EpochId{epoch};
    event.report.committed = true;
    event.report.receipts.push_back(*receipt);
    board_.announce(std::move(event));
  }

  std::string ask(const std::string& target, const std::string& fields = "", bool to_the_end = true) {
    const std::string endpoint = at_.empty() ? service_.endpoint() : at_;
    asio::io_context io;
    asio::ip::tcp::socket socket(io);
    const auto port = static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.find(':') + 1)));
    socket.connect({asio::ip::make_address("127.0.0.1"), port});
    asio::write(socket, asio::buffer("GET " + target + " HTTP/1.1\r\nConnection: close\r\n" + fields + "\r\n"));
    std::string answer;
    std::array<char, 4'096> bytes;
    boost::system::error_code error;
    while (!error && (to_the_end || answer.find("\n\n") == std::string::npos)) {
      answer.append(bytes.data(), socket.read_some(asio::buffer(bytes), error));
    }
    return answer;
  }

  std::string folder_;
  std::string at_;  // where to ask, once the service may not be asked for it any more
  Config config_;
  SystemClock clock_;
  Board board_;
  HttpService service_{clock_, board_};
  std::unique_ptr<sink::SqliteSink> sink_;
  const Day day_ = *parse_day("2025-07-01");
  const std::string overview_ =
      "/api/dashboard/analytics/overview-roas-chart?start_date=2025-07-01&end_date=2025-07-01";
  const std::string data_ = "/api/dashboard/analytics/data?start_date=2025-07-01&end_date=2025-07-01&group_by=campaign";
};

TEST_F(ApiTest, NotReadyUntilTheFirstCommit) {
  ASSERT_TRUE(service_.start(config_).ok());
  EXPECT_THAT(ask(overview_), HasSubstr("503"));
  EXPECT_THAT(ask(overview_), HasSubstr("not ready yet: there is no such file yet"));
  EXPECT_THAT(ask("/healthz"), HasSubstr("200"));
  EXPECT_THAT(ask("/api/dashboard/health"), HasSubstr("degraded"));
  EXPECT_THAT(ask("/api/status"), HasSubstr("\"sinks\":[{\"name\":\"sqlite\""));
  commit(1, 150);
  EXPECT_THAT(ask(overview_), HasSubstr("\"total_spend\":1.5,"));
}

TEST_F(ApiTest, ReadinessNamesItsReasons) {
  ASSERT_TRUE(service_.start(config_).ok());
  commit(1, 150);
  const std::string answer = ask("/readyz");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503"));
  EXPECT_THAT(answer, HasSubstr("first epoch of this run"));
  EXPECT_THAT(answer, HasSubstr("the product database"));
  std::ofstream(config_.product_db) << std::string(4'096, 'x');
  EXPECT_THAT(ask("/readyz"), HasSubstr("the product database: file is not a database"));
  for (const std::string& path : {config_.product_db, config_.ads_db}) {
    std::filesystem::remove(path);
    auto database = sqlite::Connection::open(path, sqlite::OpenMode::kCreate, 0);
    ASSERT_TRUE((*database)->execute("CREATE TABLE t (x)").ok());
  }
  DaemonStatus status;
  status.caught_up = true;
  board_.publish(status);
  EXPECT_THAT(ask("/readyz"), StartsWith("HTTP/1.1 200"));
  status.lag_seconds = 61;
  board_.publish(status);
  EXPECT_THAT(ask("/readyz"), HasSubstr("has waited 61 s"));
}

TEST_F(ApiTest, TagsAndKeptAnswersFollowCommits) {
  ASSERT_TRUE(service_.start(config_).ok());
  commit(1, 100);
  const std::string first = ask(data_);
  const std::size_t at = first.find("ETag: ") + 6;
  const std::string tag = first.substr(at, first.find('\r', at) - at);
  EXPECT_THAT(ask(data_, "If-None-Match: " + tag + "\r\n"), StartsWith("HTTP/1.1 304"));
  EXPECT_THAT(ask(data_), HasSubstr("\"spend\":1,"));
  commit(2, 200);
  EXPECT_THAT(ask(data_, "If-None-Match: " + tag + "\r\n"), HasSubstr("\"spend\":2,"));
}

TEST_F(ApiTest, StreamsBeginWhereTheTablesStand) {
  ASSERT_TRUE(service_.start(config_).ok());
  commit(41, 100);
  EXPECT_THAT(ask("/api/stream", "", false), HasSubstr("event-stream"));
  std::thread reader([&] { EXPECT_THAT(ask("/api/stream", "Last-Event-ID: 40\r\n", false), HasSubstr("200 OK")); });
  for (std::uint64_t epoch = 42; epoch < 60; ++epoch) commit(epoch, static_cast<std::int64_t>(epoch));
  reader.join();
}

TEST_F(ApiTest, ManyAskWhileEpochsAreCommitted) {
  ASSERT_TRUE(service_.start(config_).ok());
  commit(1, 100);
  std::vector<std::thread> readers;
  readers.reserve(4);
  for (int i = 0; i < 4; ++i) {
    readers.emplace_back([&, i] {
      for (int n = 0; n < 30; ++n) {
        EXPECT_THAT(ask(i % 2 == 0 ? data_ : overview_, "Accept-Encoding: gzip\r\n"), StartsWith("HTTP/1.1 200"));
        EXPECT_THAT(ask("/metrics"), HasSubstr("admetricsd_epochs_total"));
      }
    });
  }
  for (std::uint64_t epoch = 2; epoch < 60; ++epoch) commit(epoch, static_cast<std::int64_t>(epoch));
  for (std::thread& reader : readers) reader.join();
}

TEST_F(ApiTest, AReloadServesAsTheNewConfigurationSays) {
  ASSERT_TRUE(service_.start(config_).ok());
  commit(1, 100);
  const std::string endpoint = service_.endpoint();
  Config next = config_;
  next.http.tokens = {"secret"};
  ASSERT_TRUE(service_.reload(next).ok());
  EXPECT_EQ(service_.endpoint(), endpoint);
  EXPECT_THAT(ask(data_), StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(ask(data_, "Authorization: Bearer secret\r\n"), StartsWith("HTTP/1.1 200"));
  // A place that cannot be had leaves the old one.
  Config wrong = next;
  wrong.http.listen = wrong.http.address = "192.0.2.1";
  EXPECT_FALSE(service_.reload(wrong).ok());
  EXPECT_THAT(ask(data_), StartsWith("HTTP/1.1 401"));
  next.http.listen = "";
  ASSERT_TRUE(service_.reload(next).ok());
  EXPECT_EQ(service_.endpoint(), "");
}

TEST_F(ApiTest, StopsWhileThereIsMuchToDo) {
  ASSERT_TRUE(service_.start(config_).ok());
  commit(1, 100);
  at_ = service_.endpoint();
  std::vector<std::thread> readers;
  readers.reserve(8);
  for (int i = 0; i < 8; ++i) {
    readers.emplace_back([&, target = i % 2 == 0 ? data_ : std::string("/api/stream")] {
      try {
        ask(target);
      } catch (const boost::system::system_error&) {  // it stops
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  service_.stop();
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace admetrics::api
