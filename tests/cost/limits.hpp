#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/cost/meter.hpp"

namespace admetrics::cost {

/// One line of `limits.txt`: what a figure of a workload may be, and why.
struct Limit {
  std::string workload;
  std::string figure;
  std::int64_t most = 0;
  std::string why;
  int line = 0;
};

/// A line that is none of these (`workload figure limit | why`, a comment, nothing) is thrown as std::invalid_argument.
std::vector<Limit> parse_limits(std::string_view text);

/// What is wrong with the figures, one sentence each: a figure above its limit, one without a limit, and one below half of
/// it, which a regression could double unseen.
std::vector<std::string> judge(std::string_view workload, const Figures& figures, const std::vector<Limit>& limits,
                               std::string_view file);

}  // namespace admetrics::cost
