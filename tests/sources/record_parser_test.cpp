#include "sources/changelog/record_parser.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/must.hpp"

namespace admetrics::source {
namespace {

using support::must;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string shown(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kAbsent: return "-";
    case Value::Kind::kNull: return "null";
    case Value::Kind::kInteger: return std::to_string(value.integer);
    case Value::Kind::kReal: {
      std::string text = std::to_string(value.real());
      return text.substr(0, text.find_last_not_of('0') + 1);
    }
    case Value::Kind::kText: return "'" + std::string(value.text) + "'";
  }
  return "?";
}

/// Records as short texts: `upsert mixpanel_user distinct_id='u' @17 tx=a#1`.
class Shown : public RecordVisitor {
 public:
  Status on_record(const Record& record, const LogLine&) override {
    std::string text;
    switch (record.kind) {
      case RecordKind::kNothing: text = record.other_table ? "other table" : "nothing"; break;
      case RecordKind::kUpsert: text = "upsert"; break;
      case RecordKind::kDelete: text = "delete"; break;
      case RecordKind::kTruncate: text = "truncate"; break;
      case RecordKind::kEvent: text = "event"; break;
      case RecordKind::kBegin: text = "begin"; break;
      case RecordKind::kEnd: text = "end"; break;
    }
    const bool row = record.kind == RecordKind::kUpsert || record.kind == RecordKind::kDelete ||
                     record.kind == RecordKind::kTruncate || record.kind == RecordKind::kEvent;
    if (row) {
      text += ' ' + std::string(record.table->name);
      if (record.kind != RecordKind::kTruncate) text += cells(*record.table, record.cells, "");
      if (record.has_before) text += cells(*record.table, record.before, "before ");
    }
    if (record.kind == RecordKind::kEvent) {
      text += " |";
      for (const Value& value : record.user) text += ' ' + shown(value);
      text += " at " + std::to_string(record.event_ms);
    }
    if (row) text += version(record.version);
    if (!record.transaction.empty()) {
      text += " tx=" + std::string(record.transaction);
      if (record.transaction_place != 0) text += ':' + std::to_string(record.transaction_place);
    }
    if (record.order >= 0) text += '#' + std::to_string(record.order);
    if (record.kind == RecordKind::kEnd) text += " of " + std::to_string(record.expected);
    if (record.ends_transaction && row) text += " last";
    seen.push_back(text);
    digests.push_back(record.version.digest);
    return {};
  }
  Status on_bad(BadRecord reason, const LogLine& line) override {
    seen.push_back(std::string(name_of(reason)) + " at " + std::to_string(line.at));
    return {};
  }

  std::vector<std::string> seen;
  std::vector<std::uint64_t> digests;

 private:
  static std::string cells(const LandingTable& table, const Cells& values, const std::string& prefix) {
    std::string text;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (values[i].given()) text += ' ' + prefix + std::string(table.columns[i].name) + '=' + shown(values[i]);
    }
    return text;
  }
  static std::string version(const Version& version) {
    std::string text;
    if (version.position == Version::Position::kNumber) text += " @" + std::to_string(version.number);
    if (version.position == Version::Position::kText) text += " @" + std::string(version.text);
    if (version.has_ms) text += " ms=" + std::to_string(version.ms);
    if (version.snapshot) text += " snapshot";
    return text;
  }
};

std::vector<std::string> read(std::string lines, LogFormat format = LogFormat::kAuto,
                              const MixpanelMapping& mapping = {}, std::vector<std::uint64_t>* digests = nullptr) {
  RecordParser parser = must(RecordParser::create(format, mapping));
  const std::size_t size = lines.size();
  lines.resize(size + RecordParser::padding(), ' ');
  Shown visitor;
  must(parser.parse(std::string_view(lines).substr(0, size), visitor));
  if (digests != nullptr) *digests = visitor.digests;
  return visitor.seen;
}

// ── Ours ─────────────────────────────────────────────────────────────────────────────────────────────────────────

TEST(PlainShape, TellsRowsDeletionsAndTruncations) {
  EXPECT_THAT(
      read(R"({"table":"mixpanel_event","op":"upsert","seq":17,"row":{"event_uuid":"e1","revenue_usd":9.5,"other":1}})"
           "\n"
           R"({"table":"mixpanel_event","op":"delete","seq":18,"key":{"event_uuid":"e1"}})"
           "\n"
           R"({"table":"AD_performance_Daily","op":"truncate","ts_ms":19})"
           "\n"
           R"({"table":"mixpanel_user","row":{"distinct_id":5,"country":null},"before":{"distinct_id":"old"}})"),
      ElementsAre("upsert mixpanel_event event_uuid='e1' revenue_usd=9.5 @17",
                  "delete mixpanel_event event_uuid='e1' @18", "truncate ad_performance_daily ms=19",
                  "upsert mixpanel_user distinct_id=5 country=null before distinct_id='old'"));
}

TEST(PlainShape, TellsTransactions) {
  EXPECT_THAT(read(R"({"table":"mixpanel_user","row":{"distinct_id":"u"},"tx":"a7"})"
                   "\n"
                   R"({"table":"mixpanel_user","row":{"distinct_id":"v"},"tx":"5:1","tx_end":true})"
                   "\n"
                   R"({"tx":8,"tx_end":true})"
                   "\n"
                   R"({"tx":"9"})"),
              ElementsAre("upsert mixpanel_user distinct_id='u' tx=a7",
                          "upsert mixpanel_user distinct_id='v' tx=5:1 last", "end tx=8 of -1", "begin tx=9"));
}

TEST(PlainShape, ReadsNumbersOfEverySizeAndKeysOfEveryKind) {
  EXPECT_THAT(
      read(R"({"table":"user_product_metrics","row":{"user_product_id":"12","current_value":18446744073709551616}})"
           "\n"
           R"({"table":"ad_performance_daily_country","row":{"ad_id":"a","date":"2025-07-01","country":null}})"
           "\n"
           R"({"table":"mixpanel_user","seq":"0000:7","row":{"distinct_id":"u","has_abi_attribution":true}})"),
      ElementsAre("upsert user_product_metrics user_product_id=12 current_value='18446744073709551616'",
                  "upsert ad_performance_daily_country ad_id='a' date='2025-07-01' country=''",
                  "upsert mixpanel_user distinct_id='u' has_abi_attribution=1 @0000:7"));
}

TEST(PlainShape, SaysWhatItMisses) {
  EXPECT_THAT(read(R"({"table":"mixpanel_users","row":{"distinct_id":"u"}})"
                   "\n"
                   R"({"table":"mixpanel_user","op":"merge","row":{"distinct_id":"u"}})"
                   "\n"
                   R"({"table":"mixpanel_user","op":"upsert"})"
                   "\n"
                   R"({"table":"mixpanel_user","row":{"country":"US"}})"
                   "\n"
                   R"({"table":"user_product_metrics","row":{"user_product_id":"one"}})"
                   "\n"
                   R"({"what":1})"
                   "\n"
                   R"([1,2])"
                   "\n"
                   "{\"table\":\"\xff\"}"),
              ElementsAre("unknown_table at 0", "unknown_op at 53", "no_row at 118", "no_key at 158", "no_key at 207",
                          "unknown_shape at 272", "not_json at 283", "not_utf8 at 289"));
}

// ── Debezium ─────────────────────────────────────────────────────────────────────────────────────────────────────

constexpr std::string_view kUserSchema =
    R"({"type":"struct","fields":[{"field":"after","fields":[{"field":"distinct_id","type":"string"}]}]})";

std::string debezium(const std::string& op, const std::string& before, const std::string& after,
                     const std::string& source = R"({"table":"mixpanel_user","ts_ms":50})") {
  return R"({"before":)" + before + R"(,"after":)" + after + R"(,"source":)" + source + R"(,"op":")" + op +
         R"(","ts_ms":99})";
}

TEST(DebeziumShape, IsTheSameWithAndWithoutWrappersAndSchema) {
  const std::string bare =
      debezium("u", R"({"distinct_id":"u","country":"DE"})", R"({"distinct_id":"u","country":"US"})");
  const std::string schema(kUserSchema);
  const std::string want =
      "upsert mixpanel_user distinct_id='u' country='US' before distinct_id='u' before country='DE' ms=50";
  for (const std::string& line :
       {bare, R"({"payload":)" + bare + "}", R"({"schema":)" + schema + R"(,"payload":)" + bare + "}",
        R"({"payload":)" + bare + R"(,"schema":)" + schema + "}", R"({"key":{"distinct_id":"u"},"value":)" + bare + "}",
        R"({"key":null,"value":{"schema":)" + schema + R"(,"payload":)" + bare + "}}"}) {
    EXPECT_THAT(read(line), ElementsAre(want)) << line;
    EXPECT_THAT(read(line + "\n" + line + "\n", LogFormat::kDebezium), ElementsAre(want, want)) << line;
  }
}

TEST(DebeziumShape, HasEveryOperation) {
  const std::string row = R"({"distinct_id":"u"})";
  EXPECT_THAT(
      read(debezium("c", "null", row) + "\n" + debezium("r", "null", row) + "\n" + debezium("d", row, "null") + "\n" +
           debezium("t", "null", "null") + "\n" + debezium("m", "null", "null") + "\n" + debezium("x", "null", row) +
           "\n" + debezium("c", "null", "null") + "\n" + debezium("d", "null", "null")),
      ElementsAre("upsert mixpanel_user distinct_id='u' ms=50", "upsert mixpanel_user distinct_id='u' ms=50 snapshot",
                  "delete mixpanel_user distinct_id='u' ms=50", "truncate mixpanel_user ms=50", "nothing",
                  ::testing::StartsWith("unknown_op"), ::testing::StartsWith("no_row"),
                  ::testing::StartsWith("no_key")));
}

TEST(DebeziumShape, PassesOverWhatIsNoChangeOfOurTables) {
  EXPECT_THAT(read("null\n"
                   R"({"schema":null,"payload":null})"
                   "\n"
                   R"({"ts_ms":1})"
                   "\n"
                   R"({"source":{"table":""},"ddl":"CREATE TABLE x","databaseName":"d"})"
                   "\n" +
                   debezium("c", "null", R"({"id":1})", R"({"table":"orders"})")),
              ElementsAre("nothing", "nothing", "nothing", "nothing", "other table"));
}

TEST(DebeziumShape, KnowsThePositionsOfItsConnectors) {
  const std::string row = R"({"distinct_id":"u"})";
  const auto version = [&](const std::string& source) {
    const std::string text = read(debezium("c", "null", row, R"({"table":"mixpanel_user",)" + source + "}")).at(0);
    return text.substr(text.find(" @") + 1);
  };
  EXPECT_EQ(version(R"("lsn":24023128)"), "@24023128 ms=99");
  EXPECT_EQ(version(R"("scn":"8000","ts_ms":5)"), "@8000 ms=5");
  EXPECT_EQ(version(R"("change_lsn":"00000027:00000758:0003")"), "@00000027:00000758:0003 ms=99");
  EXPECT_EQ(version(R"("file":"binlog.000003","pos":154,"row":2)"),
            "@binlog.000003:0000000000000000154:0000000000000000002 ms=99");
}

TEST(DebeziumShape, TellsTransactions) {
  const std::string row = R"({"distinct_id":"u"})";
  const auto in = [&](const std::string& transaction) {
    return R"({"op":"c","after":)" + row + R"(,"source":{"table":"mixpanel_user"},"transaction":)" + transaction +
           "}\n";
  };
  EXPECT_THAT(
      read(
          R"({"status":"BEGIN","id":"571:10","event_count":null,"data_collections":null})"
          "\n" +
          in(R"({"id":"571:11","total_order":"1","data_collection_order":"1"})") +
          in(R"({"id":"file=mysql-bin.3,pos=12","total_order":2})") + in("null") +
          R"({"status":"END","id":"571:12","event_count":9,"data_collections":[)"
          R"({"data_collection":"public.mixpanel_user","event_count":2},{"data_collection":"public.orders","event_count":7}]})"
          "\n"
          R"({"payload":{"status":"END","id":"t","event_count":3}})"
          "\n"
          R"({"status":"UP","id":"1"})"),
      ElementsAre("begin tx=571:10", "upsert mixpanel_user distinct_id='u' tx=571:11#1",
                  "upsert mixpanel_user distinct_id='u' tx=file=mysql-bin.3,pos=12#2",
                  "upsert mixpanel_user distinct_id='u'", "end tx=571:12 of 2", "end tx=t of 3",
                  ::testing::StartsWith("unknown_op")));
}

TEST(DebeziumShape, ReadsEncodedColumnsByTheirSchema) {
  const auto with = [](const std::string& type, const std::string& more, const std::string& value) {
    return R"({"schema":{"fields":[{"field":"after","fields":[{"field":"event_uuid","type":"string"},{"field":"event_time","type":"int64","name":")" +
           type + R"("},{"field":"revenue_usd","type":"bytes","name":"org.apache.kafka.connect.data.Decimal",)" + more +
           R"("version":1}]}]},"payload":{"op":"c","source":{"table":"mixpanel_event"},"after":{"event_uuid":"e",)" +
           value + "}}}";
  };
  const std::string scale = R"("parameters":{"scale":"2"},)";
  const std::string is = "upsert mixpanel_event event_uuid='e' ";
  EXPECT_THAT(
      read(with("io.debezium.time.MicroTimestamp", scale, R"("event_time":1753869600123456,"revenue_usd":"/Bk=")")),
      ElementsAre(is + "event_time='2025-07-30 10:00:00.123456' revenue_usd='-9.99'"));
  EXPECT_THAT(read(with("io.debezium.time.Timestamp", scale, R"("event_time":-1)")),
              ElementsAre(is + "event_time='1969-12-31 23:59:59.999000'"));
  EXPECT_THAT(
      read(with("io.debezium.time.ZonedTimestamp", scale, R"("event_time":"2025-07-30T10:00:00Z","revenue_usd":"?")")),
      ElementsAre(is + "event_time='2025-07-30T10:00:00Z' revenue_usd='?'"));
  EXPECT_THAT(read(with("io.debezium.time.NanoTimestamp", "",
                        R"("event_time":1753869600000000000,"revenue_usd":{"scale":1,"value":"ZA=="})")),
              ElementsAre(is + "event_time='2025-07-30 10:00:00' revenue_usd='10.0'"));
}

TEST(DebeziumShape, ReadsEncodedColumnsByMagnitudeWhereThereIsNoSchema) {
  const auto day = [](const std::string& connector, const std::string& value) {
    return read(R"({"op":"c","source":{"table":"processed_event_days","connector":")" + connector +
                R"("},"after":{"date_day":)" + value + "}}");
  };
  EXPECT_THAT(day("postgresql", "20299"), ElementsAre("upsert processed_event_days date_day='2025-07-30'"));
  EXPECT_THAT(day("mysql", "1753869600000"), ElementsAre("upsert processed_event_days date_day='2025-07-30'"));
  EXPECT_THAT(day("test", "20299"), ElementsAre("upsert processed_event_days date_day=20299"));
}

TEST(DebeziumShape, LeavesWhatIsUnavailableAsItWas) {
  EXPECT_THAT(read(debezium("u", "null", R"({"distinct_id":"u","country":"__debezium_unavailable_value"})")),
              ElementsAre("upsert mixpanel_user distinct_id='u' ms=50"));
}

TEST(DebeziumShape, TellsEqualChangesApartAndKnowsOneThatCameAgain) {
  const auto digest = [](const std::string& op, const std::string& more) {
    std::vector<std::uint64_t> digests;
    read(R"({"op":")" + op + R"(","after":{"distinct_id":"u"},"source":{"table":"mixpanel_user","ts_ms":5)" + more,
         LogFormat::kAuto, {}, &digests);
    return digests.at(0);
  };
  const std::string first = R"(},"ts_ms":7,"transaction":{"id":"1","total_order":1}})";
  EXPECT_EQ(digest("c", first), digest("c", R"(},"ts_ms":8,"transaction":{"id":"1","total_order":1}})"));
  EXPECT_NE(digest("c", first), digest("c", R"(},"ts_ms":7,"transaction":{"id":"2","total_order":1}})"));
  EXPECT_NE(digest("c", first),
            digest("c", R"(,"ts_ns":5000001},"ts_ms":7,"transaction":{"id":"1","total_order":1}})"));
}

// ── Mixpanel's raw export ────────────────────────────────────────────────────────────────────────────────────────

TEST(MixpanelShape, HasWorkingDefaults) {
  EXPECT_THAT(
      read(
          R"({"event":"RC Trial started","properties":{"time":1753869600,"distinct_id":"u1","$insert_id":"i1","abi_ad_id":77,)"
          R"("mp_country_code":"DE","$region":"Berlin","country":"no","revenue":null,"$revenue":"9.99","$city":"x"}})"
          "\n"
          R"({"event":"x","properties":{"time":1753869600123,"$distinct_id":"u2","$insert_id":"i2","has_abi_attribution":true}})"
          "\n"
          R"({"event":"x","properties":{"time":"2025-07-30T10:00:00Z","$insert_id":"i3"}})"),
      ElementsAre(
          "event mixpanel_event event_uuid='i1' event_name='RC Trial started' distinct_id='u1' "
          "event_time='2025-07-30 10:00:00' revenue_usd='9.99' | 77 - - 'DE' 'Berlin' - at 1753869600000",
          "event mixpanel_event event_uuid='i2' event_name='x' distinct_id='u2' event_time='2025-07-30 "
          "10:00:00.123000' "
          "revenue_usd=null | - - - - - 1 at 1753869600123",
          "event mixpanel_event event_uuid='i3' event_name='x' distinct_id=null event_time='2025-07-30T10:00:00Z' "
          "revenue_usd=null | - - - - - - at 1753869600000"));
}

TEST(MixpanelShape, FollowsItsMapping) {
  MixpanelMapping mapping;
  mapping.revenue_usd = {"gross", "net"};
  mapping.distinct_id = {"user"};
  mapping.region = {"Größe"};
  mapping.time_zone = "America/New_York";
  EXPECT_THAT(
      read(
          R"({"event":"x","properties":{"time":1753869600,"user":5,"$insert_id":"i","net":2,"gross":3,"Gr\u00f6\u00dfe":"L"}})",
          LogFormat::kMixpanel, mapping),
      ElementsAre("event mixpanel_event event_uuid='i' event_name='x' distinct_id=5 event_time='2025-07-30 14:00:00' "
                  "revenue_usd=3 | - - - - 'L' - at 1753884000000"));
}

TEST(MixpanelShape, KnowsAnEventWithoutAnIdByAllThatItSays) {
  const std::string event = R"({"event":"x","properties":{"time":1,"distinct_id":"u"}})";
  const auto seen =
      read("  " + event + "\r\n" + event + "\n" + R"({"event":"x","properties":{"time":2,"distinct_id":"u"}})");
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(seen[0], seen[1]);
  EXPECT_NE(seen[0], seen[2]);
}

TEST(MixpanelShape, IsNoOtherShape) {
  EXPECT_THAT(read(R"({"event":"","properties":{"distinct_id":"u"}})"
                   "\n"
                   R"({"event":"x","properties":[]})"),
              ElementsAre(::testing::StartsWith("unknown_shape"), ::testing::StartsWith("unknown_shape")));
  EXPECT_THAT(read(R"({"event":"x","properties":{"distinct_id":"u"}})", LogFormat::kPlain),
              ElementsAre(::testing::StartsWith("unknown_shape")));
}

// ── Lines ────────────────────────────────────────────────────────────────────────────────────────────────────────

TEST(Lines, BlankOnesAndWhatACrashLeavesAreNothing) {
  const std::string user = R"({"table":"mixpanel_user","row":{"distinct_id":"u"}})";
  EXPECT_THAT(read("\n\r\n  \n"), IsEmpty());
  EXPECT_THAT(read(std::string(100, '\0') + user + "\r\n" + std::string(50, '\0') + "\n" + user),
              ElementsAre("upsert mixpanel_user distinct_id='u'", "upsert mixpanel_user distinct_id='u'"));
}

TEST(Lines, ARecordBehindATornOneIsRead) {
  const std::string user = R"({"table":"mixpanel_user","row":{"distinct_id":"u"}})";
  for (std::size_t cut = 1; cut < user.size() - 1; ++cut) {
    EXPECT_THAT(read(user.substr(0, cut) + user), ElementsAre("torn at 0", "upsert mixpanel_user distinct_id='u'"))
        << cut;
  }
}

TEST(Lines, ABadOneDisturbsNoOther) {
  const std::string user = R"({"table":"mixpanel_user","row":{"distinct_id":"u"}})";
  for (const std::string& bad :
       {std::string("}"), std::string("\""), std::string("[["), std::string("\xff\xfe"), user + user.substr(1),
        user + ",", std::string(R"({"table":"mixpanel_user","row":{"distinct_id":"u}})")}) {
    const auto seen = read(user + "\n" + bad + "\n" + user + "\n");
    ASSERT_EQ(seen.size(), 3U) << bad;
    EXPECT_EQ(seen[0], seen[2]) << bad;
    EXPECT_EQ(seen[0], "upsert mixpanel_user distinct_id='u'") << bad;
    EXPECT_THAT(seen[1], ::testing::HasSubstr(" at 52")) << bad;
  }
}

}  // namespace
}  // namespace admetrics::source
