#include "core/metrics/meta.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "tests/core/draw.hpp"
#include "tests/core/raw_rows.hpp"

/// `metrics.md` section 4, and section 8 where it speaks of Meta rows and mappings.
namespace admetrics {
namespace {

class MetaTest : public testing::Test {
 protected:
  void map_country(const std::vector<ValueMapping::Row>& rows) { mappings_.country = ValueMapping::country(rows); }
  void map_device(const std::vector<ValueMapping::Row>& rows) { mappings_.device = ValueMapping::device(rows); }

  std::optional<MetaPart> part_of(const RawMeta& row) { return meta_part_of(row, mappings_, cache_, rejects_); }
  std::string value_of(Breakdown breakdown, std::string_view raw) {
    const auto part = part_of(meta_row(breakdown, raw));
    return part ? std::string(dictionary_.text(part->value)) : "rejected";
  }
  std::string text(DictionaryId id) { return std::string(dictionary_.text(id)); }

  void expect_rejected(const RawMeta& row, RejectReason reason, std::string_view column) {
    EXPECT_FALSE(part_of(row).has_value()) << column;
    ASSERT_EQ(rejects_.size(), 1U) << column;
    EXPECT_EQ(rejects_[0].reason, reason);
    EXPECT_EQ(rejects_[0].column, column);
    rejects_.clear();
  }

  Mappings mappings_{ValueMapping::country({}), ValueMapping::device({})};
  Dictionary dictionary_;
  DictionaryCache cache_{dictionary_};
  std::vector<Reject> rejects_;
};

// ── Which value a row counts for ─────────────────────────────────────────────────────────────────────────────────

TEST_F(MetaTest, WithoutDeviceMappingTheDefaultsHold) {
  EXPECT_EQ(value_of(Breakdown::kDevice, "iphone"), "APP_STORE");
  EXPECT_EQ(value_of(Breakdown::kDevice, "ipad"), "APP_STORE");
  EXPECT_EQ(value_of(Breakdown::kDevice, "android_smartphone"), "PLAY_STORE");
  EXPECT_EQ(value_of(Breakdown::kDevice, "android_tablet"), "PLAY_STORE");
  EXPECT_EQ(value_of(Breakdown::kDevice, "desktop"), "STRIPE");
  EXPECT_EQ(value_of(Breakdown::kDevice, "unknown"), "STRIPE");
  EXPECT_EQ(value_of(Breakdown::kDevice, "television"), "television");
  EXPECT_EQ(mappings_.device.entries().size(), 6U);
}

TEST_F(MetaTest, OneRowOfTheDeviceMappingEndsTheDefaults) {
  map_device({{"television", "ROKU", true}});
  EXPECT_EQ(value_of(Breakdown::kDevice, "television"), "ROKU");
  EXPECT_EQ(value_of(Breakdown::kDevice, "iphone"), "iphone");
}

TEST_F(MetaTest, AnInactiveRowAloneEndsTheDefaultsToo) {
  map_device({{"iphone", "APP_STORE", false}});
  EXPECT_EQ(value_of(Breakdown::kDevice, "iphone"), "iphone");
  EXPECT_EQ(value_of(Breakdown::kDevice, "ipad"), "ipad");
  EXPECT_FALSE(mappings_.device.find("iphone"));
}

TEST_F(MetaTest, CountriesHaveNoDefaults) {
  EXPECT_EQ(value_of(Breakdown::kCountry, "United States"), "United States");
  EXPECT_TRUE(mappings_.country.entries().empty());
}

TEST_F(MetaTest, OnlyActiveRowsMap) {
  map_country({{"United States", "US", true}, {"Germany", "DE", false}});
  EXPECT_EQ(value_of(Breakdown::kCountry, "United States"), "US");
  EXPECT_EQ(value_of(Breakdown::kCountry, "Germany"), "Germany");
}

TEST_F(MetaTest, MappingKeysMatchExactly) {
  map_country({{"United States", "US", true}});
  EXPECT_EQ(value_of(Breakdown::kCountry, "united states"), "united states");
  EXPECT_EQ(value_of(Breakdown::kCountry, "United States "), "United States ");
}

TEST_F(MetaTest, AMappedDeviceIsTakenAsItStands) {
  map_device({{"iphone", "app_store", true}});
  EXPECT_EQ(value_of(Breakdown::kDevice, "iphone"), "app_store");
}

TEST_F(MetaTest, AMappingToNullOrEmptyGivesUnknown) {
  map_country({{"Atlantis", "", true}});
  map_device({{"toaster", "", true}});
  EXPECT_EQ(value_of(Breakdown::kCountry, "Atlantis"), "unknown");
  EXPECT_EQ(value_of(Breakdown::kDevice, "toaster"), "unknown");
  EXPECT_TRUE(mappings_.country.find("Atlantis"));  // covered: not unmapped
}

TEST_F(MetaTest, NullAndEmptyAreUnknownWithoutMapping) {
  map_country({{"", "US", true}, {"unknown", "XX", true}});
  EXPECT_EQ(value_of(Breakdown::kCountry, ""), "unknown");
  EXPECT_EQ(value_of(Breakdown::kDevice, ""), "unknown");  // the text `unknown` would be STRIPE
  EXPECT_EQ(value_of(Breakdown::kRegion, ""), "unknown");
}

TEST_F(MetaTest, TheTextUnknownIsMappedAsAnyText) {
  map_country({{"unknown", "XX", true}});
  EXPECT_EQ(value_of(Breakdown::kCountry, "unknown"), "XX");
  EXPECT_EQ(value_of(Breakdown::kDevice, "unknown"), "STRIPE");
  EXPECT_EQ(value_of(Breakdown::kRegion, "unknown"), "unknown");
}

TEST_F(MetaTest, RegionsAreNeverMapped) {
  map_country({{"California", "CA", true}});
  map_device({{"California", "CA", true}});
  EXPECT_EQ(value_of(Breakdown::kRegion, "California"), "California");
}

TEST_F(MetaTest, AMappingIsNotAppliedTwice) {
  map_country({{"A", "B", true}, {"B", "C", true}});
  EXPECT_EQ(value_of(Breakdown::kCountry, "A"), "B");
}

TEST_F(MetaTest, ThePartKeepsTheRawValueForAChangedMapping) {
  map_country({{"United States", "US", true}});
  const auto part = part_of(meta_row(Breakdown::kCountry, "United States"));
  ASSERT_TRUE(part);
  EXPECT_EQ(text(part->raw_value), "United States");
  EXPECT_EQ(part_of(meta_row(Breakdown::kCountry, ""))->raw_value, DictionaryId{0});
}

// ── What a row gives ─────────────────────────────────────────────────────────────────────────────────────────────

TEST_F(MetaTest, ARowGivesItsSumsItsIdsAndItsNames) {
  const auto part = part_of(meta_row());
  ASSERT_TRUE(part);
  EXPECT_EQ(part->sums, (MetaSums{1'500'000, 100, 10, 3, 2, 1}));
  EXPECT_EQ(part->breakdown, Breakdown::kNone);
  EXPECT_EQ(part->value, DictionaryId{0});
  EXPECT_EQ(text(part->ids[index_of(Level::kCampaign)]), "c1");
  EXPECT_EQ(text(part->ids[index_of(Level::kAdset)]), "s1");
  EXPECT_EQ(text(part->names[index_of(Level::kCampaign)]), "Campaign");
  EXPECT_EQ(text(part->names[index_of(Level::kAdset)]), "Ad set");
  EXPECT_EQ(text(part->names[index_of(Level::kAd)]), "Ad");
}

TEST_F(MetaTest, NullNumbersAreZero) {
  RawMeta row = meta_row();
  row.spend = null_value();
  for (RawValue& count : row.counts) count = null_value();
  EXPECT_EQ(part_of(row)->sums, (MetaSums{0, 0, 0, 0, 0, 1}));
}

TEST_F(MetaTest, ARowCountsForEachIdThatItNames) {
  const auto levels = [&](const RawMeta& row) {
    std::vector<std::string> found;
    for_each_entity(dictionary_.intern("a1"), *part_of(row), [&](Entity entity, const MetaPart&) {
      found.push_back(std::string(name_of(entity.level())) + ' ' + text(entity.id()));
    });
    std::sort(found.begin(), found.end());
    return found;
  };
  RawMeta row = meta_row();
  EXPECT_EQ(levels(row), (std::vector<std::string>{"ad a1", "adset s1", "campaign c1"}));
  row.ids[index_of(Level::kAdset)] = "";
  EXPECT_EQ(levels(row), (std::vector<std::string>{"ad a1", "campaign c1"}));
  row.ids[index_of(Level::kCampaign)] = "";
  EXPECT_EQ(levels(row), (std::vector<std::string>{"ad a1"}));
}

// ── Rejects ──────────────────────────────────────────────────────────────────────────────────────────────────────

TEST_F(MetaTest, ARowWithoutAdOrCalendarDayIsRejected) {
  RawMeta row = meta_row();
  for (const RawValue& bad : {null_value(), text_value(""), blob_value("a1")}) {
    row.ad_id = bad;
    expect_rejected(row, RejectReason::kBadKey, "ad_id");
  }
  row = meta_row();
  for (const RawValue& bad : {null_value(), text_value(""), blob_value("2026-01-03"), text_value("2026-02-30"),
                              text_value("2026-01-03T00:00"), text_value("20260103"), text_value("03.01.2026"),
                              RawValue{RawValue::Kind::kInteger, 20'260'103, 0, "20260103"}}) {
    row.date = bad;
    expect_rejected(row, RejectReason::kBadKey, "date");
  }
}

TEST_F(MetaTest, AnUnreadableNumberRejectsTheRow) {
  RawMeta row = meta_row();
  for (const RawValue& bad : {text_value("n/a"), text_value(""), real_value(std::numeric_limits<double>::infinity())}) {
    row.spend = bad;
    expect_rejected(row, RejectReason::kBadMoney, "spend");
  }
  constexpr std::array kColumns{"impressions", "clicks", "meta_trials", "meta_purchases"};
  for (std::size_t count = 0; count < kColumns.size(); ++count) {
    for (const RawValue& bad : {text_value("7"), text_value(""), real_value(7.5)}) {
      row = meta_row();
      row.counts[count] = bad;
      expect_rejected(row, RejectReason::kBadCount, kColumns[count]);
    }
  }
}

TEST_F(MetaTest, AnEmptyBreakdownValueIsNoReject) {
  EXPECT_TRUE(part_of(meta_row(Breakdown::kCountry, "")));
  EXPECT_TRUE(rejects_.empty());
}

TEST_F(MetaTest, ARejectNamesItsTableAndKey) {
  RawMeta row = meta_row(Breakdown::kDevice, "iphone");
  row.spend = text_value("n/a");
  EXPECT_FALSE(part_of(row));
  ASSERT_EQ(rejects_.size(), 1U);
  EXPECT_EQ(rejects_[0].table, "ad_performance_daily_device");
  EXPECT_EQ(rejects_[0].row_key, "a1|2026-01-03|iphone");
  EXPECT_EQ(rejects_[0].text, "n/a");
}

// ── Cells ────────────────────────────────────────────────────────────────────────────────────────────────────────

TEST_F(MetaTest, ACellAddsUpPerBreakdownValue) {
  MetaCell cell;
  cell.apply(*part_of(meta_row()), Level::kCampaign, +1);
  cell.apply(*part_of(meta_row()), Level::kCampaign, +1);
  cell.apply(*part_of(meta_row(Breakdown::kCountry, "US")), Level::kCampaign, +1);
  ASSERT_NE(cell.find(Breakdown::kNone, {}), nullptr);
  EXPECT_EQ(*cell.find(Breakdown::kNone, {}), (MetaSums{3'000'000, 200, 20, 6, 4, 2}));
  EXPECT_EQ(*cell.find(Breakdown::kCountry, dictionary_.find("US")), (MetaSums{1'500'000, 100, 10, 3, 2, 1}));
  EXPECT_EQ(cell.find(Breakdown::kDevice, dictionary_.find("US")), nullptr);
  EXPECT_EQ(cell.find(Breakdown::kCountry, {}), nullptr);
}

TEST_F(MetaTest, NamesCountForTheLevelThatTheyName) {
  for (const Level level : kLevels) {
    MetaCell cell;
    cell.apply(*part_of(meta_row()), level, +1);
    cell.apply(*part_of(meta_row(Breakdown::kCountry, "US")), level, +1);
    ASSERT_EQ(cell.names.size(), 1U);
    EXPECT_EQ(text(cell.names[0].name), (std::array{"Campaign", "Ad set", "Ad"})[index_of(level)]);
    EXPECT_EQ(cell.names[0].rows, 2);
  }
}

TEST_F(MetaTest, EmptyNamesDoNotCount) {
  RawMeta row = meta_row();
  row.names[index_of(Level::kAd)] = "";
  MetaCell cell;
  cell.apply(*part_of(row), Level::kAd, +1);
  EXPECT_TRUE(cell.names.empty());
  EXPECT_FALSE(cell.empty());
}

TEST_F(MetaTest, ARowOfZerosIsARow) {
  RawMeta row = meta_row();
  row.spend = null_value();
  for (RawValue& count : row.counts) count = null_value();
  MetaCell cell;
  cell.apply(*part_of(row), Level::kAd, +1);
  ASSERT_NE(cell.find(Breakdown::kNone, {}), nullptr);
  EXPECT_EQ(cell.find(Breakdown::kNone, {})->rows, 1);
}

TEST_F(MetaTest, SumsBeyond64BitsAreExact) {
  MetaPart part;
  part.sums = MetaSums{kMoneyMicrosMax, 0, kCountMax, 0, 0, 1};
  MetaCell cell;
  for (int i = 0; i < 20'000; ++i) cell.apply(part, Level::kAd, +1);
  EXPECT_TRUE(cell.find(Breakdown::kNone, {})->spend_micros == Int128{20'000} * kMoneyMicrosMax);
  for (int i = 0; i < 19'999; ++i) cell.apply(part, Level::kAd, -1);
  EXPECT_EQ(cell.find(Breakdown::kNone, {})->clicks, kCountMax);
}

/// Adding and withdrawing in any order leaves exactly what stays; and nothing, when nothing stays.
TEST_F(MetaTest, AddingAndWithdrawingLeavesNoTrace) {
  Draw draw(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<MetaPart> parts;
    for (std::uint64_t count = draw.below(40) + 1; count > 0; --count) {
      MetaPart part;
      part.breakdown = static_cast<Breakdown>(draw.below(4));
      part.value =
          part.breakdown == Breakdown::kNone ? DictionaryId{} : DictionaryId{static_cast<std::uint32_t>(draw.below(4))};
      part.names[index_of(Level::kAdset)] = DictionaryId{static_cast<std::uint32_t>(draw.below(4))};
      // Sizes past every limit on purpose.
      part.sums = MetaSums{draw.any_size(), draw.any_size(), draw.any_size(), draw.any_size(), draw.any_size(), 1};
      parts.push_back(part);
    }
    const std::size_t staying = draw.below(parts.size() + 1);
    MetaCell expected;
    for (std::size_t i = 0; i < staying; ++i) expected.apply(parts[i], Level::kAdset, +1);

    MetaCell cell;
    std::vector<std::size_t> in;
    std::vector<std::size_t> out(parts.size());
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = i;
    const auto move = [&](std::vector<std::size_t>& from, std::vector<std::size_t>& to, std::size_t at, int sign) {
      cell.apply(parts[from[at]], Level::kAdset, sign);
      to.push_back(from[at]);
      from.erase(from.begin() + static_cast<std::ptrdiff_t>(at));
    };
    for (int step = 0; step < 150; ++step) {
      if (in.empty() || (!out.empty() && draw.chance(50))) {
        move(out, in, draw.below(out.size()), +1);
      } else {
        move(in, out, draw.below(in.size()), -1);
      }
    }
    for (std::size_t at = out.size(); at-- > 0;) {
      if (out[at] < staying) move(out, in, at, +1);
    }
    for (std::size_t at = in.size(); at-- > 0;) {
      if (in[at] >= staying) move(in, out, at, -1);
    }
    ASSERT_EQ(cell, expected);
    while (!in.empty()) move(in, out, draw.below(in.size()), -1);
    ASSERT_TRUE(cell.empty());
  }
}

}  // namespace
}  // namespace admetrics
