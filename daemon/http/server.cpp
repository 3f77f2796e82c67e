#include "daemon/http/server.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "daemon/http/head.hpp"
#include "daemon/http/target.hpp"

namespace admetrics::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr std::size_t kReadBytes = 4'096;
constexpr std::size_t kWriteBytes = 262'144;       // of a body at once: each part has its own time
constexpr std::size_t kLargeAnswerBytes = 65'536;  // from here on an answer counts as waiting
constexpr std::size_t kStreamEventsMax = 256;      // that wait for one stream
constexpr std::int64_t kStreamPaceMs = 50;         // between two writes to one stream
constexpr std::size_t kLingerBytesMax = 1 << 20;   // read and dropped before a refused connection is closed
constexpr std::int64_t kLingerMs = 1'000;
constexpr std::int64_t kStopMs = 2'000;
constexpr std::int64_t kStopFreshMs = 200;
constexpr int kBacklog = 1'024;

std::string_view view_of(beast::string_view text) { return {text.data(), text.size()}; }

/// The way from other threads to the server's, closed when the server is gone.
class Mailbox {
 public:
  explicit Mailbox(asio::io_context& io) : io_(&io) {}
  template <class Job>
  void post(Job&& job) {
    const std::lock_guard lock(mutex_);
    if (io_ != nullptr) asio::post(*io_, std::forward<Job>(job));
  }
  void close() {
    const std::lock_guard lock(mutex_);
    io_ = nullptr;
  }

 private:
  std::mutex mutex_;
  asio::io_context* io_;
};

}  // namespace

class Server::Core {
 public:
  Core(ServerOptions options, Routes routes, const Clock& clock)
      : options_(std::move(options)), routes_(std::move(routes)), clock_(&clock) {}

  Status open();
  void run();
  void begin_stop();
  asio::awaitable<void> accept();

  /// Bodies that several connections send count once.
  bool begin_large(const ContentPtr& content) {
    const auto known = large_.find(content.get());
    if (known != large_.end()) {
      ++known->second;
      return true;
    }
    if (large_bytes_ + content->bytes() > options_.waiting_bytes_max && !large_.empty()) return false;
    large_.emplace(content.get(), 1);
    large_bytes_ += content->bytes();
    return true;
  }
  void end_large(const ContentPtr& content) {
    const auto known = large_.find(content.get());
    if (--known->second > 0) return;
    large_bytes_ -= content->bytes();
    large_.erase(known);
  }

  void tell(const Exchange& exchange) const {
    if (options_.observe) options_.observe(exchange);
  }
  [[nodiscard]] Response error(unsigned status, std::string_view what) const {
    return Response::json(status, options_.error_text ? options_.error_text(what) : std::string(what));
  }

  // Fixed after construction.
  const ServerOptions options_;
  const Routes routes_;
  const Clock* const clock_;
  // The server's thread, while it runs.
  std::map<const Content*, std::size_t> large_;  // large answers that are being sent, and by how many
  std::size_t large_bytes_ = 0;
  std::set<Session*> sessions_;
  std::set<Session*> streams_;
  bool stopping_ = false;
  // Any thread.
  std::atomic<std::size_t> connection_count_{0};
  std::atomic<std::size_t> stream_count_{0};
  // Last, so that what it holds goes first: sessions leave the sets above when they end.
  asio::io_context io_{1};
  tcp::acceptor acceptor_{io_};
  tcp::endpoint endpoint_;
  int listener_ = -1;  // the acceptor's, which the server's thread owns
  std::shared_ptr<Mailbox> mailbox_ = std::make_shared<Mailbox>(io_);
  std::thread thread_;
};

/// One connection, from its first byte to its last. The server's thread only.
class Server::Session : public std::enable_shared_from_this<Server::Session> {
 public:
  Session(Core& core, tcp::socket socket) : core_(core), stream_(std::move(socket)), wake_(core.io_) {
    core_.sessions_.insert(this);
    core_.connection_count_.store(core_.sessions_.size());
  }
  ~Session() {
    core_.sessions_.erase(this);
    core_.connection_count_.store(core_.sessions_.size());
    end_stream();
    if (core_.stopping_ && core_.sessions_.empty()) core_.io_.stop();
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  asio::awaitable<void> run() {
    const auto self = shared_from_this();
    bool more = true;
    do {
      more = co_await serve();
      fresh_ = false;
    } while (more && !core_.stopping_);
    error_code ignored;
    stream_.socket().close(ignored);
  }

  void close() { stream_.close(); }
  /// Ends it unless an answer is on its way. One that has just come may have sent its first request already.
  void close_if_idle(bool also_fresh) {
    if (!busy_ && (!fresh_ || also_fresh)) stream_.close();
    wake_.cancel();
  }

  void push(const std::shared_ptr<const std::string>& event) {
    if (events_.size() >= kStreamEventsMax) {
      // It will read everything again, so nothing that it missed is missing.
      events_.clear();
      events_.push_back(std::make_shared<const std::string>(core_.options_.reload_event));
    }
    events_.push_back(event);
    if (!pacing_) wake_.cancel();
  }

 private:
  using Parser = beast::http::request_parser<beast::http::string_body>;

  void deliver(Response response) {
    answer_ = std::move(response);
    wake_.cancel();
  }

  void end_stream() {
    core_.streams_.erase(this);
    core_.stream_count_.store(core_.streams_.size());
  }

  /// One request and its answer; false when the connection is over.
  asio::awaitable<bool> serve() {
    error_code error;
    busy_ = false;
    if (buffer_.size() == 0) {
      stream_.expires_after(milliseconds(core_.options_.idle_timeout_ms));
      const auto space = buffer_.prepare(kReadBytes);
      const std::size_t bytes =
          co_await stream_.async_read_some(space, asio::redirect_error(asio::use_awaitable, error));
      if (error) co_return false;
      buffer_.commit(bytes);
    }
    busy_ = true;
    stream_.expires_after(milliseconds(core_.options_.read_timeout_ms));
    Parser parser;
    parser.header_limit(core_.options_.head_bytes_max);
    parser.body_limit(core_.options_.body_bytes_max);
    co_await beast::http::async_read_header(stream_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
    if (!error && beast::iequals(parser.get()[beast::http::field::expect], "100-continue")) {
      const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(stream_, asio::buffer(go_on), asio::redirect_error(asio::use_awaitable, error));
    }
    if (!error && !parser.is_done())
      co_await beast::http::async_read(stream_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return co_await refuse(error);
    co_return co_await answer(parser.get());
  }

  /// What is no request, or too large a one.
  asio::awaitable<bool> refuse(error_code error) {
    namespace http = beast::http;
    // Gone, or too slow: nobody waits for an answer.
    if (error == http::error::end_of_stream || error == http::error::partial_message ||
        error == beast::error::timeout ||
        error.category() != http::make_error_code(http::error::bad_method).category()) {
      co_return false;
    }
    Response response = core_.error(400, "the request is not HTTP: " + error.message());
    if (error == http::error::body_limit) {
      response = core_.error(
          413, "the request's body is larger than " + std::to_string(core_.options_.body_bytes_max) + " bytes");
    } else if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      response = core_.error(
          413, "the request's head is larger than " + std::to_string(core_.options_.head_bytes_max) + " bytes");
    }
    core_.tell({"", "", response.status, 0, response.content->plain().size()});
    HeadOptions head;
    head.keep_alive = false;
    co_await send(response, head, true);
    co_await linger();
    co_return false;
  }

  /// Reads what the client is still sending: closing at once could take the answer away from it.
  asio::awaitable<void> linger() {
    error_code error;
    stream_.socket().shutdown(tcp::socket::shutdown_send, error);
    stream_.expires_after(milliseconds(kLingerMs));
    std::array<char, kReadBytes> dropped;
    for (std::size_t total = 0; !error && total < kLingerBytesMax;) {
      total +=
          co_await stream_.async_read_some(asio::buffer(dropped), asio::redirect_error(asio::use_awaitable, error));
    }
  }

  asio::awaitable<bool> answer(const Parser::value_type& message) {
    namespace http = beast::http;
    const std::int64_t started = core_.clock_->steady_micros();
    const bool head_only = message.method() == http::verb::head;
    HeadOptions head;
    head.keep_alive = message.keep_alive() && !core_.stopping_;
    head.old_client = message.version() < 11;
    head.origin = allowed_origin(view_of(message[http::field::origin]), core_.options_.cors_origins);
    head.varies_by_origin = !core_.options_.cors_origins.empty();
    const bool gzip = accepts_gzip(view_of(message[http::field::accept_encoding]));

    const Route* route = nullptr;
    answer_.reset();
    if (auto immediate = take(message, gzip, route)) {
      answer_ = std::move(*immediate);
    } else {
      stream_.expires_never();
      error_code woken;
      while (!answer_) {
        wake_.expires_at(std::chrono::steady_clock::time_point::max());
        co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
      }
    }
    Response response = std::move(*answer_);
    answer_.reset();
    if (response.stream) co_return co_await stream(response, head, route, head_only);

    head.gzip = gzip && response.content && !response.content->gzip().empty();
    const std::size_t size = !response.content ? 0
                             : head.gzip       ? response.content->gzip().size()
                                               : response.content->plain().size();
    const bool large = size >= kLargeAnswerBytes && !head_only;
    const bool counted = large && core_.begin_large(response.content);
    if (large && !counted) {
      response = core_.error(503, "too many large answers wait for their readers; try again");
      response.fields.emplace_back("Retry-After", "1");
      head.gzip = false;
    }
    core_.tell({route == nullptr ? std::string_view() : route->path, view_of(message.method_string()), response.status,
                core_.clock_->steady_micros() - started, head_only ? 0 : size});
    const bool sent = co_await send(response, head, !head_only);
    if (counted) core_.end_large(response.content);
    co_return sent&& head.keep_alive;
  }

  /// Hands a request to its handler, or answers it here.
  std::optional<Response> take(const Parser::value_type& message, bool gzip, const Route*& route) {
    namespace http = beast::http;
    if (core_.options_.own_hosts_only && !is_own_host(view_of(message[http::field::host]), core_.options_.host_names)) {
      return core_.error(421, "the field Host names another server; a name of this one belongs into http.host_names");
    }
    const auto target = parse_target(view_of(message.target()));
    const bool everything = message.method() == http::verb::options && message.target() == "*";
    if (!target && !everything) return core_.error(400, "the request's target is not a path with a query");
    if (target) route = core_.routes_.find(target->path);
    if (message.method() == http::verb::options && (everything || route != nullptr)) {
      Response response;
      response.status = 204;
      const std::string allowed = everything ? "GET, HEAD, POST, OPTIONS" : allowed_methods(*route);
      response.fields.emplace_back("Allow", allowed);
      // To everybody: a browser asks before it may show a token, and learns nothing else.
      if (!core_.options_.cors_origins.empty()) {
        response.fields.emplace_back("Access-Control-Allow-Methods", allowed);
        response.fields.emplace_back("Access-Control-Allow-Headers", "Authorization, Content-Type, If-None-Match");
        response.fields.emplace_back("Access-Control-Max-Age", "600");
      }
      return response;
    }
    const bool open = route != nullptr && route->open;
    if (!open && !is_authorized(view_of(message[http::field::authorization]), core_.options_.tokens)) {
      Response response =
          core_.error(401, "the request needs a field Authorization: Bearer, with a token that is known here");
      response.fields.emplace_back("WWW-Authenticate", "Bearer");
      return response;
    }
    if (route == nullptr) return core_.error(404, "there is nothing at this path");
    std::optional<Method> method;
    if (message.method() == http::verb::get || message.method() == http::verb::head) method = Method::kGet;
    if (message.method() == http::verb::post) method = Method::kPost;
    if (!method || std::find(route->methods.begin(), route->methods.end(), *method) == route->methods.end()) {
      Response response = core_.error(405, "this path takes " + allowed_methods(*route));
      response.fields.emplace_back("Allow", allowed_methods(*route));
      return response;
    }
    Request request;
    request.method = *method;
    request.path = target->path;
    request.values = target->values;
    request.body = message.body();
    request.if_none_match = view_of(message[http::field::if_none_match]);
    request.last_event_id = view_of(message["Last-Event-ID"]);
    route->handle(std::move(request), [mailbox = core_.mailbox_, weak = weak_from_this(), gzip](Response response) {
      // Compressed where the answer was made: the server's thread has other clients.
      if (gzip && response.content && !response.stream) static_cast<void>(response.content->gzip());
      mailbox->post([weak, response = std::move(response)]() mutable {
        if (const auto session = weak.lock()) session->deliver(std::move(response));
      });
    });
    return std::nullopt;
  }

  /// Head and body; false when the client did not take them in time.
  asio::awaitable<bool> send(const Response& response, HeadOptions head, bool with_body) {
    std::string_view body;
    if (response.content) body = head.gzip ? response.content->gzip() : response.content->plain();
    head.now = core_.clock_->now();
    if (response.status != 204 && response.status != 304) head.content_bytes = body.size();
    const std::string bytes = head_of(response, head);
    if (!with_body || response.status == 204 || response.status == 304) body = {};
    std::string_view part = bytes;
    error_code error;
    do {
      const std::string_view next = body.substr(0, kWriteBytes);
      const std::array<asio::const_buffer, 2> buffers{asio::buffer(part.data(), part.size()),
                                                      asio::buffer(next.data(), next.size())};
      stream_.expires_after(milliseconds(core_.options_.write_timeout_ms));
      co_await asio::async_write(stream_, buffers, asio::redirect_error(asio::use_awaitable, error));
      part = {};
      body.remove_prefix(next.size());
    } while (!error && !body.empty());
    co_return !error;
  }

  /// An event stream, until the client leaves, reads too slowly, or the server stops.
  asio::awaitable<bool> stream(Response response, HeadOptions head, const Route* route, bool head_only) {
    if (core_.streams_.size() >= core_.options_.streams_max) {
      response = core_.error(
          429, "there are " + std::to_string(core_.options_.streams_max) + " event streams already; try again later");
      response.fields.emplace_back("Retry-After", "5");
      core_.tell({route->path, "GET", response.status, 0, 0});
      const bool sent = co_await send(response, head, !head_only);
      co_return sent&& head.keep_alive;
    }
    core_.tell({route->path, "GET", response.status, 0, 0});
    core_.streams_.insert(this);
    core_.stream_count_.store(core_.streams_.size());
    busy_ = false;
    head.keep_alive = false;  // its end is the end of the connection
    head.now = core_.clock_->now();
    std::string text = head_of(response, head);
    // From here on every event reaches this stream; what came before is in its beginning.
    if (!head_only) text += response.stream();
    error_code error;
    while (!core_.stopping_) {
      stream_.expires_after(milliseconds(core_.options_.write_timeout_ms));
      co_await asio::async_write(stream_, asio::buffer(text), asio::redirect_error(asio::use_awaitable, error));
      if (error || head_only) break;
      stream_.expires_never();
      // Many epochs a second are one write each little while: clients by the hundred must not cost a core.
      error_code woken;
      pacing_ = true;
      wake_.expires_after(milliseconds(kStreamPaceMs));
      co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
      pacing_ = false;
      if (events_.empty() && !core_.stopping_) {
        wake_.expires_after(milliseconds(core_.options_.heartbeat_ms));
        co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
      }
      text = events_.empty() ? ":\n\n" : "";
      for (const auto& event : events_) text += *event;
      events_.clear();
    }
    end_stream();
    co_return false;
  }

  Core& core_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  asio::steady_timer wake_;  // cancelled when there is an answer or an event
  bool pacing_ = false;      // events wait for their turn
  bool fresh_ = true;        // no request was read yet
  bool busy_ = false;        // between a request's first byte and its answer's last
  std::optional<Response> answer_;
  std::deque<std::shared_ptr<const std::string>> events_;
};

Status Server::Core::open() {
  const std::string where = options_.address + ':' + std::to_string(options_.port);
  error_code error;
  const auto address = asio::ip::make_address(options_.address, error);
  if (error) return Error{Errc::kConfig, "listen", where, "it is no IP address"};
  const tcp::endpoint wanted(address, options_.port);
  if (options_.listener >= 0) {
    acceptor_.assign(wanted.protocol(), options_.listener, error);
  } else {
    acceptor_.open(wanted.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(wanted, error);
    if (!error) acceptor_.listen(kBacklog, error);
  }
  if (!error) endpoint_ = acceptor_.local_endpoint(error);
  if (!error) listener_ = acceptor_.native_handle();
  if (error) return Error{Errc::kIo, "listen", where, error.message()};
  return {};
}

asio::awaitable<void> Server::Core::accept() {
  static const std::string kFull =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
  constexpr auto kPause = milliseconds(100);
  while (!stopping_) {
    error_code error;
    tcp::socket socket = co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (stopping_ && error) co_return;
    if (error) {
      // Out of file descriptors, mostly: those who are here go on, and the next may have better luck.
      asio::steady_timer pause(io_, kPause);
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, error));
      continue;
    }
    socket.set_option(tcp::no_delay(true), error);
    if (sessions_.size() >= options_.connections_max) {
      socket.non_blocking(true, error);
      socket.write_some(asio::buffer(kFull), error);
      tell({"", "", 503, 0, 0});
      continue;
    }
    const auto session = std::make_shared<Session>(*this, std::move(socket));
    asio::co_spawn(io_, session->run(), asio::detached);
  }
}

void Server::Core::run() {
  asio::co_spawn(io_, accept(), asio::detached);
  thread_ = std::thread([this] { io_.run(); });
}

void Server::Core::begin_stop() {
  asio::post(io_, [this] {
    stopping_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    const auto close_idle = [this](bool also_fresh) {
      for (Session* session : std::vector<Session*>(sessions_.begin(), sessions_.end()))
        session->close_if_idle(also_fresh);
    };
    close_idle(false);
    if (sessions_.empty()) io_.stop();
    auto fresh = std::make_shared<asio::steady_timer>(io_, milliseconds(kStopFreshMs));
    fresh->async_wait([close_idle, fresh](error_code) { close_idle(true); });
    auto last = std::make_shared<asio::steady_timer>(io_, milliseconds(kStopMs));
    last->async_wait([this, last](error_code) { io_.stop(); });
  });
}

Server::Server(std::unique_ptr<Core> core) : core_(std::move(core)) {}

Server::~Server() { stop(); }

Result<std::unique_ptr<Server>> Server::start(ServerOptions options, Routes routes, const Clock& clock) {
  auto core = std::make_unique<Core>(std::move(options), std::move(routes), clock);
  ADM_TRY(core->open());
  core->run();
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

std::uint16_t Server::port() const { return core_->endpoint_.port(); }

std::string Server::endpoint() const {
  const std::string address = core_->endpoint_.address().to_string();
  return (core_->endpoint_.address().is_v6() ? '[' + address + ']' : address) + ':' + std::to_string(port());
}

void Server::publish(std::function<std::string()> make) {
  core_->mailbox_->post([core = core_.get(), make = std::move(make)] {
    if (core->streams_.empty()) return;
    const auto text = std::make_shared<const std::string>(make());
    for (Session* session : core->streams_) session->push(text);
  });
}

int Server::share_listener() const { return ::fcntl(core_->listener_, F_DUPFD_CLOEXEC, 0); }

ServerCounts Server::counts() const { return {core_->connection_count_.load(), core_->stream_count_.load()}; }

void Server::stop() {
  if (!core_->thread_.joinable()) return;
  core_->begin_stop();
  core_->thread_.join();
  core_->mailbox_->close();
  for (Session* session : core_->sessions_) session->close();  // those that did not finish in time
  core_->stopping_ = false;  // what is left of sessions goes with the io_context, which then has nothing to stop
}

}  // namespace admetrics::http
