#include "core/engine/engine.hpp"

#include <algorithm>
#include <limits>
#include <tuple>
#include <unordered_map>

#include "core/base/limits.hpp"
#include "core/base/release.hpp"
#include "core/engine/codec.hpp"
#include "core/engine/plan.hpp"
#include "core/engine/stored_comparison.hpp"
#include "core/engine/user_reader.hpp"

namespace admetrics {
namespace {

/// What contributions and rows depend on besides the source: when it changes, everything is computed again.
std::string fingerprint_of(const Reporting& reporting) {
  const EventNames& names = reporting.names;
  std::string text = "1";
  for (const std::string& part :
       {reporting.zone.name(), std::to_string(reporting.trial_length_days), names.trial_started, names.initial_purchase,
        names.trial_converted, names.refund_contains}) {
    text += '\x1f' + part;
  }
  return text;
}

void tell(const std::function<void(const EpochProgress&)>& on_progress, const char* stage, std::int64_t done = 0,
          std::int64_t total = 0) {
  if (on_progress) on_progress(EpochProgress{stage, done, total});
}

}  // namespace

std::int64_t EpochReport::rows_written() const {
  std::int64_t rows = 0;
  for (const SinkReceipt& receipt : receipts) rows = std::max(rows, receipt.written());
  return rows;
}

Engine::Engine(const Reporting& reporting, EngineOptions options, const Clock& clock, Source& source,
               LedgerStore& ledger, std::vector<Sink*> sinks)
    : reporting_(&reporting),
      fingerprint_(fingerprint_of(reporting)),
      clock_(&clock),
      source_(&source),
      ledger_(&ledger),
      sinks_(std::move(sinks)),
      options_(options),
      pool_(std::clamp<std::size_t>(options.workers, 1, kWorkerCountMax)) {}

Engine::~Engine() = default;

void Engine::drop_state() {
  static std::atomic<std::uint64_t> generations{0};  // of any engine: whoever follows may outlive one
  generation_ = ++generations;
  users_.reset();
  meta_.reset();
  state_.reset();
}

Status Engine::load(const std::function<void(const EpochProgress&)>& on_progress) {
  drop_state();
  tell(on_progress, "load");
  ADM_ASSIGN(header_, ledger_->open());
  const std::size_t shards = options_.shards == 0 ? kShardCountDefault : std::min(options_.shards, kShardCountMax);
  auto state = std::make_unique<State>(shards);

  Status inconsistent;
  ADM_TRY(ledger_->load_dictionary([&](std::uint32_t id, std::string_view text) {
    if (id != 0 && state->dictionary.intern(text).value != id) {
      inconsistent = Error{Errc::kCorrupt, "load the ledger", "dictionary",
                           "its ids are not dense; move the state folder away to rebuild it from the source"};
    }
  }));
  ADM_TRY(inconsistent);
  std::int64_t loaded = 0;
  ADM_ASSIGN(const std::int64_t users, ledger_->user_count());
  ADM_TRY(ledger_->load_users([&](std::string_view distinct_id, BytesView bytes) {
    if (!inconsistent.ok()) return;
    auto contribution = decode_user(bytes);
    if (!contribution) {
      inconsistent = std::move(contribution).error();
      return;
    }
    UserShard& shard = state->users[state->user_shard_of(hash_of_user(distinct_id))];
    const UserRef user = shard.load(distinct_id, *contribution);
    for_each_cell(*contribution, [&](CellKey cell) { state->row_shard(cell).load(cell, user); });
    constexpr std::int64_t kTellEvery = 65'536;
    if (++loaded % kTellEvery != 0) return;
    tell(on_progress, "load", loaded, users);
    inconsistent = check_memory(*state, static_cast<double>(loaded) / static_cast<double>(std::max(loaded, users)));
  }));
  ADM_TRY(inconsistent);
  constexpr std::string_view kUserPrefix = "u|";
  ADM_TRY(ledger_->load_reject_owners([&](std::string_view owner, std::uint64_t digest) {
    if (!owner.starts_with(kUserPrefix)) return;
    owner.remove_prefix(kUserPrefix.size());
    state->users[state->user_shard_of(hash_of_user(owner))].load_rejects(owner, digest);
  }));
  auto meta = std::make_unique<MetaLedger>(*ledger_, state->dictionary);
  ADM_TRY(meta->load());

  // Where the sinks stand decides what must be looked at again.
  audit_needed_ = false;
  audit_reason_.clear();
  keys_to_redo_.clear();
  sink_ahead_ = false;
  const auto audit = [&](const std::string& why) {
    audit_needed_ = true;
    if (audit_reason_.empty()) audit_reason_ = why;
  };
  bool main_rows_expected =
      std::any_of(state->rows.begin(), state->rows.end(), [](const RowShard& rows) { return rows.cell_count() > 0; });
  if (!main_rows_expected) ADM_TRY(ledger_->scan_ad_day_keys([&](DictionaryId, Day) { main_rows_expected = true; }));
  for (Sink* sink : sinks_) {
    ADM_ASSIGN(SinkState at, sink->open());
    if (at.fresh && at.empty && header_.epoch.value == 0) continue;
    sink_ahead_ = sink_ahead_ || at.epoch.value > header_.epoch.value;
    if (at.fresh || at.ledger != header_.ledger) {
      audit(sink->name() + " holds rows that this ledger did not write");
    } else if (at.epoch == header_.epoch && at.main_empty && main_rows_expected) {
      audit(sink->name() + ": somebody emptied its main table");
    } else if (at.epoch == header_.epoch) {
      continue;
    } else if (at.epoch.value == header_.epoch.value + 1 && at.last_keys_known) {
      std::move(at.last_keys.begin(), at.last_keys.end(), std::back_inserter(keys_to_redo_));
    } else {
      audit(sink->name() + " stands at epoch " + std::to_string(at.epoch.value) + ", the ledger at " +
            std::to_string(header_.epoch.value));
    }
  }

  state_ = std::move(state);
  meta_ = std::move(meta);
  users_ = std::make_unique<UserReader>(*state_, *reporting_, pool_);
  texts_saved_ = state_->dictionary.size();
  return {};
}

Status Engine::check_memory(const State& state, double share) const {
  const std::int64_t limit = options_.memory.state_bytes;
  if (limit == 0) return {};
  constexpr double kRoom = 1.25;  // for growth, and for what an epoch holds beside it
  const auto needed = static_cast<std::int64_t>(static_cast<double>(state.memory_bytes()) / share);
  if (needed <= limit) return {};
  constexpr std::int64_t kMebibyte = 1 << 20;
  const auto mebibytes = [](std::int64_t bytes) {
    return std::to_string((bytes + kMebibyte - 1) / kMebibyte) + " MiB";
  };
  return Error{Errc::kOutOfMemory, "hold the users in memory", "engine.memory_limit",
               "they need about " + mebibytes(needed) + ", and " + mebibytes(limit) + " are allowed; set it to " +
                   mebibytes(static_cast<std::int64_t>(static_cast<double>(needed) * kRoom)) + " or more"};
}

Result<EpochReport> Engine::run_epoch(const EpochRequest& request) {
  EpochReport report;
  const std::int64_t started = clock_->steady_micros();
  const bool sink_replaced =
      std::any_of(sinks_.begin(), sinks_.end(), [](const Sink* sink) { return sink->replaced(); });
  if (!state_ || sink_replaced) ADM_TRY(load(request.on_progress));

  // Whatever goes wrong once facts are being applied leaves half an epoch in memory: drop it.
  struct Guard {
    Engine* engine;
    bool applying = false;
    ~Guard() {
      if (engine == nullptr) return;
      engine->source_->end_snapshot();
      engine->ledger_->rollback();
      if (applying) engine->drop_state();
    }
  } guard{this};

  tell(request.on_progress, "read");
  const bool first = header_.epoch.value == 0;
  const bool settings_changed = !first && header_.fingerprint != fingerprint_;
  EpochWish wish;
  wish.reconcile = first || settings_changed ? Reconcile::kMust
                   : request.reconcile       ? Reconcile::kWanted
                                             : Reconcile::kIfNeeded;
  wish.users = request.users;
  wish.ad_days = request.ad_days;
  ADM_ASSIGN(EpochInput input, source_->begin_epoch(first ? "" : header_.position, wish));
  report.records = input.records;
  report.reconciled = input.reconcile;
  report.reason = settings_changed ? "the reporting settings changed" : input.reconcile_reason;
  ADM_TRY(ledger_->begin());
  guard.applying = true;
  ADM_TRY(read_source(request, report, input));
  source_->end_snapshot();
  std::vector<RejectChange> rejects = users_->take_reject_changes();
  report.users_read = static_cast<std::int64_t>(users_->users_read());
  report.read_micros = clock_->steady_micros() - started;

  if (header_.as_of != kNoDay && header_.as_of != request.as_of) mark_days_turned(header_.as_of, request.as_of);
  report.audited = request.audit || audit_needed_ || settings_changed;
  rows_standing_ = {};
  if (!request.audit_reason.empty()) report.reason = request.audit_reason;
  if (audit_needed_) report.reason = audit_reason_;
  if (report.audited || !keys_to_redo_.empty() || !request.rows.empty())
    ADM_TRY(mark_for_audit(report.audited, request));

  ADM_ASSIGN(Plan plan, make_plan());
  plan.purge_unrecognized = report.audited || request.purge;
  const bool nothing_new = !request.commit_always && plan.empty() && rejects.empty() && !meta_->rejects_changed() &&
                           input.position == header_.position && request.as_of == header_.as_of && !first &&
                           !settings_changed;
  const bool quiet = !nothing_new && is_quiet(request, report, input, plan, rejects);
  bool written = !nothing_new;
  if (!nothing_new) {
    const CommitHeader commit{header_.ledger, EpochId{header_.epoch.value + 1}, input.position, request.as_of,
                              clock_->now()};
    for (Sink* sink : sinks_) {
      SinkReceipt receipt;
      ADM_ASSIGN(written, commit_sink(*sink, commit, plan, request, quiet, receipt, report));
      if (!written) continue;
      for (TableReceipt& table : receipt.tables) {
        if (table.table == kMainTable) table.unchanged += rows_standing_[0];
        if (table.table == kBreakdownTable) table.unchanged += rows_standing_[1];
      }
      receipt.unchanged += rows_standing_[0] + rows_standing_[1];
      report.receipts.push_back(receipt);
    }
    report.cells_rendered = static_cast<std::int64_t>(plan.cells.size());
    if (written) {
      const std::int64_t ledger_started = clock_->steady_micros();
      // What stands in a sink that is not known to be ours says nothing of others.
      if (request.wish == Cause::kAudit && !audit_needed_ && !settings_changed && !first)
        note_foreign_writes(plan, report.receipts, report.mismatches);
      ADM_TRY(save_journal(commit, plan, journal_notes(report, request, first, settings_changed), report.receipts));
      ADM_TRY(save_ledger(commit, input.mappings, rejects));
      report.ledger_micros = clock_->steady_micros() - ledger_started;
      report.committed = true;
      audit_needed_ = false;
      keys_to_redo_.clear();
      sink_ahead_ = false;
    }
  }
  if (!written) ledger_->rollback();
  guard.engine = nullptr;
  if (Status acknowledged = source_->acknowledge(header_.position); !acknowledged.ok()) {
    report.warning = acknowledged.error().line();  // costs a longer log, nothing else
  }

  for (UserShard& shard : state_->users) shard.end_epoch();
  for (RowShard& shard : state_->rows) shard.end_epoch();
  users_->end_epoch();
  meta_->end_epoch();
  report.epoch = header_.epoch;
  report.total_micros = clock_->steady_micros() - started;
  return report;
}

Engine::JournalNotes Engine::journal_notes(const EpochReport& report, const EpochRequest& request, bool first,
                                           bool settings_changed) const {
  JournalNotes notes;
  // An audit that became necessary because nobody knows what a sink was last told does not know either.
  const bool commits_lost = audit_needed_ && sink_ahead_;
  notes.unlisted = first || settings_changed || commits_lost;
  if (first) {
    notes.how_found = Cause::kFirstFill;
  } else if (settings_changed) {
    notes.how_found = Cause::kSettings;
  } else if (request.reconcile) {
    notes.how_found = Cause::kBackfill;
  } else if (report.reconciled) {
    notes.how_found = Cause::kReconcile;
  }
  if (commits_lost) notes.how_found |= Cause::kRepair;
  const bool looked_for = !request.rows.empty() || (request.audit && request.wish == Cause::kAudit);
  notes.where_none = looked_for ? Cause::kRepair | Causes(request.wish) : Causes(Cause::kRepair);
  return notes;
}

Status Engine::read_source(const EpochRequest& request, EpochReport& report, EpochInput& input) {
  // Without records every change looks like one that was missed.
  const bool may_miss = request.wish == Cause::kAudit && input.recorded && !input.reconcile;
  users_->begin_epoch(request.as_of, request.wish, may_miss ? &report.mismatches : nullptr);
  ADM_ASSIGN(FactReader * reader, source_->reader(0));
  StageProgress progress("read", 0, request.on_progress);
  const auto read_meta = [&]() -> Status {
    if (input.scan_meta) {
      ADM_TRY(meta_->reconcile(*reader, input.mappings, progress));
    } else {
      std::vector<AdDayKey> wished;  // and named by no record
      for (const AdDayKey& key : request.ad_days) {
        if (!std::binary_search(input.recorded_ad_days.begin(), input.recorded_ad_days.end(), key))
          wished.push_back(key);
      }
      std::sort(wished.begin(), wished.end());
      if (input.mappings != header_.mappings) {
        std::vector<AdDayKey> mapped;
        ADM_TRY(read_mapping_changes(*reader, input.mappings, mapped));
        std::erase_if(wished, [&](const AdDayKey& k) { return std::binary_search(mapped.begin(), mapped.end(), k); });
        input.ad_days.insert(input.ad_days.end(), mapped.begin(), mapped.end());
        sort_unique(input.ad_days);
      }
      report.ad_days_read = static_cast<std::int64_t>(input.ad_days.size());
      ADM_TRY(meta_->apply(*reader, input.mappings, input.ad_days, wished, request.wish,
                           may_miss ? &report.mismatches : nullptr));
    }
    return meta_->flush();
  };
  if (input.scan_users) {
    const auto after_pass = [&](double share) { return check_memory(*state_, share); };
    // What a scan gathers stands beside what stays of it: where these are too much together, more passes are made.
    std::int64_t scan_bytes = options_.memory.scan_bytes / static_cast<std::int64_t>(options_.memory.squeeze);
    if (scan_bytes > 0 && options_.memory.state_bytes > 0) {
      constexpr std::int64_t kSmallestShare = 4;
      const std::int64_t room = options_.memory.state_bytes - input.users_estimate * kStateBytesPerUser;
      scan_bytes = std::clamp(room, scan_bytes / kSmallestShare, scan_bytes);
    }
    return users_->reconcile(*source_, input.users_estimate, scan_bytes, read_meta, after_pass, progress);
  }
  ADM_TRY(read_meta());
  return users_->apply(*source_, input.users, input.user_tables);
}

Status Engine::read_mapping_changes(FactReader& reader, const Mappings& mappings, std::vector<AdDayKey>& ad_days) {
  const auto changed = [&](Breakdown breakdown, const ValueMapping& before, const ValueMapping& after) -> Status {
    std::vector<std::string> raws;
    for (const auto& [raw, to] : before.entries()) {
      if (after.find(raw) != std::optional<std::string_view>(to)) raws.push_back(raw);
    }
    for (const auto& [raw, to] : after.entries()) {
      if (!before.find(raw)) raws.push_back(raw);
    }
    for (const std::string& raw : raws) {
      ADM_TRY(reader.find_ad_days(breakdown, raw, [&](AdDayKey key) { ad_days.push_back(std::move(key)); }));
    }
    return {};
  };
  ADM_TRY(changed(Breakdown::kCountry, header_.mappings.country, mappings.country));
  ADM_TRY(changed(Breakdown::kDevice, header_.mappings.device, mappings.device));
  sort_unique(ad_days);
  return {};
}

void Engine::mark_days_turned(Day from, Day to) {
  // A row turns post-trial on the day `date` + trial length; going back in time turns it again.
  const std::int64_t length = reporting_->trial_length_days;
  const std::int64_t first = std::min(from.value, to.value) - length + 1;
  const std::int64_t last = std::max(from.value, to.value) - length;
  pool_.for_each(state_->rows.size(), [&](std::size_t, std::size_t shard) {
    RowShard& rows = state_->rows[shard];
    std::vector<CellKey> turned;
    rows.for_each_cell([&](CellKey cell) {
      if (cell.day.value >= first && cell.day.value <= last) turned.push_back(cell);
    });
    std::vector<UserRef> members;
    for (const CellKey cell : turned) {
      // Only trials turn; a cell of purchases alone is compared, and stays.
      rows.members(cell, members);
      const bool trials = std::any_of(members.begin(), members.end(), [&](UserRef user) {
        return state_->user_shard(user).contribution(user).trial_day == cell.day;
      });
      rows.mark_cell(cell, trials ? Causes(Cause::kTimePassing) : Causes());
    }
  });
}

Status Engine::mark_for_audit(bool everything, const EpochRequest& request) {
  // A range is the operator's wish; what has to be audited anyway is audited whole.
  const bool whole = !everything || !keys_to_redo_.empty() || audit_needed_ || header_.fingerprint != fingerprint_;
  const auto in_range = [&](Day day) {
    return whole || ((!request.audit_since || day >= *request.audit_since) &&
                     (!request.audit_until || day <= *request.audit_until));
  };
  const auto mark_key_as = [&](const SinkKey& key, Causes causes) {
    const DictionaryId id = state_->dictionary.intern(key.entity_id);
    const Entity entity(key.level, id);
    switch (key.kind) {
      case SinkKey::Kind::kCell: {
        const CellKey cell{entity, key.day};
        if (in_range(cell.day)) state_->row_shard(cell).mark_cell(cell, causes);
        break;
      }
      case SinkKey::Kind::kName: meta_->mark_name(entity, causes); break;
      case SinkKey::Kind::kHierarchy: meta_->mark_hierarchy(id, causes); break;
    }
  };
  const auto mark_key = [&](const SinkKey& key) { mark_key_as(key, {}); };
  for (const SinkKey& key : keys_to_redo_) mark_key_as(key, kMayHaveChanged);
  for (const SinkKey& key : request.rows) mark_key(key);
  if (!everything) return {};

  const bool some_days = !whole && (request.audit_since || request.audit_until);
  if (!some_days && header_.epoch.value != 0 && header_.fingerprint == fingerprint_) {
    ADM_ASSIGN(const bool marked, mark_what_differs(request, mark_key));
    if (marked) return {};
  }
  for (Sink* sink : sinks_) ADM_TRY(sink->visit_keys(mark_key));
  for (RowShard& rows : state_->rows) {
    std::vector<CellKey> cells;
    rows.for_each_cell([&](CellKey cell) {
      if (in_range(cell.day)) cells.push_back(cell);
    });
    for (const CellKey cell : cells) rows.mark_cell(cell);
  }
  return meta_->visit_cells([&](CellKey cell) {
    if (in_range(cell.day)) state_->row_shard(cell).mark_cell(cell);
    meta_->mark_name(cell.entity);
    if (cell.entity.level() == Level::kAd) meta_->mark_hierarchy(cell.entity.id());
  });
}

Result<bool> Engine::mark_what_differs(const EpochRequest& request,
                                       const std::function<void(const SinkKey&)>& mark_key) {
  if (sinks_.size() != 1) return false;
  // What cannot be read now is for the commit to find, which knows what to do then.
  std::vector<std::unique_ptr<StoredRowReader>> readers;
  for (std::size_t i = 0; i < pool_.size(); ++i) {
    auto reader = sinks_.front()->read_rows();
    if (!reader) return false;
    readers.push_back(std::move(reader).value());
  }
  std::vector<CellKey> dirty;
  const auto take = [&](const DirtyRows& rows) {
    for (const DirtyRow& row : rows.rows()) dirty.push_back(row.key.cell);
    for (const DirtyCell& cell : rows.cells()) dirty.push_back(cell.key);
  };
  for (const RowShard& shard : state_->rows) take(shard.dirty());
  take(meta_->dirty());
  sort_unique(dirty);

  std::vector<CellKey> cells;
  for (const RowShard& rows : state_->rows) rows.for_each_cell([&](CellKey cell) { cells.push_back(cell); });
  std::vector<CellKey> meta_cells;
  ADM_TRY(meta_->visit_cells([&](CellKey cell) { meta_cells.push_back(cell); }));
  cells.insert(cells.end(), meta_cells.begin(), meta_cells.end());
  sort_unique(cells);

  StageProgress progress("compare", kComparedParts, request.on_progress);
  StoredComparison comparison(*state_, *meta_, request.as_of, reporting_->trial_length_days);
  if (Status compared = comparison.run(pool_, readers, cells.size(), request.stop, progress); !compared.ok()) {
    if (compared.error().code == Errc::kInterrupted) return std::move(compared).error();
    return false;
  }
  ADM_TRY(readers.front()->visit_mapping_keys(mark_key));
  for (const SinkKey& key : comparison.strangers()) mark_key(key);
  comparison.for_each_stored_cell([&](CellKey cell) { cells.push_back(cell); });
  sort_unique(cells);
  for (const CellKey cell : cells) {
    if (comparison.stands(cell) && !std::binary_search(dirty.begin(), dirty.end(), cell)) {
      rows_standing_[0] += comparison.main_rows(cell);
      rows_standing_[1] += comparison.breakdown_rows(cell);
    } else {
      state_->row_shard(cell).mark_cell(cell);
    }
  }
  for (const CellKey cell : meta_cells) {
    meta_->mark_name(cell.entity);
    if (cell.entity.level() == Level::kAd) meta_->mark_hierarchy(cell.entity.id());
  }
  return true;
}

Result<Engine::Plan> Engine::make_plan() {
  Plan plan;
  std::vector<DirtyCell> whole;
  const auto take = [&](const DirtyRows& dirty) {
    plan.rows.insert(plan.rows.end(), dirty.rows().begin(), dirty.rows().end());
    whole.insert(whole.end(), dirty.cells().begin(), dirty.cells().end());
  };
  for (const RowShard& shard : state_->rows) take(shard.dirty());
  take(meta_->dirty());
  merge_duplicates(whole);
  merge_duplicates(plan.rows);

  for (const DirtyCell& cell : whole) plan.cells.push_back({0, cell.key, true, 0, 0, cell.causes});
  auto in_whole = plan.cells.begin();
  const auto whole_end = static_cast<std::ptrdiff_t>(whole.size());
  std::vector<Plan::Item> in_rows;
  for (std::uint32_t begin = 0; begin < plan.rows.size();) {
    const CellKey cell = plan.rows[begin].key.cell;
    std::uint32_t end = begin;
    while (end < plan.rows.size() && plan.rows[end].key.cell == cell) ++end;
    while (in_whole != plan.cells.begin() + whole_end && in_whole->cell < cell) ++in_whole;
    if (in_whole != plan.cells.begin() + whole_end && in_whole->cell == cell) {
      in_whole->rows_begin = begin;
      in_whole->rows_end = end;
    } else {
      in_rows.push_back({0, cell, false, begin, end, {}});
    }
    begin = end;
  }
  plan.cells.insert(plan.cells.end(), in_rows.begin(), in_rows.end());
  release(in_rows);
  release(whole);

  std::vector<Entity> entities;
  for (const Plan::Item& item : plan.cells) {
    if (entities.empty() || entities.back() != item.cell.entity) entities.push_back(item.cell.entity);
  }
  sort_unique(entities);
  std::sort(entities.begin(), entities.end(), [&](Entity a, Entity b) {
    if (a.level() != b.level()) return name_of(a.level()) < name_of(b.level());
    return state_->dictionary.text(a.id()) < state_->dictionary.text(b.id());
  });
  std::unordered_map<std::uint32_t, std::uint32_t> ranks;
  for (std::uint32_t rank = 0; rank < entities.size(); ++rank) ranks.emplace(entities[rank].packed, rank);
  for (Plan::Item& item : plan.cells) item.rank = ranks.at(item.cell.entity.packed);
  const auto place = [](const Plan::Item& item) {
    return std::tuple(name_of(item.cell.entity.level()), write_week_of(item.cell.day), item.rank, item.cell.day);
  };
  std::sort(plan.cells.begin(), plan.cells.end(),
            [&](const Plan::Item& a, const Plan::Item& b) { return place(a) < place(b); });

  for (const auto& [entity, causes] : meta_->dirty_names()) {
    ADM_ASSIGN(NameWrite name, meta_->name_of_entity(entity));
    plan.names.push_back(std::move(name));
  }
  for (const auto& [ad, causes] : meta_->dirty_hierarchies()) {
    ADM_ASSIGN(HierarchyWrite hierarchy, meta_->hierarchy_of(ad));
    plan.hierarchies.push_back(hierarchy);
  }
  return plan;
}

Result<bool> Engine::commit_sink(Sink& sink, const CommitHeader& header, const Plan& plan, const EpochRequest& request,
                                 bool quiet, SinkReceipt& receipt, EpochReport& report) {
  for (int attempt = 1;; ++attempt) {
    const std::int64_t started = clock_->steady_micros();
    Status status = sink.begin(header, plan.purge_unrecognized);
    if (status.ok()) status = write_plan(sink, plan, request);
    const std::int64_t rendered = clock_->steady_micros();
    if (status.ok() && quiet && sink.rows_written() == 0) {
      sink.rollback();
      report.render_micros += rendered - started;
      return false;
    }
    if (status.ok()) {
      tell(request.on_progress, "commit");
      auto committed = sink.commit();
      if (committed) {
        receipt = *committed;
        report.render_micros += rendered - started;
        report.commit_micros += clock_->steady_micros() - rendered;
        return true;
      }
      status = std::move(committed).error();
    }
    sink.rollback();
    // Another file stands there now: what it holds decides what has to be written, so begin with that.
    if (status.error().code == Errc::kReplaced) return std::move(status).error();
    // The commit may have happened all the same: ask. Where the sink was ahead already, its epoch tells nothing; then it is
    // written again, which changes nothing if it did happen.
    if (sink_ahead_) {
      static_cast<void>(sink.open().ok());
    } else if (auto at = sink.open();
               at.ok() && !at->fresh && at->ledger == header.ledger && at->epoch == header.epoch) {
      receipt.changed_more = true;  // nobody knows which
      return true;
    }
    if (!request.retry_sink || !request.retry_sink(sink.name(), status.error(), attempt))
      return std::move(status).error();
  }
}

Status Engine::write_plan(Sink& sink, const Plan& plan, const EpochRequest& request) {
  if (plan.cells.size() <= kInlineCellsMax) {
    ADM_TRY(write_cells_inline(sink, plan, request.as_of));
  } else {
    ADM_TRY(write_cells_parallel(sink, plan, request));
  }
  ADM_TRY(sink.write_names(plan.names));
  return sink.write_hierarchies(plan.hierarchies);
}

Status Engine::save_ledger(const CommitHeader& commit, const Mappings& mappings,
                           const std::vector<RejectChange>& rejects) {
  const std::uint32_t texts = state_->dictionary.size();
  for (std::uint32_t id = texts_saved_; id < texts; ++id) {
    ADM_TRY(ledger_->put_text(id, state_->dictionary.text(DictionaryId{id})));
  }
  // In the order of the keys: the ledger's tree then grows at one end.
  struct Change {
    std::string_view distinct_id;
    const UserContribution* contribution;
  };
  std::vector<Change> changes;
  std::size_t changed = 0;
  for (const UserShard& shard : state_->users) changed += shard.changed().size();
  changes.reserve(changed);
  for (const UserShard& shard : state_->users) {
    for (const std::string& user : shard.removed()) ADM_TRY(ledger_->erase_user(user));
    for (const UserRef user : shard.changed()) changes.push_back({shard.distinct_id(user), &shard.contribution(user)});
  }
  std::sort(changes.begin(), changes.end(),
            [](const Change& a, const Change& b) { return a.distinct_id < b.distinct_id; });
  Bytes bytes;
  for (const Change& change : changes) {
    encode(*change.contribution, bytes);
    ADM_TRY(ledger_->put_user(change.distinct_id, bytes));
  }
  for (const RejectChange& change : rejects) {
    ADM_TRY(ledger_->put_rejects(change.owner, change.digest, change.rejects));
  }
  LedgerHeader next = header_;
  next.epoch = commit.epoch;
  next.position = commit.position;
  next.as_of = commit.as_of;
  next.fingerprint = fingerprint_;
  next.mappings = mappings;
  ADM_TRY(ledger_->commit(next));
  header_ = std::move(next);
  texts_saved_ = texts;
  return {};
}

std::vector<UnmappedValue> Engine::unmapped() const {
  return meta_ ? meta_->unmapped(header_.mappings) : std::vector<UnmappedValue>{};
}
std::size_t Engine::user_count() const { return state_ ? state_->user_count() : 0; }
std::int64_t Engine::rows_with_users(Day day) const {
  std::int64_t rows = 0;
  if (!state_) return rows;
  for (const RowShard& shard : state_->rows)
    shard.for_each_cell([&](CellKey cell) { rows += cell.day == day ? 1 : 0; });
  return rows;
}
std::size_t Engine::memory_bytes() const { return state_ ? state_->memory_bytes() : 0; }

}  // namespace admetrics
