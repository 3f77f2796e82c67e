#include "core/base/result.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <set>

namespace admetrics {
namespace {

Error busy() { return Error{Errc::kBusy, "commit the epoch", "out.db", "the file is locked"}; }

Result<int> halved(int number) {
  if (number % 2 != 0) return busy();
  return number / 2;
}
Result<int> quartered(int number) {
  ADM_ASSIGN(const int half, halved(number));
  ADM_ASSIGN(const int quarter, halved(half));
  return quarter;
}
Status check_quartered(int number) {
  const auto quarter = quartered(number);
  return quarter ? Status() : Status(quarter.error());
}
Result<std::string> told(int number) {
  ADM_TRY(check_quartered(number));
  return std::string("fine");
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(quartered(8).value(), 2);
  EXPECT_TRUE(quartered(8).ok());
  EXPECT_FALSE(quartered(6).ok());
  EXPECT_EQ(quartered(6).error().code, Errc::kBusy);
}

TEST(Result, CarriesAnErrorUpUnchanged) {
  EXPECT_EQ(told(8).value(), "fine");
  EXPECT_EQ(told(6).error().line(), busy().line());
}

TEST(Result, MovesWhatCannotBeCopied) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  const std::unique_ptr<int> taken = std::move(result).value();
  EXPECT_EQ(*taken, 7);
}

TEST(Error, IsOneLine) {
  EXPECT_EQ(busy().line(), "cannot commit the epoch (out.db): the file is locked");
  EXPECT_EQ((Error{Errc::kIo, "read", "", ""}.line()), "cannot read");
  EXPECT_EQ((Error{Errc::kIo, "read", "a\nb", "c\r\nd"}.line()), "cannot read (a b): c  d");
}

TEST(Error, EveryCodeHasANameOfItsOwn) {
  std::set<std::string> names;
  for (auto code = Errc::kUsage;; code = static_cast<Errc>(static_cast<int>(code) + 1)) {
    EXPECT_TRUE(names.insert(name_of(code)).second) << name_of(code);
    if (code == Errc::kInternal) break;
  }
  EXPECT_FALSE(names.contains("unknown"));
}

}  // namespace
}  // namespace admetrics
