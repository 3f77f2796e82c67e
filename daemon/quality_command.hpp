#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/day.hpp"

namespace admetrics {

struct QualityArguments {
  std::string config;
  std::optional<Day> since;
  std::optional<Day> until;
  std::optional<double> tolerance_percent;  // absent: quality.tolerance_percent
  std::int64_t findings = 10;
  bool json = false;
};

/// `quality`: prints what the rows say about the data behind them; gives the exit code.
int quality_command(const QualityArguments& arguments);

}  // namespace admetrics
