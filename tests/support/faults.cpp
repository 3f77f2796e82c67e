#include "tests/support/faults.hpp"

namespace admetrics::support {

void Faults::arm(std::string_view moment, int nth, Act act) {
  armed_ = Armed{std::string(moment), nth, std::move(act)};
}

Status Faults::pass(std::string_view moment) {
  if (!armed_.act || armed_.moment != moment || --armed_.remaining > 0) return {};
  const Act act = std::move(armed_.act);
  armed_ = {};
  return act();
}

Result<EpochInput> FaultySource::begin_epoch(const std::string& position, const EpochWish& wish) {
  auto input = inner_->begin_epoch(position, wish);
  if (input.ok()) ADM_TRY(faults_->pass(kSnapshotTaken));
  return input;
}

Status FaultySource::acknowledge(const std::string& position) {
  ADM_TRY(faults_->pass(kAcknowledge));
  ADM_TRY(inner_->acknowledge(position));
  return faults_->pass(kAcknowledged);
}

Status FaultySink::begin(const CommitHeader& header, bool purge_unrecognized) {
  ADM_TRY(faults_->pass(kSinkBegin));
  return inner_->begin(header, purge_unrecognized);
}

Status FaultySink::write_cells(std::span<const CellWrite> cells) {
  ADM_TRY(inner_->write_cells(cells));
  return faults_->pass(kSinkWriteCells);
}

Status FaultySink::write_names(std::span<const NameWrite> names) {
  ADM_TRY(faults_->pass(kSinkWriteNames));
  return inner_->write_names(names);
}

Result<SinkReceipt> FaultySink::commit() {
  ADM_TRY(faults_->pass(kSinkCommit));
  auto receipt = inner_->commit();
  if (receipt.ok()) ADM_TRY(faults_->pass(kSinkCommitted));
  return receipt;
}

Status FaultyLedger::begin() {
  ADM_TRY(faults_->pass(kLedgerBegin));
  return inner_->begin();
}

Status FaultyLedger::put_user(std::string_view distinct_id, BytesView contribution) {
  ADM_TRY(inner_->put_user(distinct_id, contribution));
  return faults_->pass(kLedgerPutUser);
}

Status FaultyLedger::put_ad_day(DictionaryId ad, Day day, BytesView contribution) {
  ADM_TRY(inner_->put_ad_day(ad, day, contribution));
  return faults_->pass(kLedgerPutAdDay);
}

Status FaultyLedger::commit(const LedgerHeader& header) {
  ADM_TRY(faults_->pass(kLedgerCommit));
  ADM_TRY(inner_->commit(header));
  return faults_->pass(kLedgerCommitted);
}

}  // namespace admetrics::support
