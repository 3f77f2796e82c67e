#include "core/model/cause.hpp"

namespace admetrics {

std::string_view name_of(Cause cause) {
  switch (cause) {
    case Cause::kEvent: return "event";
    case Cause::kLateEvent: return "late_event";
    case Cause::kReAttribution: return "re_attribution";
    case Cause::kUser: return "user";
    case Cause::kValue: return "value";
    case Cause::kMeta: return "meta";
    case Cause::kMapping: return "mapping";
    case Cause::kTimePassing: return "time_passing";
    case Cause::kSettings: return "settings";
    case Cause::kRepair: return "repair";
    case Cause::kBackfill: return "backfill";
    case Cause::kReconcile: return "reconcile";
    case Cause::kFirstFill: return "first_fill";
    case Cause::kNotKnown: return "not_known";
    case Cause::kAudit: return "audit";
  }
  return "";
}

std::string_view words_of(Cause cause) {
  switch (cause) {
    case Cause::kEvent: return "an event of its users came, changed or went";
    case Cause::kLateEvent: return "a late event of its users came, changed or went";
    case Cause::kReAttribution: return "a user's attribution changed";
    case Cause::kUser: return "a user's country or region changed";
    case Cause::kValue: return "a user's product rows changed (value, rates or store)";
    case Cause::kMeta: return "a Meta row came, changed or went";
    case Cause::kMapping: return "a mapping of Meta's values changed";
    case Cause::kTimePassing: return "time passed: its trials became post-trial, or no longer are";
    case Cause::kSettings: return "the reporting settings changed";
    case Cause::kRepair: return "what stood there was not right, and was repaired";
    case Cause::kBackfill: return "found by a backfill";
    case Cause::kReconcile: return "found by reading everything";
    case Cause::kFirstFill: return "the first fill";
    case Cause::kNotKnown: return "before the journal began";
    case Cause::kAudit: return "found by the self-audit";
  }
  return "";
}

std::vector<Cause> list_of(Causes causes) {
  std::vector<Cause> list;
  for (const Cause cause : kCauses) {
    if (causes.has(cause)) list.push_back(cause);
  }
  return list;
}

}  // namespace admetrics
