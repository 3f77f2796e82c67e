#include "backfill/backfill.hpp"

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

namespace admetrics::backfill {
namespace {

constexpr int kBusyTimeoutMs = 5'000;
constexpr std::int64_t kMicros = 1'000'000;
constexpr std::int64_t kRatedSharesPerSecond = 10;  // a rate is kept in steps that nobody notices

constexpr const char* kSchema = R"sql(
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS job (id INTEGER PRIMARY KEY CHECK (id = 1), state TEXT NOT NULL, request TEXT NOT NULL, started_at INTEGER NOT NULL, ended_at INTEGER NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL, cursor INTEGER NOT NULL, error TEXT NOT NULL);
)sql";

constexpr std::array kStates{Progress::State::kNone,     Progress::State::kPlanning, Progress::State::kRunning,
                             Progress::State::kPaused,   Progress::State::kDone,     Progress::State::kFailed,
                             Progress::State::kCancelled};

std::string json_of(const Request& request) {
  boost::json::object object;
  if (request.since) object["since"] = format_day(*request.since);
  if (request.until) object["until"] = format_day(*request.until);
  if (request.level) object["level"] = name_of(*request.level);
  if (request.level) object["entity_id"] = request.entity_id;
  object["keys_per_second"] = request.keys_per_second;
  object["strange_keys"] = request.strange_keys;
  object["unseen_since"] = request.unseen_since_seconds;
  return boost::json::serialize(object);
}

std::optional<Request> request_of(const std::string& text) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  const auto* object = error ? nullptr : value.if_object();
  if (object == nullptr) return std::nullopt;
  const auto text_of = [&](const char* name) -> std::string {
    const auto* found = object->if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->get_string()) : "";
  };
  Request request;
  request.since = parse_day(text_of("since"));
  request.until = parse_day(text_of("until"));
  request.level = parse_level(text_of("level"));
  request.entity_id = text_of("entity_id");
  const auto number_of = [&](const char* name) -> std::int64_t {
    const auto* found = object->if_contains(name);
    return found != nullptr && found->is_int64() ? found->get_int64() : 0;
  };
  request.keys_per_second = number_of("keys_per_second");
  request.unseen_since_seconds = number_of("unseen_since");
  const auto* strange = object->if_contains("strange_keys");
  request.strange_keys = strange != nullptr && strange->is_bool() && strange->get_bool();
  return request;
}

}  // namespace

std::string_view name_of(Progress::State state) {
  switch (state) {
    case Progress::State::kNone: return "none";
    case Progress::State::kPlanning: return "planning";
    case Progress::State::kRunning: return "running";
    case Progress::State::kPaused: return "paused";
    case Progress::State::kDone: return "done";
    case Progress::State::kFailed: return "failed";
    case Progress::State::kCancelled: return "cancelled";
  }
  return "";
}

Backfill::Backfill(std::string path, Places places, const Clock& clock, std::function<void()> wake)
    : path_(std::move(path)), places_(std::move(places)), clock_(&clock), wake_(std::move(wake)) {}

Backfill::~Backfill() {
  stop_planning_.store(true);
  if (planner_.joinable()) planner_.join();
}

Status Backfill::open_list() {
  if (list_) return {};
  ADM_ASSIGN(auto list, sqlite::Connection::open(path_, sqlite::OpenMode::kCreate, kBusyTimeoutMs));
  ADM_TRY(list->execute(kSchema));
  list_ = std::move(list);
  return {};
}

Status Backfill::save() {
  ADM_TRY(open_list());
  ADM_ASSIGN(sqlite::Statement write,
             list_->prepare(
                 "INSERT INTO job VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, 0, ?7) ON CONFLICT (id) DO UPDATE SET state = ?1, "
                 "request = ?2, started_at = ?3, ended_at = ?4, done = ?5, total = ?6, error = ?7"));
  const std::string request = json_of(progress_.request);
  write.bind(1, name_of(progress_.state));
  write.bind(2, std::string_view(request));
  write.bind(3, progress_.started_at_seconds);
  write.bind(4, progress_.ended_at_seconds);
  write.bind(5, progress_.items_done);
  write.bind(6, progress_.items_total);
  write.bind(7, std::string_view(progress_.error));
  return write.run();
}

Status Backfill::resume_after_restart() {
  const std::lock_guard lock(mutex_);
  if (sqlite::file_identity(path_).empty()) return {};
  ADM_TRY(open_list());
  ADM_ASSIGN(sqlite::Statement read,
             list_->prepare("SELECT state, request, started_at, ended_at, done, total, error FROM job"));
  ADM_ASSIGN(const bool row, read.step());
  if (!row) return {};
  const auto request = request_of(std::string(read.text(1)));
  const auto state = std::find_if(kStates.begin(), kStates.end(), [&](auto s) { return name_of(s) == read.text(0); });
  if (!request || state == kStates.end())
    return Error{Errc::kCorrupt, "resume the backfill", path_, "its job cannot be read; remove the file"};
  progress_.state = *state;
  progress_.request = *request;
  progress_.started_at_seconds = read.integer(2);
  progress_.ended_at_seconds = read.integer(3);
  progress_.items_done = read.integer(4);
  progress_.items_total = read.integer(5);
  progress_.error = read.text(6);
  read.reset();
  running_since_micros_ = clock_->steady_micros();
  done_before_ = progress_.items_done;
  if (progress_.state == Progress::State::kPlanning) planner_ = std::thread([this] { plan(); });
  return {};
}

Status Backfill::start(const Request& request) {
  std::thread finished;
  {
    const std::lock_guard lock(mutex_);
    if (progress_.open()) {
      return Error{Errc::kBusy, "start a backfill", path_,
                   "one is " + std::string(name_of(progress_.state)) + " already; cancel it, or wait for its end"};
    }
    finished = std::move(planner_);
  }
  if (finished.joinable()) finished.join();
  const std::lock_guard lock(mutex_);
  progress_ = {};
  progress_.state = Progress::State::kPlanning;
  progress_.request = request;
  progress_.started_at_seconds = clock_->now().seconds;
  next_share_micros_ = 0;
  const auto write = [&]() -> Status {
    ADM_TRY(open_list());
    ADM_TRY(list_->begin_immediate());
    sqlite::Transaction beginning(*list_);
    ADM_TRY(list_->execute("DELETE FROM job; DROP TABLE IF EXISTS item"));
    ADM_TRY(save());
    return beginning.commit();
  };
  if (Status written = write(); !written.ok()) {
    progress_.state = Progress::State::kFailed;
    return written;
  }
  stop_planning_.store(false);
  planner_ = std::thread([this] { plan(); });
  return {};
}

void Backfill::plan() {
  // A connection of its own: the list is long, and the other one answers meanwhile.
  auto list = sqlite::Connection::open(path_, sqlite::OpenMode::kReadWrite, kBusyTimeoutMs);
  Status planned;
  if (!list) {
    planned = list.error();
  } else {
    planned = make_plan(**list, places_, progress().request, stop_planning_, [this](std::int64_t items) {
      const std::lock_guard lock(mutex_);
      progress_.items_total = items;
    });
  }
  Result<std::int64_t> total = 0;
  if (planned.ok()) total = (*list)->query_integer("SELECT count(*) FROM item");
  {
    const std::lock_guard lock(mutex_);
    // Stopped with the daemon: planned again at the next start. Cancelled: its state says so already.
    if (stop_planning_.load() || progress_.state != Progress::State::kPlanning) return;
    if (!planned.ok() || !total.ok()) {
      fail(planned.ok() ? total.error() : planned.error());
    } else {
      progress_.items_total = *total;
      progress_.state = Progress::State::kRunning;
      running_since_micros_ = clock_->steady_micros();
      done_before_ = 0;
      if (Status saved = save(); !saved.ok()) fail(saved.error());
    }
  }
  wake_();
}

void Backfill::fail(const Error& error) {
  progress_.error = error.line();
  end(Progress::State::kFailed);
}

void Backfill::end(Progress::State state) {
  progress_.state = state;
  progress_.ended_at_seconds = clock_->now().seconds;
  // What cannot be written down now is found open at the next start, and done once more.
  static_cast<void>(save().ok());
}

bool Backfill::pause() {
  const std::lock_guard lock(mutex_);
  if (progress_.state != Progress::State::kRunning) return false;
  progress_.state = Progress::State::kPaused;
  static_cast<void>(save().ok());
  return true;
}

bool Backfill::resume() {
  {
    const std::lock_guard lock(mutex_);
    if (progress_.state != Progress::State::kPaused) return false;
    progress_.state = Progress::State::kRunning;
    running_since_micros_ = clock_->steady_micros();
    done_before_ = progress_.items_done;
    static_cast<void>(save().ok());
  }
  wake_();
  return true;
}

bool Backfill::cancel() {
  const std::lock_guard lock(mutex_);
  if (!progress_.open()) return false;
  stop_planning_.store(true);
  end(Progress::State::kCancelled);
  return true;
}

Progress Backfill::progress() const {
  const std::lock_guard lock(mutex_);
  Progress progress = progress_;
  const std::int64_t since = progress.items_done - done_before_;
  if (progress.state == Progress::State::kRunning && since > 0) {
    const auto micros = static_cast<double>(clock_->steady_micros() - running_since_micros_);
    progress.seconds_left =
        micros / 1e6 / static_cast<double>(since) * static_cast<double>(progress.items_total - progress.items_done);
  }
  return progress;
}

bool Backfill::ready() const { return ready_at_micros() <= clock_->steady_micros(); }

std::int64_t Backfill::ready_at_micros() const {
  const std::lock_guard lock(mutex_);
  return progress_.state == Progress::State::kRunning ? next_share_micros_ : INT64_MAX;
}

Result<Share> Backfill::share(std::int64_t items_max) {
  const std::lock_guard lock(mutex_);
  Share share;
  if (progress_.state != Progress::State::kRunning) return share;
  const std::int64_t rate = progress_.request.keys_per_second;
  if (rate > 0) items_max = std::clamp<std::int64_t>(rate / kRatedSharesPerSecond, 1, items_max);
  ADM_TRY(open_list());
  ADM_ASSIGN(
      sqlite::Statement read,
      list_->prepare(
          "SELECT id, day, kind, key1, key2 FROM item WHERE id > (SELECT cursor FROM job) ORDER BY id LIMIT ?1"));
  read.bind(1, items_max);
  ADM_TRY(read.for_each_row([&] {
    put(read, share);
    const Day day{static_cast<std::int32_t>(read.integer(1))};
    share.last_item = read.integer(0);
    ++share.items;
    progress_.day = day > kFirstDay ? format_day(day) : "";
  }));
  if (share.items == 0) end(Progress::State::kDone);
  return share;
}

void Backfill::put(const sqlite::Statement& item, Share& into) {
  std::string key1(item.text(3));
  SinkKey row;
  row.day = Day{static_cast<std::int32_t>(item.integer(1))};
  row.level = parse_level(key1).value_or(row.level);
  row.entity_id = item.text(4);
  switch (static_cast<Item>(item.integer(2))) {
    case Item::kAdDay: into.ad_days.push_back({std::move(key1), std::string(item.text(4))}); break;
    case Item::kUser: into.users.push_back(std::move(key1)); break;
    case Item::kCell: into.rows.push_back(std::move(row)); break;
    case Item::kName:
      row.kind = SinkKey::Kind::kName;
      into.rows.push_back(std::move(row));
      break;
    case Item::kHierarchy:
      row.kind = SinkKey::Kind::kHierarchy;
      row.level = Level::kAd;
      row.entity_id = std::move(key1);
      into.rows.push_back(std::move(row));
      break;
    case Item::kStrangeKeys: into.strange_keys = true; break;
  }
}

Status Backfill::draw(std::span<const std::int64_t> items, Share& into) {
  const std::lock_guard lock(mutex_);
  if (progress_.state != Progress::State::kRunning) return {};
  ADM_TRY(open_list());
  ADM_ASSIGN(sqlite::Statement read, list_->prepare("SELECT id, day, kind, key1, key2 FROM item WHERE id = ?1"));
  for (const std::int64_t item : items) {
    read.bind(1, item);
    ADM_TRY(read.for_each_row([&] { put(read, into); }));
    read.reset();
  }
  return {};
}

Status Backfill::taken(const Share& share) {
  const std::lock_guard lock(mutex_);
  ADM_ASSIGN(sqlite::Statement move, list_->prepare("UPDATE job SET cursor = ?1, done = done + ?2"));
  move.bind(1, share.last_item);
  move.bind(2, share.items);
  ADM_TRY(move.run());
  progress_.items_done += share.items;
  const std::int64_t rate = progress_.request.keys_per_second;
  if (rate > 0) next_share_micros_ = clock_->steady_micros() + share.items * kMicros / rate;
  return {};
}

}  // namespace admetrics::backfill
