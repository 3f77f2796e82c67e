#pragma once

#include <cstdint>

namespace admetrics::backfill {

struct AuditSettings {
  std::int64_t every_seconds = std::int64_t{7} * 86'400;  // every key is looked at within this time; 0: never
  double cpu_share = 0.02;                                // of one processor, at most

  bool operator==(const AuditSettings&) const = default;
};

}  // namespace admetrics::backfill
