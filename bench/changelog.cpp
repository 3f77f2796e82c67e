// What a change log costs: parsing alone, and landing rows, beside bare SQLite inserting the same rows in the same run.
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
#include <vector>

#include "core/sqlite/database.hpp"
#include "sources/changelog/changelog_source.hpp"
#include "sources/changelog/landing_tables.hpp"
#include "sources/changelog/record_parser.hpp"

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

struct Event {
  std::string uuid, user, time;
  double revenue = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  std::vector<Event> events;
  std::string log;
  std::uint64_t state = 88'172'645'463'325'252ULL;
  const auto draw = [&] {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
  };
  std::array<char, 512> text;
  for (std::size_t i = 0; i < count; ++i) {
    Event event;
    std::snprintf(text.data(), text.size(), "%08x-%04x-4d2a-9e0f-%012llx", static_cast<unsigned>(draw()),
                  static_cast<unsigned>(draw() & 0xffff), static_cast<unsigned long long>(draw() & 0xffffffffffffULL));
    event.uuid = text.data();
    event.user = "user-" + std::to_string(draw() % (count / 8 + 1));
    std::snprintf(text.data(), text.size(), "2025-07-%02u %02u:11:12", static_cast<unsigned>(draw() % 28 + 1),
                  static_cast<unsigned>(draw() % 24));
    event.time = text.data();
    event.revenue = static_cast<double>(draw() % 5'000) / 100;
    std::snprintf(
        text.data(), text.size(),
        R"({"table":"mixpanel_event","op":"upsert","seq":%zu,"row":{"event_uuid":"%s","event_name":"RC Trial started",)"
        R"("distinct_id":"%s","event_time":"%s","revenue_usd":%.2f}})"
        "\n",
        i + 1, event.uuid.c_str(), event.user.c_str(), event.time.c_str(), event.revenue);
    log += text.data();
    events.push_back(std::move(event));
  }
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
              count, size, best, static_cast<double>(size) / best / 1e9);
  std::fflush(stdout);

  std::string folder = (std::filesystem::temp_directory_path() / "bench-changelog-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr) return 1;
  const char* const pragmas =
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536; "
      "PRAGMA wal_autocheckpoint = 8192";
  double bare = 0;
  {
    auto database = sqlite::Connection::open(folder + "/bare.db", sqlite::OpenMode::kCreate, 1'000);
    if (!database) return 1;
    must((*database)->execute(pragmas));
    must((*database)->execute(source::landing_schema_sql()));
    bare = seconds_of([&] {
      auto insert = (*database)->prepare(
          "INSERT INTO mixpanel_event (event_uuid, event_name, distinct_id, event_time, "
          "revenue_usd, _admetrics_position) VALUES (?1, 'RC Trial started', ?2, ?3, ?4, ?5)");
      constexpr std::size_t kRowsPerCommit = 150'000;
      for (std::size_t i = 0; i < events.size();) {
        must((*database)->begin_immediate());
        for (std::size_t end = std::min(events.size(), i + kRowsPerCommit); i < end; ++i) {
          insert->bind(1, std::string_view(events[i].uuid));
          insert->bind(2, std::string_view(events[i].user));
          insert->bind(3, std::string_view(events[i].time));
          insert->bind(4, events[i].revenue);
          insert->bind(5, static_cast<std::int64_t>(i + 1));
          must(insert->run());
        }
        must((*database)->commit());
      }
    });
  }
  std::printf(R"({"measured":"bare insert","rows":%zu,"seconds":%.3f,"rows_per_second":%.0f})"
              "\n",
              count, bare, static_cast<double>(count) / bare);
  std::fflush(stdout);

  std::ofstream(folder + "/log.ndjson", std::ios::binary).write(log.data(), static_cast<std::streamsize>(size));
  const BenchClock clock;
  source::SqliteSourceOptions tables;
  tables.product_db = tables.ads_db = folder + "/landing.db";
  tables.recorded_by_writer = true;
  source::SqliteSource reader(tables);
  source::ChangelogOptions options;
  options.path = folder + "/log.ndjson";
  options.landing_db = folder + "/landing.db";
  options.dead_letters = folder + "/dead";
  options.replay_folder = folder + "/replay";
  options.clock = &clock;
  double landed = 0;
  {
    source::ChangelogSource changelog(options, reader);
    landed = seconds_of([&] {
      must(changelog.open());
      if (!changelog.begin_epoch("", {})) std::exit(1);
    });
    changelog.end_snapshot();
  }
  std::printf(R"({"measured":"landing","rows":%zu,"seconds":%.3f,"rows_per_second":%.0f,"share_of_bare":%.2f})"
              "\n",
              count, landed, static_cast<double>(count) / landed, bare / landed);
  std::filesystem::remove_all(folder);
  return 0;
}
