#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "core/engine/ports.hpp"

namespace admetrics {

/// What a sink is written to, as the conformance suite needs it: several sinks may be connected to one target, and
/// somebody else may read it, write it, or keep it busy.
///
/// A new sink takes part with one line: INSTANTIATE_TEST_SUITE_P(Name, SinkConformance, testing::Values(factory)).
class SinkTarget {
 public:
  /// A row as text by column name (`core/model/row.hpp`); a number as the shortest decimal that reads back.
  using Row = std::map<std::string, std::string>;

  virtual ~SinkTarget() = default;

  /// A sink on this target, not yet open. Dropping it is a crash of its process.
  virtual std::unique_ptr<Sink> connect() = 0;
  /// All rows of one of the four tables, in the order of their keys' bytes. `metric_id` is among the columns.
  virtual std::vector<Row> rows(std::string_view table) = 0;
  /// Somebody else writes a row; columns that are not named have their defaults. False: the target's types cannot hold it.
  virtual bool add_foreign_row(std::string_view table, const Row& row) = 0;
  /// Somebody else changes one column of all rows of a table. False: its type cannot hold the value.
  virtual bool change_foreign(std::string_view table, const std::string& column, const std::string& value) = 0;
  /// Nobody else can write until the answer is dropped.
  virtual std::shared_ptr<void> keep_busy() = 0;
};

/// How a test gets a target of its own.
struct SinkTargetFactory {
  std::string name;
  std::function<std::unique_ptr<SinkTarget>()> make;

  friend void PrintTo(const SinkTargetFactory& factory, std::ostream* out) { *out << factory.name; }
};

/// A target, a sink on it, and verbs for epochs.
class SinkConformance : public ::testing::TestWithParam<SinkTargetFactory> {
 protected:
  using Row = SinkTarget::Row;

  void SetUp() override {
    target_ = GetParam().make();
    reopen();
  }

  /// A sink in a new process; whatever the old one had not committed is gone.
  SinkState reopen() {
    sink_.reset();
    sink_ = target_->connect();
    return open();
  }
  SinkState open() {
    auto state = sink_->open();
    EXPECT_TRUE(state.ok()) << state.error().line();
    return state.ok() ? std::move(state).value() : SinkState{};
  }

  static CommitHeader header(std::uint64_t epoch, const std::string& ledger = "ledger-1") {
    return {ledger, EpochId{epoch}, "position " + std::to_string(epoch), Day{20'000},
            Instant{1'700'000'000 + static_cast<std::int64_t>(epoch), 5'000'000}};
  }
  /// The stored form of that header's time.
  static std::string time_of(std::uint64_t epoch) { return format_timestamp(header(epoch).committed_at); }

  static RowValues values(std::int64_t spend_cents, const std::string& trials = "[]") {
    RowValues values;
    values.lists.fill("[]");
    values[Number::kMetaSpend] = spend_cents;
    values[List::kTrial] = trials;
    values[Number::kDataQualityScore] = 80;
    return values;
  }
  static CellWrite cell(std::string_view id, std::optional<RowValues> main, std::vector<BreakdownWrite> rows = {},
                        bool whole = true, Day day = Day{20'000}) {
    return {Level::kAd, id, day, whole, std::move(main), std::move(rows)};
  }
  static BreakdownWrite row(Breakdown breakdown, std::string_view value, std::optional<RowValues> values) {
    return {breakdown, value, std::move(values)};
  }

  static NameWrite no_name(Level level, std::string_view id) { return {level, id, std::nullopt, 0, Day{}}; }
  static HierarchyWrite no_hierarchy(std::string_view ad) {
    HierarchyWrite write;
    write.ad_id = ad;
    return write;
  }

  /// A whole epoch.
  SinkReceipt commit(std::uint64_t epoch, const std::vector<CellWrite>& cells, const std::vector<NameWrite>& names = {},
                     const std::vector<HierarchyWrite>& hierarchies = {}, bool purge = false) {
    begin_and_write(epoch, cells, names, hierarchies, purge);
    auto receipt = sink_->commit();
    EXPECT_TRUE(receipt.ok()) << receipt.error().line();
    return receipt.ok() ? *receipt : SinkReceipt{};
  }
  void begin_and_write(std::uint64_t epoch, const std::vector<CellWrite>& cells,
                       const std::vector<NameWrite>& names = {}, const std::vector<HierarchyWrite>& hierarchies = {},
                       bool purge = false) {
    ok(sink_->begin(header(epoch), purge));
    ok(sink_->write_cells(cells));
    ok(sink_->write_names(names));
    ok(sink_->write_hierarchies(hierarchies));
  }
  static void ok(const Status& status) { EXPECT_TRUE(status.ok()) << status.error().line(); }

  std::vector<Row> main_rows() { return target_->rows(kMainTable); }
  std::vector<Row> breakdown_rows() { return target_->rows(kBreakdownTable); }
  /// One column of a table's rows.
  std::vector<std::string> column(std::string_view table, const std::string& name) {
    std::vector<std::string> found;
    for (const Row& row : target_->rows(table)) found.push_back(row.at(name));
    return found;
  }
  /// `country US` of every breakdown row.
  std::vector<std::string> breakdowns() {
    std::vector<std::string> found;
    for (const Row& row : breakdown_rows()) found.push_back(row.at("breakdown_type") + ' ' + row.at("breakdown_value"));
    return found;
  }
  /// Keys as texts, each once.
  static std::vector<std::string> texts(const std::vector<SinkKey>& keys);
  std::vector<std::string> visited();
  void expect_empty() {
    for (const std::string_view table : {kMainTable, kBreakdownTable, kNameTable, kHierarchyTable})
      EXPECT_TRUE(target_->rows(table).empty()) << table;
  }

  std::unique_ptr<SinkTarget> target_;
  std::unique_ptr<Sink> sink_;
};

}  // namespace admetrics
