#include "daemon/api/values.hpp"

#include <boost/json.hpp>

namespace admetrics::api {

std::string add_json_values(std::string_view json, dashboard::Parameters& values) {
  if (json.find_first_not_of(" \t\r\n") == std::string_view::npos) return "";
  boost::json::error_code error;
  const boost::json::value document = boost::json::parse({json.data(), json.size()}, error);
  if (error) return "the body is not JSON: " + error.message();
  const boost::json::object* object = document.if_object();
  if (object == nullptr) return "the body must be a JSON object with the parameters as members";
  for (const auto& [key, value] : *object) {
    const std::string name(key);
    if (value.is_string()) {
      values.emplace_back(name, std::string(value.as_string()));
    } else if (value.is_bool()) {
      values.emplace_back(name, value.as_bool() ? "true" : "false");
    } else if (value.is_int64()) {
      values.emplace_back(name, std::to_string(value.as_int64()));
    } else if (value.is_uint64()) {
      values.emplace_back(name, std::to_string(value.as_uint64()));
    } else if (!value.is_null()) {  // as if it were not there
      // A member that nobody asks for may be anything; one that is asked for shows in its message.
      values.emplace_back(name, boost::json::serialize(value));
    }
  }
  return "";
}

}  // namespace admetrics::api
