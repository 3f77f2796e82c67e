#include "sources/changelog/changelog_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/sqlite/database.hpp"
#include "sources/changelog/landing_tables.hpp"
#include "tests/support/must.hpp"
#include "tests/support/temp_folder.hpp"

namespace admetrics::source {
namespace {

using support::must;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SetClock : public Clock {
 public:
  [[nodiscard]] Instant now() const override { return {seconds, 0}; }
  [[nodiscard]] std::int64_t steady_micros() const override { return seconds * 1'000'000; }
  std::int64_t seconds = 1'767'225'600;
};

/// By table and key, what stands in the other columns; all as text, NULL as "".
using Row = std::vector<std::string>;
using Rows = std::map<std::pair<std::size_t, Row>, Row>;

/// A log, the source that reads it, and what it has landed.
class World {
 public:
  explicit World(const std::string& log) : log_(folder_.file(log)) { start(); }

  void start() {
    source_.reset();
    tables_.reset();
    SqliteSourceOptions tables;
    tables.product_db = tables.ads_db = landing_db();
    tables.recorded_by_writer = true;
    tables_ = std::make_unique<SqliteSource>(tables);
    ChangelogOptions with = options;
    with.path = log_;
    with.landing_db = landing_db();
    with.dead_letters = folder_.file("dead_letters.ndjson");
    with.replay_folder = folder_.file("replay");
    with.clock = &clock;
    source_ = std::make_unique<ChangelogSource>(with, *tables_);
    must(source_->open());
  }

  EpochInput epoch() {
    EpochInput input = must(source_->begin_epoch(position_, {}));
    source_->end_snapshot();
    position_ = input.position;
    must(source_->acknowledge(position_));
    return input;
  }

  [[nodiscard]] Rows landed() {
    auto database = must(sqlite::Connection::open(landing_db(), sqlite::OpenMode::kReadOnly, 1'000));
    Rows rows;
    for (const LandingTable& table : landing_tables()) {
      std::string names;
      for (const LandingColumn& column : table.columns) names += (names.empty() ? "" : ", ") + std::string(column.name);
      auto select = must(database->prepare("SELECT " + names + " FROM " + std::string(table.name)));
      must(select.for_each_row([&] {
        Row key;
        Row rest;
        for (std::size_t i = 0; i < table.columns.size(); ++i)
          (i < table.key_columns ? key : rest).emplace_back(select.text(static_cast<int>(i)));
        rows[{index_of(table), key}] = rest;
      }));
    }
    return rows;
  }
  [[nodiscard]] std::vector<std::string> users() {
    std::vector<std::string> names;
    for (const auto& [key, row] : landed()) names.push_back(key.second.at(0));
    return names;
  }
  /// `reason` of each line of the file.
  [[nodiscard]] std::vector<std::string> dead_letters() const {
    std::ifstream in(folder_.file("dead_letters.ndjson"));
    std::vector<std::string> reasons;
    for (std::string line; std::getline(in, line);) {
      const std::size_t from = line.find(R"("reason":")") + 10;
      reasons.push_back(line.substr(from, line.find('"', from) - from));
    }
    return reasons;
  }

  [[nodiscard]] ChangelogSource& source() { return *source_; }
  [[nodiscard]] const std::string& log() const { return log_; }
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }
  [[nodiscard]] std::string landing_db() const { return folder_.file("landing.db"); }

  SetClock clock;
  ChangelogOptions options;  // as `start` takes them

 private:
  support::TempFolder folder_;
  const std::string log_;
  std::unique_ptr<SqliteSource> tables_;
  std::unique_ptr<ChangelogSource> source_;
  std::string position_;
};

void append(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::app | std::ios::binary) << text;
}

std::string user(const std::string& name) {
  return R"({"table":"mixpanel_user","row":{"distinct_id":")" + name + "\"}}\n";
}

// ── What is given up ─────────────────────────────────────────────────────────────────────────────────────────────

/// Half a line in a file behind which another one was begun, both written to just now.
class HalfALine : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(world_.log());
    append(world_.log() + "/1", user("a") + user("half").substr(0, 30));
    append(world_.log() + "/2", user("b"));
    const auto written = std::filesystem::last_write_time(world_.log() + "/1");
    const auto since = std::chrono::file_clock::to_sys(written).time_since_epoch();
    world_.clock.seconds = std::chrono::duration_cast<std::chrono::seconds>(since).count();
    world_.epoch();
    ASSERT_THAT(world_.users(), ElementsAre("a", "b"));
    ASSERT_THAT(world_.dead_letters(), IsEmpty());
  }

  World world_{"changes"};
};

TEST_F(HalfALine, IsGivenUpByARunningReaderWhenNobodyCompletesIt) {
  world_.clock.seconds += 900;
  EXPECT_FALSE(must(world_.source().has_changes()));
  world_.clock.seconds += 1;
  EXPECT_TRUE(must(world_.source().has_changes()));
  world_.epoch();
  EXPECT_THAT(world_.dead_letters(), ElementsAre("torn"));
  EXPECT_FALSE(must(world_.source().has_changes()));
  world_.epoch();
  EXPECT_THAT(world_.dead_letters(), ElementsAre("torn"));
}

TEST_F(HalfALine, CountsWhenItIsCompletedInTime) {
  append(world_.log() + "/1", user("half").substr(30));
  EXPECT_TRUE(must(world_.source().has_changes()));
  world_.epoch();
  world_.clock.seconds += 10'000;
  world_.epoch();
  EXPECT_THAT(world_.users(), ElementsAre("a", "b", "half"));
  EXPECT_THAT(world_.dead_letters(), IsEmpty());
}

// ── Limits ───────────────────────────────────────────────────────────────────────────────────────────────────────

std::string of_seq(const std::string& op, std::size_t user, std::size_t seq) {
  const std::string key = R"({"distinct_id":"u)" + std::to_string(user) + "\"}";
  return R"({"table":"mixpanel_user","op":")" + op + R"(","seq":)" + std::to_string(seq) + R"(,"key":)" + key +
         R"(,"row":)" + key + "}\n";
}

TEST(ChangelogLimits, OfDeletionsTheNewestAreRemembered) {
  World world("log");
  world.options.tombstones_max = 100;
  world.start();
  for (std::size_t user = 0; user < 150; ++user) append(world.log(), of_seq("delete", user, 1'000 + user));
  world.epoch();
  const ChangelogState state = world.source().state();
  EXPECT_LE(state.tombstones, 100);
  EXPECT_GE(state.tombstones, 80);
  EXPECT_EQ(state.tombstones + state.tombstones_forgotten_total, 150);
  // Older records that come late: the one deleted first is forgotten, the one deleted last is not.
  append(world.log(), of_seq("upsert", 0, 1) + of_seq("upsert", 149, 2));
  world.epoch();
  EXPECT_THAT(world.users(), ElementsAre("u0"));
  // What comes back, and what a truncation takes away, needs no memory.
  append(world.log(), of_seq("upsert", 149, 5'000));
  world.epoch();
  EXPECT_EQ(world.source().state().tombstones, state.tombstones - 1);
  append(world.log(), R"({"table":"mixpanel_user","op":"truncate","seq":9000})"
                      "\n");
  world.epoch();
  EXPECT_EQ(world.source().state().tombstones, 0);
  world.start();
  EXPECT_EQ(world.source().state().tombstones, 0);
  EXPECT_EQ(world.source().state().tombstones_forgotten_total, state.tombstones_forgotten_total);
}

TEST(ChangelogLimits, DeadLettersFillTwoFiles) {
  World world("log");
  world.options.dead_letters_max_bytes = 2'000;
  world.start();
  const std::string bad(400, 'x');
  for (std::size_t i = 0; i < 40; ++i) {
    append(world.log(), bad + "\n");
    world.epoch();
    if (i % 7 == 0) world.start();
  }
  const auto letters = [&](const std::string& name) {
    std::ifstream in(world.file(name));
    return std::count(std::istreambuf_iterator<char>(in), {}, '\n');
  };
  EXPECT_LT(std::filesystem::file_size(world.file("dead_letters.ndjson")), 3'000U);
  EXPECT_LT(std::filesystem::file_size(world.file("dead_letters.ndjson.1")), 3'000U);
  const ChangelogState state = world.source().state();
  EXPECT_THAT(state.dead_letters, ElementsAre(::testing::Pair("not_json", 40)));
  EXPECT_GT(state.dead_letters_dropped_total, 0);
  EXPECT_EQ(letters("dead_letters.ndjson") + letters("dead_letters.ndjson.1") + state.dead_letters_dropped_total, 40);
}

TEST(ChangelogLimits, DeadLettersThatCannotBeWrittenDoNotFillTheLandingDatabase) {
  World world("log");
  world.options.dead_letters_max_bytes = 2'000;
  world.start();
  std::filesystem::create_directory(world.file("dead_letters.ndjson"));  // nothing can be appended to it
  for (std::size_t i = 0; i < 40; ++i) append(world.log(), std::string(400, 'x') + "\n");
  append(world.log(), user("a"));
  world.epoch();
  EXPECT_THAT(world.users(), ElementsAre("a"));
  EXPECT_EQ(world.source().state().dead_letters_dropped_total, 35);
  std::filesystem::remove(world.file("dead_letters.ndjson"));
  append(world.log(), "the last one\n");
  world.epoch();
  EXPECT_EQ(world.dead_letters().size(), 5U);  // the last one took the place of another
}

TEST(ChangelogLimits, WhatWasPutBackIsRemovedWhenItWasRead) {
  World world("log");
  append(world.log(), user("a"));
  std::filesystem::create_directory(world.file("replay"));
  append(world.file("replay/1.ndjson"),
         R"({"key":7,"text":"{\"table\":\"mixpanel_user\",\"row\":{\"distinct_id\":\"b\"}}"})"
         "\n");
  world.epoch();
  EXPECT_THAT(world.users(), ElementsAre("a", "b"));
  EXPECT_FALSE(std::filesystem::exists(world.file("replay/1.ndjson")));
  EXPECT_TRUE(std::filesystem::exists(world.log()));
}

// ── Drawn lives ──────────────────────────────────────────────────────────────────────────────────────────────────

class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed) {}
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }
  bool chance(int percent) { return below(100) < static_cast<std::size_t>(percent); }

 private:
  std::mt19937_64 random_;
};

enum class Shape { kPlain, kDebeziumPosition, kDebeziumTime };

struct Change {
  char op;  // of Debezium
  std::size_t table;
  Row before, after;  // whole rows, or empty
  std::size_t transaction;
};

/// What happened at a source, and every state that a transaction left.
struct History {
  std::vector<Change> snapshot;  // rows that stood there before
  std::vector<Change> changes;
  std::vector<Rows> states;  // [n]: after n transactions
};

Row key_of(std::size_t table, const Row& row) {
  return {row.begin(), row.begin() + static_cast<std::ptrdiff_t>(landing_tables()[table].key_columns)};
}
Row rest_of(std::size_t table, const Row& row) {
  return {row.begin() + static_cast<std::ptrdiff_t>(landing_tables()[table].key_columns), row.end()};
}

Row draw_row(std::size_t number, Draw& draw) {
  const LandingTable& table = landing_tables()[number];
  Row row;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const bool key = i < table.key_columns;
    switch (table.columns[i].kind) {
      case ColumnKind::kText:
        row.push_back(!key && draw.chance(10) ? "" : std::string(1, static_cast<char>('a' + draw.below(8))));
        break;
      case ColumnKind::kNumber: row.push_back(std::to_string(1 + draw.below(9))); break;
      case ColumnKind::kDay: row.push_back("2025-07-1" + std::to_string(draw.below(4))); break;
      case ColumnKind::kTime: row.push_back("2025-07-1" + std::to_string(draw.below(10)) + " 10:00:00"); break;
    }
  }
  // Unique at the source, too.
  if (table.kind == ChangeKind::kProduct) row[2] = "p" + row[0];
  return row;
}

History draw_history(Draw& draw) {
  History history;
  Rows rows;
  const auto draw_table = [&] { return draw.chance(70) ? draw.below(3) : draw.below(landing_tables().size()); };
  if (draw.chance(50)) {
    for (std::size_t i = 0; i < 25; ++i) {
      const std::size_t table = draw_table();
      const Row row = draw_row(table, draw);
      if (rows.emplace(std::pair(table, key_of(table, row)), rest_of(table, row)).second)
        history.snapshot.push_back({'r', table, {}, row, 0});
    }
  }
  history.states.push_back(rows);
  const std::size_t transactions = 20 + draw.below(60);
  for (std::size_t transaction = 1; transaction <= transactions; ++transaction) {
    for (std::size_t left = 1 + draw.below(4); left > 0; --left) {
      const std::size_t table = draw_table();
      if (draw.chance(1)) {
        std::erase_if(rows, [&](const auto& row) { return row.first.first == table; });
        history.changes.push_back({'t', table, {}, {}, transaction});
        continue;
      }
      const Row row = draw_row(table, draw);
      const auto found = rows.find({table, key_of(table, row)});
      Row before;
      if (found != rows.end()) {
        before = found->first.second;
        before.insert(before.end(), found->second.begin(), found->second.end());
      }
      if (found != rows.end() && draw.chance(35)) {
        rows.erase(found);
        history.changes.push_back({'d', table, before, {}, transaction});
      } else {
        rows[{table, key_of(table, row)}] = rest_of(table, row);
        history.changes.push_back({before.empty() ? 'c' : 'u', table, before, row, transaction});
      }
    }
    history.states.push_back(rows);
  }
  return history;
}

std::string json_of(std::size_t table, const Row& row, std::size_t columns) {
  if (row.empty()) return "null";
  std::string text = "{";
  for (std::size_t i = 0; i < columns; ++i) {
    const LandingColumn& column = landing_tables()[table].columns[i];
    const std::string value = row[i].empty()                       ? "null"
                              : column.kind == ColumnKind::kNumber ? row[i]
                                                                   : '"' + row[i] + '"';
    text += (i > 0 ? ",\"" : "\"") + std::string(column.name) + "\":" + value;
  }
  return text + "}";
}

/// `number` from 1 on; 0: of a snapshot.
std::string line_of(const Change& change, std::size_t number, std::size_t order, bool last, Shape shape,
                    bool transactions) {
  const LandingTable& table = landing_tables()[change.table];
  const std::size_t all = table.columns.size();
  if (shape == Shape::kPlain) {
    std::string line = R"({"table":")" + std::string(table.name) + R"(","seq":)" + std::to_string(number);
    line += change.op == 't'   ? R"(,"op":"truncate")"
            : change.op == 'd' ? R"(,"op":"delete","key":)" + json_of(change.table, change.before, table.key_columns)
                               : R"(,"row":)" + json_of(change.table, change.after, all);
    if (transactions && number > 0)
      line += R"(,"tx":")" + std::to_string(change.transaction) + R"(","tx_end":)" + (last ? "true" : "false");
    return line + "}";
  }
  std::string line = R"({"before":)" + json_of(change.table, change.before, all) + R"(,"after":)" +
                     json_of(change.table, change.after, all) + R"(,"op":")" + change.op + R"(","source":{"table":")" +
                     std::string(table.name) + R"(","ts_ms":)" +
                     std::to_string(1'000 + number / (shape == Shape::kDebeziumTime ? 3 : 1));
  if (shape == Shape::kDebeziumPosition) line += R"(,"lsn":)" + std::to_string(100 + number);
  line += "}";
  if (transactions && number > 0)
    line += R"(,"transaction":{"id":")" + std::to_string(change.transaction) + ':' + std::to_string(100 + number) +
            R"(","total_order":)" + std::to_string(order) + "}";
  return line + "}";
}

std::vector<std::string> lines_of(const History& history, Shape shape, bool transactions, Draw& draw) {
  std::vector<std::string> lines;
  std::size_t order = 0;
  for (std::size_t i = 0; i < history.changes.size(); ++i) {
    const Change& change = history.changes[i];
    const bool last = i + 1 == history.changes.size() || history.changes[i + 1].transaction != change.transaction;
    const std::string id = std::to_string(change.transaction) + ':';
    const bool marks = transactions && shape != Shape::kPlain;
    if (++order == 1 && marks) lines.push_back(R"({"status":"BEGIN","id":")" + id + std::to_string(100 + i) + R"("})");
    lines.push_back(line_of(change, i + 1, order, last, shape, transactions));
    if (last && marks)
      lines.push_back(R"({"status":"END","id":")" + id + std::to_string(101 + i) + R"(","event_count":)" +
                      std::to_string(order) + "}");
    if (last) order = 0;
  }
  // A snapshot's rows may come before, between and behind the changes.
  for (const Change& row : history.snapshot) {
    const std::size_t at = draw.chance(50) ? 0 : draw.below(lines.size() + 1);
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at), line_of(row, 0, 0, false, shape, false));
  }
  return lines;
}

/// What a producer writes that crashes, goes back a little, and writes nonsense.
std::string stream_of(const std::vector<std::string>& lines, Draw& draw) {
  std::string stream;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (draw.chance(1)) stream += "nonsense\n";
    if (draw.chance(3)) stream += lines[i].substr(0, 1 + draw.below(lines[i].size() - 2));  // the line follows
    stream += lines[i] + (draw.chance(10) ? "\r\n" : "\n");
    if (draw.chance(3)) {
      for (std::size_t again = i - draw.below(std::min<std::size_t>(i + 1, 20)); again <= i; ++again)
        stream += lines[again] + "\n";
    }
    if (draw.chance(2)) stream += lines[draw.below(i + 1)] + "\n";
  }
  return stream;
}

/// Puts a stream into files, which are rotated where it pleases.
class Writer {
 public:
  Writer(const std::string& log, bool folder, std::string stream)
      : log_(log), folder_(folder), stream_(std::move(stream)) {
    if (folder_) std::filesystem::create_directory(log_);
  }
  [[nodiscard]] bool done() const { return at_ == stream_.size(); }
  /// Whether what was written ends with a whole line.
  [[nodiscard]] bool between_lines() const { return at_ == 0 || stream_[at_ - 1] == '\n'; }

  void write(std::size_t size) {
    append(current(), stream_.substr(at_, size));
    at_ = std::min(stream_.size(), at_ + size);
  }
  void rotate(bool by_copying) {
    if (!std::filesystem::exists(current())) return;
    if (folder_) {
      closed_.push_back(current());
      ++number_;
      return;
    }
    for (std::size_t i = closed_.size(); i > 0; --i) std::filesystem::rename(numbered(i), numbered(i + 1));
    closed_.push_back("");
    if (by_copying) {
      std::filesystem::copy_file(log_, numbered(1));
      std::filesystem::resize_file(log_, 0);
    } else {
      std::filesystem::rename(log_, numbered(1));
    }
  }
  void rename_one(Draw& draw) {
    if (!folder_ || closed_.empty()) return;
    std::string& path = closed_[draw.below(closed_.size())];
    std::filesystem::rename(path, path + ".old");
    path += ".old";
  }
  /// The caller knows that they were read.
  void remove_closed() {
    for (std::size_t i = 0; i < closed_.size(); ++i) std::filesystem::remove(folder_ ? closed_[i] : numbered(i + 1));
    closed_.clear();
  }

 private:
  [[nodiscard]] std::string current() const {
    const std::string digits = std::to_string(number_);
    return folder_ ? log_ + "/log-" + std::string(4 - digits.size(), '0') + digits : log_;
  }
  [[nodiscard]] std::string numbered(std::size_t number) const { return log_ + '.' + std::to_string(number); }

  const std::string log_;
  const bool folder_;
  const std::string stream_;
  std::size_t at_ = 0;
  std::size_t number_ = 1;
  std::vector<std::string> closed_;  // in a folder their paths; else how many there are
};

std::string difference(const Rows& want, const Rows& have) {
  std::string text;
  const auto show = [](const Row& row) {
    std::string cells;
    for (const std::string& cell : row) cells += cell + '|';
    return cells;
  };
  const auto line = [&](const auto& key, const Row* wanted, const Row* found) {
    text += std::string(landing_tables()[key.first].name) + ' ' + show(key.second) + ": should be " +
            (wanted == nullptr ? "none" : show(*wanted)) + ", is " + (found == nullptr ? "none" : show(*found)) + '\n';
  };
  for (const auto& [key, row] : want) {
    const auto found = have.find(key);
    if (found == have.end() || found->second != row) line(key, &row, found == have.end() ? nullptr : &found->second);
  }
  for (const auto& [key, row] : have) {
    if (!want.contains(key)) line(key, nullptr, &row);
  }
  return text;
}

/// Whoever owns a row that changed between two epochs stands in the second one's input.
std::string not_told(const Rows& before, const Rows& after, const EpochInput& input) {
  if (input.reconcile) return "";
  const std::set<std::string> users(input.users.begin(), input.users.end());
  std::set<std::pair<std::string, std::string>> ad_days;
  for (const AdDayKey& key : input.ad_days) ad_days.emplace(key.ad_id, key.date);
  std::string missing;
  const auto look = [&](const std::pair<std::size_t, Row>& key, const Row& rest) {
    const LandingTable& table = landing_tables()[key.first];
    Row row = key.second;
    row.insert(row.end(), rest.begin(), rest.end());
    const std::string& owner = row[table.owner[0]];
    const bool of_user =
        table.kind == ChangeKind::kUser || table.kind == ChangeKind::kEvent || table.kind == ChangeKind::kProduct;
    if (of_user && !owner.empty() && !input.scan_users && !users.contains(owner)) missing += "user " + owner + '\n';
    if (table.kind >= ChangeKind::kMetaDaily && !input.scan_meta && !ad_days.contains({owner, row[table.owner[1]]}))
      missing += "ad " + owner + ' ' + row[table.owner[1]] + '\n';
  };
  for (const auto& [key, row] : before) {
    const auto found = after.find(key);
    if (found == after.end() || found->second != row) look(key, row);
  }
  for (const auto& [key, row] : after) {
    const auto found = before.find(key);
    if (found == before.end() || found->second != row) look(key, row);
  }
  return missing;
}

void live(std::uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed) + "; ADMETRICS_SEED repeats it");
  Draw draw(seed);
  const auto shape = static_cast<Shape>(draw.below(3));
  const bool transactions = draw.chance(50);
  const bool folder = draw.chance(50);
  const History history = draw_history(draw);
  World world("log");
  Writer writer(world.log(), folder, stream_of(lines_of(history, shape, transactions, draw), draw));
  writer.write(1);
  // Without rows of a snapshot, which belong to no transaction, readers see the states that transactions left, in their order.
  const bool only_states = transactions && history.snapshot.empty();
  std::size_t state = 0;
  Rows before;
  while (!writer.done()) {
    writer.write(draw.chance(50) ? 1 + draw.below(40) : draw.below(8'000));
    if (draw.chance(30)) writer.rotate(draw.chance(50));
    if (draw.chance(10)) writer.rename_one(draw);
    if (draw.chance(25)) world.start();
    if (!draw.chance(40)) continue;
    const EpochInput input = world.epoch();
    const Rows landed = world.landed();
    ASSERT_EQ(not_told(before, landed, input), "");
    before = landed;
    if (only_states) {
      while (state < history.states.size() && history.states[state] != landed) ++state;
      ASSERT_LT(state, history.states.size()) << "half a transaction was seen";
    }
    if (writer.between_lines() && draw.chance(20)) writer.remove_closed();
  }
  const EpochInput input = world.epoch();
  const Rows landed = world.landed();
  ASSERT_EQ(not_told(before, landed, input), "");
  ASSERT_EQ(difference(history.states.back(), landed), "");
  const std::size_t letters = world.dead_letters().size();
  world.start();
  world.epoch();
  ASSERT_EQ(difference(history.states.back(), world.landed()), "");
  ASSERT_EQ(world.dead_letters().size(), letters);
}

TEST(ChangelogLives, LandWhatHappened) {
  if (const char* const seed = std::getenv("ADMETRICS_SEED")) return live(std::strtoull(seed, nullptr, 10));
  std::vector<std::uint64_t> seeds{31, 43, 118, 257};  // these failed once
  for (std::uint64_t seed = 1; seed <= 100; ++seed) seeds.push_back(seed);
  for (const std::uint64_t seed : seeds) {
    live(seed);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace admetrics::source
