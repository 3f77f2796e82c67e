#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>

#include "core/base/result.hpp"

namespace admetrics {

/// ControlServer: lines in, lines out, over a Unix socket that only the daemon's user and group may open.
///
/// Threads: the io_context's. `reply` may be called once from any thread, even after the asker or the server has gone.
class ControlServer {
 public:
  using Reply = std::function<void(std::string)>;
  /// Gets a line without its end; what `reply` is given becomes the answer's line.
  using Handle = std::function<void(const std::string& line, Reply reply)>;

  /// Listens at `path`, and takes away what a killed daemon left there: the caller holds the state folder's lock.
  static Result<std::unique_ptr<ControlServer>> start(boost::asio::io_context& io, const std::string& path,
                                                      Handle handle);
  /// Closes every connection and removes the socket.
  ~ControlServer();

 private:
  struct Body;
  explicit ControlServer(std::shared_ptr<Body> body) : body_(std::move(body)) {}
  std::shared_ptr<Body> body_;
};

/// Asks the daemon that listens at `path`: one line there, one line back. Waits `timeout_ms` for the answer (kBusy), and
/// says kNotFound when nobody listens. Any thread.
Result<std::string> ask_control(const std::string& path, const std::string& line, std::int64_t timeout_ms);

}  // namespace admetrics
