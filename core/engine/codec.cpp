#include "core/engine/codec.hpp"

namespace admetrics {
namespace {

constexpr std::uint64_t kFormat = 1;

/// Little-endian base-128 numbers; signed ones are zigzagged so that small sizes stay short.
class Writer {
 public:
  explicit Writer(Bytes& out) : out_(&out) {
    out.clear();
    number(kFormat);
  }
  void number(std::uint64_t n) {
    while (n >= 0x80) {
      out_->push_back(static_cast<std::byte>(n | 0x80));
      n >>= 7;
    }
    out_->push_back(static_cast<std::byte>(n));
  }
  void signed_number(std::int64_t n) {
    number((static_cast<std::uint64_t>(n) << 1) ^ static_cast<std::uint64_t>(n >> 63));
  }
  /// As a signed number where it is as short as one.
  void wide(Int128 n) {
    auto left = (static_cast<UnsignedInt128>(n) << 1) ^ static_cast<UnsignedInt128>(n >> 127);
    for (; left >= 0x80; left >>= 7) out_->push_back(static_cast<std::byte>(static_cast<std::uint8_t>(left) | 0x80));
    out_->push_back(static_cast<std::byte>(left));
  }
  void id(DictionaryId id) { number(id.value); }
  void sums(const MetaSums& sums) {
    wide(sums.spend_micros);
    wide(sums.impressions);
    wide(sums.clicks);
    wide(sums.trials);
    wide(sums.purchases);
    signed_number(sums.rows);
  }

 private:
  Bytes* out_;
};

/// Reads what `Writer` wrote; past the end it gives zeros and remembers that it failed.
class Reader {
 public:
  explicit Reader(BytesView bytes) : bytes_(bytes) { good_ = number() == kFormat; }

  std::uint64_t number() { return any_number<std::uint64_t>(); }
  std::int64_t signed_number() {
    const std::uint64_t n = number();
    return static_cast<std::int64_t>((n >> 1) ^ (0 - (n & 1)));
  }
  Int128 wide() {
    const auto n = any_number<UnsignedInt128>();
    return static_cast<Int128>((n >> 1) ^ (0 - (n & 1)));
  }
  DictionaryId id() { return DictionaryId{static_cast<std::uint32_t>(number())}; }
  MetaSums sums() {
    MetaSums sums;
    sums.spend_micros = wide();
    sums.impressions = wide();
    sums.clicks = wide();
    sums.trials = wide();
    sums.purchases = wide();
    sums.rows = signed_number();
    return sums;
  }
  /// A count of elements that follow, each at least one byte long.
  std::size_t length() {
    const std::uint64_t n = number();
    if (n > bytes_.size() - at_) good_ = false;
    return good_ ? static_cast<std::size_t>(n) : 0;
  }
  [[nodiscard]] bool finished() const { return good_ && at_ == bytes_.size(); }

 private:
  template <class Number>
  Number any_number() {
    Number n = 0;
    for (unsigned shift = 0; shift < 8 * sizeof(Number); shift += 7) {
      if (at_ >= bytes_.size()) break;
      const auto byte = static_cast<std::uint8_t>(bytes_[at_++]);
      n |= static_cast<Number>(byte & 0x7fU) << shift;
      if (byte < 0x80) return n;
    }
    good_ = false;
    return 0;
  }

  BytesView bytes_;
  std::size_t at_ = 0;
  bool good_ = true;
};

Error torn(const char* what) {
  return Error{Errc::kCorrupt, "read the ledger", what,
               "its bytes are damaged or of a newer format; move the state folder away to rebuild it from the source"};
}

constexpr std::uint64_t kConvertedBit = 1;
constexpr std::uint64_t kTrialRefundedBit = 2;
constexpr std::uint64_t kPurchaseRefundedBit = 4;
constexpr std::uint64_t kTrialBit = 8;
constexpr std::uint64_t kPurchaseBit = 16;

}  // namespace

void encode(const UserContribution& c, Bytes& out) {
  Writer w(out);
  w.number((c.converted ? kConvertedBit : 0) | (c.trial_refunded ? kTrialRefundedBit : 0) |
           (c.purchase_refunded ? kPurchaseRefundedBit : 0) | (c.trial_day != kNoDay ? kTrialBit : 0) |
           (c.purchase_day != kNoDay ? kPurchaseBit : 0));
  for (const DictionaryId id : c.ids) w.id(id);
  for (const DictionaryId id : c.values) w.id(id);
  if (c.trial_day != kNoDay) w.signed_number(c.trial_day.value);
  if (c.purchase_day != kNoDay) w.signed_number(c.purchase_day.value);
  w.signed_number(c.revenue_micros);
  w.signed_number(c.refunds_micros);
  w.signed_number(c.value_micros);
  for (std::size_t i = 0; i < c.rate_nanos.size(); ++i) {
    w.number(c.rate_counts[i]);
    if (c.rate_counts[i] != 0) w.signed_number(c.rate_nanos[i]);
  }
}

Result<UserContribution> decode_user(BytesView bytes) {
  Reader r(bytes);
  UserContribution c;
  const std::uint64_t bits = r.number();
  c.converted = (bits & kConvertedBit) != 0;
  c.trial_refunded = (bits & kTrialRefundedBit) != 0;
  c.purchase_refunded = (bits & kPurchaseRefundedBit) != 0;
  for (DictionaryId& id : c.ids) id = r.id();
  for (DictionaryId& id : c.values) id = r.id();
  if ((bits & kTrialBit) != 0) c.trial_day = Day{static_cast<std::int32_t>(r.signed_number())};
  if ((bits & kPurchaseBit) != 0) c.purchase_day = Day{static_cast<std::int32_t>(r.signed_number())};
  c.revenue_micros = r.signed_number();
  c.refunds_micros = r.signed_number();
  c.value_micros = r.signed_number();
  for (std::size_t i = 0; i < c.rate_nanos.size(); ++i) {
    c.rate_counts[i] = static_cast<std::uint32_t>(r.number());
    if (c.rate_counts[i] != 0) c.rate_nanos[i] = r.signed_number();
  }
  if (!r.finished()) return torn("a user's contribution");
  return c;
}

void encode(const MetaContribution& contribution, Bytes& out) {
  Writer w(out);
  w.number(contribution.size());
  for (const MetaPart& part : contribution) {
    w.number(static_cast<std::uint64_t>(part.breakdown));
    for (const DictionaryId id : part.ids) w.id(id);
    for (const DictionaryId id : part.names) w.id(id);
    w.id(part.raw_value);
    w.id(part.value);
    w.sums(part.sums);
  }
}

Result<MetaContribution> decode_ad_day(BytesView bytes) {
  if (bytes.empty()) return MetaContribution{};
  Reader r(bytes);
  MetaContribution contribution(r.length());
  for (MetaPart& part : contribution) {
    part.breakdown = static_cast<Breakdown>(r.number() & 3);
    for (DictionaryId& id : part.ids) id = r.id();
    for (DictionaryId& id : part.names) id = r.id();
    part.raw_value = r.id();
    part.value = r.id();
    part.sums = r.sums();
  }
  if (!r.finished()) return torn("a Meta contribution");
  return contribution;
}

void encode(const MetaCell& cell, Bytes& out) {
  Writer w(out);
  w.number(cell.values.size());
  for (const MetaCell::Value& value : cell.values) {
    w.number(static_cast<std::uint64_t>(value.breakdown));
    w.id(value.value);
    w.sums(value.sums);
  }
  w.number(cell.names.size());
  for (const MetaCell::Name& name : cell.names) {
    w.id(name.name);
    w.signed_number(name.rows);
  }
}

Result<MetaCell> decode_cell(BytesView bytes) {
  if (bytes.empty()) return MetaCell{};
  Reader r(bytes);
  MetaCell cell;
  cell.values.resize(r.length());
  for (MetaCell::Value& value : cell.values) {
    value.breakdown = static_cast<Breakdown>(r.number() & 3);
    value.value = r.id();
    value.sums = r.sums();
  }
  cell.names.resize(r.length());
  for (MetaCell::Name& name : cell.names) {
    name.name = r.id();
    name.rows = r.signed_number();
  }
  if (!r.finished()) return torn("a Meta cell");
  return cell;
}

}  // namespace admetrics
