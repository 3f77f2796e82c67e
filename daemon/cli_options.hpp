#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "core/base/day.hpp"

/// Options that several subcommands share.
namespace admetrics {

/// Days on the command line are `YYYY-MM-DD`.
inline CLI::Option* add_day(CLI::App& command, const std::string& name, std::optional<Day>& into,
                            const std::string& help) {
  return command
      .add_option_function<std::string>(
          name, [&into](const std::string& text) { into = parse_day(text); }, help)
      ->type_name("DAY")
      ->check([](const std::string& text) {
        return parse_day(text) ? std::string() : "must be a day such as 2025-07-31, not " + text;
      });
}

inline CLI::Option* add_config(CLI::App& command, std::string& into) {
  return command.add_option("--config", into, "the configuration file (TOML)")->required()->type_name("FILE");
}

}  // namespace admetrics
