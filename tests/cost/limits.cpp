#include "tests/cost/limits.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace admetrics::cost {

std::vector<Limit> parse_limits(std::string_view text) {
  std::vector<Limit> limits;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    Limit limit;
    limit.line = number;
    std::istringstream words(line);
    std::string bar;
    words >> limit.workload >> limit.figure >> limit.most >> bar;
    std::getline(words >> std::ws, limit.why);
    if (bar != "|" || limit.why.empty()) throw std::invalid_argument("line " + std::to_string(number) + ": " + line);
    limits.push_back(std::move(limit));
  }
  return limits;
}

std::vector<std::string> judge(std::string_view workload, const Figures& figures, const std::vector<Limit>& limits,
                               std::string_view file) {
  std::vector<std::string> wrong;
  for (const auto& [figure, value] : figures.named()) {
    const auto& name = figure;  // clang 14 captures no structured bindings
    const auto limit = std::find_if(limits.begin(), limits.end(),
                                    [&](const Limit& l) { return l.workload == workload && l.figure == name; });
    const std::string told = std::string(workload) + ' ' + std::string(name) + ": " + std::to_string(value);
    if (limit == limits.end()) {
      wrong.push_back(told + ", and no limit in " + std::string(file));
      continue;
    }
    const std::string allowed = ", limit " + std::to_string(limit->most) + " (" + std::string(file) + ':' +
                                std::to_string(limit->line) + ": " + limit->why + ')';
    if (value > limit->most) wrong.push_back(told + allowed);
    if (value * 2 < limit->most) wrong.push_back(told + allowed + "; cheaper than half of it: lower the limit");
  }
  return wrong;
}

}  // namespace admetrics::cost
