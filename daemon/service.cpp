#include "daemon/service.hpp"

#include <systemd/sd-daemon.h>

#include <ctime>

namespace admetrics::service {
namespace {

void tell(const std::string& state) { ::sd_notify(0, state.c_str()); }

}  // namespace

void ready() { tell("READY=1"); }

void reloading() {
  // The manager holds this against its own clock, to know that the reload began after it was asked for.
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const std::uint64_t micros =
      static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(micros));
}

void stopping() { tell("STOPPING=1"); }
void status(const std::string& line) { tell("STATUS=" + line); }

std::uint64_t watchdog_micros() {
  std::uint64_t micros = 0;
  return ::sd_watchdog_enabled(0, &micros) > 0 ? micros : 0;
}

void alive() { tell("WATCHDOG=1"); }

}  // namespace admetrics::service
