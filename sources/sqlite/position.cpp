#include "sources/sqlite/position.hpp"

#include <boost/json.hpp>

namespace admetrics::source {
namespace {

namespace json = boost::json;

// A position is read and written by every epoch, so all of its JSON stands on the stack, as a rule.
constexpr std::size_t kUsualBytes = 4'096;

/// Takes members out of an object; `ok` stays true while each was there, and of its type.
class Members {
 public:
  explicit Members(const json::value* value) : object_(value == nullptr ? nullptr : value->if_object()) {}

  [[nodiscard]] const json::value* find(std::string_view name) const {
    return object_ == nullptr ? nullptr : object_->if_contains(name);
  }
  void take(std::string_view name, std::string& out) {
    const json::value* const found = find(name);
    ok = ok && found != nullptr && found->is_string();
    if (ok) out = std::string_view(found->get_string());
  }
  void take(std::string_view name, std::int64_t& out) {
    const json::value* const found = find(name);
    ok = ok && found != nullptr && found->is_int64();
    if (ok) out = found->get_int64();
  }
  void take(std::string_view name, bool& out) {
    const json::value* const found = find(name);
    ok = ok && found != nullptr && found->is_bool();
    if (ok) out = found->get_bool();
  }

  bool ok = true;

 private:
  const json::object* object_;
};

bool take_side(const json::value* value, SidePosition& side) {
  Members members(value);
  members.take("generation", side.generation);
  members.take("seq", side.seq);
  members.take("signature", side.signature);
  members.take("file", side.file);
  members.take("mark", side.mark);
  return members.ok;
}

json::value value_of(const SidePosition& side, const json::storage_ptr& storage) {
  return json::value({{"generation", side.generation},
                      {"seq", side.seq},
                      {"signature", side.signature},
                      {"file", side.file},
                      {"mark", side.mark}},
                     storage);
}

}  // namespace

std::string Position::json(std::string_view capture) const {
  std::array<unsigned char, kUsualBytes> buffer;
  json::monotonic_resource memory(buffer.data(), buffer.size());
  const json::storage_ptr storage(&memory);
  json::object root(storage);
  root["product"] = value_of(sides[kProduct], storage);
  root["ads"] = value_of(sides[kAds], storage);
  root["torn"] = json::value({{"known", torn.known_text()}, {"held", torn.held_text()}}, storage);
  if (holding) root["holding"] = json::value({{"from", held_from_seq}, {"everyone", held_everyone}}, storage);
  root["capture"] = capture;
  return json::serialize(root);
}

std::optional<Position> Position::parse(const std::string& text, std::string_view capture) {
  std::array<unsigned char, kUsualBytes> buffer;
  json::monotonic_resource memory(buffer.data(), buffer.size());
  boost::system::error_code error;
  const json::value value = json::parse(text, error, &memory);
  if (error) return std::nullopt;
  Members root(&value);
  std::string way_of_capture;
  root.take("capture", way_of_capture);
  Position position;
  if (!root.ok || way_of_capture != capture || !take_side(root.find("product"), position.sides[kProduct]) ||
      !take_side(root.find("ads"), position.sides[kAds]))
    return std::nullopt;
  // Absent in positions of versions that did not hold.
  Members torn(root.find("torn"));
  std::string known;
  std::string held;
  torn.take("known", known);
  torn.take("held", held);
  if (torn.ok && !position.torn.parse(known, held)) return std::nullopt;
  Members holding(root.find("holding"));
  holding.take("from", position.held_from_seq);
  holding.take("everyone", position.held_everyone);
  position.holding = holding.ok;
  return position;
}

}  // namespace admetrics::source
