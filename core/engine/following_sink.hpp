#pragma once

#include "core/engine/ports.hpp"

namespace admetrics {

/// A sink that may follow the ledger at its own pace, behind the one that epochs wait for. Threads: its follower's.
class FollowingSink : public Sink {
 public:
  /// The open epoch's rows are those of a later epoch by now: its header shall be committed. Rows keep the time of `begin`.
  virtual void amend(const CommitHeader& header) = 0;
};

}  // namespace admetrics
