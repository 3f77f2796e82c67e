#include "core/engine/stored_comparison.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>

#include "core/base/limits.hpp"
#include "core/metrics/row_totals.hpp"

namespace admetrics {
namespace {

std::uint64_t row_number(Breakdown breakdown, DictionaryId value) {
  // Behind day 0: of nothing but zeros the hash is 0, and would not be missed in a sum.
  return CellKey{Entity(Level::kCampaign, value), Day{static_cast<std::int32_t>(breakdown) + 1}}.hash();
}

bool needs_escape(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\'; });
}

/// A stored list, read from its beginning as its members come.
class ListReader {
 public:
  /// False: it does not begin as a list.
  bool begin(std::optional<std::string_view> text) {
    if (!text || !text->starts_with('[')) return false;
    rest_ = text->substr(1);
    first_ = true;
    return true;
  }
  /// Whether the next member is this one; `quoted` is its text where it has to be escaped, else empty.
  bool next(std::string_view id, const std::string& quoted) {
    if (!first_ && !take(',')) return false;
    first_ = false;
    if (!quoted.empty()) {
      if (!rest_.starts_with(quoted)) return false;
      rest_.remove_prefix(quoted.size());
      return true;
    }
    if (!take('"') || !rest_.starts_with(id)) return false;
    rest_.remove_prefix(id.size());
    return take('"');
  }
  [[nodiscard]] bool at_end() const { return rest_ == "]"; }

 private:
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string_view rest_;
  bool first_ = true;
};

}  // namespace

/// One thread's rows, and the cells that it has met lately.
class StoredComparison::Worker {
 public:
  explicit Worker(StoredComparison& owner) : owner_(&owner) {}

  void take(const StoredRow& row) {
    if (!status.ok()) return;
    if (!cell_ || row.level != level_ || row.day != cell_->seen.cell.day || row.entity_id != entity_id_) {
      cell_ = nullptr;
      if (!find_cell(row)) return;
    }
    Seen& seen = cell_->seen;
    if (seen.differs) return;
    const auto found = find_row(row);
    if (!found || !equals(row, *found)) {
      seen.differs = true;
      return;
    }
    seen.met += row_number(found->breakdown, found->value);
    ++(row.breakdown == Breakdown::kNone ? seen.main_rows : seen.breakdown_rows);
  }
  /// Takes what was met so far out of the cells at hand.
  void put_away() {
    cell_ = nullptr;
    for (const auto& [key, cell] : cells_) put_away_cells.push_back(cell.seen);
    cells_.clear();
    members_held_ = 0;
  }

  Status status;
  std::vector<Seen> put_away_cells;
  std::vector<SinkKey> strangers;

 private:
  struct Member {
    std::string_view distinct_id;
    const UserContribution* contribution;
    bool escaped;
  };
  /// A row as it should be: its members stand in `order` from `begin` to `end`.
  struct Row {
    Breakdown breakdown = Breakdown::kNone;
    DictionaryId value;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
  };
  struct Cell {
    Seen seen;
    std::vector<Member> members;       // ascending by id
    std::vector<std::uint32_t> order;  // of the members, by breakdown and value
    std::vector<Row> rows;             // ascending by (breakdown, value); the main row first
    MetaCell meta;
  };

  bool find_cell(const StoredRow& row) {
    level_ = row.level;
    entity_id_ = row.entity_id;
    const DictionaryId id = id_of(row.entity_id);
    if (id.value == 0) {
      if (strangers.empty() || strangers.back().level != row.level || strangers.back().entity_id != row.entity_id ||
          strangers.back().day != row.day) {
        strangers.push_back({SinkKey::Kind::kCell, row.level, std::string(row.entity_id), row.day});
      }
      return false;
    }
    const CellKey key{Entity(row.level, id), row.day};
    const auto known = cells_.find(key);
    if (known != cells_.end()) {
      cell_ = &known->second;
      return true;
    }
    if (cells_.size() >= kComparedCellsHeldMax || members_held_ >= kComparedUsersHeldMax) put_away();
    owner_->cells_built_.fetch_add(1, std::memory_order_relaxed);  // a count, looked at between parts
    Cell& cell = cells_[key];
    cell.seen.cell = key;
    build(cell);
    members_held_ += cell.members.size();
    cell_ = &cell;
    return status.ok();
  }

  void build(Cell& cell) {
    const CellKey key = cell.seen.cell;
    {
      const std::lock_guard lock(owner_->meta_mutex_);
      status = owner_->meta_->cell(key, cell.meta);
    }
    const State& state = *owner_->state_;
    state.row_shard(key).members(key, refs_);
    for (const UserRef user : refs_) {
      const UserShard& shard = state.user_shard(user);
      const std::string_view id = shard.distinct_id(user);
      cell.members.push_back({id, &shard.contribution(user), needs_escape(id)});
    }
    std::sort(cell.members.begin(), cell.members.end(),
              [](const Member& a, const Member& b) { return a.distinct_id < b.distinct_id; });

    const auto count = static_cast<std::uint32_t>(cell.members.size());
    if (count > 0 || !cell.meta.values.empty()) add_row(cell, {Breakdown::kNone, {}, 0, count});
    for (std::uint32_t member = 0; member < count; ++member) cell.order.push_back(member);
    for (const Breakdown breakdown : kBreakdowns) {
      by_value_.clear();
      for (std::uint32_t member = 0; member < count; ++member) {
        const DictionaryId value = cell.members[member].contribution->value_of(breakdown);
        by_value_.push_back((static_cast<std::uint64_t>(value.value) << 32) | member);
      }
      std::sort(by_value_.begin(), by_value_.end());
      const auto members_end = static_cast<std::uint32_t>(cell.order.size());
      for (const std::uint64_t place : by_value_) cell.order.push_back(static_cast<std::uint32_t>(place));
      // Values of members and values of Meta rows, both ascending.
      auto meta = std::lower_bound(cell.meta.values.begin(), cell.meta.values.end(), breakdown,
                                   [](const MetaCell::Value& a, Breakdown b) { return a.breakdown < b; });
      const auto add_meta_below = [&](std::uint64_t value) {
        for (; meta != cell.meta.values.end() && meta->breakdown == breakdown && meta->value.value < value; ++meta)
          add_row(cell, {breakdown, meta->value, 0, 0});
        if (meta != cell.meta.values.end() && meta->breakdown == breakdown && meta->value.value == value) ++meta;
      };
      for (std::uint32_t begin = 0; begin < count;) {
        const std::uint64_t value = by_value_[begin] >> 32;
        std::uint32_t end = begin;
        while (end < count && by_value_[end] >> 32 == value) ++end;
        add_meta_below(value);
        add_row(cell,
                {breakdown, DictionaryId{static_cast<std::uint32_t>(value)}, members_end + begin, members_end + end});
        begin = end;
      }
      add_meta_below(std::uint64_t{1} << 32);
    }
  }

  static void add_row(Cell& cell, const Row& row) {
    cell.rows.push_back(row);
    cell.seen.expected += row_number(row.breakdown, row.value);
  }

  std::optional<Row> find_row(const StoredRow& row) {
    DictionaryId value;
    if (row.breakdown != Breakdown::kNone) {
      if (row.value.empty()) return std::nullopt;
      value = id_of(row.value);
      if (value.value == 0) return std::nullopt;
    }
    const auto wanted = std::pair(row.breakdown, value);
    const auto found =
        std::lower_bound(cell_->rows.begin(), cell_->rows.end(), wanted,
                         [](const Row& a, const auto& b) { return std::pair(a.breakdown, a.value) < b; });
    if (found == cell_->rows.end() || std::pair(found->breakdown, found->value) != wanted) return std::nullopt;
    return *found;
  }

  bool equals(const StoredRow& stored, const Row& row) {
    const Day day = cell_->seen.cell.day;
    const bool post_trial = static_cast<std::int64_t>(day.value) + owner_->trial_length_days_ <=
                            static_cast<std::int64_t>(owner_->today_.value);
    RowSums sums(day, post_trial);
    std::array<ListReader, kListCount> lists;
    for (std::size_t list = 0; list < kListCount; ++list) {
      if (!lists[list].begin(stored.list(static_cast<List>(list)))) return false;
    }
    for (std::uint32_t place = row.begin; place < row.end; ++place) {
      const Member& member = cell_->members[cell_->order[place]];
      quoted_.clear();
      if (member.escaped) append_json_string(quoted_, member.distinct_id);
      const ListBits in = sums.add_user(*member.contribution);
      for (std::size_t list = 0; list < kListCount; ++list) {
        if (has_list(in, list) && !lists[list].next(member.distinct_id, quoted_)) return false;
      }
    }
    for (const ListReader& list : lists) {
      if (!list.at_end()) return false;
    }
    const MetaSums* meta = cell_->meta.find(row.breakdown, row.value);
    const MetaSums none;
    const std::int64_t daily_rows = row.breakdown == Breakdown::kNone && meta != nullptr ? meta->rows : 0;
    return stored.holds(sums.numbers(meta == nullptr ? none : *meta, daily_rows));
  }

  /// 0: a text that the state has never heard of.
  DictionaryId id_of(std::string_view text) {
    const Dictionary& dictionary = owner_->state_->dictionary;
    if (const auto known = ids_.find(text); known != ids_.end()) return known->second;
    const DictionaryId id = dictionary.find(text);
    if (id.value != 0) ids_.emplace(dictionary.text(id), id);
    return id;
  }

  struct HashCell {
    std::size_t operator()(const CellKey& cell) const { return cell.hash(); }
  };

  StoredComparison* owner_;
  std::unordered_map<std::string_view, DictionaryId> ids_;
  std::unordered_map<CellKey, Cell, HashCell> cells_;  // lately met
  std::size_t members_held_ = 0;
  // Where the last row stood.
  Cell* cell_ = nullptr;
  Level level_ = Level::kCampaign;
  std::string entity_id_;
  // Reused.
  std::vector<UserRef> refs_;
  std::vector<std::uint64_t> by_value_;
  std::string quoted_;
};

StoredComparison::StoredComparison(const State& state, MetaLedger& meta, Day today, int trial_length_days)
    : state_(&state), meta_(&meta), today_(today), trial_length_days_(trial_length_days) {}
StoredComparison::~StoredComparison() = default;

Status StoredComparison::run(WorkerPool& pool, std::span<const std::unique_ptr<StoredRowReader>> readers,
                             std::size_t cells_expected, const std::atomic<bool>* stop, StageProgress& progress) {
  std::vector<Worker> workers;
  for (std::size_t i = 0; i < pool.size(); ++i) workers.emplace_back(*this);
  std::atomic<bool> failed{false};
  const std::size_t built_max = cells_expected * kComparedTimesMax + kComparedCellsHeldMax;
  const auto compare_part = [&](std::size_t index, std::size_t part) {
    Worker& worker = workers[index];
    if (failed.load()) return;
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) {  // relaxed: a hint, seen soon enough
      worker.status = Error{Errc::kInterrupted, "compare stored rows", "", "asked to stop"};
    } else if (cells_built_.load(std::memory_order_relaxed) > built_max) {
      worker.status = Error{Errc::kUnsupported, "compare stored rows", "", "they lie in no order"};
    } else {
      Status read = readers[index]->scan({part, kComparedParts}, [&](const StoredRow& row) { worker.take(row); });
      if (worker.status.ok()) worker.status = std::move(read);
    }
    if (!worker.status.ok()) failed.store(true);
    progress.add(1);
  };
  pool.for_each(kComparedParts, compare_part, [&] { progress.tell(); });
  for (Worker& worker : workers) {
    ADM_TRY(worker.status);
    worker.put_away();
    seen_.insert(seen_.end(), worker.put_away_cells.begin(), worker.put_away_cells.end());
    std::move(worker.strangers.begin(), worker.strangers.end(), std::back_inserter(strangers_));
  }
  std::sort(seen_.begin(), seen_.end(), [](const Seen& a, const Seen& b) { return a.cell < b.cell; });
  std::size_t kept = 0;
  for (const Seen& seen : seen_) {
    if (kept == 0 || seen_[kept - 1].cell != seen.cell) {
      seen_[kept++] = seen;
      continue;
    }
    Seen& whole = seen_[kept - 1];
    whole.differs = whole.differs || seen.differs;
    whole.main_rows += seen.main_rows;
    whole.breakdown_rows += seen.breakdown_rows;
    whole.met += seen.met;
  }
  seen_.resize(kept);
  return {};
}

const StoredComparison::Seen* StoredComparison::find(CellKey cell) const {
  const auto found =
      std::lower_bound(seen_.begin(), seen_.end(), cell, [](const Seen& a, CellKey b) { return a.cell < b; });
  return found == seen_.end() || found->cell != cell ? nullptr : &*found;
}

bool StoredComparison::stands(CellKey cell) const {
  const Seen* seen = find(cell);
  return seen != nullptr && !seen->differs && seen->met == seen->expected && seen->expected != 0;
}

std::int64_t StoredComparison::main_rows(CellKey cell) const {
  const Seen* seen = find(cell);
  return seen == nullptr ? 0 : seen->main_rows;
}
std::int64_t StoredComparison::breakdown_rows(CellKey cell) const {
  const Seen* seen = find(cell);
  return seen == nullptr ? 0 : seen->breakdown_rows;
}

}  // namespace admetrics
