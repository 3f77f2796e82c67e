#include "daemon/http/server.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <atomic>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <random>
#include <thread>

namespace admetrics::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class RealClock : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return {1'753'956'000, 0}; }
  [[nodiscard]] std::int64_t steady_micros() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

/// A client that reads and writes bytes, and may be as rude as it likes.
class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0) : socket_(io_) {
    socket_.open(tcp::v4());
    if (receive_buffer > 0) socket_.set_option(asio::socket_base::receive_buffer_size(receive_buffer));
    socket_.connect({asio::ip::make_address("127.0.0.1"), port});
  }
  /// False when the server has closed.
  bool send(std::string_view text) {
    error_code error;
    asio::write(socket_, asio::buffer(text.data(), text.size()), error);
    return !error;
  }
  /// Up to and with `end`; what there is when the connection ends before.
  std::string read_until(std::string_view end) {
    std::size_t found = buffer_.find(end);
    while (found == std::string::npos && fill()) found = buffer_.find(end);
    return take(found == std::string::npos ? buffer_.size() : found + end.size());
  }
  std::string read(std::size_t bytes) {
    while (buffer_.size() < bytes && fill()) {
    }
    return take(std::min(bytes, buffer_.size()));
  }
  std::string read_all() {
    while (fill()) {
    }
    return take(buffer_.size());
  }
  /// One answer, with its body where it has a length.
  std::string answer(bool body = true) {
    std::string head = read_until("\r\n\r\n");
    const std::size_t at = head.find("Content-Length: ");
    if (body && at != std::string::npos) head += read(std::stoul(head.substr(at + 16)));
    return head;
  }
  std::string ask(std::string_view request) {
    send(request);
    return answer();
  }
  void finish() {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }

 private:
  bool fill() {
    std::array<char, 65'536> bytes;
    error_code error;
    const std::size_t got = socket_.read_some(asio::buffer(bytes), error);
    buffer_.append(bytes.data(), got);
    return !error;
  }
  std::string take(std::size_t bytes) {
    std::string taken = buffer_.substr(0, bytes);
    buffer_.erase(0, bytes);
    return taken;
  }

  asio::io_context io_;
  tcp::socket socket_;
  std::string buffer_;
};

std::string get(std::string_view path, std::string_view fields = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" + std::string(fields) + "\r\n";
}

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    options_.error_text = [](std::string_view what) { return "error: " + std::string(what); };
    options_.reload_event = "event: reload\n\n";
    options_.observe = [this](const Exchange& exchange) { statuses_.push_back(exchange.status); };
  }
  ~ServerTest() override {
    if (server_) server_->stop();
    for (std::thread& thread : threads_) thread.join();
  }

  void start() {
    Routes routes;
    routes.add({"/hello", {Method::kGet}, false, [](const Request& request, const Respond& respond) {
                  Response response = Response::json(200, "hello");
                  response.etag = "\"h\"";
                  if (request.has(response.etag)) {
                    response.status = 304;
                    response.content = nullptr;
                  }
                  respond(std::move(response));
                }});
    routes.add({"/echo", {Method::kGet, Method::kPost}, false, [](const Request& request, const Respond& respond) {
                  std::string text = request.body;
                  for (const auto& [name, value] : request.values) text += '[' + name + '=' + value + ']';
                  respond(Response::json(200, text));
                }});
    routes.add({"/open", {Method::kGet}, true, [](const Request&, const Respond& respond) {
                  respond(Response::json(200, "open"));
                }});
    routes.add({"/later", {Method::kGet}, false, [this](const Request&, Respond respond) {
                  ++asked_;
                  threads_.emplace_back([respond = std::move(respond)] {
                    std::this_thread::sleep_for(std::chrono::milliseconds(50));
                    respond(Response::json(200, "later"));
                  });
                }});
    routes.add({"/never", {Method::kGet}, false, [this](const Request&, const Respond&) { ++asked_; }});
    routes.add({"/large", {Method::kGet}, false, [this](const Request&, const Respond& respond) {
                  Response response;
                  response.content = make_content(std::string(large_bytes_, 'x'));
                  respond(std::move(response));
                }});
    routes.add({"/shared",
                {Method::kGet},
                false,
                [content = make_content(std::string(8 << 20, 's'))](const Request&, const Respond& respond) {
                  Response response;
                  response.content = content;
                  respond(std::move(response));
                }});
    routes.add({"/stream", {Method::kGet}, false, [](const Request& request, const Respond& respond) {
                  Response response;
                  response.content_type = "text/event-stream";
                  response.content = make_content("");
                  response.stream = [last = request.last_event_id] { return "begin after " + last + "\n\n"; };
                  respond(std::move(response));
                }});
    auto started = Server::start(options_, std::move(routes), clock_);
    ASSERT_TRUE(started.ok()) << started.error().line();
    server_ = std::move(started).value();
  }
  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  std::string ask(std::string_view request) {
    Client client(port());
    client.send(request);
    return client.answer();
  }

  template <class Condition>
  static void await(Condition&& condition) {
    for (int i = 0; i < 1'000 && !condition(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(condition());
  }

  RealClock clock_;
  ServerOptions options_;
  std::size_t large_bytes_ = 4 << 20;
  std::atomic<int> asked_{0};  // requests that an answer is made for
  std::vector<std::thread> threads_;
  std::vector<unsigned> statuses_;  // the server's thread; to be read after it has stopped
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersAndStays) {
  start();
  Client client(port());
  for (int i = 0; i < 3; ++i) {
    const std::string answer = client.ask(get("/hello"));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, testing::EndsWith("\r\n\r\nhello"));
  }
  EXPECT_EQ(server_->counts().connections, 1U);
  EXPECT_THAT(client.ask(get("/later")), HasSubstr("later"));
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  Client client(port());
  client.send(get("/echo?n=1") + get("/later") + get("/echo?n=2"));
  EXPECT_THAT(client.answer(), HasSubstr("[n=1]"));
  EXPECT_THAT(client.answer(), HasSubstr("later"));
  EXPECT_THAT(client.answer(), HasSubstr("[n=2]"));
}

TEST_F(ServerTest, TheClientSaysWhetherItStays) {
  start();
  Client closing(port());
  closing.send(get("/hello", "Connection: close\r\n"));
  EXPECT_THAT(closing.read_all(), HasSubstr("Connection: close\r\n"));
  Client old(port());
  old.send("GET /hello HTTP/1.0\r\n\r\n");
  EXPECT_THAT(old.read_all(), HasSubstr("Connection: close\r\n"));
  Client old_but_staying(port());
  EXPECT_THAT(old_but_staying.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), HasSubstr("keep-alive"));
  EXPECT_THAT(old_but_staying.ask(get("/hello")), HasSubstr("200"));
}

TEST_F(ServerTest, HeadIsAGetWithoutABody) {
  start();
  Client client(port());
  client.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string head = client.answer(false);
  EXPECT_THAT(head, HasSubstr("Content-Length: 5\r\n"));
  EXPECT_THAT(client.ask(get("/echo")), StartsWith("HTTP/1.1 200"));  // nothing lies between
}

TEST_F(ServerTest, UnknownPathsAndMethods) {
  start();
  EXPECT_THAT(ask(get("/nothing")), HasSubstr("404"));
  EXPECT_THAT(ask("POST /hello HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), HasSubstr("Allow: GET, HEAD, OPTIONS\r\n"));
  for (const char* method : {"PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW", "get"}) {
    EXPECT_THAT(ask(std::string(method) + " /hello HTTP/1.1\r\n\r\n"), HasSubstr(" 40")) << method;
  }
  EXPECT_THAT(ask("OPTIONS /echo HTTP/1.1\r\n\r\n"), HasSubstr("204 No Content"));
  EXPECT_THAT(ask("OPTIONS /echo HTTP/1.1\r\n\r\n"), HasSubstr("Allow: GET, HEAD, POST, OPTIONS\r\n"));
  EXPECT_THAT(ask("OPTIONS * HTTP/1.1\r\n\r\n"), HasSubstr("204"));
  EXPECT_THAT(ask("OPTIONS /nothing HTTP/1.1\r\n\r\n"), HasSubstr("404"));
}

TEST_F(ServerTest, TagsSaveTheBody) {
  start();
  EXPECT_THAT(ask(get("/hello")), HasSubstr("ETag: \"h\"\r\n"));
  const std::string unchanged = ask(get("/hello", "If-None-Match: \"x\", W/\"h\"\r\n"));
  EXPECT_THAT(unchanged, StartsWith("HTTP/1.1 304 "));
  EXPECT_THAT(unchanged, Not(HasSubstr("Content-Length")));
}

TEST_F(ServerTest, BodiesComeWholeOrInChunks) {
  start();
  EXPECT_THAT(ask("POST /echo?q=1 HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"), testing::EndsWith("body[q=1]"));
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"),
              testing::EndsWith("body"));
  Client patient(port());
  patient.send("POST /echo HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(patient.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 100 "));
  EXPECT_THAT(patient.ask("body"), testing::EndsWith("body"));
}

TEST_F(ServerTest, LargeRequestsAreRefused) {
  options_.body_bytes_max = 1'000;
  options_.head_bytes_max = 2'000;
  start();
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nContent-Length: 1001\r\n\r\n"), HasSubstr("413"));
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n" + std::string(500'000, 'x')),
              HasSubstr("413"));
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n" + std::string(2'000, 'x') +
                  "\r\n0\r\n\r\n"),
              HasSubstr("413"));
  EXPECT_THAT(ask(get("/hello", "X: " + std::string(3'000, 'x') + "\r\n")), HasSubstr("413"));
  EXPECT_THAT(ask(get("/" + std::string(100'000, 'x'))), HasSubstr("413"));
  EXPECT_THAT(ask("POST /echo HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + std::string(1'000, 'x')), HasSubstr("200"));
}

TEST_F(ServerTest, TokensAreAskedFor) {
  options_.tokens = {"secret"};
  start();
  EXPECT_THAT(ask(get("/hello")), HasSubstr("401"));
  EXPECT_THAT(ask(get("/hello")), HasSubstr("WWW-Authenticate: Bearer\r\n"));
  EXPECT_THAT(ask(get("/nothing")), HasSubstr("401"));
  EXPECT_THAT(ask(get("/hello", "Authorization: Bearer wrong\r\n")), HasSubstr("401"));
  EXPECT_THAT(ask(get("/hello", "Authorization: Bearer secret\r\n")), HasSubstr("200"));
  EXPECT_THAT(ask(get("/open")), HasSubstr("200"));
  EXPECT_THAT(ask("OPTIONS /hello HTTP/1.1\r\n\r\n"), HasSubstr("204"));
}

TEST_F(ServerTest, RequestsForANameThatIsNotItsOwnAreMisdirected) {
  options_.own_hosts_only = true;
  options_.host_names = {"ads.example.com"};
  start();
  for (const char* own :
       {"", "127.0.0.1", "localhost:1", "10.1.2.3:80", "[::1]:80", "box", "a.LOCALHOST", "ADS.example.com:443"})
    EXPECT_THAT(ask("GET /hello HTTP/1.1\r\nHost: " + std::string(own) + "\r\nConnection: close\r\n\r\n"),
                HasSubstr(" 200 "))
        << own;
  for (const char* foreign :
       {"evil.example", "evil.example.:8787", "127.0.0.1.evil.example", "example.com", "1.2.3.4.5", "xlocalhost.com"})
    EXPECT_THAT(ask("GET /hello HTTP/1.1\r\nHost: " + std::string(foreign) + "\r\nConnection: close\r\n\r\n"),
                HasSubstr(" 421 "))
        << foreign;
}

TEST_F(ServerTest, OtherOriginsOnlyWhereConfigured) {
  start();
  EXPECT_THAT(ask(get("/hello", "Origin: https://a\r\n")), Not(HasSubstr("Access-Control")));
  server_->stop();
  options_.cors_origins = {"https://a"};
  start();
  const std::string answer = ask(get("/hello", "Origin: https://a\r\n"));
  EXPECT_THAT(answer, HasSubstr("Access-Control-Allow-Origin: https://a\r\n"));
  EXPECT_THAT(answer, HasSubstr("Vary: Accept-Encoding, Authorization, Origin\r\n"));
  EXPECT_THAT(ask(get("/hello", "Origin: https://b\r\n")), Not(HasSubstr("Access-Control-Allow-Origin")));
  const std::string preflight =
      ask("OPTIONS /hello HTTP/1.1\r\nOrigin: https://a\r\nAccess-Control-Request-Method: GET\r\n\r\n");
  EXPECT_THAT(preflight, HasSubstr("Access-Control-Allow-Headers: Authorization"));
  EXPECT_THAT(preflight, HasSubstr("Access-Control-Allow-Origin: https://a\r\n"));
}

TEST_F(ServerTest, CompressesForThoseWhoTakeIt) {
  start();
  EXPECT_THAT(ask(get("/large", "Accept-Encoding: gzip\r\n")), HasSubstr("Content-Encoding: gzip\r\n"));
  EXPECT_THAT(ask(get("/large")), Not(HasSubstr("Content-Encoding")));
  EXPECT_THAT(ask(get("/hello", "Accept-Encoding: gzip\r\n")), Not(HasSubstr("Content-Encoding")));
}

TEST_F(ServerTest, SilentClientsAreLetGo) {
  options_.idle_timeout_ms = 100;
  options_.read_timeout_ms = 150;
  start();
  Client silent(port());
  EXPECT_THAT(silent.read_all(), IsEmpty());
  Client half(port());
  half.send("GET /hel");
  EXPECT_THAT(half.read_all(), IsEmpty());
  // Each byte in time, the whole not.
  Client dripping(port());
  const auto start = std::chrono::steady_clock::now();
  bool taken = true;
  for (const char c : get("/hello", "X-Padding: " + std::string(1'000, 'x') + "\r\n")) {
    taken = dripping.send({&c, 1});
    if (!taken || std::chrono::steady_clock::now() - start > std::chrono::seconds(20)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_THAT(dripping.read_all(), IsEmpty());
  await([&] { return server_->counts().connections == 0; });
}

TEST_F(ServerTest, SlowReadersHoldNobodyUp) {
  options_.write_timeout_ms = 500;
  options_.idle_timeout_ms = 500;
  options_.waiting_bytes_max = std::size_t{20} << 20;
  large_bytes_ = 8 << 20;
  start();
  std::vector<std::unique_ptr<Client>> sleepers;
  for (int i = 0; i < 5; ++i) {
    sleepers.push_back(std::make_unique<Client>(port(), 4'096));
    sleepers.back()->send(get("/large"));
  }
  for (int i = 0; i < 20; ++i) EXPECT_THAT(ask(get("/hello")), HasSubstr("200"));
  // Each would hold a body of its own: after the first, another one is too much. Then the first is out of time.
  await([&] { return server_->counts().connections == 0; });
  EXPECT_THAT(ask(get("/large")), HasSubstr("200"));
}

TEST_F(ServerTest, ABodyThatManyShareCountsOnce) {
  options_.waiting_bytes_max = std::size_t{13} << 20;
  start();
  std::vector<std::unique_ptr<Client>> sleepers;
  for (int i = 0; i < 10; ++i) {
    sleepers.push_back(std::make_unique<Client>(port(), 4'096));
    sleepers.back()->send(get("/shared"));
    EXPECT_THAT(sleepers.back()->read_until("\r\n"), HasSubstr("200"));
  }
  EXPECT_THAT(ask(get("/large")), HasSubstr("503"));
}

TEST_F(ServerTest, ConnectionsAreBounded) {
  options_.connections_max = 3;
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(port()));
    EXPECT_THAT(clients.back()->ask(get("/hello")), HasSubstr("200"));
  }
  EXPECT_THAT(Client(port()).read_all(), StartsWith("HTTP/1.1 503"));
  clients.pop_back();
  await([&] { return server_->counts().connections == 2; });
  EXPECT_THAT(ask(get("/hello")), HasSubstr("200"));
}

TEST_F(ServerTest, NonsenseByTheThousand) {
  start();
  std::mt19937 random(1);
  const std::string good = get("/echo?a=b", "Connection: close\r\n");
  const auto draw = [&](std::size_t most) { return std::uniform_int_distribution<std::size_t>(0, most - 1)(random); };
  for (int i = 0; i < 3'000; ++i) {
    std::string text;
    if (i % 3 == 0) {
      for (std::size_t n = draw(200) + 1; n > 0; --n) text += static_cast<char>(draw(256));
    } else {
      text = good;
      for (std::size_t n = draw(5) + 1; n > 0; --n) {
        const std::size_t at = draw(text.size());
        if (i % 3 == 1) {
          text[at] = static_cast<char>(draw(256));
        } else {
          text.erase(at, 1);
        }
      }
    }
    Client client(port());
    client.send(text);
    client.finish();
    const std::string answer = client.read_all();
    EXPECT_THAT(answer, testing::AnyOf(IsEmpty(), StartsWith("HTTP/1.1 2"), StartsWith("HTTP/1.1 4")));
  }
  EXPECT_THAT(ask(get("/hello")), HasSubstr("200"));
}

TEST_F(ServerTest, StreamsGetWhatIsPublished) {
  start();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 50; ++i) {
    clients.push_back(std::make_unique<Client>(port()));
    clients.back()->send(get("/stream", "Last-Event-ID: 7\r\n"));
    clients.back()->read_until("\r\n\r\n");
    EXPECT_EQ(clients.back()->read_until("\n\n"), "begin after 7\n\n");
  }
  EXPECT_EQ(server_->counts().streams, 50U);
  for (int n = 0; n < 5; ++n) server_->publish([n] { return "event " + std::to_string(n) + "\n\n"; });
  for (const auto& client : clients) {
    for (int n = 0; n < 5; ++n) EXPECT_EQ(client->read_until("\n\n"), "event " + std::to_string(n) + "\n\n");
  }
  clients.clear();
  server_->publish([] { return std::string("bye\n\n"); });
  await([&] {
    server_->publish([] { return std::string("bye\n\n"); });
    return server_->counts().streams == 0;
  });
}

TEST_F(ServerTest, AStreamThatFallsBehindIsToldToReload) {
  start();
  Client client(port());
  client.send(get("/stream"));
  client.read_until("\r\n\r\n");
  client.read_until("\n\n");
  // More at once than may wait.
  for (int n = 0; n < 2'000; ++n) server_->publish([n] { return "event " + std::to_string(n) + "\n\n"; });
  bool told = false;
  for (std::string event; event != "event 1999\n\n"; event = client.read_until("\n\n")) {
    told = told || event == "event: reload\n\n";
    ASSERT_FALSE(event.empty() && told);
  }
  EXPECT_TRUE(told);
}

TEST_F(ServerTest, QuietStreamsHaveAHeartbeatAndAreBounded) {
  options_.heartbeat_ms = 50;
  options_.streams_max = 1;
  start();
  Client client(port());
  client.send(get("/stream"));
  client.read_until("\r\n\r\n");
  client.read_until("\n\n");
  EXPECT_EQ(client.read_until("\n\n"), ":\n\n");
  EXPECT_THAT(ask(get("/stream")), HasSubstr("429"));
  EXPECT_THAT(ask(get("/hello")), HasSubstr("200"));
}

TEST_F(ServerTest, StoppingLetsAnswersFinish) {
  start();
  Client idle(port());
  Client stream(port());
  stream.send(get("/stream"));
  stream.read_until("\n\n");
  Client waiting(port());
  waiting.send(get("/later"));
  while (asked_ == 0) std::this_thread::yield();
  server_->stop();
  EXPECT_THAT(waiting.answer(), HasSubstr("later"));
  EXPECT_THAT(idle.read_all(), IsEmpty());
}

TEST_F(ServerTest, StoppingDoesNotWaitForEver) {
  start();
  Client waiting(port());
  waiting.send(get("/never"));
  while (asked_ == 0) std::this_thread::yield();
  const auto before = std::chrono::steady_clock::now();
  server_->stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
  EXPECT_THAT(waiting.read_all(), IsEmpty());
}

TEST_F(ServerTest, ALateAnswerIsDropped) {
  start();
  Client waiting(port());
  waiting.send(get("/later"));
  while (asked_ == 0) std::this_thread::yield();
  server_->stop();
  server_.reset();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

TEST_F(ServerTest, TheNextServerTakesTheListenerOver) {
  start();
  const std::uint16_t place = port();
  options_.port = place;
  options_.listener = server_->share_listener();
  ASSERT_GE(options_.listener, 0);
  server_->stop();
  Client between(place);  // waits for whoever comes
  between.send(get("/hello"));
  start();
  EXPECT_EQ(port(), place);
  EXPECT_THAT(between.answer(), HasSubstr("200"));
}

TEST_F(ServerTest, APlaceThatIsTakenIsAnError) {
  start();
  ServerOptions options;
  options.port = port();
  EXPECT_EQ(Server::start(options, {}, clock_).error().code, Errc::kIo);
  options.address = "not an address";
  EXPECT_EQ(Server::start(options, {}, clock_).error().code, Errc::kConfig);
}

TEST_F(ServerTest, EveryAnswerIsToldOf) {
  start();
  ask(get("/hello"));
  ask(get("/nothing"));
  ask("nonsense\r\n\r\n");
  server_->stop();
  EXPECT_THAT(statuses_, testing::ElementsAre(200, 404, 400));
}

}  // namespace
}  // namespace admetrics::http
