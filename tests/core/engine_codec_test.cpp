#include "core/engine/codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/draw.hpp"

namespace admetrics {
namespace {

DictionaryId any_id(Draw& draw) {
  return DictionaryId{static_cast<std::uint32_t>(draw.bits() >> (34 + draw.below(30)))};
}

UserContribution draw_user(Draw& draw) {
  UserContribution user;
  for (DictionaryId& id : user.ids) id = any_id(draw);
  for (DictionaryId& id : user.values) id = any_id(draw);
  if (draw.chance(70)) user.trial_day = Day{static_cast<std::int32_t>(draw.between(kFirstDay.value, kLastDay.value))};
  if (draw.chance(50))
    user.purchase_day = Day{static_cast<std::int32_t>(draw.between(kFirstDay.value, kLastDay.value))};
  user.revenue_micros = draw.any_size();
  user.refunds_micros = draw.any_size();
  user.value_micros = draw.any_size();
  for (std::size_t rate = 0; rate < 3; ++rate) {
    user.rate_counts[rate] = static_cast<std::uint32_t>(draw.below(4));
    if (user.rate_counts[rate] != 0) user.rate_nanos[rate] = draw.any_size();
  }
  user.converted = draw.chance(50);
  user.trial_refunded = draw.chance(50);
  user.purchase_refunded = draw.chance(50);
  return user;
}

MetaSums draw_sums(Draw& draw) {
  const auto wide = [&] { return static_cast<Int128>(draw.any_size()) * (draw.chance(50) ? 1 : draw.any_size()); };
  return {wide(), wide(), wide(), wide(), wide(), draw.any_size()};
}

MetaContribution draw_ad_day(Draw& draw) {
  MetaContribution contribution(draw.below(6));
  for (MetaPart& part : contribution) {
    part.breakdown = static_cast<Breakdown>(draw.below(4));
    for (DictionaryId& id : part.ids) id = any_id(draw);
    for (DictionaryId& id : part.names) id = any_id(draw);
    part.raw_value = any_id(draw);
    part.value = any_id(draw);
    part.sums = draw_sums(draw);
  }
  return contribution;
}

MetaCell draw_cell(Draw& draw) {
  MetaCell cell;
  cell.values.resize(draw.below(6));
  for (auto& value : cell.values) value = {static_cast<Breakdown>(draw.below(4)), any_id(draw), draw_sums(draw)};
  cell.names.resize(draw.below(6));
  for (auto& name : cell.names) name = {any_id(draw), draw.any_size()};
  return cell;
}

/// One kind of value: how it is drawn and decoded. (`encode` is overloaded.)
template <class Value>
struct Kind;
template <>
struct Kind<UserContribution> {
  static constexpr auto draw = draw_user;
  static constexpr auto decode = decode_user;
};
template <>
struct Kind<MetaContribution> {
  static constexpr auto draw = draw_ad_day;
  static constexpr auto decode = decode_ad_day;
};
template <>
struct Kind<MetaCell> {
  static constexpr auto draw = draw_cell;
  static constexpr auto decode = decode_cell;
};

template <class Value>
class Codec : public testing::Test {};
using Values = testing::Types<UserContribution, MetaContribution, MetaCell>;
TYPED_TEST_SUITE(Codec, Values);

TYPED_TEST(Codec, GivesBackWhatItWasGiven) {
  Draw draw(1);
  Bytes bytes;  // reused: encoding replaces what was there
  for (int i = 0; i < 5'000; ++i) {
    const TypeParam value = Kind<TypeParam>::draw(draw);
    encode(value, bytes);
    const auto decoded = Kind<TypeParam>::decode(bytes);
    ASSERT_TRUE(decoded.ok());
    ASSERT_EQ(decoded.value(), value);
  }
}

TYPED_TEST(Codec, EqualValuesHaveEqualBytes) {
  Draw draw(2);
  Draw same(2);
  for (int i = 0; i < 500; ++i) {
    Bytes one;
    Bytes other;
    encode(Kind<TypeParam>::draw(draw), one);
    encode(Kind<TypeParam>::draw(same), other);
    ASSERT_EQ(one, other);
  }
}

TYPED_TEST(Codec, RefusesATornValue) {
  Draw draw(3);
  for (int i = 0; i < 300; ++i) {
    Bytes bytes;
    encode(Kind<TypeParam>::draw(draw), bytes);
    for (std::size_t length = 1; length < bytes.size(); ++length) {
      const auto decoded = Kind<TypeParam>::decode(BytesView(bytes).first(length));
      ASSERT_FALSE(decoded.ok()) << length << " of " << bytes.size();
      ASSERT_EQ(decoded.error().code, Errc::kCorrupt);
    }
  }
}

TYPED_TEST(Codec, RefusesBytesBehindTheValue) {
  Draw draw(4);
  for (int i = 0; i < 300; ++i) {
    Bytes bytes;
    encode(Kind<TypeParam>::draw(draw), bytes);
    bytes.push_back(std::byte{0});
    ASSERT_FALSE(Kind<TypeParam>::decode(bytes).ok());
  }
}

TYPED_TEST(Codec, RefusesAnUnknownFormat) {
  Draw draw(5);
  Bytes bytes;
  encode(Kind<TypeParam>::draw(draw), bytes);
  for (const int format : {0, 2, 3, 127, 128, 255}) {
    bytes[0] = static_cast<std::byte>(format);
    ASSERT_FALSE(Kind<TypeParam>::decode(bytes).ok()) << format;
  }
}

/// Whatever a damaged file holds: a value, or kCorrupt; in bounded memory, never a crash. The sanitizers watch.
template <class Value>
bool reads_or_refuses(const Bytes& bytes) {
  const auto decoded = Kind<Value>::decode(bytes);
  if (!decoded.ok()) {
    EXPECT_EQ(decoded.error().code, Errc::kCorrupt);
    return false;
  }
  Bytes again;
  encode(decoded.value(), again);
  EXPECT_EQ(Kind<Value>::decode(again).value(), decoded.value());
  return true;
}

TYPED_TEST(Codec, ReadsOrRefusesDamagedBytes) {
  Draw draw(6);
  int refused = 0;
  for (int i = 0; i < 5'000; ++i) {
    Bytes bytes;
    encode(Kind<TypeParam>::draw(draw), bytes);
    for (std::uint64_t flips = draw.below(4) + 1; flips > 0; --flips) {
      bytes[draw.below(bytes.size())] ^= static_cast<std::byte>(1U << draw.below(8));
    }
    if (!reads_or_refuses<TypeParam>(bytes)) ++refused;
  }
  EXPECT_GT(refused, 500);
}

TYPED_TEST(Codec, ReadsOrRefusesNoise) {
  Draw draw(7);
  int refused = 0;
  for (int i = 0; i < 5'000; ++i) {
    Bytes bytes(draw.below(64) + 1);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(draw.bits());
    bytes[0] = std::byte{1};  // the format
    if (!reads_or_refuses<TypeParam>(bytes)) ++refused;
  }
  EXPECT_GT(refused, 4'000);
}

TEST(CodecOfALength, RefusesOneBeyondTheEnd) {
  // A format, and a length of some millions, of ten thousand elements' bytes.
  Bytes bytes(10'000, std::byte{0});
  bytes[0] = std::byte{1};
  std::fill_n(bytes.begin() + 1, 3, std::byte{255});
  EXPECT_FALSE(decode_ad_day(bytes).ok());
  EXPECT_FALSE(decode_cell(bytes).ok());
}

TEST(CodecOfNothing, IsAnEmptyMetaValueButNoUser) {
  EXPECT_EQ(decode_ad_day({}).value(), MetaContribution{});
  EXPECT_EQ(decode_cell({}).value(), MetaCell{});
  EXPECT_FALSE(decode_user({}).ok());
}

TEST(CodecOfAUser, StaysShort) {
  UserContribution user;
  user.ids = {DictionaryId{5}, DictionaryId{50}, DictionaryId{500}};
  user.values = {DictionaryId{1}, DictionaryId{2}, DictionaryId{3}};
  user.trial_day = Day{20'456};
  user.revenue_micros = 9'990'000;
  Bytes bytes;
  encode(user, bytes);
  EXPECT_LE(bytes.size(), 24U);  // millions of users live in the ledger
}

}  // namespace
}  // namespace admetrics
