#include "tests/sinks/sink_conformance.hpp"

#include <algorithm>
#include <limits>
#include <set>

#include "core/base/limits.hpp"

namespace admetrics {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> SinkConformance::texts(const std::vector<SinkKey>& keys) {
  std::set<std::string> found;
  for (const SinkKey& key : keys) {
    const std::string entity = std::string(name_of(key.level)) + ' ' + key.entity_id;
    switch (key.kind) {
      case SinkKey::Kind::kCell: found.insert("cell " + entity + ' ' + format_day(key.day)); break;
      case SinkKey::Kind::kName: found.insert("name " + entity); break;
      case SinkKey::Kind::kHierarchy: found.insert("hierarchy " + entity); break;
    }
  }
  return {found.begin(), found.end()};
}

std::vector<std::string> SinkConformance::visited() {
  std::vector<SinkKey> keys;
  ok(sink_->visit_keys([&](const SinkKey& key) { keys.push_back(key); }));
  return texts(keys);
}

// ── Where it stands ──

TEST_P(SinkConformance, AFreshTargetSaysSo) {
  const SinkState state = open();
  EXPECT_TRUE(state.fresh);
  EXPECT_TRUE(state.empty);
  EXPECT_EQ(state.epoch, EpochId{0});
  EXPECT_TRUE(state.last_keys_known);
  EXPECT_TRUE(state.last_keys.empty());
  EXPECT_FALSE(sink_->replaced());
  EXPECT_FALSE(sink_->name().empty());
  expect_empty();
}

TEST_P(SinkConformance, AFreshTargetWithForeignRowsIsNotEmpty) {
  target_->add_foreign_row(kMainTable, {{"date", "2024-10-04"}, {"entity_type", "ad"}, {"entity_id", "a1"}});
  SinkState state = reopen();
  EXPECT_TRUE(state.fresh);
  EXPECT_FALSE(state.empty);
}

TEST_P(SinkConformance, AnEmptyEpochIsAPositionToo) {
  commit(1, {});
  const SinkState state = reopen();
  EXPECT_FALSE(state.fresh);
  EXPECT_TRUE(state.empty);
  EXPECT_EQ(state.ledger, "ledger-1");
  EXPECT_EQ(state.epoch, EpochId{1});
  EXPECT_TRUE(state.last_keys.empty());
}

TEST_P(SinkConformance, AReopenedSinkTellsItsLedgerItsEpochAndWhatTheLastCommitChanged) {
  commit(1, {cell("a1", values(100)), cell("a2", values(200))},
         {{Level::kCampaign, "c1", "Campaign one", 3, Day{20'000}}}, {{"a1", true, "s1", "c1", 100, Day{1}, Day{2}}});
  EXPECT_THAT(texts(reopen().last_keys),
              ElementsAre("cell ad a1 2024-10-04", "cell ad a2 2024-10-04", "hierarchy ad a1", "name campaign c1"));
  // Offered but unchanged is not listed.
  commit(7, {cell("a1", values(100)), cell("a2", values(201))},
         {{Level::kCampaign, "c1", "Campaign one", 3, Day{20'000}}, {Level::kAd, "c1", "An ad", 1, Day{3}}});
  const SinkState state = reopen();
  EXPECT_FALSE(state.fresh);
  EXPECT_FALSE(state.empty);
  EXPECT_EQ(state.ledger, "ledger-1");
  EXPECT_EQ(state.epoch, EpochId{7}) << "a gap is told as it is";
  EXPECT_TRUE(state.last_keys_known);
  EXPECT_THAT(texts(state.last_keys), ElementsAre("cell ad a2 2024-10-04", "name ad c1"));
}

TEST_P(SinkConformance, DeletedRowsAreAmongTheLastKeys) {
  commit(1, {cell("a1", values(100), {row(Breakdown::kCountry, "US", values(1))})});
  commit(2, {cell("a1", values(100), {row(Breakdown::kCountry, "US", std::nullopt)}, false)});
  EXPECT_THAT(texts(reopen().last_keys), ElementsAre("cell ad a1 2024-10-04"));
  commit(3, {cell("a1", std::nullopt)});
  EXPECT_THAT(texts(reopen().last_keys), ElementsAre("cell ad a1 2024-10-04"));
  expect_empty();
}

TEST_P(SinkConformance, ACommitOfAnotherLedgerIsTold) {
  commit(5, {cell("a1", values(100))});
  ok(sink_->begin(header(1, "ledger-2"), false));
  ASSERT_TRUE(sink_->commit().ok());
  const SinkState state = reopen();
  EXPECT_EQ(state.ledger, "ledger-2");
  EXPECT_EQ(state.epoch, EpochId{1});
}

TEST_P(SinkConformance, MoreKeysThanAreListedAreNotKnown) {
  std::vector<std::string> ids;
  for (std::size_t i = 0; i <= kSinkKeysListedMax; ++i) ids.push_back("a" + std::to_string(i));
  std::vector<CellWrite> cells;
  cells.reserve(ids.size());
  for (const std::string& id : ids) cells.push_back(cell(id, values(100)));

  // Where nothing stood before, a sink may do without a list.
  commit(1, {cell("before", values(1))});
  commit(2, {cells.begin(), cells.end() - 1});
  SinkState state = reopen();
  EXPECT_TRUE(state.last_keys_known);
  EXPECT_EQ(state.last_keys.size(), kSinkKeysListedMax);

  for (CellWrite& cell : cells) (*cell.main)[Number::kMetaSpend] = 200;
  commit(3, cells);
  state = reopen();
  EXPECT_FALSE(state.last_keys_known);
  EXPECT_TRUE(state.last_keys.empty());
  EXPECT_EQ(state.epoch, EpochId{3});

  commit(4, {cells[0]});  // nothing changes
  state = reopen();
  EXPECT_TRUE(state.last_keys_known) << "the next commit can be listed again";
  EXPECT_TRUE(state.last_keys.empty());
}

// ── Rows ──

TEST_P(SinkConformance, ARowIsStoredColumnByColumn) {
  RowValues all;
  for (std::size_t i = 0; i < kNumberCount; ++i) all.numbers[i] = static_cast<std::int64_t>(i) * 1'037 - 3'000;
  for (std::size_t i = 0; i < kListCount; ++i) all.lists[i] = "[\"u" + std::to_string(i) + "\"]";
  commit(1, {cell("a1", all, {row(Breakdown::kCountry, "US", all)})});

  ASSERT_EQ(main_rows().size(), 1U);
  ASSERT_EQ(breakdown_rows().size(), 1U);
  for (const bool main : {true, false}) {
    const Row stored = main ? main_rows()[0] : breakdown_rows()[0];
    EXPECT_EQ(stored.at("entity_type"), "ad");
    EXPECT_EQ(stored.at("entity_id"), "a1");
    EXPECT_EQ(stored.at("date"), "2024-10-04");
    EXPECT_EQ(stored.at("computed_at"), time_of(1));
    for (const NumberColumn& column : number_columns()) {
      const std::string_view name = main ? column.main_name : column.breakdown_name;
      if (name.empty()) continue;
      double scale = 1;
      for (int i = 0; i < digits_of(column.kind); ++i) scale *= 10;
      EXPECT_EQ(std::stod(stored.at(std::string(name))), static_cast<double>(all[column.number]) / scale) << name;
    }
    for (const ListColumn& column : list_columns()) {
      EXPECT_EQ(stored.at(std::string(main ? column.main_name : column.breakdown_name)), all[column.list]);
    }
  }
  EXPECT_EQ(breakdown_rows()[0].at("breakdown_type"), "country");
  EXPECT_EQ(breakdown_rows()[0].at("breakdown_value"), "US");
}

TEST_P(SinkConformance, TheSameIdAtEachLevelIsThreeEntities) {
  std::vector<CellWrite> cells;
  for (const Level level : kLevels) {
    cells.push_back(cell("x", values(static_cast<std::int64_t>(level) + 1)));
    cells.back().level = level;
  }
  commit(1, cells);
  EXPECT_THAT(column(kMainTable, "entity_type"), ElementsAre("ad", "adset", "campaign"));
  EXPECT_THAT(column(kMainTable, "meta_spend"), ElementsAre("0.03", "0.02", "0.01"));
}

TEST_P(SinkConformance, ARepeatedUnitWritesNothing) {
  const std::vector<CellWrite> cells{
      cell("a1", values(1'234), {row(Breakdown::kCountry, "US", values(1)), row(Breakdown::kDevice, "", values(3))}),
      cell("a2", values(33), {row(Breakdown::kRegion, "CA", values(7))}, false), cell("a3", std::nullopt),
      cell("a4", std::nullopt, {row(Breakdown::kRegion, "CA", std::nullopt)}, false)};
  const std::vector<NameWrite> names{{Level::kAd, "a1", "Name", 3, Day{20'000}}, no_name(Level::kAd, "a9")};
  const std::vector<HierarchyWrite> hierarchies{{"a1", true, "s1", "c1", 67, Day{1}, Day{2}}, no_hierarchy("a9")};
  const SinkReceipt first = commit(1, cells, names, hierarchies);
  EXPECT_EQ(first.inserted, 7);
  EXPECT_EQ(first.written(), 7);

  std::map<std::string_view, std::vector<Row>> before;
  for (const std::string_view table : {kMainTable, kBreakdownTable, kNameTable, kHierarchyTable})
    before[table] = target_->rows(table);
  for (const std::uint64_t epoch : {1U, 2U}) {  // replayed, and in an epoch of its own
    const SinkReceipt again = commit(epoch, cells, names, hierarchies);
    EXPECT_EQ(again.written(), 0);
    EXPECT_EQ(again.unchanged, 7);
    for (const auto& [table, rows] : before) EXPECT_EQ(target_->rows(table), rows) << table;
  }
  EXPECT_TRUE(reopen().last_keys.empty());
}

TEST_P(SinkConformance, TheSameCellTwiceInOneEpochIsWrittenOnce) {
  for (const bool whole : {true, false}) {
    SCOPED_TRACE(whole);
    const CellWrite written = cell("a1", values(5), {row(Breakdown::kCountry, "US", values(1))}, whole);
    begin_and_write(1, {written, written});
    ok(sink_->write_cells(std::vector<CellWrite>{written}));
    auto receipt = sink_->commit();
    ASSERT_TRUE(receipt.ok()) << receipt.error().line();
    EXPECT_EQ(main_rows().size(), 1U);
    EXPECT_EQ(breakdown_rows().size(), 1U);
    commit(2, {cell("a1", std::nullopt)});  // empty again
  }
}

TEST_P(SinkConformance, AWholeCellDeletesTheBreakdownsThatItDoesNotList) {
  commit(1, {cell("a1", values(1),
                  {row(Breakdown::kCountry, "CA", values(1)), row(Breakdown::kCountry, "US", values(2)),
                   row(Breakdown::kDevice, "STRIPE", values(3)), row(Breakdown::kRegion, "", values(4))}),
             cell("a2", values(1), {row(Breakdown::kCountry, "US", values(9))})});
  const SinkReceipt receipt =
      commit(2, {cell("a1", values(1),
                      {row(Breakdown::kCountry, "AT", values(5)), row(Breakdown::kCountry, "US", values(2)),
                       row(Breakdown::kDevice, "STRIPE", values(6)), row(Breakdown::kRegion, "zz", std::nullopt)})});
  EXPECT_THAT(breakdowns(), ElementsAre("country AT", "country US", "device STRIPE", "country US"));
  EXPECT_EQ(receipt.inserted, 1);
  EXPECT_EQ(receipt.updated, 1);
  EXPECT_EQ(receipt.deleted, 2);
  EXPECT_EQ(receipt.unchanged, 2);
}

TEST_P(SinkConformance, APartialCellLeavesTheOtherBreakdowns) {
  commit(1, {cell("a1", values(1),
                  {row(Breakdown::kCountry, "CA", values(1)), row(Breakdown::kCountry, "US", values(2)),
                   row(Breakdown::kRegion, "", values(4))})});
  const SinkReceipt receipt =
      commit(2, {cell("a1", values(2),
                      {row(Breakdown::kCountry, "CA", std::nullopt), row(Breakdown::kCountry, "DE", values(7)),
                       row(Breakdown::kRegion, "", values(5))},
                      false)});
  EXPECT_THAT(breakdowns(), ElementsAre("country DE", "country US", "region "));
  EXPECT_THAT(column(kBreakdownTable, "meta_spend"), ElementsAre("0.07", "0.02", "0.05"));
  EXPECT_EQ(receipt.inserted, 1);
  EXPECT_EQ(receipt.updated, 2);
  EXPECT_EQ(receipt.deleted, 1);
}

TEST_P(SinkConformance, ACellThatIsGoneIsDeletedWhole) {
  commit(1, {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(2))}), cell("a2", values(1))});
  const SinkReceipt receipt = commit(2, {cell("a1", std::nullopt)});
  EXPECT_EQ(receipt.deleted, 2);
  EXPECT_THAT(column(kMainTable, "entity_id"), ElementsAre("a2"));
  EXPECT_THAT(breakdown_rows(), IsEmpty());
}

TEST_P(SinkConformance, MetricIdStaysAndComputedAtMovesWithTheRowAlone) {
  commit(1,
         {cell("a1", values(1), {row(Breakdown::kCountry, "CA", values(1)), row(Breakdown::kCountry, "US", values(2))}),
          cell("a2", values(1))});
  const std::vector<std::string> ids = column(kMainTable, "metric_id");
  const std::vector<std::string> breakdown_ids = column(kBreakdownTable, "metric_id");
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 2U);

  for (const bool whole : {true, false}) {
    const std::uint64_t epoch = whole ? 2 : 3;
    const std::int64_t spend = static_cast<std::int64_t>(epoch) * 10;
    commit(epoch,
           {cell("a1", values(spend),
                 {row(Breakdown::kCountry, "CA", values(1)), row(Breakdown::kCountry, "US", values(spend))}, whole),
            cell("a2", values(1))});
    EXPECT_EQ(column(kMainTable, "metric_id"), ids);
    EXPECT_EQ(column(kBreakdownTable, "metric_id"), breakdown_ids);
    EXPECT_THAT(column(kMainTable, "computed_at"), ElementsAre(time_of(epoch), time_of(1)));
    EXPECT_THAT(column(kBreakdownTable, "computed_at"), ElementsAre(time_of(1), time_of(epoch)));
  }
  // Deleted and written again is another row.
  commit(4, {cell("a2", std::nullopt)});
  commit(5, {cell("a2", values(1))});
  EXPECT_EQ(column(kMainTable, "metric_id")[0], ids[0]);
  EXPECT_NE(column(kMainTable, "metric_id")[1], ids[0]);
  EXPECT_NE(column(kMainTable, "metric_id")[1], ids[1]);
}

TEST_P(SinkConformance, EveryColumnAloneIsAChange) {
  RowValues now = values(0);
  commit(1, {cell("a1", now, {row(Breakdown::kCountry, "US", now)})});
  std::uint64_t epoch = 1;
  for (const NumberColumn& column : number_columns()) {
    ++now[column.number];
    const SinkReceipt receipt = commit(++epoch, {cell("a1", now, {row(Breakdown::kCountry, "US", now)})});
    EXPECT_EQ(receipt.updated, column.breakdown_name.empty() ? 1 : 2) << column.main_name;
  }
  for (const ListColumn& column : list_columns()) {
    now[column.list] = "[\"u\"]";
    EXPECT_EQ(commit(++epoch, {cell("a1", now, {row(Breakdown::kCountry, "US", now)})}).updated, 2) << column.main_name;
  }
}

TEST_P(SinkConformance, WhatSomebodyElseChangedIsPutRightWhenItIsOffered) {
  const std::vector<CellWrite> cells{cell("a1", values(100, "[\"u1\"]"), {row(Breakdown::kCountry, "US", values(2))})};
  const std::vector<NameWrite> names{{Level::kAd, "a1", "Name", 3, Day{20'000}}};
  const std::vector<HierarchyWrite> hierarchies{{"a1", true, "s1", "c1", 67, Day{1}, Day{2}}};
  commit(1, cells, names, hierarchies);
  std::uint64_t epoch = 1;
  for (const auto& [table, column, value] :
       std::vector<std::tuple<std::string_view, std::string, std::string>>{{kMainTable, "meta_spend", "7.5"},
                                                                           {kMainTable, "trial_users_list", "[]"},
                                                                           {kBreakdownTable, "meta_clicks", "9"},
                                                                           {kNameTable, "canonical_name", "Other"},
                                                                           {kNameTable, "frequency_count", "1"},
                                                                           {kHierarchyTable, "campaign_id", "c9"},
                                                                           {kHierarchyTable, "first_seen_date", "x"}}) {
    if (!target_->change_foreign(table, column, value)) continue;  // its type kept it right
    EXPECT_EQ(commit(++epoch, cells, names, hierarchies).updated, 1) << table << '.' << column;
    EXPECT_EQ(commit(epoch, cells, names, hierarchies).written(), 0);
  }
}

// ── Transactions ──

TEST_P(SinkConformance, ARollbackLeavesNothing) {
  commit(1, {cell("a1", values(1))});
  const std::vector<Row> before = main_rows();
  begin_and_write(2, {cell("a1", values(2)), cell("a2", values(1), {row(Breakdown::kCountry, "US", values(1))})},
                  {{Level::kAd, "a1", "Name", 3, Day{20'000}}}, {{"a1", true, "s1", "c1", 67, Day{1}, Day{2}}});
  sink_->rollback();
  EXPECT_EQ(main_rows(), before);
  EXPECT_THAT(breakdown_rows(), IsEmpty());
  EXPECT_THAT(target_->rows(kNameTable), IsEmpty());
  EXPECT_THAT(target_->rows(kHierarchyTable), IsEmpty());
  SinkState state = open();
  EXPECT_EQ(state.epoch, EpochId{1});
  EXPECT_THAT(texts(state.last_keys), ElementsAre("cell ad a1 2024-10-04")) << "the list is the last commit's again";
  EXPECT_EQ(commit(2, {cell("a1", values(2))}).updated, 1) << "and the next epoch can begin";
}

TEST_P(SinkConformance, ARollbackOfNothingIsAllowed) {
  sink_->rollback();
  const auto unopened = target_->connect();
  unopened->rollback();
  commit(1, {cell("a1", values(1))});
  sink_->rollback();
  EXPECT_EQ(main_rows().size(), 1U);
}

TEST_P(SinkConformance, NothingIsVisibleBeforeTheCommit) {
  commit(1, {cell("a1", values(1))});
  const std::vector<Row> before = main_rows();
  begin_and_write(2, {cell("a1", values(2)), cell("a2", values(1))});
  EXPECT_EQ(main_rows(), before);
  ASSERT_TRUE(sink_->commit().ok());
  EXPECT_EQ(main_rows().size(), 2U);
}

TEST_P(SinkConformance, AKillBetweenWriteAndCommitLeavesTheEpochBefore) {
  commit(1, {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(1))})});
  const std::vector<Row> before = main_rows();
  begin_and_write(2, {cell("a1", std::nullopt), cell("a2", values(1))});
  const SinkState state = reopen();
  EXPECT_EQ(state.epoch, EpochId{1});
  EXPECT_THAT(texts(state.last_keys), ElementsAre("cell ad a1 2024-10-04"));
  EXPECT_EQ(main_rows(), before);
  EXPECT_EQ(breakdown_rows().size(), 1U);
  EXPECT_EQ(commit(2, {cell("a1", std::nullopt), cell("a2", values(1))}).written(), 3);
}

TEST_P(SinkConformance, ALostReplyIsFoundOutByOpening) {
  commit(1, {cell("a1", values(1))});
  begin_and_write(2, {cell("a2", values(2))});
  static_cast<void>(sink_->commit());  // nobody heard the answer
  const SinkState state = reopen();
  EXPECT_EQ(state.epoch, EpochId{2});
  EXPECT_THAT(texts(state.last_keys), ElementsAre("cell ad a2 2024-10-04"));
  EXPECT_EQ(commit(2, {cell("a2", values(2))}).written(), 0) << "replayed";
}

TEST_P(SinkConformance, ABusyTargetSaysSoAndThenWorks) {
  commit(1, {cell("a1", values(1))});
  {
    const auto busy = target_->keep_busy();
    const Status refused = sink_->begin(header(2), false);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, Errc::kBusy);
    sink_->rollback();
    EXPECT_EQ(reopen().epoch, EpochId{1}) << "opening needs no lock where all is there";
  }
  EXPECT_EQ(commit(2, {cell("a1", values(2))}).updated, 1);
}

TEST_P(SinkConformance, OneEpochKeepsOthersOut) {
  const auto other = target_->connect();
  ASSERT_TRUE(other->open().ok());
  begin_and_write(1, {cell("a1", values(1))});
  const Status refused = other->begin(header(1, "ledger-2"), false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kBusy);
  ASSERT_TRUE(sink_->commit().ok());
  // What stands there now is not what it has seen when it opened.
  const Status replaced = other->begin(header(1, "ledger-2"), false);
  ASSERT_FALSE(replaced.ok());
  EXPECT_EQ(replaced.error().code, Errc::kReplaced);
  other->rollback();
  ASSERT_TRUE(other->open().ok());
  ok(other->begin(header(1, "ledger-2"), false));
  other->rollback();
}

TEST_P(SinkConformance, BeginOpensWhatNobodyOpened) {
  sink_ = target_->connect();
  EXPECT_EQ(commit(1, {cell("a1", values(1))}).inserted, 1);
}

// ── Hostile values ──

TEST_P(SinkConformance, TextsOfAnyKindAreKept) {
  const std::vector<std::string> hostile{"'; DROP TABLE daily_mixpanel_metrics; --",
                                         "\"quoted\" \\ back",
                                         "%_*?[a]",
                                         " blanks ",
                                         "new\nline\ttab",
                                         "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
                                         "\xff\xfe no UTF-8",
                                         "123",
                                         "1e5",
                                         "NULL",
                                         std::string(100'000, 'x')};
  std::vector<CellWrite> cells;
  std::vector<NameWrite> names;
  std::vector<HierarchyWrite> hierarchies;
  for (const std::string& text : hostile) {
    cells.push_back(cell(text, values(1, "[\"u\"]"), {row(Breakdown::kRegion, text, values(2))}));
    names.push_back({Level::kAdset, text, text, 1, Day{20'000}});
    hierarchies.push_back({text, true, text, text, 50, Day{1}, Day{2}});
  }
  EXPECT_EQ(commit(1, cells, names, hierarchies).inserted, static_cast<std::int64_t>(hostile.size() * 4));
  std::vector<std::string> sorted = hostile;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(column(kMainTable, "entity_id"), sorted);
  EXPECT_EQ(column(kBreakdownTable, "breakdown_value"), sorted);
  EXPECT_EQ(column(kNameTable, "canonical_name"), sorted);
  EXPECT_EQ(column(kHierarchyTable, "campaign_id"), sorted);
  const SinkState state = reopen();
  std::set<std::string> listed;
  for (const SinkKey& key : state.last_keys) listed.insert(key.entity_id);
  EXPECT_EQ(listed, std::set(hostile.begin(), hostile.end()));
  EXPECT_EQ(commit(1, cells, names, hierarchies).written(), 0);
}

TEST_P(SinkConformance, BreakdownValuesOfOneCellAreToldApartByTheirBytes) {
  std::vector<std::string> texts{
      "", "US", "Us", "us", "us ", "\xc3\xa4", "ae", "a", "\xf0\x9f\x98\x80", "\xef\xbf\xbd", "1", "01", "1.0"};
  std::sort(texts.begin(), texts.end());
  std::vector<BreakdownWrite> rows;
  rows.reserve(texts.size());
  for (const std::string& text : texts) rows.push_back(row(Breakdown::kCountry, text, values(1)));
  commit(1, {cell("a1", values(1), rows)});
  EXPECT_EQ(column(kBreakdownTable, "breakdown_value"), texts);
  const std::vector<std::string> ids = column(kBreakdownTable, "metric_id");
  EXPECT_EQ(commit(2, {cell("a1", values(1), rows)}).written(), 0);
  for (BreakdownWrite& written : rows) written.values = values(2);
  EXPECT_EQ(commit(3, {cell("a1", values(1), rows)}).updated, static_cast<std::int64_t>(texts.size()));
  EXPECT_EQ(column(kBreakdownTable, "metric_id"), ids);
}

TEST_P(SinkConformance, NumbersAtTheLimitsAreWrittenOnce) {
  std::uint64_t epoch = 0;
  for (const std::int64_t extreme : {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min(),
                                     std::numeric_limits<std::int64_t>::max() - 7, std::int64_t{9'007'199'254'740'993},
                                     std::int64_t{9'000'000'000'000'000'001}, std::int64_t{-9'000'000'000'000'000'001},
                                     std::int64_t{1}, std::int64_t{-1}, std::int64_t{0}}) {
    RowValues all = values(0);
    all.numbers.fill(extreme);
    const std::vector<CellWrite> cells{cell("a1", all, {row(Breakdown::kCountry, "US", all)})};
    EXPECT_EQ(commit(++epoch, cells).written(), 2) << extreme;
    EXPECT_EQ(commit(++epoch, cells).written(), 0) << extreme;
    EXPECT_EQ(main_rows()[0].at("meta_impressions"), std::to_string(extreme));
  }
}

TEST_P(SinkConformance, DaysAtTheLimitsAreKept) {
  commit(1, {cell("a1", values(1), {}, true, kFirstDay), cell("a1", values(2), {}, true, kLastDay)});
  EXPECT_THAT(column(kMainTable, "date"), ElementsAre("0000-01-01", "9999-12-31"));
  EXPECT_THAT(texts(reopen().last_keys), ElementsAre("cell ad a1 0000-01-01", "cell ad a1 9999-12-31"));
  EXPECT_THAT(visited(), ElementsAre("cell ad a1 0000-01-01", "cell ad a1 9999-12-31"));
}

// ── Keys and foreign rows ──

TEST_P(SinkConformance, EveryKeyThatHasARowIsVisited) {
  commit(1, {cell("a1", values(1)), cell("a2", std::nullopt, {row(Breakdown::kCountry, "US", values(1))}, false)},
         {{Level::kCampaign, "c1", "Name", 3, Day{20'000}}}, {{"a7", true, "s1", "c1", 67, Day{1}, Day{2}}});
  EXPECT_THAT(visited(),
              ElementsAre("cell ad a1 2024-10-04", "cell ad a2 2024-10-04", "hierarchy ad a7", "name campaign c1"));
}

TEST_P(SinkConformance, RowsWhoseKeyNobodyCouldHaveWrittenArePurged) {
  const std::vector<CellWrite> ours{cell("a1", values(1), {row(Breakdown::kCountry, "US", values(1))})};
  commit(1, ours);
  int foreign_rows = 0;
  const auto foreign = [&](const std::string& type, const std::string& id, const std::string& date) {
    if (target_->add_foreign_row(kMainTable, {{"entity_type", type}, {"entity_id", id}, {"date", date}}))
      ++foreign_rows;
    if (target_->add_foreign_row(kBreakdownTable, {{"entity_type", type},
                                                   {"entity_id", id},
                                                   {"date", date},
                                                   {"breakdown_type", "country"},
                                                   {"breakdown_value", "US"}}))
      ++foreign_rows;
  };
  for (const char* type : {"Ad", "account", "", "ad "}) foreign(type, "x", "2024-10-04");
  for (const char* date : {"", "yesterday", "2024-02-30", "2024-1-1", "2024-10-04T00:00", "20241004", "2024-10-04 "})
    foreign("ad", "x", date);
  foreign("ad", "", "2024-10-04");
  ASSERT_TRUE(
      target_->add_foreign_row(kNameTable, {{"entity_type", "account"}, {"entity_id", "x"}, {"canonical_name", "n"}}));
  EXPECT_GE(foreign_rows, 2 * 5) << "every target can hold a foreign entity";

  EXPECT_THAT(visited(), ElementsAre("cell ad a1 2024-10-04")) << "no key of ours";
  EXPECT_EQ(commit(2, {}).deleted, 0) << "unless asked, they are left alone";
  const SinkReceipt receipt = commit(3, ours, {}, {}, true);
  EXPECT_EQ(receipt.deleted, foreign_rows + 1);
  EXPECT_EQ(receipt.unchanged, 2);
  EXPECT_THAT(column(kMainTable, "entity_id"), ElementsAre("a1"));
  EXPECT_THAT(breakdowns(), ElementsAre("country US"));
  EXPECT_THAT(target_->rows(kNameTable), IsEmpty());
}

TEST_P(SinkConformance, ForeignRowsUnderKeysOfOursAreVisitedAndPutRight) {
  commit(1, {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(1))})});
  target_->add_foreign_row(kMainTable, {{"entity_type", "ad"}, {"entity_id", "a5"}, {"date", "2024-10-05"}});
  for (const auto& [type, value] : std::map<std::string, std::string>{{"country", "XX"}, {"gender", "f"}, {"", ""}}) {
    target_->add_foreign_row(kBreakdownTable, {{"entity_type", "ad"},
                                               {"entity_id", "a1"},
                                               {"date", "2024-10-04"},
                                               {"breakdown_type", type},
                                               {"breakdown_value", value}});
  }
  target_->add_foreign_row(kNameTable, {{"entity_type", "ad"}, {"entity_id", "a6"}, {"canonical_name", "n"}});
  target_->add_foreign_row(kHierarchyTable, {{"ad_id", "a7"}, {"adset_id", "s"}, {"campaign_id", "c"}});
  EXPECT_THAT(visited(),
              ElementsAre("cell ad a1 2024-10-04", "cell ad a5 2024-10-05", "hierarchy ad a7", "name ad a6"));
  // What the engine then does with such keys:
  const SinkReceipt receipt = commit(2,
                                     {cell("a1", values(1), {row(Breakdown::kCountry, "US", values(1))}),
                                      cell("a5", std::nullopt, {}, true, Day{20'001})},
                                     {no_name(Level::kAd, "a6")}, {no_hierarchy("a7")}, true);
  EXPECT_EQ(receipt.deleted, 6);
  EXPECT_THAT(breakdowns(), ElementsAre("country US"));
  EXPECT_THAT(visited(), ElementsAre("cell ad a1 2024-10-04"));
}

TEST_P(SinkConformance, TablesThatSomebodyEmptiedAreFilledAgain) {
  const std::vector<CellWrite> cells{cell("a1", values(1), {row(Breakdown::kCountry, "US", values(1))}, false)};
  commit(1, cells);
  commit(2, {cell("a1", std::nullopt)});
  EXPECT_TRUE(reopen().empty);
  EXPECT_EQ(commit(3, cells).inserted, 2);
  EXPECT_EQ(commit(4, cells).written(), 0);
}

// ── Names and hierarchies ──

TEST_P(SinkConformance, NamesAreInsertedUpdatedAndDeleted) {
  const auto name = [](const char* text, std::int64_t count, Day seen) {
    return std::vector<NameWrite>{{Level::kCampaign, "c1", text, count, seen}};
  };
  EXPECT_EQ(commit(1, {}, name("One", 3, Day{20'000})).inserted, 1);
  Row expected{{"entity_type", "campaign"},     {"entity_id", "c1"},        {"canonical_name", "One"},
               {"frequency_count", "3"},        {"created_at", time_of(1)}, {"updated_at", time_of(1)},
               {"last_seen_date", "2024-10-04"}};
  EXPECT_THAT(target_->rows(kNameTable), ElementsAre(expected));

  EXPECT_EQ(commit(2, {}, name("One", 3, Day{20'000})).unchanged, 1);
  EXPECT_THAT(target_->rows(kNameTable), ElementsAre(expected)) << "updated_at moves with another column only";

  std::uint64_t epoch = 2;
  for (const auto& [column, value, write] : std::vector<std::tuple<std::string, std::string, std::vector<NameWrite>>>{
           {"canonical_name", "Two", name("Two", 3, Day{20'000})},
           {"frequency_count", "4", name("Two", 4, Day{20'000})},
           {"last_seen_date", "2024-10-05", name("Two", 4, Day{20'001})}}) {
    EXPECT_EQ(commit(++epoch, {}, write).updated, 1);
    expected[column] = value;
    expected["updated_at"] = time_of(epoch);
    EXPECT_THAT(target_->rows(kNameTable), ElementsAre(expected));
  }
  EXPECT_EQ(commit(++epoch, {}, {no_name(Level::kAd, "c1")}).written(), 0) << "another level's";
  EXPECT_EQ(commit(++epoch, {}, {no_name(Level::kCampaign, "c1")}).deleted, 1);
  EXPECT_THAT(target_->rows(kNameTable), IsEmpty());
  commit(++epoch, {}, name("One", 3, Day{20'000}));
  EXPECT_THAT(column(kNameTable, "created_at"), ElementsAre(time_of(epoch))) << "a new life";
}

TEST_P(SinkConformance, HierarchiesAreInsertedUpdatedAndDeleted) {
  HierarchyWrite write{"a1", true, "s1", "c1", 100, Day{20'000}, Day{20'001}};
  EXPECT_EQ(commit(1, {}, {}, {write}).inserted, 1);
  Row expected{{"ad_id", "a1"},
               {"adset_id", "s1"},
               {"campaign_id", "c1"},
               {"relationship_confidence", "1"},
               {"first_seen_date", "2024-10-04"},
               {"last_seen_date", "2024-10-05"},
               {"created_at", time_of(1)},
               {"updated_at", time_of(1)}};
  EXPECT_THAT(target_->rows(kHierarchyTable), ElementsAre(expected));
  EXPECT_EQ(commit(2, {}, {}, {write}).unchanged, 1);
  EXPECT_THAT(target_->rows(kHierarchyTable), ElementsAre(expected));

  std::uint64_t epoch = 2;
  const auto change = [&](const std::string& column, const std::string& value) {
    EXPECT_EQ(commit(++epoch, {}, {}, {write}).updated, 1) << column;
    expected[column] = value;
    expected["updated_at"] = time_of(epoch);
    EXPECT_THAT(target_->rows(kHierarchyTable), ElementsAre(expected));
  };
  write.adset_id = "s2";
  change("adset_id", "s2");
  write.campaign_id = "c2";
  change("campaign_id", "c2");
  write.confidence_hundredths = 67;
  change("relationship_confidence", "0.67");
  write.first_seen = Day{19'999};
  change("first_seen_date", "2024-10-03");
  write.last_seen = Day{20'002};
  change("last_seen_date", "2024-10-06");

  EXPECT_EQ(commit(++epoch, {}, {}, {no_hierarchy("a2")}).written(), 0);
  EXPECT_EQ(commit(++epoch, {}, {}, {no_hierarchy("a1")}).deleted, 1);
  EXPECT_THAT(target_->rows(kHierarchyTable), IsEmpty());
}

}  // namespace admetrics
