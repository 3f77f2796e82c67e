#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/strong.hpp"

namespace admetrics::follow {

enum class State : std::uint8_t {
  kConnecting,  // opens its sink
  kCatchingUp,  // is given what its sink lacks
  kFollowing,   // stands where the ledger stands, or is about to
  kWaiting,     // something failed; it tries again
};
std::string_view name_of(State state);

/// How one sink stands.
struct Standing {
  std::string sink;
  State state = State::kConnecting;
  std::optional<EpochId> epoch;  // that its rows are of; none: not known
  std::int64_t lag_epochs = 0;   // of the ledger's that it lacks; all of them where nothing is known
  double lag_seconds = 0;        // since it last stood where the ledger stood
  std::int64_t failures_total = 0;
  std::string last_error;  // "": the last attempt went well
  std::string behind_why;  // it is given everything, because …
  std::int64_t commits_total = 0;
  std::int64_t rows_inserted_total = 0;
  std::int64_t rows_updated_total = 0;
  std::int64_t rows_deleted_total = 0;
  std::int64_t rows_unchanged_total = 0;
};

}  // namespace admetrics::follow
