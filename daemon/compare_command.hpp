#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/day.hpp"

namespace admetrics {

struct CompareArguments {
  std::string config;
  std::string sink = "sqlite";
  std::string with;
  std::optional<Day> since;
  std::optional<Day> until;
  std::vector<std::string> tolerances;  // "0.05", or "meta_spend=0.05"
  std::string html;                     // where to write the page; absent: none
  bool json = false;
};

/// `compare`: prints how our tables differ from another database's; gives the exit code.
int compare_command(const CompareArguments& arguments);

}  // namespace admetrics
