#include <unistd.h>

#include <boost/json.hpp>
#include <chrono>
#include <iostream>
#include <optional>
#include <thread>

#include "daemon/commands.hpp"
#include "daemon/config.hpp"
#include "daemon/console.hpp"
#include "daemon/control_server.hpp"
#include "daemon/exit_codes.hpp"

/// The commands that talk to a running daemon.
namespace admetrics {
namespace {

constexpr std::int64_t kStatusTimeoutMs = 5'000;

/// Gives an order and takes the daemon's answer apart; a refusal is an error.
Result<boost::json::object> order(const std::string& socket, const boost::json::object& request,
                                  std::int64_t timeout_ms) {
  const std::string name(request.at("command").as_string());
  auto answer = ask_control(socket, boost::json::serialize(request), timeout_ms);
  if (!answer) {
    Error error = std::move(answer).error();
    error.operation = name;
    return error;
  }
  boost::json::error_code not_json;
  boost::json::value parsed = boost::json::parse(*answer, not_json);
  auto* object = not_json ? nullptr : parsed.if_object();
  const auto* ok = object == nullptr ? nullptr : object->if_contains("ok");
  if (ok == nullptr || !ok->is_bool()) return Error{Errc::kInternal, name, socket, "the answer is not understood"};
  if (ok->get_bool()) return std::move(*object);
  const auto* why = object->if_contains("error");
  return Error{Errc::kInternal, name, socket,
               why != nullptr && why->is_string() ? std::string(why->get_string()) : *answer};
}

/// Why an order may have to wait, as far as the daemon tells.
std::string why_waiting(const std::string& socket) {
  const auto answer = order(socket, {{"command", "status"}}, kStatusTimeoutMs);
  const auto* status = answer && answer->contains("status") ? answer->at("status").if_object() : nullptr;
  if (status == nullptr) return "it does not say why";
  std::string why = "it is " + std::string(status->at("phase").as_string());
  if (const auto* last = status->if_contains("last_error"); last != nullptr && last->is_string())
    why += "; last error: " + std::string(last->get_string());
  if (const auto* held = status->if_contains("held_back"); held != nullptr) {
    for (const auto& day : held->at("days").as_array())
      why += "; held back until it is whole: " + std::string(day.at("day").as_string());
  }
  return why;
}

/// The socket of the configuration's daemon, or nothing after the mistakes were printed.
std::optional<std::string> socket_of(const std::string& file) {
  const ConfigResult read = read_config(file);
  for (const std::string& line : read.lines()) std::cerr << line << '\n';
  if (!read.good()) return std::nullopt;
  return read.config.control_socket();
}

/// Shows how the backfill goes until it has ended.
int await_backfill(const std::string& socket) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  for (;;) {
    auto answer = order(socket, {{"command", "status"}}, kStatusTimeoutMs);
    if (!answer) return fail(answer.error());
    const auto* status = answer->contains("status") ? answer->at("status").if_object() : nullptr;
    const auto* backfill = status == nullptr ? nullptr : status->at("backfill").if_object();
    if (backfill == nullptr)
      return fail({Errc::kInternal, "wait for the backfill", socket, "the daemon knows of none"});
    const std::string state(backfill->at("state").as_string());
    const std::int64_t done = backfill->at("items_done").as_int64();
    const std::int64_t total = backfill->at("items_total").as_int64();
    if (terminal) std::cerr << "\r\033[K";
    if (state == "done") {
      std::cout << "backfill done: " << done << " keys and rows looked at\n";
      return exit_code::kFine;
    }
    if (state == "failed" || state == "cancelled") {
      return fail({Errc::kInterrupted, "backfill", socket,
                   state + " after " + std::to_string(done) + " of " + std::to_string(total) + ' ' +
                       std::string(backfill->at("error").as_string())});
    }
    if (terminal) {
      std::cerr << "backfill " << state << ": " << done << " of " << total << ' '
                << std::string(backfill->at("day").as_string());
      if (const auto& left = backfill->at("seconds_left"); left.is_double())
        std::cerr << ", about " << static_cast<std::int64_t>(left.get_double()) << " s left";
      std::cerr << std::flush;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
}

}  // namespace

int control_command(const std::string& file, const std::string& command, std::int64_t timeout_ms) {
  const auto socket = socket_of(file);
  if (!socket) return exit_code::kConfig;
  auto answer = order(*socket, {{"command", command}}, timeout_ms);
  if (answer) return exit_code::kFine;
  Error error = std::move(answer).error();
  if (error.code == Errc::kBusy) error.detail += "; " + why_waiting(*socket);
  return fail(error);
}

int backfill_command(const BackfillArguments& arguments) {
  const auto socket = socket_of(arguments.config);
  if (!socket) return exit_code::kConfig;
  boost::json::object request{{"command", arguments.order}};
  if (arguments.since) request["since"] = format_day(*arguments.since);
  if (arguments.until) request["until"] = format_day(*arguments.until);
  if (!arguments.entity_type.empty()) request["entity_type"] = arguments.entity_type;
  if (!arguments.entity_id.empty()) request["entity_id"] = arguments.entity_id;
  if (arguments.keys_per_second > 0) request["keys_per_second"] = arguments.keys_per_second;
  if (auto answer = order(*socket, request, kStatusTimeoutMs); !answer) return fail(answer.error());
  return arguments.wait ? await_backfill(*socket) : exit_code::kFine;
}

}  // namespace admetrics
