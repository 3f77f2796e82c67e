#include <gtest/gtest.h>

#include <charconv>
#include <limits>
#include <memory>
#include <random>
#include <string>

#include "sinks/sqlite/row_table.hpp"

namespace admetrics::sink {
namespace {

/// Writes a scaled number into a column of a type and reads it back.
class ScaledNumbers : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = sqlite::Connection::open(":memory:", sqlite::OpenMode::kCreate, 0);
    ASSERT_TRUE(opened.ok());
    database_ = std::move(opened).value();
    ASSERT_TRUE(database_->execute("CREATE TABLE t (n DECIMAL(10,2))").ok());
    insert_ = std::move(database_->prepare("INSERT INTO t VALUES (?1)")).value();
    select_ = std::move(database_->prepare("SELECT n FROM t")).value();
  }
  void TearDown() override {
    insert_ = {};
    select_ = {};
  }

  void store(std::int64_t scaled, int digits) {
    ASSERT_TRUE(database_->execute("DELETE FROM t").ok());
    bind_scaled(insert_, 1, scaled, digits);
    ASSERT_TRUE(insert_.run().ok());
    select_.reset();
    ASSERT_TRUE(select_.step().value());
  }
  /// The double nearest to the decimal, by way of its text.
  static double nearest(std::int64_t scaled, int digits) {
    const std::string text = std::to_string(scaled) + "e-" + std::to_string(digits);
    double number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }

  std::unique_ptr<sqlite::Connection> database_;
  sqlite::Statement insert_;
  sqlite::Statement select_;
};

TEST_F(ScaledNumbers, AreStoredAsTheNearestDouble) {
  // Up to 350 billion dollars; far above, cents lie closer together than doubles.
  std::mt19937_64 random(1);
  for (const int digits : {0, 2, 4}) {
    for (int i = 0; i < 2'000; ++i) {
      const int bits = static_cast<int>(random() % 46);
      const auto scaled = static_cast<std::int64_t>(random() >> (63 - bits)) * (i % 2 == 0 ? 1 : -1);
      store(scaled, digits);
      EXPECT_EQ(select_.real(0), nearest(scaled, digits)) << scaled << " / 10^" << digits;
      EXPECT_TRUE(equals_scaled(select_, 0, scaled, digits)) << scaled;
      EXPECT_FALSE(equals_scaled(select_, 0, scaled + 1, digits)) << scaled;
      EXPECT_FALSE(equals_scaled(select_, 0, scaled - 1, digits)) << scaled;
    }
  }
}

TEST_F(ScaledNumbers, EqualWhatWasStoredEvenAtTheEnds) {
  std::mt19937_64 random(2);
  for (const int digits : {0, 2, 4}) {
    for (int i = 0; i < 2'000; ++i) {
      const auto scaled = static_cast<std::int64_t>(random());  // any 64 bits
      store(scaled, digits);
      EXPECT_TRUE(equals_scaled(select_, 0, scaled, digits)) << scaled << " / 10^" << digits;
    }
    for (const std::int64_t end :
         {std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
      store(end, digits);
      EXPECT_TRUE(equals_scaled(select_, 0, end, digits)) << end << " / 10^" << digits;
    }
  }
}

TEST_F(ScaledNumbers, AreNotEqualToAnythingButNumbers) {
  for (const char* other : {"NULL", "''", "'x'", "x'31'", "'1.5x'"}) {
    ASSERT_TRUE(database_->execute(std::string("DELETE FROM t; INSERT INTO t VALUES (") + other + ")").ok());
    select_.reset();
    ASSERT_TRUE(select_.step().value());
    EXPECT_FALSE(equals_scaled(select_, 0, 0, 2)) << other;
    EXPECT_FALSE(equals_scaled(select_, 0, 100, 2)) << other;
  }
}

}  // namespace
}  // namespace admetrics::sink
