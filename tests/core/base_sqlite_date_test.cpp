#include <gtest/gtest.h>

#include <array>
#include <cstdio>

#include "core/base/day.hpp"
#include "core/sqlite/database.hpp"
#include "tests/core/draw.hpp"

/// pitfalls.md 12: `date()` shifts an offset to UTC and gives NULL for a bad string; our day rule must agree with it in
/// UTC. It reads more than we do, so the agreement goes one way: what we read, SQLite reads as the same day.
///
/// Fractions here have at most three digits: SQLite rounds further ones to milliseconds, and with that 23:59:59.9999 into
/// the next day; we cut (`metrics.md` section 8), so that an event never counts on a day that had not begun.
namespace admetrics {
namespace {

class SqliteDate : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = sqlite::Connection::open(":memory:", sqlite::OpenMode::kCreate, 0);
    ASSERT_TRUE(opened.ok()) << opened.error().line();
    connection_ = std::move(opened).value();
    auto prepared = connection_->prepare("SELECT date(?1)");
    ASSERT_TRUE(prepared.ok()) << prepared.error().line();
    date_ = std::move(prepared).value();
  }

  /// "" for NULL.
  std::string date(std::string_view text) {
    date_.reset();
    date_.bind(1, text);
    EXPECT_TRUE(date_.step().value());
    return std::string(date_.text(0));
  }

  static std::string our_date(Instant instant) {
    std::int64_t day = instant.seconds / 86'400;
    if (instant.seconds % 86'400 < 0) --day;
    return format_day(Day{static_cast<std::int32_t>(day)});
  }

  std::string draw_time(std::size_t fraction_digits_max) {
    std::string text = format_day(Day{static_cast<std::int32_t>(draw_.between(kFirstDay.value, kLastDay.value))});
    std::array<char, 32> time;
    // Around midnight half the time: that is where days part.
    const auto hour = draw_.chance(50) ? draw_.one_of<std::uint64_t>({0, 23}) : draw_.below(24);
    std::snprintf(time.data(), time.size(), "%c%02d:%02d", draw_.one_of({'T', ' '}), static_cast<int>(hour),
                  static_cast<int>(draw_.below(60)));
    text += time.data();
    if (draw_.chance(80)) {
      std::snprintf(time.data(), time.size(), ":%02d", static_cast<int>(draw_.below(60)));
      text += time.data();
      if (draw_.chance(50)) text += '.' + draw_.digits(draw_.below(fraction_digits_max) + 1);
    }
    if (draw_.chance(30)) {
      text += 'Z';
    } else if (draw_.chance(60)) {
      std::snprintf(time.data(), time.size(), "%c%02d:%02d", draw_.one_of({'+', '-'}),
                    static_cast<int>(draw_.below(15)), static_cast<int>(draw_.below(60)));
      text += time.data();
    }
    return text;
  }

  Draw draw_{20'260'103};

 private:
  std::unique_ptr<sqlite::Connection> connection_;
  sqlite::Statement date_;
};

TEST_F(SqliteDate, AgreesOnEveryTimeThatWeRead) {
  for (int i = 0; i < 20'000; ++i) {
    const std::string text = draw_time(3);
    const auto read = parse_instant(text);
    if (!read) {  // only where the offset leads out of the years 0000 to 9999
      ASSERT_TRUE(text.starts_with("0000-01-01") || text.starts_with("9999-12-31")) << text;
      continue;
    }
    ASSERT_EQ(our_date(*read), date(text)) << text;
  }
}

TEST_F(SqliteDate, ReadsWhateverWeReadInMutilatedTexts) {
  constexpr std::string_view kAlphabet = "0123456789T -+:.Zz,";
  int readable = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string text = draw_time(1);
    for (std::uint64_t edits = draw_.below(2) + 1; edits > 0; --edits) {
      const char c = kAlphabet[draw_.below(kAlphabet.size())];
      const std::size_t at = draw_.below(text.size());
      switch (draw_.below(3)) {
        case 0: text[at] = c; break;
        case 1: text.insert(at, 1, c); break;
        default: text.erase(at, 1); break;
      }
    }
    const auto read = parse_instant(text);
    if (!read) continue;
    ++readable;
    ASSERT_EQ(our_date(*read), date(text)) << text;
  }
  EXPECT_GT(readable, 2'000);
}

TEST_F(SqliteDate, AgreesOnWhichDaysExist) {
  for (int i = 0; i < 20'000; ++i) {
    std::array<char, 32> text;
    std::snprintf(text.data(), text.size(), "%04d-%02d-%02d", static_cast<int>(draw_.below(10'000)),
                  static_cast<int>(draw_.below(14)),
                  static_cast<int>(draw_.one_of<std::uint64_t>({0, 1, 28, 29, 30, 31, 32})));
    // SQLite takes any day up to 31 and counts on into the next month; a day that exists stays itself.
    ASSERT_EQ(parse_day(text.data()).has_value(), date(text.data()) == text.data()) << text.data();
  }
}

}  // namespace
}  // namespace admetrics
