#include "daemon/api/events.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace admetrics::api {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

boost::json::value data_of(const std::string& event) {
  const std::size_t from = event.find("data: ") + 6;
  return boost::json::parse(event.substr(from, event.find('\n', from) - from));
}

TEST(EventsTest, AnEpochNamesWhatChanged) {
  EpochEvent event;
  event.report.epoch = EpochId{7};
  event.committed_at_millis = 1'753'956'000'123;
  SinkReceipt receipt;
  receipt.updated = 3;
  receipt.changed = {{SinkKey::Kind::kCell, Level::kAd, "a\n1", *parse_day("2025-07-30")},
                     {SinkKey::Kind::kName, Level::kCampaign, "c1", kNoDay},
                     {SinkKey::Kind::kHierarchy, Level::kAd, "a1", kNoDay}};
  receipt.changed_more = true;
  event.report.receipts.push_back(receipt);
  const std::string text = epoch_event(event);
  EXPECT_THAT(text, StartsWith("event: epoch\nid: 7\ndata: {"));
  EXPECT_THAT(text, testing::EndsWith("}\n\n"));
  const auto data = data_of(text);
  EXPECT_EQ(data.at("epoch").to_number<int>(), 7);
  EXPECT_EQ(data.at("committed_at"), "2025-07-31 10:00:00.123");
  EXPECT_EQ(data.at("rows_updated").to_number<int>(), 3);
  EXPECT_TRUE(data.at("more").as_bool());
  EXPECT_EQ(data.at("keys"),
            boost::json::parse(R"([{"kind":"metrics","entity_type":"ad","entity_id":"a\n1","date":"2025-07-30"},
      {"kind":"name","entity_type":"campaign","entity_id":"c1"},{"kind":"hierarchy","entity_type":"ad","entity_id":"a1"}])"));
}

TEST(EventsTest, ABeginningTellsWhoMissedSomething) {
  EXPECT_THAT(first_event(7, ""), HasSubstr("event: hello\nid: 7\ndata: {\"epoch\":7}\n\n"));
  EXPECT_THAT(first_event(7, "7"), Not(HasSubstr("reload")));
  EXPECT_THAT(first_event(7, "6"), HasSubstr("event: reload\n"));
}

}  // namespace
}  // namespace admetrics::api
