#pragma once

#include <cstdint>
#include <string>

/// What the service manager is told (sd_notify(3)). Without one, nothing happens. Any thread.
namespace admetrics::service {

void ready();
/// A reload begins; `ready` ends it.
void reloading();
void stopping();
/// The line that `systemctl status` shows.
void status(const std::string& line);
/// How often the manager wants to hear `alive`, in microseconds; 0: it does not watch.
std::uint64_t watchdog_micros();
void alive();

}  // namespace admetrics::service
