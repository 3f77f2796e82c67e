#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

#include "core/sqlite/database.hpp"
#include "demo/demo.hpp"
#include "demo/rows.hpp"
#include "demo/schema.hpp"
#include "demo/world.hpp"

namespace admetrics::demo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "admetricsd.toml";
constexpr const char* kPartialSuffix = ".partial";  // what is not whole never carries the real name
constexpr int kBusyTimeoutMs = 10'000;
constexpr std::int64_t kTransactionEventsMax = 200'000;
constexpr std::int64_t kAdsDefaultMin = 10;
constexpr std::int64_t kAdsDefaultMax = 5'000;

/// Nothing else has the file while it is written, and a half-written one is thrown away: no journal, no waits.
constexpr const char* kBulkPragmas = "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=FILE";

// Random event ids visit all of their index, so its pages should stay; sorting for an index takes as much again.
constexpr const char* kLargeCache = "PRAGMA cache_size=-262144";
constexpr const char* kSmallCache = "PRAGMA cache_size=-32768";

Error usage(std::string where, std::string detail) {
  return {Errc::kUsage, "write the demo source", std::move(where), std::move(detail)};
}

Status check(const DemoOptions& options) {
  if (options.dir.empty()) return usage("dir", "name a folder");
  if (options.users < 1 || options.users > kUsersMax) {
    return usage("users", "must be between 1 and " + std::to_string(kUsersMax));
  }
  if (options.days < 1 || options.days > kDaysMax)
    return usage("days", "must be between 1 and " + std::to_string(kDaysMax));
  if (options.ads < 0 || options.ads > kAdsMax) return usage("ads", "must be between 0 and " + std::to_string(kAdsMax));
  if (options.event_json_bytes < 0 || options.event_json_bytes > kEventJsonBytesMax) {
    return usage("event_json_bytes", "must be between 0 and " + std::to_string(kEventJsonBytesMax));
  }
  if (!options.last_day) return usage("last_day", "say which day is the last");
  if (*options.last_day < day_from_civil(1971 + options.days / 365, 1, 1) ||
      *options.last_day > day_from_civil(9990, 1, 1)) {
    return usage("last_day", "must leave room for the days before it since 1970, and be before the year 9990");
  }
  return {};
}

/// Fails unless there is no such file, or it is ours and nobody has it open.
Status ensure_replaceable(const std::string& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return {};
  const Error foreign =
      usage(path, "exists and was not written by `admetricsd demo`; choose another folder or move it away");
  {
    auto reader = sqlite::Connection::open(path, sqlite::OpenMode::kReadOnly, kBusyTimeoutMs);
    if (!reader) return reader.error().code == Errc::kCorrupt ? foreign : std::move(reader).error();
    const auto marked =
        (*reader)->query_integer(std::string("SELECT count(*) FROM sqlite_schema WHERE name = '") + kMarkerTable + "'");
    if (!marked || *marked == 0) return foreign;
  }
  // Leaving WAL mode needs the file for oneself: the plainest way to learn whether somebody has it open.
  ADM_ASSIGN(auto writer, sqlite::Connection::open(path, sqlite::OpenMode::kReadWrite, 0));
  const auto left = writer->query_text("PRAGMA journal_mode=DELETE");
  if (!left || *left != "delete") {
    return Error{Errc::kBusy, "write the demo source", path, "is open in another program; stop that first"};
  }
  return writer->execute("PRAGMA journal_mode=WAL");
}

Status remove_database(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code failed;
    fs::remove(path + suffix, failed);
    if (failed) return Error{Errc::kIo, "remove the old database", path + suffix, failed.message()};
  }
  return {};
}

/// The new file takes the old one's name.
Status put_in_place(const std::string& path) {
  ADM_TRY(remove_database(path));
  std::error_code failed;
  fs::rename(path + kPartialSuffix, path, failed);
  if (failed) return Error{Errc::kIo, "put the demo database in place", path, failed.message()};
  return {};
}

Status write_config(const DemoOptions& options) {
  const std::string path = options.dir + "/" + kConfigFile;
  std::error_code ignored;
  if (fs::exists(path, ignored)) return {};
  std::ofstream file(path);
  file << "# Written by `admetricsd demo`. Try: admetricsd run --config " << kConfigFile << "\n\n"
       << "[source.sqlite]\n"
       << "product_db = \"" << kProductFile << "\"\n"
       << "ads_db     = \"" << kAdsFile << "\"\n\n"
       << "[state]\n"
       << "dir = \"state/\"\n\n"
       << "[reporting]\n"
       << "time_zone = \"UTC\"\n"
       << "# as_of = \"" << format_day(*options.last_day)
       << "\"   # the sample's last day, to replay it on a later one\n\n"
       << "[http]\n"
       << "listen = \"127.0.0.1:8787\"\n";
  file.close();
  if (!file) return Error{Errc::kIo, "write the demo configuration", path, "could not be written"};
  return {};
}

/// One run of `write_source`: owns the two new databases until they are whole.
class SourceWriter {
 public:
  SourceWriter(const DemoOptions& options, std::int64_t ads)
      : options_(options),
        first_day_{options.last_day->value - options.days + 1},
        known_until_((static_cast<std::int64_t>(options.last_day->value) + 1) * kDaySeconds - 1),
        ads_count_(ads),
        world_(options.seed, first_day_, options.days, options.users, ads),
        composer_(world_, options.event_json_bytes),
        planned_(static_cast<std::size_t>(options.days)) {}

  Status write() {
    ADM_TRY(open());
    for (int d = 0; d < options_.days; ++d) {
      const DayMarket market = world_.market_on(Day{first_day_.value + d});
      ADM_TRY(write_people(market));
      ADM_TRY(write_events(market.day));
      ADM_TRY(write_meta(market));
      progress_.days_done = d + 1;
      tell("rows");
    }
    ADM_TRY(write_mappings());
    ADM_TRY(write_mistakes());
    ADM_TRY(write_marker(*product_));
    ADM_TRY(write_marker(*ads_));
    ADM_TRY(product_->commit());
    ADM_TRY(ads_->commit());
    tell("indexes");
    ADM_TRY(product_->execute(kSmallCache));
    ADM_TRY(product_->execute("PRAGMA shrink_memory"));
    ADM_TRY(product_->execute(kProductIndexes));
    ADM_TRY(ads_->execute(kAdsIndexes));
    return close();
  }

  void tell(const char* stage) {
    progress_.stage = stage;
    progress_.days_total = options_.days;
    if (options_.progress) options_.progress(progress_);
  }

 private:
  Result<std::unique_ptr<sqlite::Connection>> create(const char* file, const char* tables, const char* cache) {
    const std::string path = options_.dir + "/" + file + kPartialSuffix;
    ADM_TRY(remove_database(path));
    ADM_ASSIGN(auto connection, sqlite::Connection::open(path, sqlite::OpenMode::kCreate, kBusyTimeoutMs));
    ADM_TRY(connection->execute(kBulkPragmas));
    ADM_TRY(connection->execute(cache));
    ADM_TRY(connection->execute(tables));
    ADM_TRY(connection->begin_immediate());
    return connection;
  }

  Status open() {
    ADM_ASSIGN(product_, create(kProductFile, kProductTables, kLargeCache));
    ADM_ASSIGN(ads_, create(kAdsFile, kAdsTables, kSmallCache));
    ADM_ASSIGN(users_, UserRows::prepare(*product_, "INSERT"));
    ADM_ASSIGN(events_, EventRows::prepare(*product_, "INSERT"));
    ADM_ASSIGN(products_, ProductRows::prepare(*product_, "INSERT"));
    for (std::size_t table = 0; table < meta_.size(); ++table) {
      ADM_ASSIGN(meta_[table], MetaRows::prepare(*ads_, "INSERT", static_cast<MetaTable>(table)));
    }
    ADM_ASSIGN(whole_day_, product_->prepare("INSERT INTO processed_event_days VALUES (?, ?, ?, 'complete')"));
    return {};
  }

  /// The day's new people, what the product knows of them, and a note of what they will do.
  Status write_people(const DayMarket& market) {
    for (std::int64_t i = 0; i < market.user_count; ++i) {
      const auto user = static_cast<std::uint32_t>(market.first_user + i);
      world_.imagine_person(user, market, std::nullopt, known_until_, person_);
      if (person_.listed) {
        ADM_TRY(users_.write(composer_.user(person_, std::max(person_.arrived, known_until_ - kDaySeconds))));
        ++progress_.users;
      }
      for (const ProductUse& use : person_.products) {
        ADM_TRY(products_.write(composer_.product(person_, use, known_until_)));
        ++progress_.products;
      }
      for (const PersonEvent& event : person_.events) {
        planned_[static_cast<std::size_t>(event.second / kDaySeconds - first_day_.value)].push_back(event);
      }
    }
    return {};
  }

  /// In order of time, as a pipeline that loads day after day leaves them.
  Status write_events(Day day) {
    std::vector<PersonEvent> events = std::move(planned_[static_cast<std::size_t>(day.value - first_day_.value)]);
    std::sort(events.begin(), events.end(), [](const PersonEvent& a, const PersonEvent& b) {
      if (a.second != b.second) return a.second < b.second;
      return a.user != b.user ? a.user < b.user : a.ordinal < b.ordinal;
    });
    for (const PersonEvent& event : events) {
      ADM_TRY(events_.write(
          composer_.event(event, world_.person_id(event.user), world_.event_id(event.user, event.ordinal))));
    }
    const auto count = static_cast<std::int64_t>(events.size());
    progress_.events += count;
    const std::string date = format_day(day);
    const std::string processed =
        format_event_time((static_cast<std::int64_t>(day.value) + 1) * kDaySeconds + std::int64_t{3} * 3'600);
    whole_day_.bind(1, date);
    whole_day_.bind(2, count);
    whole_day_.bind(3, processed);
    ADM_TRY(whole_day_.run());

    open_events_ += count;
    if (open_events_ < kTransactionEventsMax) return {};
    open_events_ = 0;
    ADM_TRY(product_->commit());
    return product_->begin_immediate();
  }

  Status write_meta(const DayMarket& market) {
    const std::string date = format_day(market.day);
    for (std::size_t i = 0; i < market.ads.size(); ++i) {
      const std::uint32_t ad = market.ads[i];
      const MetaNumbers numbers = world_.meta_numbers(market, i);
      if (numbers.spend_cents == 0) continue;  // not delivered on that day
      const AdSet& adset = world_.adsets()[world_.adset_of(ad, market.day)];
      MetaRow row;
      row.ad_id = world_.ads()[ad].id;
      row.date = date;
      row.adset_id = adset.id;
      row.campaign_id = world_.campaigns()[adset.campaign].id;
      row.ad_name = world_.ads()[ad].name;
      row.adset_name = adset.name;
      row.campaign_name = world_.campaign_name_on(adset.campaign, market.day);
      row.numbers = numbers;
      ADM_TRY(write_meta_row(MetaTable::kDaily, row));
      ADM_TRY(write_slices(MetaTable::kCountry, row, numbers, world_.country_slices(ad, market.day)));
      ADM_TRY(write_slices(MetaTable::kRegion, row, numbers, world_.region_slices(ad, market.day)));
      ADM_TRY(write_slices(MetaTable::kDevice, row, numbers, world_.device_slices(ad, market.day)));
    }
    return {};
  }

  Status write_slices(MetaTable table, MetaRow row, const MetaNumbers& total, const std::vector<Slice>& slices) {
    const std::vector<MetaNumbers> parts = split(total, slices);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].none()) continue;
      row.value = slices[i].value;
      row.numbers = parts[i];
      ADM_TRY(write_meta_row(table, row));
    }
    return {};
  }

  Status write_meta_row(MetaTable table, const MetaRow& row) {
    ++progress_.meta_rows;
    return meta_[static_cast<std::size_t>(table)].write(row);
  }

  /// All that the market knows, but for what is there to show as unmapped.
  Status write_mappings() {
    ADM_ASSIGN(auto country, product_->prepare("INSERT INTO meta_country_mapping VALUES (?, ?, ?, ?)"));
    ADM_ASSIGN(auto device, product_->prepare("INSERT INTO meta_device_mapping VALUES (?, ?, 1, ?)"));
    const std::string created = format_event_time(first_day_.value * kDaySeconds);
    bool inactive_written = false;
    for (const Country& c : countries()) {
      if (!c.mapped && inactive_written) continue;
      country.bind(1, c.meta_name);
      country.bind(2, c.code);
      country.bind(3, std::int64_t{c.mapped ? 1 : 0});
      country.bind(4, created);
      ADM_TRY(country.run());
      inactive_written = inactive_written || !c.mapped;
    }
    for (const Device& d : devices()) {
      if (!d.mapped) continue;
      device.bind(1, d.meta_name);
      device.bind(2, mapped_name_of(d.store));
      device.bind(3, created);
      ADM_TRY(device.run());
    }
    device.bind(1, std::string_view("unknown"));
    device.bind(2, mapped_name_of(Store::kStripe));
    device.bind(3, created);
    return device.run();
  }

  /// Twenty rows that no reader can take at their word, so that rejects have something to show.
  Status write_mistakes() {
    constexpr std::array<std::string_view, 8> kTimes{"13/07/2025 10:22",
                                                     "yesterday",
                                                     "",
                                                     "2025-13-01T10:00:00Z",
                                                     "2025-07-01",
                                                     "2025-07-01T24:00:00Z",
                                                     "1752394953",
                                                     "2025-07-01T10:00:00+0200"};
    constexpr std::array<std::string_view, 8> kRevenues{"n/a", "free", "9,99", "USD 9.99", "-", "null", "€49", "tbd"};
    constexpr std::uint32_t kMistakeOrdinal = 60'000;
    constexpr std::size_t kEventMistakes = kTimes.size() + kRevenues.size();
    const std::int64_t second = known_until_ - kDaySeconds / 2;
    for (std::size_t i = 0; i < kEventMistakes; ++i) {
      PersonEvent event;
      event.user = mistaken_user(i, kEventMistakes);
      event.second = second - static_cast<std::int64_t>(i) * 60;
      event.ordinal = static_cast<std::uint16_t>(kMistakeOrdinal + i);
      event.kind = i % 2 == 0 ? EventKind::kTrialStarted : EventKind::kInitialPurchase;
      const std::string id = world_.person_id(event.user);
      const std::string uuid = world_.event_id(event.user, event.ordinal);
      EventRow row = composer_.event(event, id, uuid);
      if (i < kTimes.size()) {
        row.time = kTimes[i];
      } else {
        row.revenue_text = kRevenues[i - kTimes.size()];
      }
      ADM_TRY(events_.write(row));
      ++progress_.events;
    }
    constexpr std::size_t kProductMistakes = 2;
    ADM_ASSIGN(auto replace, ProductRows::prepare(*product_, "INSERT OR REPLACE"));
    for (std::size_t i = 0; i < kProductMistakes; ++i) {
      Person person;
      person.id = world_.person_id(mistaken_user(i, kProductMistakes));
      ProductUse use;
      use.product = static_cast<std::uint8_t>(i);
      use.credited = *options_.last_day;
      ProductRow row = composer_.product(person, use, known_until_);
      row.rate_text = "#DIV/0!";
      ADM_TRY(replace.write(row));
      ++progress_.products;
    }
    for (const std::string_view date : {"2025-02-30", "Total"}) {
      MetaRow row;
      row.ad_id = world_.ads().front().id;
      row.date = date;
      row.campaign_id = world_.campaigns().front().id;
      ADM_TRY(write_meta_row(MetaTable::kDaily, row));
    }
    return {};
  }

  [[nodiscard]] std::uint32_t mistaken_user(std::size_t index, std::size_t count) const {
    return static_cast<std::uint32_t>(options_.users * static_cast<std::int64_t>(index) /
                                      static_cast<std::int64_t>(count));
  }

  /// What the live pipeline must know to go on in the same world.
  Status write_marker(sqlite::Connection& connection) {
    ADM_ASSIGN(auto insert, connection.prepare(std::string("INSERT INTO ") + kMarkerTable + " VALUES (?, ?)"));
    const std::array<std::pair<std::string_view, std::string>, 7> facts{{
        {"written_by", "admetricsd demo"},
        {"seed", std::to_string(options_.seed)},
        {"users", std::to_string(options_.users)},
        {"days", std::to_string(options_.days)},
        {"last_day", format_day(*options_.last_day)},
        {"ads", std::to_string(ads_count_)},
        {"event_json_bytes", std::to_string(options_.event_json_bytes)},
    }};
    for (const auto& [name, value] : facts) {
      insert.bind(1, name);
      insert.bind(2, value);
      ADM_TRY(insert.run());
    }
    return {};
  }

  /// Leaves each file in WAL mode with nothing beside it: its last statement and connection go first.
  Status close() {
    users_ = {};
    events_ = {};
    products_ = {};
    meta_ = {};
    whole_day_ = {};
    for (auto* connection : {&product_, &ads_}) {
      ADM_ASSIGN(const std::string mode, (*connection)->query_text("PRAGMA journal_mode=WAL"));
      if (mode != "wal") {
        return Error{Errc::kUnsupported, "turn on WAL mode", (*connection)->path(),
                     "the file system does not allow it"};
      }
      connection->reset();
    }
    return {};
  }

  const DemoOptions& options_;
  const Day first_day_;
  const std::int64_t known_until_;
  const std::int64_t ads_count_;
  const World world_;
  RowComposer composer_;

  // The connections outlive the statements below.
  std::unique_ptr<sqlite::Connection> product_;
  std::unique_ptr<sqlite::Connection> ads_;
  UserRows users_;
  EventRows events_;
  ProductRows products_;
  std::array<MetaRows, 4> meta_;
  sqlite::Statement whole_day_;

  std::vector<std::vector<PersonEvent>> planned_;  // by day; only the days ahead hold anything
  Person person_;
  std::int64_t open_events_ = 0;
  DemoProgress progress_;
};

}  // namespace

Status write_source(const DemoOptions& options) {
  ADM_TRY(check(options));
  std::error_code failed;
  fs::create_directories(options.dir, failed);
  if (failed) return Error{Errc::kIo, "create the demo folder", options.dir, failed.message()};

  const std::string product = options.dir + "/" + kProductFile;
  const std::string ads = options.dir + "/" + kAdsFile;
  // Before the work, so that the answer comes at once; and after it, because it takes a while.
  ADM_TRY(ensure_replaceable(product));
  ADM_TRY(ensure_replaceable(ads));
  const std::int64_t ads_count =
      options.ads > 0 ? options.ads : std::clamp(options.users / 200, kAdsDefaultMin, kAdsDefaultMax);
  SourceWriter writer(options, ads_count);
  Status written = writer.write();
  if (written) written = ensure_replaceable(product);
  if (written) written = ensure_replaceable(ads);
  if (!written) return written;
  ADM_TRY(put_in_place(product));
  ADM_TRY(put_in_place(ads));
  ADM_TRY(write_config(options));
  writer.tell("done");
  return {};
}

}  // namespace admetrics::demo
