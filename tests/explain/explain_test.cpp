// explain against verify's recomputation: two paths, one row.
#include <gmock/gmock.h>

#include <random>

#include "explain/explain.hpp"
#include "tests/verify/fixture.hpp"

namespace admetrics {
namespace {

using testing::HasSubstr;

class Explain : public VerifyTest {
 protected:
  ExplainOptions where(Level level, const std::string& id, const std::string& date) const {
    ExplainOptions options;
    options.product_db = path("product.db");
    options.ads_db = path("ads.db");
    options.sink_db = path("sink.db");
    options.reporting.zone = TimeZone::find("UTC").value();
    options.as_of = parse_day("2026-01-20");
    options.level = level;
    options.entity_id = id;
    options.date = *parse_day(date);
    options.temp_dir = folder_;
    return options;
  }

  Explanation told(const ExplainOptions& options) {
    auto explanation = explain(options);
    EXPECT_TRUE(explanation.ok()) << explanation.error().line();
    return explanation.ok() ? std::move(explanation).value() : Explanation{};
  }

  /// Explains every stored row; each has to agree.
  void explain_everything() {
    for (const bool main : {true, false}) {
      auto rows = sink_->prepare(main ? "SELECT entity_type, entity_id, date FROM daily_mixpanel_metrics"
                                      : "SELECT entity_type, entity_id, date, breakdown_type, breakdown_value FROM "
                                        "daily_mixpanel_metrics_breakdown");
      while (rows->step().value()) {
        ExplainOptions options = where(Level::kAd, std::string(rows->text(1)), std::string(rows->text(2)));
        options.level = parse_level(rows->text(0)).value_or(options.level);
        if (!main) {
          options.breakdown = parse_breakdown(rows->text(3)).value_or(options.breakdown);
          options.value = rows->text(4);
        }
        const Explanation explanation = told(options);
        EXPECT_TRUE(explanation.agrees()) << to_text(explanation, 9);
      }
    }
  }
};

TEST_F(Explain, AgreesWithTheRecomputationOnDrawnSources) {
  std::mt19937 random(5);
  const auto draw = [&](auto... choices) {
    const std::array<std::string, sizeof...(choices)> all{choices...};
    return all[random() % all.size()];
  };
  ads_sql("BEGIN");
  product_sql("BEGIN");
  product_sql(
      "CREATE TABLE meta_country_mapping(meta_country_name TEXT, mixpanel_country_code TEXT, is_active BOOLEAN)");
  product_sql("INSERT INTO meta_country_mapping VALUES ('Germany', 'DE', 1), ('Spain', 'ES', 0), ('France', NULL, 1)");
  for (int i = 0; i < 40; ++i) {
    const std::string id = "u" + std::to_string(i);
    user(id, draw("'a1'", "'a2'", "7", "NULL"), draw("'US'", "'DE'", "NULL", "''"), draw("'CA'", "NULL"),
         draw("1", "1", "1", "0"));
    for (auto n = random() % 5; n > 0; --n) {
      event(id, draw("RC Trial started", "RC Initial purchase", "RC Trial converted", "RC Cancellation", "Other"),
            "2026-01-" + draw("03", "04", "12", "18") + draw("T10:00Z", " 23:30:00", "T01:00+05:00", " no time"),
            draw("NULL", "9.99", "-9.99", "0", "'n/a'", "12.345678"));
    }
    for (int n = 0; n < static_cast<int>(random() % 3); ++n) {
      product(id, "'p" + std::to_string(n) + "'", draw("'2026-01-03'", "NULL"),
              draw("'app_store'", "'PLAY_STORE'", "''", "NULL"), draw("30.3", "0", "NULL", "'x'"),
              draw("0.5, 0.2, 0.1", "NULL, NULL, NULL", "0.333333333, NULL, 'x'"));
    }
  }
  for (const std::string day : {"2026-01-03", "2026-01-04", "2026-01-12"}) {
    meta(day, draw("12.34, 1000, 40, 4, 1", "0, 0, 0, 0, 0", "1.5, 1.5, 1, 1, 1"), draw("'a1'", "'a2'", "7"));
    for (const std::string country : {"'Germany'", "'Spain'", "'France'", "NULL"}) {
      meta_by("country", country, day, "3.21, 100, 4, 2, 1");
    }
    meta_by("device", "'iphone'", day, "1, 1, 1, 1, 1");
    meta_by("region", "'CA'", day, "1, 1, 1, 1, 1");
  }
  product_sql("COMMIT");
  ads_sql("COMMIT");
  recompute();
  ASSERT_GT(count("daily_mixpanel_metrics"), 10);
  explain_everything();
}

TEST_F(Explain, TellsMissingExtraAndDifferentRows) {
  user("u1");
  trial("u1", "2026-01-03T10:00Z");
  recompute();
  run(*sink_,
      "UPDATE daily_mixpanel_metrics SET meta_clicks = 3 WHERE entity_type = 'ad'; DELETE FROM daily_mixpanel_metrics "
      "WHERE entity_type = 'adset'");
  const Explanation wrong = told(where(Level::kAd, "a1", "2026-01-03"));
  EXPECT_FALSE(wrong.agrees());
  EXPECT_THAT(to_text(wrong, 9), HasSubstr("DIFFERS in meta_clicks"));
  const Explanation missing = told(where(Level::kAdset, "s1", "2026-01-03"));
  EXPECT_TRUE(missing.expected);
  EXPECT_FALSE(missing.stored);
  EXPECT_FALSE(missing.agrees());
  EXPECT_TRUE(told(where(Level::kAdset, "s1", "2026-01-04")).agrees());
}

TEST_F(Explain, TellsWhoCountsOnAnotherDay) {
  user("u1");
  trial("u1", "2026-01-03T10:00Z");
  trial("u1", "2026-01-05T10:00Z");
  recompute();
  const Explanation explanation = told(where(Level::kAd, "a1", "2026-01-03"));
  EXPECT_FALSE(explanation.expected);
  ASSERT_EQ(explanation.elsewhere.size(), 1U);
  EXPECT_EQ(explanation.elsewhere.front().rows.front().note, "counts on trial day 2026-01-05");
}

}  // namespace
}  // namespace admetrics
