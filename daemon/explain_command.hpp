#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/day.hpp"

namespace admetrics {

struct ExplainArguments {
  std::string config;
  std::string entity_type;
  std::string entity_id;
  std::optional<Day> date;
  std::string breakdown;  // "country=US"; absent: the main row
  std::string column;     // absent: all
  std::optional<Day> as_of;
  std::int64_t users = 50;
  bool json = false;
};

/// `explain`: prints where one row comes from; gives the exit code.
int explain_command(const ExplainArguments& arguments);

}  // namespace admetrics
