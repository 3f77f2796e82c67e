#pragma once

#include <string>

#include "daemon/board.hpp"

/// What `/api/stream` sends, in the form of server-sent events.
namespace admetrics::api {

/// `event: epoch`: what a commit changed.
std::string epoch_event(const EpochEvent& event);
/// How a stream begins: where the tables stand, and, for a client that was here before, whether it missed anything.
std::string first_event(std::uint64_t epoch, std::string_view last_event_id);
/// `event: reload`: the client missed epochs and has to ask for everything again.
std::string reload_event();

}  // namespace admetrics::api
