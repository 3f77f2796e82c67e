#include "daemon/api/events.hpp"

#include <boost/json.hpp>

namespace admetrics::api {
namespace {

std::string event_text(std::string_view name, std::string_view id, const boost::json::object& data) {
  std::string text = "event: " + std::string(name) + '\n';
  if (!id.empty()) text += "id: " + std::string(id) + '\n';
  return text + "data: " + boost::json::serialize(data) + "\n\n";
}

boost::json::object key_of(const SinkKey& key) {
  boost::json::object object;
  switch (key.kind) {
    case SinkKey::Kind::kCell:
      // One name for the main row and the breakdown rows beside it: they change together, mostly.
      object["kind"] = "metrics";
      object["entity_type"] = name_of(key.level);
      object["entity_id"] = key.entity_id;
      object["date"] = format_day(key.day);
      break;
    case SinkKey::Kind::kName:
      object["kind"] = "name";
      object["entity_type"] = name_of(key.level);
      object["entity_id"] = key.entity_id;
      break;
    case SinkKey::Kind::kHierarchy:
      object["kind"] = "hierarchy";
      object["entity_type"] = name_of(key.level);
      object["entity_id"] = key.entity_id;
      break;
  }
  return object;
}

}  // namespace

std::string epoch_event(const EpochEvent& event) {
  const EpochReport& report = event.report;
  SinkReceipt receipt;
  if (!report.receipts.empty()) receipt = report.receipts.front();
  boost::json::array keys;
  for (const SinkKey& key : receipt.changed) keys.push_back(key_of(key));
  const std::int64_t millis = event.committed_at_millis;
  constexpr std::int64_t kMillis = 1'000;
  constexpr std::int64_t kNanosPerMilli = 1'000'000;
  const boost::json::object data{
      {"epoch", report.epoch.value},
      {"committed_at",
       format_timestamp({millis / kMillis, static_cast<std::int32_t>(millis % kMillis * kNanosPerMilli)})},
      {"rows_inserted", receipt.inserted},
      {"rows_updated", receipt.updated},
      {"rows_deleted", receipt.deleted},
      {"duration_ms", static_cast<double>(report.total_micros) / 1'000.0},
      {"keys", std::move(keys)},
      {"more", receipt.changed_more},
  };
  return event_text("epoch", std::to_string(report.epoch.value), data);
}

std::string first_event(std::uint64_t epoch, std::string_view last_event_id) {
  const std::string id = std::to_string(epoch);
  const bool missed = !last_event_id.empty() && last_event_id != id;
  std::string text = "retry: 3000\n\n" + event_text("hello", id, {{"epoch", epoch}});
  if (missed) text += reload_event();
  return text;
}

std::string reload_event() { return event_text("reload", "", {{"reason", "events were missed"}}); }

}  // namespace admetrics::api
