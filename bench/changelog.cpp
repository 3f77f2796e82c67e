// What a change log costs: parsing alone, landing rows, and landing rows and metric rows, beside bare SQLite inserting the
// same landing rows in the same run. Users with a product and some eight events each, of 500 ads.
//   bench_changelog [RECORDS]      prints one line of JSON a measurement
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/engine/engine.hpp"
#include "core/sqlite/database.hpp"
#include "sinks/sqlite/sqlite_sink.hpp"
#include "sources/changelog/changelog_source.hpp"
#include "sources/changelog/landing_tables.hpp"
#include "sources/changelog/record_parser.hpp"
#include "state/ledger_store.hpp"

namespace {

using namespace admetrics;

class BenchClock : public Clock {
 public:
  [[nodiscard]] Instant now() const override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return {std::chrono::duration_cast<std::chrono::seconds>(since).count(), 0};
  }
  [[nodiscard]] std::int64_t steady_micros() const override {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

double seconds_of(const std::function<void()>& work) {
  const BenchClock clock;
  const std::int64_t before = clock.steady_micros();
  work();
  return static_cast<double>(clock.steady_micros() - before) / 1e6;
}

void must(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.error().line().c_str());
  std::exit(1);
}

constexpr const char* kPragmas =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; "
    "PRAGMA wal_autocheckpoint = 8192";

/// One row of one of three tables.
struct Row {
  enum class Table : std::uint8_t { kUser, kProduct, kEvent } table = Table::kEvent;
  std::string key;  // of an event
  std::string user;
  std::string time;
  std::int64_t number = 0;  // of an ad, of a product row
  double money = 0;
};

std::string json_of(const Row& row, std::size_t seq) {
  std::array<char, 640> text;
  int size = 0;
  switch (row.table) {
    case Row::Table::kUser:
      size = std::snprintf(text.data(), text.size(),
                           R"({"table":"mixpanel_user","op":"upsert","seq":%zu,"row":{"distinct_id":"%s",)"
                           R"("abi_ad_id":"ad-%lld","abi_campaign_id":"campaign-%lld","abi_ad_set_id":"set-%lld",)"
                           R"("country":"US","region":"California","has_abi_attribution":true}})"
                           "\n",
                           seq, row.user.c_str(), static_cast<long long>(row.number),
                           static_cast<long long>(row.number / 25), static_cast<long long>(row.number / 5));
      break;
    case Row::Table::kProduct:
      size = std::snprintf(text.data(), text.size(),
                           R"({"table":"user_product_metrics","op":"upsert","seq":%zu,"row":{"user_product_id":%lld,)"
                           R"("distinct_id":"%s","product_id":"year","credited_date":"%s","store":"app_store",)"
                           R"("current_value":%.2f,"trial_conversion_rate":0.25,)"
                           R"("trial_converted_to_refund_rate":0.05,"initial_purchase_to_refund_rate":0.02}})"
                           "\n",
                           seq, static_cast<long long>(row.number), row.user.c_str(), row.time.c_str(), row.money);
      break;
    case Row::Table::kEvent:
      size =
          std::snprintf(text.data(), text.size(),
                        R"({"table":"mixpanel_event","op":"upsert","seq":%zu,"row":{"event_uuid":"%s",)"
                        R"("event_name":"RC Trial started","distinct_id":"%s","event_time":"%s","revenue_usd":%.2f}})"
                        "\n",
                        seq, row.key.c_str(), row.user.c_str(), row.time.c_str(), row.money);
      break;
  }
  return {text.data(), static_cast<std::size_t>(size)};
}

/// As a pipeline would write them: whoever comes is told of before his events.
std::vector<Row> draw_rows(std::size_t count) {
  constexpr std::int64_t kAds = 500;
  constexpr std::size_t kRowsPerUser = 10;
  std::uint64_t state = 88'172'645'463'325'252ULL;
  const auto draw = [&](std::uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
  };
  std::array<char, 64> text;
  std::vector<Row> rows;
  rows.reserve(count);
  std::size_t users = 0;
  while (rows.size() < count) {
    if (rows.size() >= users * kRowsPerUser) {
      const std::string user = "user-" + std::to_string(users++);
      rows.push_back({Row::Table::kUser, "", user, "", static_cast<std::int64_t>(draw(kAds)), 0});
      rows.push_back({Row::Table::kProduct, "", user, "2025-07-01", static_cast<std::int64_t>(users),
                      static_cast<double>(draw(5'000)) / 100});
    }
    Row event;
    std::snprintf(text.data(), text.size(), "%08x-%04x-4d2a-9e0f-%012llx", static_cast<unsigned>(draw(1ULL << 32)),
                  static_cast<unsigned>(draw(1U << 16)), static_cast<unsigned long long>(draw(1ULL << 48)));
    event.key = text.data();
    event.user = "user-" + std::to_string(draw(users));
    std::snprintf(text.data(), text.size(), "2025-07-%02u %02u:11:12", static_cast<unsigned>(draw(28) + 1),
                  static_cast<unsigned>(draw(24)));
    event.time = text.data();
    event.money = static_cast<double>(draw(5'000)) / 100;
    rows.push_back(std::move(event));
  }
  return rows;
}

double insert_bare(const std::string& path, const std::vector<Row>& rows) {
  auto database = sqlite::Connection::open(path, sqlite::OpenMode::kCreate, 1'000);
  must(database.ok() ? Status() : Status(database.error()));
  must((*database)->execute(kPragmas));
  must((*database)->execute(source::landing_schema_sql()));
  return seconds_of([&] {
    auto user = (*database)->prepare(
        "INSERT INTO mixpanel_user (distinct_id, abi_ad_id, abi_campaign_id, abi_ad_set_id, country, region, "
        "has_abi_attribution, _admetrics_position) VALUES (?1, ?2, ?3, ?4, 'US', 'California', 1, ?5)");
    auto product = (*database)->prepare(
        "INSERT INTO user_product_metrics (user_product_id, distinct_id, product_id, credited_date, store, "
        "current_value, trial_conversion_rate, trial_converted_to_refund_rate, initial_purchase_to_refund_rate, "
        "_admetrics_position) VALUES (?1, ?2, 'year', ?3, 'app_store', ?4, 0.25, 0.05, 0.02, ?5)");
    auto event = (*database)->prepare(
        "INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id, event_time, revenue_usd, "
        "_admetrics_position) VALUES (?1, 'RC Trial started', ?2, ?3, ?4, ?5)");
    constexpr std::size_t kRowsPerCommit = 150'000;
    for (std::size_t i = 0; i < rows.size();) {
      must((*database)->begin_immediate());
      for (const std::size_t end = std::min(rows.size(), i + kRowsPerCommit); i < end; ++i) {
        const Row& row = rows[i];
        const auto position = static_cast<std::int64_t>(i + 1);
        switch (row.table) {
          case Row::Table::kUser: {
            const std::array<std::string, 3> ids{"ad-" + std::to_string(row.number),
                                                 "campaign-" + std::to_string(row.number / 25),
                                                 "set-" + std::to_string(row.number / 5)};
            user->bind(1, std::string_view(row.user));
            for (int id = 0; id < 3; ++id) user->bind(id + 2, std::string_view(ids[static_cast<std::size_t>(id)]));
            user->bind(5, position);
            must(user->run());
            break;
          }
          case Row::Table::kProduct:
            product->bind(1, row.number);
            product->bind(2, std::string_view(row.user));
            product->bind(3, std::string_view(row.time));
            product->bind(4, row.money);
            product->bind(5, position);
            must(product->run());
            break;
          case Row::Table::kEvent:
            event->bind(1, std::string_view(row.key));
            event->bind(2, std::string_view(row.user));
            event->bind(3, std::string_view(row.time));
            event->bind(4, row.money);
            event->bind(5, position);
            must(event->run());
            break;
        }
      }
      must((*database)->commit());
    }
  });
}

/// A change log's source over a landing database of its own, in `folder`.
class Landing {
 public:
  Landing(const std::string& folder, const std::string& log, const Clock& clock)
      : tables_(table_options(folder)), changelog_(options(folder, log, clock), tables_) {
    must(changelog_.open());
  }
  source::ChangelogSource& operator*() { return changelog_; }
  source::ChangelogSource* operator->() { return &changelog_; }

 private:
  static source::SqliteSourceOptions table_options(const std::string& folder) {
    std::filesystem::create_directories(folder);
    source::SqliteSourceOptions tables;
    tables.product_db = tables.ads_db = folder + "/landing.db";
    tables.recorded_by_writer = true;
    return tables;
  }
  static source::ChangelogOptions options(const std::string& folder, const std::string& log, const Clock& clock) {
    source::ChangelogOptions options;
    options.path = log;
    options.landing_db = folder + "/landing.db";
    options.dead_letters = folder + "/dead";
    options.replay_folder = folder + "/replay";
    options.clock = &clock;
    return options;
  }

  source::SqliteSource tables_;
  source::ChangelogSource changelog_;
};

void print_rate(const char* measured, std::size_t rows, double seconds, double bare) {
  std::printf(R"({"measured":"%s","rows":%zu,"seconds":%.3f,"rows_per_second":%.0f,"share_of_bare":%.2f})"
              "\n",
              measured, rows, seconds, static_cast<double>(rows) / seconds, bare / seconds);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const std::vector<Row> rows = draw_rows(count);
  std::string log;
  for (std::size_t i = 0; i < rows.size(); ++i) log += json_of(rows[i], i + 1);
  const std::size_t size = log.size();
  log.resize(size + source::RecordParser::padding(), ' ');
  const std::string_view lines = std::string_view(log).substr(0, size);

  class Count : public source::RecordVisitor {
   public:
    Status on_record(const source::Record& record, const source::LogLine&) override {
      records += record.cells[0].text.size();
      return {};
    }
    Status on_bad(source::BadRecord, const source::LogLine&) override { std::exit(1); }
    std::size_t records = 0;
  } visitor;
  auto parser = source::RecordParser::create(source::LogFormat::kPlain, {});
  if (!parser) return 1;
  double best = 1e9;
  for (int run = 0; run < 5; ++run) best = std::min(best, seconds_of([&] { must(parser->parse(lines, visitor)); }));
  std::printf(R"({"measured":"parse","records":%zu,"bytes":%zu,"seconds":%.3f,"gigabytes_per_second":%.2f})"
              "\n",
              rows.size(), size, best, static_cast<double>(size) / best / 1e9);
  std::fflush(stdout);

  std::string folder = (std::filesystem::temp_directory_path() / "bench-changelog-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  const std::string path = folder + "/log.ndjson";
  std::ofstream(path, std::ios::binary).write(log.data(), static_cast<std::streamsize>(size));
  const BenchClock clock;
  const double bare = insert_bare(folder + "/bare.db", rows);
  print_rate("bare insert", rows.size(), bare, bare);
  {
    Landing landing(folder + "/landing", path, clock);
    const double landed = seconds_of([&] {
      if (!landing->begin_epoch("", {})) std::exit(1);
    });
    landing->end_snapshot();
    print_rate("landing rows", rows.size(), landed, bare);
  }
  {
    Landing landing(folder + "/whole", path, clock);
    auto ledger = SqliteLedger::open_folder(folder + "/whole/state", "bench");
    auto zone = TimeZone::find("UTC");
    if (!ledger || !zone) return 1;
    sink::SqliteSinkOptions options;
    options.path = folder + "/whole/sink.db";
    sink::SqliteSink rows_out(options);
    Reporting reporting;
    reporting.zone = *zone;
    EngineOptions engine_options;
    engine_options.workers = std::max(1U, std::thread::hardware_concurrency());
    Engine engine(reporting, engine_options, clock, *landing, **ledger, {&rows_out});
    EpochRequest request;
    request.as_of = *parse_day("2025-07-29");
    std::int64_t written = 0;
    const double whole = seconds_of([&] {
      do {
        const auto epoch = engine.run_epoch(request);
        must(epoch.ok() ? Status() : Status(epoch.error()));
        written += epoch->rows_written();
      } while (landing->has_changes().value());
    });
    print_rate("landing rows and metric rows", rows.size(), whole, bare);
    std::fprintf(stderr, "%lld metric rows\n", static_cast<long long>(written));
  }
  std::filesystem::remove_all(folder);
  return 0;
}
