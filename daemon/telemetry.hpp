#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/board.hpp"

namespace admetrics {

/// Telemetry: the daemon's numbers for Prometheus. Base units, `_total` for what only grows, no ids in labels.
///
/// Threads: any.
class Telemetry {
 public:
  Telemetry();
  ~Telemetry();

  void note_epoch(const EpochEvent& event);
  void note_request(std::string_view route, std::string_view method, unsigned status, double seconds,
                    std::size_t bytes);
  void note_connections(std::size_t connections, std::size_t streams);

  /// Everything, in the text format, with the gauges as `status` has them now.
  [[nodiscard]] std::string text(const DaemonStatus& status);

 private:
  struct Metrics;
  std::unique_ptr<Metrics> metrics_;
};

}  // namespace admetrics
