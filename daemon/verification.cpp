#include "daemon/verification.hpp"

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "core/base/day.hpp"

namespace admetrics {
namespace {

std::string path_in(const std::string& state_dir) { return state_dir + "/verification.json"; }

/// As `format_timestamp` writes it: a blank stands where ISO 8601 has a `T`.
std::int64_t seconds_of(std::string_view text) {
  const auto instant = parse_instant(text);
  return instant ? instant->seconds : 0;
}

}  // namespace

boost::json::value to_json(const Verification& verification) {
  if (verification.at_seconds == 0) return nullptr;
  return {{"at", format_timestamp({verification.at_seconds, 0})},
          {"equal", verification.known ? boost::json::value(verification.equal) : boost::json::value()},
          {"differences", verification.differences},
          {"epoch", verification.epoch},
          {"whole", verification.whole},
          {"duration_seconds", verification.duration_seconds},
          {"error", verification.error}};
}

Status write_verification(const std::string& state_dir, const Verification& verification) {
  const std::string path = path_in(state_dir);
  const std::string draft = path + ".new";
  {
    std::ofstream out(draft, std::ios::trunc);
    out << boost::json::serialize(to_json(verification)) << '\n';
    if (!out.flush()) return Error{Errc::kIo, "keep the outcome", draft, std::strerror(errno)};
  }
  if (std::rename(draft.c_str(), path.c_str()) != 0)
    return Error{Errc::kIo, "keep the outcome", path, std::strerror(errno)};
  return {};
}

Verification read_verification(const std::string& state_dir) {
  std::ifstream in(path_in(state_dir));
  if (!in) return {};
  std::stringstream text;
  text << in.rdbuf();
  try {
    const boost::json::object document = boost::json::parse(text.str()).as_object();
    Verification verification;
    verification.at_seconds = seconds_of(document.at("at").as_string());
    verification.known = document.at("equal").is_bool();
    verification.equal = verification.known && document.at("equal").as_bool();
    verification.differences = document.at("differences").to_number<std::uint64_t>();
    verification.epoch = document.at("epoch").to_number<std::uint64_t>();
    verification.whole = document.at("whole").as_bool();
    verification.duration_seconds = document.at("duration_seconds").to_number<double>();
    verification.error = document.at("error").as_string();
    return verification;
  } catch (const std::exception&) {  // the library's way to say that it is not what was written here
    return {};
  }
}

}  // namespace admetrics
