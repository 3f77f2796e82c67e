#include "core/engine/causes.hpp"

#include <gtest/gtest.h>

#include "core/engine/ports.hpp"

namespace admetrics {
namespace {

constexpr Day kToday{20'000};

/// A user of one campaign with a trial today, before and after something happened.
class CausesTest : public testing::Test {
 protected:
  void SetUp() override {
    before_.ids = {DictionaryId{1}, {}, {}};
    before_.values = {DictionaryId{2}, DictionaryId{2}, DictionaryId{3}};
    before_.trial_day = kToday;
    after_ = before_;
    facts_.attribution.present = true;
    facts_.attribution.ids = before_.ids;
    facts_.events.trial_day = kToday;
    facts_.events.newest_day = kToday;
  }
  static Instant noon(std::int32_t days_ago) { return Instant{(kToday.value - days_ago) * 86'400LL + 43'200, 0}; }
  Causes causes(std::uint8_t records = 0) { return causes_of(before_, after_, facts_, records, kToday, utc_); }

  const TimeZone utc_ = TimeZone::find("UTC").value();
  UserContribution before_;
  UserContribution after_;
  UserFacts facts_;
};

TEST_F(CausesTest, NothingChanged) { EXPECT_TRUE(causes().empty()); }

TEST_F(CausesTest, AnEventIsLateWhenItsDayHasBeenOverForADay) {
  for (const auto& [days_ago, cause] :
       {std::pair(-3, Cause::kEvent), std::pair(0, Cause::kEvent), std::pair(1, Cause::kEvent),
        std::pair(2, Cause::kLateEvent), std::pair(400, Cause::kLateEvent)}) {
    after_ = before_;
    after_.purchase_day = Day{kToday.value - days_ago};
    EXPECT_EQ(causes(), Causes(cause)) << days_ago;
  }
}

TEST_F(CausesTest, TheLaterOfTwoDaysIsTheEvents) {
  before_.trial_day = kToday;
  after_.trial_day = Day{kToday.value - 30};  // today's trial went, an older one counts again
  EXPECT_EQ(causes(), Causes(Cause::kEvent));
}

TEST_F(CausesTest, AConversionIsDatedByItsTime) {
  after_.converted = true;
  facts_.events.converted_at = noon(0);
  EXPECT_EQ(causes(), Causes(Cause::kEvent));
  facts_.events.converted_at = noon(5);
  EXPECT_EQ(causes(), Causes(Cause::kLateEvent));
}

TEST_F(CausesTest, AnAmountAloneIsDatedByTheNewestEvent) {
  after_.revenue_micros = 1;
  EXPECT_EQ(causes(), Causes(Cause::kEvent));
  facts_.events.newest_day = Day{kToday.value - 9};
  EXPECT_EQ(causes(), Causes(Cause::kLateEvent));
}

TEST_F(CausesTest, EachPartHasItsOwn) {
  after_.ids[0] = DictionaryId{9};
  EXPECT_EQ(causes(), Causes(Cause::kReAttribution));
  after_ = before_;
  after_.values[0] = DictionaryId{9};
  EXPECT_EQ(causes(), Causes(Cause::kUser));
  after_ = before_;
  after_.values[2] = DictionaryId{9};
  EXPECT_EQ(causes(), Causes(Cause::kValue));
  after_ = before_;
  after_.rate_counts[1] = 1;
  EXPECT_EQ(causes(), Causes(Cause::kValue));
  after_.ids[0] = DictionaryId{9};
  EXPECT_EQ(causes(), Cause::kValue | Causes(Cause::kReAttribution));
}

TEST_F(CausesTest, WhoAppearsWithoutARecordOfAnEventWasAttributed) {
  before_ = {};
  EXPECT_EQ(causes(kUserRecords), Causes(Cause::kReAttribution));
  EXPECT_EQ(causes(kUserRecords | kEventRecords), Causes(Cause::kEvent));
  EXPECT_EQ(causes(kEventRecords), Causes(Cause::kEvent));
  EXPECT_EQ(causes(), Causes(Cause::kEvent));  // nobody knows: the likelier
}

TEST_F(CausesTest, WhoVanishesLostHisEventsOrHisAttribution) {
  after_ = {};
  facts_.attribution = {};
  EXPECT_EQ(causes(kUserRecords), Causes(Cause::kReAttribution));
  facts_.events = {};
  EXPECT_EQ(causes(), Cause::kEvent | Causes(Cause::kReAttribution));
  facts_.attribution.present = true;
  facts_.attribution.ids = before_.ids;
  EXPECT_EQ(causes(kEventRecords), Causes(Cause::kEvent));
}

TEST(MappedAnew, OnlyTheValueDiffers) {
  MetaPart part;
  part.breakdown = Breakdown::kCountry;
  part.raw_value = DictionaryId{4};
  part.value = DictionaryId{5};
  part.sums.spend_micros = 7;
  MetaPart mapped = part;
  mapped.value = DictionaryId{6};
  EXPECT_TRUE(only_mapped_anew({part}, {mapped}));
  MetaPart dearer = mapped;
  dearer.sums.spend_micros = 8;
  EXPECT_FALSE(only_mapped_anew({part}, {dearer}));
  EXPECT_FALSE(only_mapped_anew({part}, {}));
  EXPECT_FALSE(only_mapped_anew({}, {part}));
}

}  // namespace
}  // namespace admetrics
