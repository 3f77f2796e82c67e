#include <gtest/gtest.h>

#include "core/metrics/row_totals.hpp"
#include "core/sqlite/database.hpp"
#include "tests/core/draw.hpp"

/// User lists are compared with those of `verify`, which SQLite writes: their escaping is a contract.
namespace admetrics {
namespace {

std::string json(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

class SqliteJson : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = sqlite::Connection::open(":memory:", sqlite::OpenMode::kCreate, 0);
    ASSERT_TRUE(opened.ok()) << opened.error().line();
    connection_ = std::move(opened).value();
    auto prepared = connection_->prepare("SELECT json_quote(?1)");
    ASSERT_TRUE(prepared.ok()) << prepared.error().line();
    quote_ = std::move(prepared).value();
  }

  std::string json_quote(std::string_view text) {
    quote_.reset();
    quote_.bind(1, text);
    EXPECT_TRUE(quote_.step().value());
    return std::string(quote_.text(0));
  }

 private:
  std::unique_ptr<sqlite::Connection> connection_;
  sqlite::Statement quote_;
};

void append_utf8(std::string& out, std::uint32_t code_point) {
  const auto byte = [&](std::uint32_t value) { out += static_cast<char>(value); };
  if (code_point < 0x80) return byte(code_point);
  if (code_point < 0x800) return byte(0xc0 | code_point >> 6), byte(0x80 | (code_point & 0x3f));
  if (code_point < 0x10000) {
    byte(0xe0 | code_point >> 12);
  } else {
    byte(0xf0 | code_point >> 18);
    byte(0x80 | ((code_point >> 12) & 0x3f));
  }
  byte(0x80 | ((code_point >> 6) & 0x3f));
  byte(0x80 | (code_point & 0x3f));
}

TEST(Json, EscapesQuotesBackslashesAndControlBytes) {
  EXPECT_EQ(json(""), R"("")");
  EXPECT_EQ(json("u1"), R"("u1")");
  EXPECT_EQ(json(R"(a"b\c/d'e)"), R"("a\"b\\c/d'e")");
  EXPECT_EQ(json("\b\f\n\r\t"), R"("\b\f\n\r\t")");
  EXPECT_EQ(json("\x01\x1f\x7f"), "\"\\u0001\\u001f\x7f\"");
  EXPECT_EQ(json("äø漢😀"), "\"äø漢😀\"");
}

TEST(Json, Appends) {
  std::string out = "[";
  append_json_string(out, "a");
  EXPECT_EQ(out, "[\"a\"");
}

TEST_F(SqliteJson, QuotesEveryAsciiByteAsWeDo) {
  for (char c = 1; c > 0 && c < 127; ++c) {
    const std::string text{'a', c, 'b'};
    ASSERT_EQ(json(text), json_quote(text)) << static_cast<int>(c);
  }
  EXPECT_EQ(json("\x7f"), json_quote("\x7f"));
}

TEST_F(SqliteJson, QuotesDrawnTextsAsWeDo) {
  Draw draw(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (std::uint64_t length = draw.below(40); length > 0; --length) {
      switch (draw.below(4)) {
        case 0: append_utf8(text, static_cast<std::uint32_t>(draw.between(1, 0x1f))); break;
        case 1: append_utf8(text, static_cast<std::uint32_t>(draw.between(0x20, 0x7f))); break;
        case 2: append_utf8(text, draw.one_of<std::uint32_t>({'"', '\\', '/', '\''})); break;
        default: {
          const auto code_point = static_cast<std::uint32_t>(draw.between(0x80, 0x10ffff));
          append_utf8(text, code_point >= 0xd800 && code_point < 0xe000 ? 0x20ac : code_point);
        }
      }
    }
    ASSERT_EQ(json(text), json_quote(text));
  }
}

}  // namespace
}  // namespace admetrics
