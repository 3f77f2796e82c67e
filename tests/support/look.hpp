#pragma once

#include <chrono>
#include <string>
#include <thread>

#include "backfill/backfill.hpp"
#include "tests/support/machine.hpp"
#include "tests/support/must.hpp"

namespace admetrics::support {

/// Everything that a cycle of the self-audit would list now. An error where the list cannot be made.
inline Result<backfill::Share> everything_to_look_at(const MachineOptions& machine, const std::string& ledger_db,
                                                     const std::string& list_db) {
  const FakeClock clock;
  backfill::Backfill list(list_db, {machine.product_db, machine.ads_db, ledger_db, machine.sink_db}, clock, [] {});
  backfill::Request request;
  request.strange_keys = true;
  ADM_TRY(list.start(request));
  while (list.progress().state == backfill::Progress::State::kPlanning)
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  if (!list.progress().error.empty()) return Error{Errc::kIo, "list", list_db, list.progress().error};
  constexpr std::int64_t kAll = 1'000'000;
  return list.share(kAll);
}

/// The epoch looks at it as the self-audit does.
inline void look_at(const backfill::Share& share, EpochRequest& request) {
  request.wish = Cause::kAudit;
  request.users = share.users;
  request.ad_days = share.ad_days;
  request.rows = share.rows;
  request.purge = share.strange_keys;
}

}  // namespace admetrics::support
