#pragma once

#include "core/engine/ports.hpp"
#include "core/metrics/contribution.hpp"

/// The ledger's bytes. Every value starts with a format number; reading an unknown one, or a torn value, is kCorrupt.
namespace admetrics {

void encode(const UserContribution& contribution, Bytes& out);
Result<UserContribution> decode_user(BytesView bytes);

void encode(const MetaContribution& contribution, Bytes& out);
Result<MetaContribution> decode_ad_day(BytesView bytes);

void encode(const MetaCell& cell, Bytes& out);
Result<MetaCell> decode_cell(BytesView bytes);

}  // namespace admetrics
