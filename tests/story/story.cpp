#include "tests/story/story.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "core/model/row.hpp"
#include "tests/support/must.hpp"

namespace admetrics {
namespace {

using support::Cell;
using support::Columns;
using support::World;

/// What a line asked for is not so, or cannot be understood.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Word {
  std::string text;
  bool quoted = false;  // wholly: "NULL" in quotes is a text
};

/// Blanks part words; quotes hold blanks together. Within `[…]` (a list as it is stored) quotes stand for themselves.
std::vector<Word> words_of(const std::string& line) {
  std::vector<Word> words;
  std::optional<Word> word;
  bool in_quotes = false;
  bool in_list = false;
  for (const char c : line) {
    if (c == '"' && !in_list) {
      if (!word) word = Word{"", true};
      in_quotes = !in_quotes;
    } else if ((c == ' ' || c == '\t') && !in_quotes) {
      if (word) words.push_back(std::exchange(word, std::nullopt).value());
      in_list = false;
    } else if (c == '#' && !word) {
      break;
    } else {
      if (!word) word = Word{};
      if (c == '[') in_list = true;
      word->text += c;
    }
  }
  if (in_quotes) throw Fault("a quote is not closed");
  if (word) words.push_back(*std::move(word));
  return words;
}

std::optional<double> number_of(std::string_view text) {
  double number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

Cell cell_of(const std::string& text, bool quoted) {
  if (quoted) return support::text(text);
  if (text == "NULL") return support::kNull;
  std::int64_t whole = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (read.ec == std::errc() && read.ptr == text.data() + text.size()) return support::whole(whole);
  if (const auto number = number_of(text)) return support::real(*number);  // "inf" among them
  return support::text(text);
}

/// A line's words, taken one after the other. What nobody took is a fault.
class Line {
 public:
  explicit Line(std::vector<Word> words) : words_(std::move(words)) {}

  [[nodiscard]] bool empty() const { return next_ == words_.size(); }
  [[nodiscard]] bool next_is(std::string_view text) const { return !empty() && words_[next_].text == text; }
  bool take_if(std::string_view text) {
    if (!next_is(text)) return false;
    ++next_;
    return true;
  }
  std::string take(const char* what) {
    if (empty()) throw Fault(std::string("expected ") + what);
    return words_[next_++].text;
  }
  Word take_word() { return words_[next_++]; }
  [[nodiscard]] const Word& peek() const { return words_[next_]; }
  [[nodiscard]] bool next_is_pair() const {
    return !empty() && words_[next_].text.find('=') != std::string::npos && words_[next_].text != "=";
  }
  /// `name=value`; the value was quoted when it is empty.
  std::pair<std::string, Word> take_pair() {
    const std::string text = take("name=value");
    const std::size_t at = text.find('=');
    if (at == std::string::npos || at == 0) throw Fault("expected name=value, found " + text);
    const std::string value = text.substr(at + 1);
    return {text.substr(0, at), Word{value, value.empty()}};
  }
  void must_end() const {
    if (!empty()) throw Fault("not understood: " + words_[next_].text);
  }

 private:
  std::vector<Word> words_;
  std::size_t next_ = 0;
};

using Names = std::map<std::string, std::string>;
const Names kUserColumns{
    {"campaign", "abi_campaign_id"}, {"adset", "abi_ad_set_id"}, {"ad", "abi_ad_id"},
    {"country", "country"},          {"region", "region"},       {"attributed", "has_abi_attribution"}};
const Names kEventColumns{
    {"user", "distinct_id"}, {"time", "event_time"}, {"name", "event_name"}, {"revenue", "revenue_usd"}};
const Names kProductColumns{{"user", "distinct_id"},
                            {"product", "product_id"},
                            {"credited", "credited_date"},
                            {"store", "store"},
                            {"value", "current_value"},
                            {"conversion", "trial_conversion_rate"},
                            {"trial_refund", "trial_converted_to_refund_rate"},
                            {"purchase_refund", "initial_purchase_to_refund_rate"}};
const Names kMetaColumns{{"adset", "adset_id"},
                         {"campaign", "campaign_id"},
                         {"ad_name", "ad_name"},
                         {"adset_name", "adset_name"},
                         {"campaign_name", "campaign_name"},
                         {"spend", "spend"},
                         {"impressions", "impressions"},
                         {"clicks", "clicks"},
                         {"trials", "meta_trials"},
                         {"purchases", "meta_purchases"}};
const Names kBreakdownTables{{"country", std::string(support::kMetaCountry)},
                             {"region", std::string(support::kMetaRegion)},
                             {"device", std::string(support::kMetaDevice)}};

Columns take_columns(Line& line, const Names& names) {
  Columns columns;
  while (!line.empty()) {
    const auto [name, value] = line.take_pair();
    const auto found = names.find(name);
    if (found == names.end()) throw Fault("no column is called " + name);
    columns.emplace_back(found->second, cell_of(value.text, value.quoted));
  }
  return columns;
}

bool same_value(const std::string& expected, const std::string& stored) {
  if (stored.starts_with('\'')) return sqlite::quote_text(expected) == stored;
  const auto a = number_of(expected);
  const auto b = number_of(stored);
  return a && b ? *a == *b : expected == stored;
}

class Player {
 public:
  explicit Player(support::WorldOptions options) : options_(std::move(options)) {}

  void play_line(const std::string& text) {
    Line line(words_of(text));
    if (line.empty()) return;
    const std::string verb = line.take("a verb");
    const auto found = verbs().find(verb);
    if (found == verbs().end()) throw Fault("no verb is called " + verb);
    found->second(*this, line);
    line.must_end();
  }

  void end() {
    settle();
    if (!trusted_) throw Fault("the story ends with rows that somebody else wrote");
  }

 private:
  using Verb = std::function<void(Player&, Line&)>;

  static const std::map<std::string, Verb>& verbs() {
    static const std::map<std::string, Verb> kVerbs{
        {"world", &Player::world_options},
        {"settings", &Player::settings},
        {"daemon", &Player::daemon_options},
        {"today", &Player::today},
        {"user", &Player::user},
        {"event", &Player::event},
        {"product", &Player::product},
        {"meta", &Player::meta},
        {"mapping", &Player::mapping},
        {"update", &Player::update},
        {"delete", &Player::erase},
        {"reload", &Player::reload},
        {"unload", &Player::unload},
        {"drop", &Player::drop},
        {"create", &Player::create},
        {"recreate", &Player::recreate},
        {"swap", &Player::swap},
        {"source", &Player::source_sql},
        {"begin", [](Player& p, Line&) { p.source().begin(); }},
        {"commit", [](Player& p, Line&) { p.source().commit(); }},
        {"rollback", [](Player& p, Line&) { p.source().rollback(); }},
        {"epoch", [](Player& p, Line&) { p.run_epoch(); }},
        {"restart", &Player::restart},
        {"crash", &Player::crash},
        {"fail", &Player::fail},
        {"survive", &Player::survive},
        {"sink", &Player::sink_sql},
        {"audit", &Player::audit},
        {"expect", &Player::expect},
        {"remember", &Player::remember},
        {"untouched", [](Player& p, Line& line) { p.compare_with_memory(line, false); }},
        {"rewritten", [](Player& p, Line& line) { p.compare_with_memory(line, true); }},
        {"written", &Player::written},
        {"no", &Player::no_write},
        {"rejects", &Player::rejects},
        {"unmapped", &Player::unmapped},
        {"name", &Player::name},
        {"hierarchy", &Player::hierarchy},
        {"verify", &Player::verify_equal},
    };
    return kVerbs;
  }

  // ── The world ──

  World& world() {
    if (!world_) world_ = std::make_unique<World>(options_);
    return *world_;
  }
  support::SourceBuilder& source() {
    dirty_ = true;
    return world().source();
  }

  void world_options(Line& line) {
    if (world_) throw Fault("the world stands already: `world` comes first");
    while (!line.empty()) {
      const auto [name, value] = line.take_pair();
      if (name == "journal") {
        options_.source.product_wal = options_.source.ads_wal = value.text == "wal";
      } else if (name == "sink") {
        options_.sink_in_product_db = value.text == "product";
      } else if (name == "recursive_triggers") {
        options_.source.recursive_triggers = value.text == "on";
      } else if (name == "capture") {
        options_.machine.triggers = value.text == "triggers";
      } else {
        throw Fault("no such thing in a world: " + name);
      }
    }
  }

  void settings(Line& line) {
    support::MachineOptions& options = world().machine_options();
    while (!line.empty()) {
      const auto [name, value] = line.take_pair();
      if (name == "zone") {
        options.zone = value.text;
      } else if (name == "trial_length") {
        options.trial_length_days = static_cast<int>(number_of(value.text).value());
      } else if (name == "trial_started") {
        options.names.trial_started = value.text;
      } else if (name == "initial_purchase") {
        options.names.initial_purchase = value.text;
      } else if (name == "trial_converted") {
        options.names.trial_converted = value.text;
      } else if (name == "refund_contains") {
        options.names.refund_contains = value.text;
      } else {
        throw Fault("no setting is called " + name);
      }
    }
    world().restart();
    dirty_ = true;
  }

  void daemon_options(Line& line) {
    support::MachineOptions& options = world().machine_options();
    while (!line.empty()) {
      const auto [name, value] = line.take_pair();
      if (name == "shards") {
        options.shards = static_cast<std::size_t>(number_of(value.text).value());
      } else if (name == "workers") {
        options.workers = static_cast<std::size_t>(number_of(value.text).value());
      } else if (name == "capture") {
        options.triggers = value.text == "triggers";
      } else {
        throw Fault("no such thing in a daemon: " + name);
      }
    }
    world().restart();
    dirty_ = true;
  }

  void today(Line& line) {
    const auto day = parse_day(line.take("a day"));
    if (!day) throw Fault("no such day");
    world().today = *day;
    dirty_ = true;
  }

  // ── What the pipeline writes ──

  void user(Line& line) {
    Columns row{{"distinct_id", support::text(line.take("a user"))}};
    Columns given = take_columns(line, kUserColumns);
    bool said = false;
    for (const auto& [column, value] : given) said = said || column == "has_abi_attribution";
    if (!said) row.emplace_back("has_abi_attribution", support::whole(1));
    row.insert(row.end(), given.begin(), given.end());
    source().insert(support::kUsers, row);
  }

  void event(Line& line) {
    Columns row{{"distinct_id", support::text(line.take("a user"))}};
    const Word time = line.empty() ? Word{} : line.take_word();
    row.emplace_back("event_time", cell_of(time.text, time.quoted));
    std::string event_name;
    std::string uuid = "e" + std::to_string(++events_);
    while (!line.empty()) {
      if (line.next_is_pair()) {
        const auto [name, value] = line.take_pair();
        if (name == "as") {
          uuid = value.text;
        } else if (name == "revenue") {
          row.emplace_back("revenue_usd", cell_of(value.text, value.quoted));
        } else {
          throw Fault("an event has no " + name);
        }
        continue;
      }
      const Word word = line.take_word();
      if (!word.quoted && number_of(word.text)) {
        row.emplace_back("revenue_usd", cell_of(word.text, false));
      } else {
        event_name += (event_name.empty() ? "" : " ") + word.text;
      }
    }
    row.emplace_back("event_name", support::text(event_name));
    row.emplace_back("event_uuid", support::text(uuid));
    source().insert(support::kEvents, row);
  }

  void product(Line& line) {
    const std::string id = line.take("a product row's number");
    Columns row{{"user_product_id", cell_of(id, false)}, {"distinct_id", support::text(line.take("a user"))}};
    const Columns given = take_columns(line, kProductColumns);
    row.insert(row.end(), given.begin(), given.end());
    source().insert(support::kProducts, row);
  }

  /// Takes `AD DATE`, and `country=…` (or region, device) where it stands next; the table that they name.
  std::string take_meta_key(Line& line, Columns& key) {
    const Word ad = line.take_word();
    key.emplace_back("ad_id", cell_of(ad.text, true));
    const Word date = line.empty() ? Word{} : line.take_word();
    key.emplace_back("date", cell_of(date.text, date.quoted));
    if (!line.next_is_pair()) return std::string(support::kMetaDaily);
    const std::string column = line.peek().text.substr(0, line.peek().text.find('='));
    const auto table = kBreakdownTables.find(column);
    if (table == kBreakdownTables.end()) return std::string(support::kMetaDaily);
    const auto [name, value] = line.take_pair();
    key.emplace_back(name, cell_of(value.text, value.quoted));
    return table->second;
  }

  void meta(Line& line) {
    Columns row;
    const std::string table = take_meta_key(line, row);
    const Columns given = take_columns(line, kMetaColumns);
    row.insert(row.end(), given.begin(), given.end());
    source().insert(table, row);
  }

  struct Mapping {
    std::string_view table;
    const char* from;
    const char* to;
  };
  static Mapping take_mapping(Line& line) {
    const std::string kind = line.take("country or device");
    if (kind == "country") return {support::kCountryMapping, "meta_country_name", "mixpanel_country_code"};
    if (kind == "device") return {support::kDeviceMapping, "meta_device_type", "mixpanel_store_category"};
    throw Fault("no mapping is called " + kind);
  }

  /// `mapping country "United States" US [inactive]`: makes the table as well.
  void mapping(Line& line) {
    const Mapping mapping = take_mapping(line);
    if (!source().exists(mapping.table)) source().create_table(mapping.table);
    const std::string from = line.take("Meta's value");
    const Word to = line.empty() ? Word{"NULL", false} : line.take_word();
    const bool inactive = line.take_if("inactive");
    source().insert(mapping.table, {{mapping.from, support::text(from)},
                                    {mapping.to, cell_of(to.text, to.quoted)},
                                    {"is_active", support::whole(inactive ? 0 : 1)}});
  }

  void update(Line& line) {
    const std::string what = line.take("what to update");
    std::int64_t changed = 0;
    if (what == "user") {
      const std::string id = line.take("a user");
      changed =
          source().update(support::kUsers, take_columns(line, kUserColumns), {{"distinct_id", support::text(id)}});
    } else if (what == "event") {
      const std::string id = line.take("an event");
      changed =
          source().update(support::kEvents, take_columns(line, kEventColumns), {{"event_uuid", support::text(id)}});
    } else if (what == "product") {
      const std::string id = line.take("a product row's number");
      changed = source().update(support::kProducts, take_columns(line, kProductColumns),
                                {{"user_product_id", cell_of(id, false)}});
    } else if (what == "meta") {
      Columns key;
      const std::string table = take_meta_key(line, key);
      changed = source().update(table, take_columns(line, kMetaColumns), key);
    } else {
      throw Fault("nothing of that kind can be updated: " + what);
    }
    if (changed == 0) throw Fault("there is no such row");
  }

  void erase(Line& line) {
    const std::string what = line.take("what to delete");
    std::int64_t gone = 0;
    if (what == "user") {
      gone = source().erase(support::kUsers, {{"distinct_id", support::text(line.take("a user"))}});
    } else if (what == "event") {
      gone = source().erase(support::kEvents, {{"event_uuid", support::text(line.take("an event"))}});
    } else if (what == "product") {
      gone = source().erase(support::kProducts, {{"user_product_id", cell_of(line.take("a product row"), false)}});
    } else if (what == "meta") {
      Columns key;
      const std::string table = take_meta_key(line, key);
      gone = source().erase(table, key);
    } else if (what == "mapping") {
      const Mapping mapping = take_mapping(line);
      gone = source().erase(mapping.table, {{mapping.from, support::text(line.take("Meta's value"))}});
    } else {
      throw Fault("nothing of that kind can be deleted: " + what);
    }
    if (gone == 0) throw Fault("there is no such row");
  }

  /// `reload day 2026-01-03` as the pipeline does it; `reload TABLE` in one transaction.
  void reload(Line& line) {
    if (!line.take_if("day")) return source().reload_table(line.take("a table"));
    if (unloaded_.empty()) unloaded_ = source().unload_day(line.take("a day"));
    source().load(support::kEvents, unloaded_);
    unloaded_.clear();
  }
  /// The first half of a day's reload; `reload day …` is the second.
  void unload(Line& line) {
    if (!line.take_if("day")) throw Fault("only a day can be unloaded");
    unloaded_ = source().unload_day(line.take("a day"));
    if (unloaded_.empty()) throw Fault("that day has no event");
  }

  void drop(Line& line) { source().drop_table(line.take("a table")); }
  void create(Line& line) { source().create_table(line.take("a table")); }
  void recreate(Line& line) { source().drop_and_recreate(line.take("a table")); }
  void swap(Line& line) { source().rename_swap(line.take("a table")); }

  static std::string rest(Line& line) {
    std::string text;
    while (!line.empty()) text += (text.empty() ? "" : " ") + line.take("SQL");
    return text;
  }
  void source_sql(Line& line) {
    const std::string table = line.take("a table");
    source().sql(table, rest(line));
  }

  // ── What the daemon does ──

  void run_epoch() {
    report_ = world().epoch();
    dirty_ = false;
    settled();
  }
  void settle() {
    if (source_open()) throw Fault("a source transaction is open");
    if (dirty_) run_epoch();
  }
  [[nodiscard]] bool source_open() const { return world_ && world_->source().in_transaction(); }
  void settled() {
    if (report_->audited) trusted_ = true;
    if (!trusted_) return;
    const std::vector<std::string> wrong = world().wrong();
    if (!wrong.empty()) throw Fault("not what a recomputation gives:\n" + support::told(wrong));
  }

  void restart(Line& line) {
    if (line.take_if("without")) {
      if (!line.take_if("ledger")) throw Fault("without what?");
      world().restart_without_ledger();
    } else {
      world().restart();
    }
    dirty_ = true;
  }

  std::string take_moment(Line& line, int& nth) {
    nth = 1;
    if (line.take_if("between")) {
      if (line.take("sink") != "sink" || line.take("and") != "and" || line.take("ledger") != "ledger")
        throw Fault("between what?");
      return std::string(support::kLedgerCommit);
    }
    if (!line.take_if("at")) throw Fault("expected `at MOMENT` or `between sink and ledger`");
    std::string moment = line.take("a moment");
    if (!line.empty()) nth = static_cast<int>(number_of(line.take("a number")).value_or(1));
    return moment;
  }

  /// The machine loses power at that moment of the next epoch, which begins now.
  void crash(Line& line) {
    int nth = 1;
    const std::string moment = take_moment(line, nth);
    world().kill_at(moment, nth);
    static_cast<void>(world().try_epoch());
    if (!world().killed()) throw Fault("the epoch never came to " + moment);
    world().revive();
    dirty_ = true;
  }

  /// The next epoch fails there, and is given up.
  void fail(Line& line) {
    int nth = 1;
    const std::string moment = take_moment(line, nth);
    world().fail_at(moment, nth);
    const auto report = world().try_epoch();
    if (world().fault_pending()) throw Fault("the epoch never came to " + moment);
    if (report.ok()) throw Fault("the epoch did not fail");
    dirty_ = true;
  }

  /// The next epoch meets a failure there, and succeeds all the same.
  void survive(Line& line) {
    int nth = 1;
    const std::string moment = take_moment(line, nth);
    world().fail_at(moment, nth, Errc::kBusy);
    world().request.retry_sink = [](const std::string&, const Error&, int) { return true; };
    run_epoch();
    if (world().fault_pending()) throw Fault("the epoch never came to " + moment);
  }

  /// Somebody else writes into our tables.
  void sink_sql(Line& line) {
    settle();
    world().sink_sql(rest(line));
    trusted_ = false;
  }

  void audit(Line& line) {
    world().request.reconcile = true;
    world().request.audit = true;
    if (line.next_is_pair()) {
      const auto [name, value] = line.take_pair();
      if (name != "since") throw Fault("an audit has no " + name);
      world().request.audit_since = parse_day(value.text);
    }
    run_epoch();
  }

  // ── What must be true ──

  struct Place {
    std::string_view table;
    std::string key;
  };
  Place take_place(Line& line) {
    const std::string level = line.take("a level");
    if (level != "ad" && level != "adset" && level != "campaign") throw Fault("no level is called " + level);
    const std::string id = line.take("an id");
    std::string key = level + '|' + id + '|' + line.take("a day");
    if (line.next_is_pair()) {
      const std::string& next = line.peek().text;
      for (const char* type : {"country", "region", "device"}) {
        const std::string prefix = std::string(type) + '=';
        if (!next.starts_with(prefix)) continue;
        key += std::string("|") + type + '|' + next.substr(prefix.size());
        line.take_pair();
        return {kBreakdownTable, key};
      }
    }
    return {kMainTable, key};
  }

  void expect_columns(Line& line, std::string_view table, const std::string& key, const Names& names = {}) {
    const support::StoredTables stored = world().stored();
    const support::StoredTable& rows = stored.table(table);
    const auto row = rows.rows.find(key);
    if (line.take_if("none")) {
      if (row != rows.rows.end()) throw Fault("there is such a row");
      return;
    }
    if (row == rows.rows.end()) throw Fault("there is no such row");
    std::string wrong;
    while (!line.empty()) {
      const auto [name, value] = line.take_pair();
      const auto renamed = names.find(name);
      const std::string column = renamed == names.end() ? name : renamed->second;
      const auto found = std::find(rows.columns.begin(), rows.columns.end(), column);
      if (found == rows.columns.end()) throw Fault("no column is called " + column);
      const std::string& is = row->second.values[static_cast<std::size_t>(found - rows.columns.begin())];
      if (!same_value(value.text, is)) wrong += (wrong.empty() ? "" : "; ") + column + " is " + is;
    }
    if (!wrong.empty()) throw Fault(wrong);
  }

  void expect(Line& line) {
    settle();
    const Place place = take_place(line);
    expect_columns(line, place.table, place.key);
  }

  void remember(Line&) {
    settle();
    memory_ = world().stored();
  }

  void compare_with_memory(Line& line, bool rewritten) {
    settle();
    if (!memory_) throw Fault("nothing was remembered");
    const Place place = take_place(line);
    const support::StoredTables stored = world().stored();
    const auto& before = memory_->table(place.table).rows;
    const auto& now = stored.table(place.table).rows;
    const auto was = before.find(place.key);
    const auto is = now.find(place.key);
    if (was == before.end() || is == now.end()) throw Fault("there is no such row, or was none");
    if (was->second.metric_id != is->second.metric_id) throw Fault("its metric_id changed");
    const bool moved = was->second.written_at != is->second.written_at;
    if (moved != rewritten) throw Fault(moved ? "it was written" : "it was not written");
  }

  std::int64_t take_count(Line& line) {
    const auto number = number_of(line.take("a number"));
    if (!number) throw Fault("expected a number");
    return static_cast<std::int64_t>(*number);
  }

  void written(Line& line) {
    settle();
    const std::int64_t rows = take_count(line);
    if (!line.take_if("deleted")) throw Fault("expected `written N deleted N`");
    const std::int64_t deleted = take_count(line);
    const SinkReceipt receipt = receipt_of_last();
    if (receipt.inserted + receipt.updated != rows || receipt.deleted != deleted) {
      throw Fault("written " + std::to_string(receipt.inserted + receipt.updated) + " deleted " +
                  std::to_string(receipt.deleted));
    }
  }
  void no_write(Line& line) {
    if (!line.take_if("write")) throw Fault("no what?");
    settle();
    const SinkReceipt receipt = receipt_of_last();
    if (receipt.written() != 0) {
      throw Fault("inserted " + std::to_string(receipt.inserted) + ", updated " + std::to_string(receipt.updated) +
                  ", deleted " + std::to_string(receipt.deleted));
    }
  }
  [[nodiscard]] SinkReceipt receipt_of_last() const {
    if (!report_) throw Fault("no epoch has run");
    return report_->receipts.empty() ? SinkReceipt{} : report_->receipts.front();
  }

  void rejects(Line& line) {
    settle();
    const std::int64_t expected = take_count(line);
    std::int64_t rows = 0;
    std::string all;
    for (const std::string& kind : world().rejects()) {
      rows += static_cast<std::int64_t>(number_of(kind.substr(kind.rfind(' ') + 1)).value_or(0));
      all += "; " + kind;
    }
    if (rows != expected) throw Fault("rejects " + std::to_string(rows) + all);
  }

  /// `unmapped device tv country "United States"`, in any order; `unmapped none`.
  void unmapped(Line& line) {
    settle();
    std::vector<std::string> found;
    for (const UnmappedValue& value : world().machine().engine().unmapped()) {
      found.push_back(std::string(name_of(value.breakdown)) + ' ' + value.value);
    }
    std::vector<std::string> expected;
    if (!line.take_if("none")) {
      while (!line.empty()) {
        const std::string kind = line.take("country or device");
        expected.push_back(kind + ' ' + line.take("Meta's value"));
      }
    }
    std::sort(found.begin(), found.end());
    std::sort(expected.begin(), expected.end());
    if (found != expected) throw Fault("unmapped are\n" + support::told(found));
  }

  /// `name campaign c1 = Spring Sale count=3 last=2026-01-05`, `name ad a1 none`.
  void name(Line& line) {
    settle();
    std::string key = line.take("a level");
    key += '|' + line.take("an id");
    std::vector<Word> rewritten;
    if (line.take_if("=")) {
      std::string text;
      while (!line.empty() && !line.next_is_pair()) text += (text.empty() ? "" : " ") + line.take("a name");
      rewritten.push_back({"canonical_name=" + text, false});
    }
    while (!line.empty()) rewritten.push_back(line.take_word());
    Line columns(std::move(rewritten));
    expect_columns(columns, kNameTable, key, {{"count", "frequency_count"}, {"last", "last_seen_date"}});
    columns.must_end();
  }

  /// `hierarchy a1 = s1 c1 confidence=0.67 first=… last=…`, `hierarchy a1 none`.
  void hierarchy(Line& line) {
    settle();
    const std::string ad = line.take("an ad");
    std::vector<Word> rewritten;
    if (line.take_if("=")) {
      rewritten.push_back({"adset_id=" + line.take("an ad set"), false});
      rewritten.push_back({"campaign_id=" + line.take("a campaign"), false});
    }
    while (!line.empty()) rewritten.push_back(line.take_word());
    Line columns(std::move(rewritten));
    expect_columns(
        columns, kHierarchyTable, ad,
        {{"confidence", "relationship_confidence"}, {"first", "first_seen_date"}, {"last", "last_seen_date"}});
    columns.must_end();
  }

  void verify_equal(Line& line) {
    if (!line.take_if("equal")) throw Fault("expected `verify equal`");
    settle();
    const VerifyReport report = support::must(world().verified());
    if (!report.equal()) throw Fault("verify found " + std::to_string(report.difference_count) + " differences");
    if (support::rejects_of(report) != world().rejects()) throw Fault("verify counts other rejects than the ledger");
  }

  support::WorldOptions options_;
  std::unique_ptr<World> world_;
  std::optional<EpochReport> report_;
  std::optional<support::StoredTables> memory_;
  std::vector<Columns> unloaded_;
  bool dirty_ = false;
  bool trusted_ = true;  // nobody else wrote into our tables since they were last audited
  int events_ = 0;
};

}  // namespace

std::vector<Story> read_stories(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot read " + path);
  std::vector<Story> stories;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    constexpr std::string_view kBegin = "story ";
    if (line.starts_with(kBegin)) {
      stories.push_back({line.substr(kBegin.size()), path.substr(path.rfind('/') + 1), number + 1, {}});
    } else if (!stories.empty()) {
      stories.back().lines.push_back(line);
    } else if (!line.empty() && line.front() != '#') {
      throw std::runtime_error(path + ':' + std::to_string(number) + ": stands before any story");
    }
  }
  return stories;
}

std::string play(const Story& story, support::WorldOptions options) {
  Player player(std::move(options));
  for (std::size_t i = 0; i <= story.lines.size(); ++i) {
    const bool end = i == story.lines.size();
    try {
      end ? player.end() : player.play_line(story.lines[i]);
    } catch (const std::exception& fault) {
      return story.file + ':' + std::to_string(story.first_line + static_cast<int>(i)) + ": " + fault.what() + "\n  " +
             (end ? "at the end of the story" : story.lines[i]);
    }
  }
  return "";
}

}  // namespace admetrics
