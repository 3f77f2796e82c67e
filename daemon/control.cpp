#include "daemon/control.hpp"

#include <boost/json.hpp>
#include <utility>

namespace admetrics {
namespace {

std::string refusal(const std::string& why) {
  return boost::json::serialize(boost::json::object{{"ok", false}, {"error", why}});
}

}  // namespace

void Control::handle(const std::string& line, std::function<void(std::string)> reply) const {
  boost::json::error_code error;
  const boost::json::value request = boost::json::parse(line, error);
  const auto* object = error ? nullptr : request.if_object();
  const auto* name = object == nullptr ? nullptr : object->if_contains("command");
  if (name == nullptr || !name->is_string())
    return reply(refusal("not a command: a JSON object such as {\"command\": \"status\"} is needed"));
  const std::string command(name->get_string());

  const auto give = [&](Orders::Kind kind) {
    orders_->give(kind, [reply = std::move(reply)](const Status& done) {
      reply(done.ok() ? R"({"ok":true})" : refusal(done.error().line()));
    });
  };
  if (command == "status") {
    reply(R"({"ok":true,"status":)" + to_json(*board_->status()) + '}');
  } else if (command == "sync") {
    give(Orders::Kind::kSync);
  } else if (command == "drain") {
    give(Orders::Kind::kDrain);
  } else if (command == "pause") {
    give(Orders::Kind::kPause);
  } else if (command == "resume") {
    const bool was = orders_->resume();
    reply(boost::json::serialize(boost::json::object{{"ok", true}, {"was_paused", was}}));
  } else {
    reply(refusal("unknown command " + command + "; known are status, sync, drain, pause, resume"));
  }
}

}  // namespace admetrics
