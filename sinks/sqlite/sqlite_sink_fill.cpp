#include <utility>

#include "sinks/sqlite/first_fill.hpp"
#include "sinks/sqlite/sink_statements.hpp"
#include "sinks/sqlite/sqlite_sink.hpp"

/// An epoch that fills empty tables: written aside in many transactions, then put in their place.
namespace admetrics::sink {
namespace {

// Pages at the ends of six indexes are written again by each of many transactions; the file itself need not be.
constexpr int kCheckpointPages = 16'384;
constexpr std::int64_t kRemoveRows = 300;  // of an unfinished fill, at a time: each has six places in indexes

/// Names an epoch's attempt: another one may have other rows.
std::string token_of(const CommitHeader& header) {
  return header.ledger + ' ' + std::to_string(header.epoch.value) + ' ' + std::to_string(header.committed_at.seconds) +
         '.' + std::to_string(header.committed_at.nanos) + ' ' + header.position;
}

}  // namespace

Status SqliteSink::begin_fill() {
  can_fill_ = false;
  // In the epoch's transaction so far: what it wrote goes along.
  ADM_TRY(live_->statements->clear_keys.run());
  fill_token_ = token_of(header_);
  pace_.begin();
  ADM_TRY(create_aside(*database_, fill_token_));
  ADM_ASSIGN(aside_, prepare(kAsidePrefix));
  items_ = static_cast<std::int64_t>(cells_written_);
  ADM_TRY(end_fill_transaction());
  return prepare_fill();
}

Status SqliteSink::prepare_fill() {
  // Crashed before the ledger's commit, all rows are compared: too many to list.
  keys_complete_ = false;
  receipt_.changed_more = true;
  // Not durable until it is put in place: syncing every few milliseconds would only keep the lock longer.
  if (database_->is_wal()) ADM_TRY(database_->execute("PRAGMA synchronous = NORMAL"));
  database_->set_checkpoint_pages(kCheckpointPages);
  return database_->execute("PRAGMA legacy_alter_table = ON");
}

Result<bool> SqliteSink::resume_fill() {
  if (fill_token_.empty()) return false;
  ADM_ASSIGN(const auto items, aside_items(*database_, fill_token_));
  if (fill_token_ != token_of(header_) || !items) {
    fill_token_.clear();
    fill_failed_ = false;
    if (auto opened = open(); !opened) return std::move(opened).error();
    return false;
  }
  ADM_TRY(begin_immediate("fill"));
  const Status ours = check_still_ours();
  database_->rollback();
  ADM_TRY(ours);
  ADM_ASSIGN(aside_, prepare(kAsidePrefix));
  items_standing_ = *items;
  ADM_TRY(prepare_fill());
  return true;
}

Result<bool> SqliteSink::begin_item() {
  if (!aside_) return false;
  if (++items_ <= items_standing_) return true;
  if (database_->in_transaction()) return false;
  if (options_.stop != nullptr && options_.stop->load()) {
    return Error{Errc::kInterrupted, "fill the tables", options_.path, "asked to stop"};
  }
  ADM_ASSIGN(const std::int64_t version, database_->query_integer("PRAGMA data_version"));
  pace_.wait(version);
  if (replaced()) return Error{Errc::kReplaced, "fill the tables", options_.path, "another file was put in its place"};
  ADM_TRY(begin_immediate("fill"));
  pace_.begin_transaction(total().inserted);
  return false;
}

Status SqliteSink::end_item() { return aside_ && pace_.is_over(total().inserted) ? end_fill_transaction() : Status(); }

Status SqliteSink::end_fill_transaction() {
  sqlite::Statement& note = aside_->statements->note_items;
  note.bind(1, std::string_view(fill_token_));
  note.bind(2, items_);
  ADM_TRY(note.run());
  if (database_->changes() != 1) {
    return Error{Errc::kReplaced, "fill the tables", options_.path, "somebody else removed what was filled so far"};
  }
  ADM_TRY(database_->commit());
  pace_.end_transaction();
  return {};
}

Status SqliteSink::end_fill() {
  if (database_->in_transaction()) ADM_TRY(end_fill_transaction());
  if (replaced()) return Error{Errc::kReplaced, "fill the tables", options_.path, "another file was put in its place"};
  aside_.reset();
  database_->set_checkpoint_pages(0);
  ADM_TRY(database_->execute("PRAGMA synchronous = FULL"));
  ADM_TRY(begin_immediate("epoch"));
  ADM_TRY(check_still_ours());
  ADM_ASSIGN(const auto items, aside_items(*database_, fill_token_));
  bool in_place = false;
  if (items && *items == items_) {
    ADM_ASSIGN(in_place, exchange(*database_));
  }
  if (in_place) return {};
  fill_token_.clear();
  return Error{Errc::kReplaced, "put the filled tables in place", options_.path,
               "somebody wrote to the tables meanwhile"};
}

Status SqliteSink::remove_unfinished_fill() {
  fill_token_.clear();
  for (;;) {
    ADM_ASSIGN(const bool stands, aside_stands(*database_));
    if (!stands) return {};
    if (options_.stop != nullptr && options_.stop->load()) {
      return Error{Errc::kInterrupted, "remove an unfinished fill", options_.path, "asked to stop"};
    }
    ADM_TRY(begin_immediate("fill"));
    sqlite::Transaction transaction(*database_);
    ADM_TRY(remove_some_of_aside(*database_, kRemoveRows));
    ADM_TRY(transaction.commit());
    if (options_.rows_removed != nullptr) options_.rows_removed->fetch_add(kRemoveRows);
    pace_.rest();
  }
}

}  // namespace admetrics::sink
