#include <fstream>
#include <sstream>

#include "tests/demo/demo_fixture.hpp"

namespace admetrics::demo {
namespace {

void put_file(const std::string& path, const std::string& content) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << content;
}

std::string get_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST_F(DemoTest, EqualOptionsGiveEqualContent) {
  write(small("a"));
  write(small("b"));
  DemoOptions other = small("c");
  other.seed = 2;
  write(other);
  EXPECT_EQ(content("a"), content("b"));
  EXPECT_NE(content("a"), content("c"));
}

TEST_F(DemoTest, TablesHaveThePipelinesColumnsAndKeys) {
  write(small());
  const auto columns = [&](const std::string& path, const std::string& table) {
    return ask_text(path, "SELECT ' ' || group_concat(name, ' ') || ' ' FROM pragma_table_info('" + table + "')");
  };
  const auto expect_columns = [&](const std::string& path, const std::string& table,
                                  const std::vector<std::string>& names) {
    const std::string present = columns(path, table);
    for (const std::string& name : names) {
      EXPECT_NE(present.find(" " + name + " "), std::string::npos) << table << "." << name;
    }
  };
  expect_columns(
      product_file(), "mixpanel_user",
      {"distinct_id", "abi_ad_id", "abi_campaign_id", "abi_ad_set_id", "country", "region", "has_abi_attribution"});
  expect_columns(product_file(), "mixpanel_event",
                 {"event_uuid", "event_name", "distinct_id", "event_time", "revenue_usd", "event_json"});
  expect_columns(product_file(), "user_product_metrics",
                 {"user_product_id", "distinct_id", "product_id", "credited_date", "store", "current_value",
                  "trial_conversion_rate", "trial_converted_to_refund_rate", "initial_purchase_to_refund_rate"});
  expect_columns(product_file(), "meta_country_mapping", {"meta_country_name", "mixpanel_country_code", "is_active"});
  expect_columns(product_file(), "meta_device_mapping", {"meta_device_type", "mixpanel_store_category", "is_active"});
  expect_columns(product_file(), "processed_event_days", {"date_day", "status"});
  for (const std::string suffix : {"", "country", "region", "device"}) {
    const std::string table = "ad_performance_daily" + (suffix.empty() ? "" : "_" + suffix);
    expect_columns(ads_file(), table,
                   {"ad_id", "date", "adset_id", "campaign_id", "ad_name", "adset_name", "campaign_name", "spend",
                    "impressions", "clicks", "meta_trials", "meta_purchases"});
    EXPECT_EQ(ask_text(ads_file(), "SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_table_info('" + table +
                                       "') WHERE pk > 0 ORDER BY pk)"),
              suffix.empty() ? "ad_id,date" : "ad_id,date," + suffix);
  }
  EXPECT_EQ(ask(product_file(),
                "SELECT count(*) FROM pragma_index_info('idx_mixpanel_event_distinct_id') "
                "WHERE name = 'distinct_id'"),
            1);
  EXPECT_EQ(ask(product_file(), "SELECT count(*) FROM pragma_index_list('user_product_metrics') WHERE origin = 'u'"),
            1);
  EXPECT_EQ(ask_text(product_file(), "PRAGMA journal_mode"), "wal");
  EXPECT_EQ(ask_text(ads_file(), "PRAGMA journal_mode"), "wal");
}

TEST_F(DemoTest, BreakdownRowsAddUpToDailyRows) {
  DemoOptions options = small();
  options.ads = 60;
  write(options);
  EXPECT_GT(ask(ads_file(), "SELECT count(*) FROM ad_performance_daily_region"), 500);
  EXPECT_EQ(unbalanced(), 0);
}

TEST_F(DemoTest, LooksLikeLife) {
  DemoOptions options = small();
  options.users = 4'000;
  options.days = 60;
  write(options);
  const std::string product = product_file();
  const auto percent = [&](const std::string& part, const std::string& whole) {
    return ask(product, "SELECT 100 * (" + part + ") / (" + whole + ")");
  };
  const std::string users = "SELECT count(*) FROM mixpanel_user";
  const std::string events = "SELECT count(*) FROM mixpanel_event";
  const auto users_with = [](const std::string& event) {
    return "SELECT count(DISTINCT distinct_id) FROM mixpanel_event WHERE event_name = '" + event + "'";
  };
  EXPECT_NEAR(static_cast<double>(percent(events, users)), 500, 60);
  EXPECT_NEAR(static_cast<double>(percent(users + " WHERE has_abi_attribution", users)), 84, 4);
  EXPECT_NEAR(static_cast<double>(percent(users_with("RC Trial started"), users)), 60, 4);
  EXPECT_NEAR(static_cast<double>(percent(users_with("RC Trial converted"), users_with("RC Trial started"))), 27, 5);
  EXPECT_GT(ask(product, users_with("RC Initial purchase")), 100);
  EXPECT_GT(ask(product, events + " WHERE event_name = 'RC Cancellation' AND revenue_usd < 0"), 30);
  EXPECT_EQ(ask(product, events + " WHERE length(event_json) <> 300"), 0);
  EXPECT_EQ(ask(product, users + " WHERE length(distinct_id) <> 36"), 0);
  EXPECT_EQ(ask(product, "SELECT count(*) FROM processed_event_days WHERE status = 'complete'"), 60);
  EXPECT_GT(ask(product, "SELECT count(*) FROM user_product_metrics WHERE trial_conversion_rate IS NULL"), 10);
  // The ten largest of many ads take far more than their share, and somebody was renamed.
  EXPECT_GT(ask(ads_file(),
                "SELECT 100 * (SELECT sum(s) FROM (SELECT sum(spend) AS s FROM ad_performance_daily GROUP BY "
                "ad_id ORDER BY s DESC LIMIT 5)) / (SELECT sum(spend) FROM ad_performance_daily)"),
            50);
}

TEST_F(DemoTest, SomeMappingsAreMissing) {
  DemoOptions options = small();
  options.users = 20'000;
  write(options);
  EXPECT_EQ(ask(product_file(), "SELECT count(*) FROM meta_country_mapping WHERE NOT is_active"), 1);
  auto connection = connect(product_file());
  ASSERT_TRUE(connection->execute("ATTACH " + sqlite::quote_text(ads_file()) + " AS ads").ok());
  EXPECT_GT(
      *connection->query_integer("SELECT count(DISTINCT device) FROM ads.ad_performance_daily_device WHERE device "
                                 "NOT IN (SELECT meta_device_type FROM meta_device_mapping)"),
      0);
}

TEST_F(DemoTest, AFewRowsCannotBeRead) {
  write(small());
  auto connection = connect(product_file());
  auto times = connection->prepare("SELECT event_time FROM mixpanel_event");
  ASSERT_TRUE(times.ok());
  int unreadable = 0;
  while (times->step().value()) unreadable += parse_instant(times->text(0)) ? 0 : 1;
  EXPECT_EQ(unreadable, 8);
  EXPECT_EQ(ask(product_file(), "SELECT count(*) FROM mixpanel_event WHERE typeof(revenue_usd) = 'text'"), 8);
  EXPECT_EQ(
      ask(product_file(), "SELECT count(*) FROM user_product_metrics WHERE typeof(trial_conversion_rate) = 'text'"), 2);
  EXPECT_EQ(ask(ads_file(), "SELECT count(*) FROM ad_performance_daily WHERE date(date, '+0 days') IS NOT date"), 2);
}

TEST_F(DemoTest, OneUserOnOneDayIsEnough) {
  DemoOptions options = small();
  options.users = 1;
  options.days = 1;
  options.ads = 1;
  options.event_json_bytes = 0;
  write(options);
  EXPECT_EQ(unbalanced(), 0);
}

TEST_F(DemoTest, ReportsProgressToTheEnd) {
  DemoOptions options = small();
  std::vector<DemoProgress> told;
  options.progress = [&](const DemoProgress& progress) { told.push_back(progress); };
  write(options);
  ASSERT_EQ(told.size(), 27U);  // every day, the indexes, the end
  EXPECT_STREQ(told.back().stage, "done");
  EXPECT_EQ(told.back().events, ask(product_file(), "SELECT count(*) FROM mixpanel_event"));
  EXPECT_EQ(told.back().users, ask(product_file(), "SELECT count(*) FROM mixpanel_user"));
}

TEST_F(DemoTest, RefusesWrongOptions) {
  const auto code_of = [](const DemoOptions& options) {
    const Status status = write_source(options);
    return status.ok() ? Errc::kInternal : status.error().code;
  };
  DemoOptions options = small();
  options.users = 0;
  EXPECT_EQ(code_of(options), Errc::kUsage);
  options = small();
  options.days = kDaysMax + 1;
  EXPECT_EQ(code_of(options), Errc::kUsage);
  options = small();
  options.last_day.reset();
  EXPECT_EQ(code_of(options), Errc::kUsage);
  options = small();
  options.ads = -1;
  EXPECT_EQ(code_of(options), Errc::kUsage);
  EXPECT_FALSE(std::filesystem::exists(dir()));
}

TEST_F(DemoTest, RefusesToOverwriteForeignDatabases) {
  put_file(product_file("text"), "this is no database, and long enough for SQLite to look at its header\n");
  put_file(ads_file("empty"), "");
  std::filesystem::create_directories(dir("foreign"));
  {
    auto foreign = sqlite::Connection::open(ads_file("foreign"), sqlite::OpenMode::kCreate, 0);
    ASSERT_TRUE(foreign.ok());
    ASSERT_TRUE((*foreign)->execute("CREATE TABLE ad_performance_daily (ad_id TEXT)").ok());
  }
  for (const char* name : {"text", "empty", "foreign"}) {
    const Status refused = write_source(small(name));
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_EQ(refused.error().code, Errc::kUsage) << refused.error().line();
  }
  EXPECT_EQ(get_file(product_file("text")).substr(0, 7), "this is");
  EXPECT_EQ(ask(ads_file("foreign"), "SELECT count(*) FROM sqlite_schema"), 1);
  EXPECT_FALSE(std::filesystem::exists(product_file("foreign")));
}

TEST_F(DemoTest, ReplacesItsOwnDatabasesAndKeepsTheConfiguration) {
  put_file(dir() + "/admetricsd.toml", "# mine\n");
  write(small());
  const std::uint64_t before = content("a");
  DemoOptions again = small();
  again.seed = 5;
  write(again);
  EXPECT_NE(content("a"), before);
  EXPECT_EQ(get_file(dir() + "/admetricsd.toml"), "# mine\n");
  EXPECT_FALSE(std::filesystem::exists(product_file() + ".partial"));
}

TEST_F(DemoTest, RefusesToReplaceWhatIsOpen) {
  write(small());
  const auto reader = connect(ads_file());
  const Status refused = write_source(small());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Errc::kBusy) << refused.error().line();
}

TEST_F(DemoTest, WritesAConfigurationWhenThereIsNone) {
  write(small());
  const std::string config = get_file(dir() + "/admetricsd.toml");
  for (const char* line : {"product_db = \"mixpanel_data.db\"", "ads_db     = \"meta_analytics.db\"",
                           "dir = \"state/\"", "time_zone = \"UTC\"", "listen = \"127.0.0.1:8787\""}) {
    EXPECT_NE(config.find(line), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace admetrics::demo
