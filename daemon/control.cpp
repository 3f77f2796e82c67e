#include "daemon/control.hpp"

#include <boost/json.hpp>
#include <utility>

namespace admetrics {
namespace {

std::string accepted(const char* name, bool value) {
  return boost::json::serialize(boost::json::object{{"ok", true}, {name, value}});
}

std::string refusal(const std::string& why) {
  return boost::json::serialize(boost::json::object{{"ok", false}, {"error", why}});
}

/// Reads {"since", "until", "entity_type", "entity_id", "keys_per_second"}; what is wrong with it, or "".
std::string read_request(const boost::json::object& from, backfill::Request& request) {
  for (const auto& [name, value] : from) {
    if (name == "command") continue;
    if (name == "since" || name == "until") {
      const auto day = value.is_string() ? parse_day(std::string_view(value.get_string())) : std::nullopt;
      if (!day) return std::string(name) + " must be a day such as 2025-07-31";
      (name == "since" ? request.since : request.until) = day;
    } else if (name == "entity_type") {
      if (value.is_string()) request.level = parse_level(value.get_string());
      if (!request.level) return "entity_type must be campaign, adset or ad";
    } else if (name == "entity_id") {
      if (!value.is_string() || value.get_string().empty()) return "entity_id must be a text";
      request.entity_id = value.get_string();
    } else if (name == "keys_per_second") {
      if (!value.is_int64() || value.get_int64() < 0) return "keys_per_second must be a whole number, 0 for no limit";
      request.keys_per_second = value.get_int64();
    } else {
      return "unknown field " + std::string(name);
    }
  }
  if (request.level.has_value() == request.entity_id.empty()) return "entity_type and entity_id go together";
  if (request.since && request.until && *request.since > *request.until) return "since is after until";
  return "";
}

}  // namespace

void Control::handle(const std::string& line, std::function<void(std::string)> reply) {
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
    DaemonStatus now = *board_->status();
    now.backfill = backfill_->progress();  // the board may be some moments older than an order to it
    reply(R"({"ok":true,"status":)" + to_json(now) + '}');
  } else if (command == "sync") {
    give(Orders::Kind::kSync);
  } else if (command == "drain") {
    give(Orders::Kind::kDrain);
  } else if (command == "pause") {
    give(Orders::Kind::kPause);
  } else if (command == "resume") {
    reply(accepted("was_paused", orders_->resume()));
  } else if (command == "backfill") {
    backfill::Request wanted;
    if (const std::string wrong = read_request(*object, wanted); !wrong.empty())
      return reply(refusal("backfill: " + wrong));
    const Status started = backfill_->start(wanted);
    reply(started.ok() ? accepted("started", true) : refusal(started.error().line()));
  } else if (command == "backfill_pause") {
    reply(accepted("changed", backfill_->pause()));
  } else if (command == "backfill_resume") {
    reply(accepted("changed", backfill_->resume()));
  } else if (command == "backfill_cancel") {
    reply(accepted("changed", backfill_->cancel()));
  } else {
    reply(refusal("unknown command " + command +
                  "; known are status, sync, drain, pause, resume, backfill, backfill_pause, "
                  "backfill_resume, backfill_cancel"));
  }
}

}  // namespace admetrics
