#include "daemon/control_server.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <set>

namespace admetrics {
namespace {

using Protocol = boost::asio::local::stream_protocol;

constexpr std::size_t kLineBytesMax = std::size_t{64} * 1024;
constexpr std::size_t kConnectionsMax = 64;

/// A socket's address may have 108 characters, a path more: the folder is opened, and the name stands below its number.
class Address {
 public:
  explicit Address(const std::string& path) {
    const std::filesystem::path file(path);
    folder_ = ::open(file.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    text_ = "/proc/self/fd/" + std::to_string(folder_) + '/' + file.filename().string();
  }
  ~Address() {
    if (folder_ >= 0) ::close(folder_);
  }
  Address(const Address&) = delete;
  Address& operator=(const Address&) = delete;

  [[nodiscard]] bool valid() const { return folder_ >= 0 && text_.size() < sizeof(sockaddr_un{}.sun_path); }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  int folder_ = -1;
  std::string text_;
};

Error failed(const std::string& operation, const std::string& path, const std::string& why) {
  return {Errc::kIo, operation, path, why};
}

}  // namespace

struct ControlServer::Body : std::enable_shared_from_this<Body> {
  struct Connection : std::enable_shared_from_this<Connection> {
    Connection(Protocol::socket connected, std::shared_ptr<Body> server)
        : socket(std::move(connected)), buffer(kLineBytesMax), body(std::move(server)) {}

    void read() {
      boost::asio::async_read_until(
          socket, buffer, '\n', [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
            if (error) return self->close();  // gone, or a line without end
            std::string line(static_cast<const char*>(self->buffer.data().data()), bytes - 1);
            self->buffer.consume(bytes);
            if (!self->body->open) return self->close();
            self->body->handle(line,
                               [weak = std::weak_ptr(self), executor = self->socket.get_executor()](std::string text) {
                                 boost::asio::post(executor, [weak, text = std::move(text)]() mutable {
                                   if (const auto connection = weak.lock()) connection->write(std::move(text));
                                 });
                               });
          });
    }
    void write(std::string text) {
      answer = std::move(text) + '\n';
      boost::asio::async_write(socket, boost::asio::buffer(answer),
                               [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                                 error ? self->close() : self->read();
                               });
    }
    void close() {
      boost::system::error_code ignored;
      socket.close(ignored);
      body->connections.erase(shared_from_this());
    }

    Protocol::socket socket;
    boost::asio::streambuf buffer;
    std::string answer;
    std::shared_ptr<Body> body;
  };

  Body(boost::asio::io_context& io, std::string socket_path, Handle handler)
      : acceptor(io), path(std::move(socket_path)), handle(std::move(handler)) {}

  void accept() {
    acceptor.async_accept([self = shared_from_this()](boost::system::error_code error, Protocol::socket socket) {
      if (!self->open) return;
      if (!error && self->connections.size() < kConnectionsMax) {
        auto connection = std::make_shared<Connection>(std::move(socket), self);
        self->connections.insert(connection);
        connection->read();
      }
      self->accept();
    });
  }

  Protocol::acceptor acceptor;
  const std::string path;
  const Handle handle;
  bool open = true;
  std::set<std::shared_ptr<Connection>> connections;  // each lives until it is closed
};

Result<std::unique_ptr<ControlServer>> ControlServer::start(boost::asio::io_context& io, const std::string& path,
                                                            Handle handle) {
  const Address address(path);
  if (!address.valid()) return failed("listen on the control socket", path, "its folder cannot be opened");
  auto body = std::make_shared<Body>(io, path, std::move(handle));
  ::unlink(path.c_str());
  boost::system::error_code error;
  const Protocol::endpoint endpoint(address.text());
  body->acceptor.open(endpoint.protocol(), error);
  // Nobody else may open it, not even between `bind` and a later change of its mode.
  if (!error && ::fchmod(body->acceptor.native_handle(), S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) != 0)
    error.assign(errno, boost::system::system_category());
  if (!error) body->acceptor.bind(endpoint, error);
  if (!error) body->acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) return failed("listen on the control socket", path, error.message());
  body->accept();
  return std::unique_ptr<ControlServer>(new ControlServer(std::move(body)));
}

ControlServer::~ControlServer() {
  body_->open = false;
  boost::system::error_code ignored;
  body_->acceptor.close(ignored);
  const auto connections = body_->connections;
  for (const auto& connection : connections) connection->close();
  ::unlink(body_->path.c_str());
}

Result<std::string> ask_control(const std::string& path, const std::string& line, std::int64_t timeout_ms) {
  const std::string operation = "ask the daemon";
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  const Address address(path);
  struct Socket {
    int number = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ~Socket() {
      if (number >= 0) ::close(number);
    }
  } socket;
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (!address.valid()) return Error{Errc::kNotFound, operation, path, "no daemon runs with this configuration"};
  std::memcpy(to.sun_path, address.text().c_str(), address.text().size() + 1);
  if (::connect(socket.number, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {  // NOLINT: how sockets are
    if (errno == ENOENT || errno == ECONNREFUSED)
      return Error{Errc::kNotFound, operation, path, "no daemon runs with this configuration"};
    return Error{errno == EACCES ? Errc::kReadOnly : Errc::kIo, operation, path, std::strerror(errno)};
  }
  const std::string text = line + '\n';
  for (std::size_t sent = 0; sent < text.size();) {
    const ssize_t bytes = ::send(socket.number, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return failed(operation, path, std::strerror(errno));
    sent += static_cast<std::size_t>(bytes);
  }
  std::string answer;
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd ready{socket.number, POLLIN, 0};
    const int polled = left <= 0 ? 0 : ::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left, 60'000)));
    if (polled < 0 && errno == EINTR) continue;
    if (polled == 0 && left > 60'000) continue;
    if (polled == 0)
      return Error{Errc::kBusy, operation, path, "no answer within " + std::to_string(timeout_ms) + " ms"};
    std::array<char, 4096> bytes{};
    const ssize_t got = polled < 0 ? -1 : ::recv(socket.number, bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return failed(operation, path, got == 0 ? "the daemon went away" : std::strerror(errno));
    answer.append(bytes.data(), static_cast<std::size_t>(got));
    if (answer.ends_with('\n')) {
      answer.pop_back();
      return answer;
    }
  }
}

}  // namespace admetrics
