#include "daemon/console.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <iostream>

#include "daemon/exit_codes.hpp"

namespace admetrics {
namespace {

bool on_terminal() { return ::isatty(STDERR_FILENO) == 1; }

}  // namespace

int fail(const Error& error) {
  std::cerr << "admetricsd: " << error.line() << '\n';
  return exit_code::of(error.code);
}

std::optional<Config> load_config(const std::string& file) {
  ConfigResult read = read_config(file);
  if (read.good()) return std::move(read.config);
  for (const std::string& line : read.lines()) std::cerr << line << '\n';
  return std::nullopt;
}

void show_progress(const std::string& text) {
  if (on_terminal()) std::cerr << "\r\033[K" << text << std::flush;
}
void end_progress() {
  if (on_terminal()) std::cerr << "\r\033[K" << std::flush;
}

std::string one_line(const std::string& text) {
  const bool plain =
      std::none_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  return plain ? text : boost::json::serialize(boost::json::string(text));
}

}  // namespace admetrics
