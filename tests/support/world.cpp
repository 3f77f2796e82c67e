#include "tests/support/world.hpp"

#include <algorithm>
#include <filesystem>

#include "core/model/reject.hpp"
#include "tests/support/must.hpp"

namespace admetrics::support {
namespace {

WorldOptions placed(WorldOptions options, const TempFolder& folder) {
  options.machine.product_db = folder.file("mixpanel_data.db");
  options.machine.ads_db = folder.file("meta_analytics.db");
  options.machine.sink_db = options.sink_in_product_db ? options.machine.product_db : folder.file("sink.db");
  options.machine.state_dir = folder.file("state");
  return options;
}

}  // namespace

World::World(WorldOptions options)
    : options_(placed(std::move(options), folder_)),
      source_(options_.machine.product_db, options_.machine.ads_db, options_.source) {
  machine_ = std::make_unique<Machine>(options_.machine, clock_, faults_);
}

Result<EpochReport> World::try_epoch() {
  clock_.tick();
  request.as_of = today;
  auto report = machine_->engine().run_epoch(request);
  request = {};
  return report;
}

EpochReport World::epoch() { return must(try_epoch()); }

std::string World::committed_at() const { return format_timestamp(clock_.now()); }

void World::restart() {
  machine_.reset();
  machine_ = std::make_unique<Machine>(options_.machine, clock_, faults_);
}

void World::restart_without_ledger() {
  machine_.reset();
  std::filesystem::remove_all(options_.machine.state_dir);
  restart();
}

void World::lose_sink() {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) std::filesystem::remove(sink_db() + suffix);
}

void World::back_up_source() {
  backup_ = folder_.file("backup.db");
  std::filesystem::remove(backup_);
  source_.sql(kUsers, "VACUUM INTO " + sqlite::quote_text(backup_));
}

void World::restore_source_and_restart() {
  machine_.reset();
  source_.close();
  std::filesystem::copy_file(backup_, options_.machine.product_db, std::filesystem::copy_options::overwrite_existing);
  source_.open();
  restart();
}

void World::fail_at(std::string_view moment, int nth, Errc code) {
  faults_.arm(moment, nth, [code, what = std::string(moment)]() -> Status {
    return Error{code, what, "a test", "made to fail"};
  });
}

void World::kill_at(std::string_view moment, int nth) {
  faults_.arm(moment, nth, [this, what = std::string(moment)]() -> Status {
    image_ = DiskImage::take(folder_.path());
    return Error{Errc::kInterrupted, what, "a test", "the process ended here"};
  });
}

void World::revive() {
  faults_.disarm();
  machine_.reset();
  source_.close();
  image_->restore();
  image_.reset();
  source_.open();
  machine_ = std::make_unique<Machine>(options_.machine, clock_, faults_);
}

VerifyOptions World::verify_options() const {
  VerifyOptions options;
  options.product_db = options_.machine.product_db;
  options.ads_db = options_.machine.ads_db;
  options.reporting = machine_->reporting();
  options.temp_dir = folder_.path();
  options.align_timeout_ms = 0;
  return options;
}

StoredTables World::recomputed() {
  VerifyOptions options = verify_options();
  options.as_of = today;
  const std::string path = folder_.file("expected-" + std::to_string(++recomputations_) + ".db");
  must(recompute_into(options, path));
  StoredTables tables = read_tables(path);
  std::filesystem::remove(path);
  return tables;
}

Result<VerifyReport> World::verified() {
  VerifyOptions options = verify_options();
  options.sink_db = sink_db();
  return verify(options);
}

void World::sink_sql(const std::string& statements) {
  constexpr int kBusyTimeoutMs = 5'000;
  const auto database = must(sqlite::Connection::open(sink_db(), sqlite::OpenMode::kReadWrite, kBusyTimeoutMs));
  must(database->execute(statements));
}

std::vector<std::string> World::rejects() {
  std::vector<std::string> lines;
  for (const SqliteLedger::RejectCount& count : must(machine_->ledger().reject_counts())) {
    lines.push_back(count.table + ": " + std::string(name_of(count.reason)) + ": " + std::to_string(count.rows));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::vector<std::string> rejects_of(const VerifyReport& report) {
  std::vector<std::string> lines;
  for (const RejectCount& count : report.rejects) {
    lines.push_back(count.table + ": " + count.reason + ": " + std::to_string(count.rows));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

}  // namespace admetrics::support
