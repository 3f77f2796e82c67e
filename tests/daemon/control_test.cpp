// What is said over the control socket, and who may say how much.
#include "daemon/control.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <filesystem>
#include <thread>

#include "daemon/control_server.hpp"

namespace admetrics {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kPatienceMs = 20'000;

class ControlSocket : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string folder = (std::filesystem::temp_directory_path() / "control-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    folder_ = folder;
  }
  void TearDown() override {
    stop();
    std::filesystem::remove_all(folder_);
  }

  void start(ControlServer::Handle handle) {
    auto server = ControlServer::start(io_, path_in(folder_), std::move(handle));
    ASSERT_TRUE(server.ok()) << server.error().line();
    server_ = std::move(server).value();
    thread_ = std::thread([this] { io_.run(); });
  }
  void stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(io_, [this] { server_.reset(); });
    thread_.join();
    io_.restart();
  }
  static std::string path_in(const std::string& folder) { return folder + "/control.sock"; }
  std::string ask(const std::string& line) {
    auto answer = ask_control(path_in(folder_), line, kPatienceMs);
    return answer ? *answer : answer.error().line();
  }
  static ControlServer::Handle echo() {
    return [](const std::string& line, const ControlServer::Reply& reply) { reply("<" + line + ">"); };
  }

  std::string folder_;
  boost::asio::io_context io_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

TEST_F(ControlSocket, AnswersALineWithALine) {
  start(echo());
  EXPECT_EQ(ask("hello"), "<hello>");
  EXPECT_EQ(ask(""), "<>");
}

TEST_F(ControlSocket, IsForTheOwnerAndTheGroupOnly) {
  start(echo());
  struct stat info {};
  ASSERT_EQ(::stat(path_in(folder_).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & S_IRWXO, 0U);
}

TEST_F(ControlSocket, TakesThePlaceOfOneThatWasLeftBehind) {
  ASSERT_EQ(::mknod(path_in(folder_).c_str(), S_IFSOCK | S_IRUSR | S_IWUSR, 0), 0);
  start(echo());
  EXPECT_EQ(ask("hello"), "<hello>");
  stop();
  EXPECT_FALSE(std::filesystem::exists(path_in(folder_)));
}

TEST_F(ControlSocket, WorksBelowAPathOfAnyLength) {
  for (int i = 0; i < 8; ++i) folder_ += "/a-folder-with-a-rather-long-name";
  std::filesystem::create_directories(folder_);
  start(echo());
  EXPECT_EQ(ask("hello"), "<hello>");
}

TEST_F(ControlSocket, SaysThatNobodyListens) {
  EXPECT_THAT(ask("hello"), HasSubstr("no daemon runs"));
  folder_ += "/nowhere";
  EXPECT_THAT(ask("hello"), HasSubstr("no daemon runs"));
}

TEST_F(ControlSocket, WaitsForALateAnswerAsLongAsItIsTold) {
  ControlServer::Reply late;
  std::atomic<bool> asked{false};
  start([&](const std::string&, ControlServer::Reply reply) {
    late = std::move(reply);
    asked = true;
  });
  auto none = ask_control(path_in(folder_), "hello", 50);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, Errc::kBusy);
  while (!asked) std::this_thread::yield();
  stop();
  late("to somebody who has gone");  // nothing happens
}

TEST_F(ControlSocket, EndsWithALineThatDoesNot) {
  start(echo());
  const int file = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  path_in(folder_).copy(to.sun_path, sizeof(to.sun_path) - 1);
  ASSERT_EQ(::connect(file, reinterpret_cast<const sockaddr*>(&to), sizeof(to)), 0);  // NOLINT: how sockets are
  const std::string text(100'000, 'x');
  std::size_t sent = 0;
  ssize_t bytes = 0;
  while (sent < text.size() && (bytes = ::send(file, text.data() + sent, text.size() - sent, MSG_NOSIGNAL)) > 0)
    sent += static_cast<std::size_t>(bytes);
  char byte = 0;
  EXPECT_LE(::recv(file, &byte, 1, 0), 0) << "the other end hangs up";
  ::close(file);
  EXPECT_EQ(ask("hello"), "<hello>");
}

TEST_F(ControlSocket, ServesManyAtOnce) {
  start(echo());
  std::vector<std::thread> askers;
  askers.reserve(16);
  std::atomic<int> answered{0};
  for (int i = 0; i < 16; ++i) {
    askers.emplace_back([&, i] {
      for (int round = 0; round < 20; ++round)
        answered += ask(std::to_string(i)) == "<" + std::to_string(i) + ">" ? 1 : 0;
    });
  }
  for (std::thread& asker : askers) asker.join();
  EXPECT_EQ(answered.load(), 16 * 20);
}

// ── What the lines mean ──────────────────────────────────────────────────────────────────────────────────────────

class ControlTest : public ::testing::Test {
 protected:
  std::string say(const std::string& line) {
    std::string answer = "none yet";
    control_.handle(line, [&](const std::string& text) { answer = text; });
    return answer;
  }
  Orders orders_;
  Board board_;
  class NoClock : public Clock {
    [[nodiscard]] Instant now() const override { return {}; }
    [[nodiscard]] std::int64_t steady_micros() const override { return 0; }
  };
  NoClock clock_;
  backfill::Backfill backfill_{"/nowhere/backfill.db", {}, clock_, [] {}};
  Control control_{orders_, board_, backfill_};
};

TEST_F(ControlTest, GivesTheStatus) { EXPECT_THAT(say(R"({"command":"status"})"), HasSubstr(R"("phase":"starting")")); }

TEST_F(ControlTest, RefusesWhatItDoesNotUnderstand) {
  for (const char* line : {"", "sync", "[]", "{}", "{\"command\":1}", "{\"command\":\"fly\"}", "\x01\xff"}) {
    EXPECT_THAT(say(line), HasSubstr(R"("ok":false)")) << line;
  }
}

TEST_F(ControlTest, NamesWhatIsWrongWithABackfill) {
  for (const auto& [fields, wrong] :
       {std::pair(R"("since":"yesterday")", "since must be a day"), std::pair(R"("until":7)", "until must be a day"),
        std::pair(R"("since":"2025-07-02","until":"2025-07-01")", "since is after until"),
        std::pair(R"("entity_type":"ads","entity_id":"1")", "must be campaign"),
        std::pair(R"("entity_type":"ad")", "go together"), std::pair(R"("entity_id":"1")", "go together"),
        std::pair(R"("keys_per_second":-1)", "whole number"), std::pair(R"("speed":1)", "unknown field speed")}) {
    EXPECT_THAT(say(std::string(R"({"command":"backfill",)") + fields + '}'), HasSubstr(wrong));
  }
  EXPECT_THAT(say(R"({"command":"backfill"})"), HasSubstr("/nowhere")) << "nor does a list without a place begin";
  EXPECT_EQ(say(R"({"command":"backfill_pause"})"), R"({"ok":true,"changed":false})");
  EXPECT_EQ(say(R"({"command":"backfill_cancel"})"), R"({"ok":true,"changed":false})");
}

TEST_F(ControlTest, PassesOrdersOn) {
  std::string answer;
  control_.handle(R"({"command":"sync"})", [&](const std::string& text) { answer = text; });
  EXPECT_EQ(answer, "");
  orders_.begin_round();
  orders_.end_round(true);
  EXPECT_EQ(answer, R"({"ok":true})");
  control_.handle(R"({"command":"pause"})", [&](const std::string& text) { answer = text; });
  orders_.begin_round();
  EXPECT_TRUE(orders_.paused());
  EXPECT_EQ(say(R"({"command":"resume"})"), R"({"ok":true,"was_paused":true})");
}

}  // namespace
}  // namespace admetrics
