#include <boost/json.hpp>
#include <iostream>

#include "daemon/commands.hpp"
#include "daemon/config.hpp"
#include "daemon/console.hpp"
#include "daemon/control_server.hpp"
#include "daemon/exit_codes.hpp"

/// The commands that talk to a running daemon.
namespace admetrics {
namespace {

constexpr std::int64_t kStatusTimeoutMs = 5'000;

/// Why an order may have to wait, as far as the daemon tells.
std::string why_waiting(const std::string& socket) {
  auto answer = ask_control(socket, R"({"command":"status"})", kStatusTimeoutMs);
  boost::json::error_code error;
  const boost::json::value parsed = answer ? boost::json::parse(*answer, error) : boost::json::value();
  const auto* object = parsed.if_object();
  const auto* status = object == nullptr || !object->contains("status") ? nullptr : object->at("status").if_object();
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

}  // namespace

int control_command(const std::string& file, const std::string& command, std::int64_t timeout_ms) {
  const ConfigResult read = read_config(file);
  for (const std::string& line : read.lines()) std::cerr << line << '\n';
  if (!read.good()) return exit_code::kConfig;
  const std::string socket = read.config.control_socket();
  auto answer = ask_control(socket, boost::json::serialize(boost::json::object{{"command", command}}), timeout_ms);
  if (!answer) {
    Error error = std::move(answer).error();
    error.operation = command;
    if (error.code == Errc::kBusy) error.detail += "; " + why_waiting(socket);
    return fail(error);
  }
  boost::json::error_code not_json;
  const boost::json::value parsed = boost::json::parse(*answer, not_json);
  const auto* object = not_json ? nullptr : parsed.if_object();
  const auto* ok = object == nullptr ? nullptr : object->if_contains("ok");
  if (ok == nullptr || !ok->is_bool()) return fail({Errc::kInternal, command, socket, "the answer is not understood"});
  if (!ok->get_bool()) {
    const auto* why = object->if_contains("error");
    return fail({Errc::kInternal, command, socket,
                 why != nullptr && why->is_string() ? std::string(why->get_string()) : *answer});
  }
  return exit_code::kFine;
}

}  // namespace admetrics
