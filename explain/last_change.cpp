#include <algorithm>

#include "explain/explain.hpp"

namespace admetrics {
namespace {

std::string time_of(const RowChange& change) { return change.at ? format_timestamp(*change.at) : std::string(); }

/// The change of `history` that wrote the row at `computed_at`.
const RowChange* writer_of(const RowHistory& history, const std::string& computed_at) {
  // A replayed epoch finds its rows written: then the journal's time is a little younger than the row's.
  if (history.listed && time_of(*history.listed) >= computed_at) return &*history.listed;
  const auto found = std::find_if(history.unlisted.begin(), history.unlisted.end(),
                                  [&](const RowChange& change) { return time_of(change) == computed_at; });
  if (found != history.unlisted.end()) return &*found;
  // The row is of a commit that the ledger never heard of. The next one has it: by its cell, or (when it was too large for
  // the sink to list) by the audit that followed.
  if (history.unlisted.empty() || !history.unlisted.back().at || time_of(history.unlisted.back()) > computed_at)
    return nullptr;
  const RowChange* next = nullptr;
  const auto offer = [&](const RowChange& change) {
    if (time_of(change) > computed_at && (next == nullptr || change.epoch < next->epoch)) next = &change;
  };
  if (history.cell) offer(*history.cell);
  for (const RowChange& change : history.unlisted) {
    if (change.causes.has(Cause::kRepair)) offer(change);
  }
  return next;
}

}  // namespace

bool tell_last_change(const RowHistory& history, Explanation& explanation) {
  const RowChange* change = nullptr;
  if (explanation.stored) {
    change = writer_of(history, explanation.computed_at);
  } else if (history.listed) {
    change = &*history.listed;  // it was there, and went
  }
  if (change == nullptr) {
    if (!explanation.stored) return true;
    bool complete = true;
    explanation.causes = {};
    if (history.unlisted.empty()) {
      explanation.causes.push_back({"not_known", "the ledger keeps no journal yet"});
    } else if (const RowChange& begun = history.unlisted.back(); !begun.at) {
      explanation.causes.push_back({"not_known", "the journal began after epoch " + std::to_string(begun.epoch.value) +
                                                     ", and the row has not changed since"});
    } else if (time_of(begun) > explanation.computed_at) {
      explanation.causes.push_back(
          {"not_known", "an earlier ledger wrote it; this one began at " + time_of(begun) + " UTC and found it right"});
    } else {
      explanation.causes.push_back(
          {"not_known",
           "the journal has no commit of that time: somebody else wrote the row, or its commit has just "
           "been made"});
      complete = false;
    }
    return complete;
  }
  explanation::LastChange told;
  told.at = explanation.stored ? explanation.computed_at : time_of(*change);
  told.epoch = static_cast<std::int64_t>(change->epoch.value);
  told.since_first_fill = change->causes.has(Cause::kFirstFill);
  explanation.causes = {};
  for (const Cause cause : list_of(change->causes)) {
    told.causes.emplace_back(name_of(cause));
    std::string evidence(words_of(cause));
    const bool event = cause == Cause::kEvent || cause == Cause::kLateEvent;
    if (event && !explanation.newest_event.empty()) evidence += "; the newest before it: " + explanation.newest_event;
    if (cause == Cause::kFirstFill) evidence = "it has not changed since the first fill";
    explanation.causes.push_back({std::string(name_of(cause)), std::move(evidence)});
  }
  explanation.last_change = std::move(told);
  return true;
}

}  // namespace admetrics
