#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "daemon/http/routes.hpp"

namespace admetrics::http {

/// How an answer went, for those who count.
struct Exchange {
  std::string_view route;  // the route's path; "" where none was found, or the request was none
  std::string_view method;
  unsigned status = 0;
  std::int64_t micros = 0;  // from the whole request to its answer
  std::size_t bytes = 0;    // of the body that goes out
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // an IP address
  std::uint16_t port = 0;             // 0: the system chooses
  int listener = -1;                  // of a server before this one, at the same place: nobody who comes is turned away
  std::vector<std::string> tokens;    // one of them is asked for; none: nobody is asked
  bool own_hosts_only = false;        // others are misdirected (421): see is_own_host
  std::vector<std::string> host_names;  // its own, besides those that is_own_host knows
  std::vector<std::string> cors_origins;
  std::size_t connections_max = 512;
  std::size_t streams_max = 256;
  std::uint32_t head_bytes_max = 16'384;
  std::uint64_t body_bytes_max = 65'536;
  std::size_t waiting_bytes_max = std::size_t{256} << 20;  // of large answers that are being sent
  std::int64_t idle_timeout_ms = 60'000;                   // between requests
  std::int64_t read_timeout_ms = 10'000;                   // for one whole request
  std::int64_t write_timeout_ms = 20'000;                  // for each part of an answer
  std::int64_t heartbeat_ms = 15'000;                      // a comment on a stream that has nothing to tell
  std::string reload_event;  // what a stream that fell behind gets instead of what it missed
  std::function<std::string(std::string_view)> error_text;  // the body of an error
  std::function<void(const Exchange&)> observe;             // on the server's thread; must not wait
};

struct ServerCounts {
  std::size_t connections = 0;
  std::size_t streams = 0;
};

/// Server: HTTP/1.1 on one thread of its own.
///
/// Threads:    `publish`, `counts` and `stop` from any.
/// Invariants: (1) a connection holds at most one request, one answer and kStreamEventsMax events;
///             (2) whatever a client does or leaves undone ends at a timeout;
///             (3) after `stop` no handler is called, and answers that come late are dropped.
class Server {
 public:
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Routes routes, const Clock& clock);
  ~Server();

  [[nodiscard]] std::uint16_t port() const;
  /// `127.0.0.1:8787`, as it is.
  [[nodiscard]] std::string endpoint() const;
  /// Sends an event to every open stream; `make` writes it, on the server's thread, where there is one. Never waits:
  /// streams that cannot take it fall behind.
  void publish(std::function<std::string()> make);
  [[nodiscard]] ServerCounts counts() const;
  /// The socket that it listens at, for the next one's `ServerOptions::listener`, which then owns it; -1: it cannot be had.
  [[nodiscard]] int share_listener() const;
  /// Lets answers that are on their way finish for a moment, then closes everything.
  void stop();

 private:
  class Core;
  class Session;
  explicit Server(std::unique_ptr<Core> core);

  std::unique_ptr<Core> core_;
};

}  // namespace admetrics::http
