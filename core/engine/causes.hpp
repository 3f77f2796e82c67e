#pragma once

#include <cstdint>
#include <vector>

#include "core/metrics/contribution.hpp"
#include "core/metrics/facts.hpp"
#include "core/metrics/meta.hpp"
#include "core/model/cause.hpp"

/// Why rows change, told from what a contribution was and what it is. Nothing that reaches a row depends on it.
namespace admetrics {

/// Why a user's contribution changed; none when it did not. `records`: the tables whose change records name the user,
/// `EpochInput::user_tables`.
///
/// An event is late when its day is before the day before `today` (its day was over for a day at least). Which event it
/// was is told by what changed: a trial or purchase day, a conversion, a refund. Where only amounts changed, by the
/// user's newest event.
Causes causes_of(const UserContribution& before, const UserContribution& after, const UserFacts& facts,
                 std::uint8_t records, Day today, const TimeZone& zone);

/// Whether the parts withdrawn and given differ only in what the mapping makes of the same raw values.
bool only_mapped_anew(const MetaContribution& withdrawn, const MetaContribution& given);

}  // namespace admetrics
