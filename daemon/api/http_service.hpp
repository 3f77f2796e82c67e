#pragma once

#include <memory>
#include <string>

#include "core/base/clock.hpp"
#include "core/base/result.hpp"
#include "daemon/board.hpp"
#include "daemon/config.hpp"
#include "daemon/telemetry.hpp"

namespace admetrics::api {

/// HttpService: the server's life beside the pipeline's. It answers while the pipeline starts, stops and starts again.
///
/// Threads: `start`, `reload` and `stop` belong to one.
class HttpService {
 public:
  HttpService(const Clock& clock, Board& board);
  ~HttpService();

  /// Serves as `config` says: nothing, where it says so.
  Status start(const Config& config);
  /// Serves as `config` says from now on, without a break where nothing of it concerns the server. When the new place
  /// cannot be served at, the old one goes on.
  Status reload(const Config& config);
  void stop();
  /// `127.0.0.1:8787`, as it is; "" while nothing is served.
  [[nodiscard]] std::string endpoint() const;

 private:
  struct Running;
  Status start(const Config& config, int listener);

  const Clock* const clock_;
  Board* const board_;
  Telemetry telemetry_;
  Board::Subscription counted_;
  std::unique_ptr<Running> running_;
};

}  // namespace admetrics::api
