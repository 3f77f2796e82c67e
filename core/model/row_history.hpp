#pragma once

#include <optional>
#include <vector>

#include "core/base/day.hpp"
#include "core/base/strong.hpp"
#include "core/model/cause.hpp"

namespace admetrics {

/// An epoch that changed a row, as the change journal has it.
struct RowChange {
  EpochId epoch;
  std::optional<Instant> at;  // none: not known, before the journal began
  Causes causes;
};

/// What the journal says of one row.
struct RowHistory {
  std::optional<RowChange> listed;  // its last change in an epoch that lists its changes
  std::optional<RowChange> cell;    // the last change of any row beside it, the main row and breakdowns of its day
  std::vector<RowChange> unlisted;  // epochs that do not, newest first; any of them may have changed it
};

}  // namespace admetrics
