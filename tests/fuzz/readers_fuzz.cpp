// Everything that takes bytes from outside and must survive them: the ledger's values, times, days, positions.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include "core/base/day.hpp"
#include "core/engine/codec.hpp"
#include "sources/sqlite/torn_days.hpp"

namespace {

using namespace admetrics;

/// What was understood is written as it was read; anything else is a bug that the fuzzer shall find.
void require(bool holds) {
  if (!holds) std::abort();
}

template <class Decode>
void read_back(Decode&& decode, BytesView bytes) {
  const auto value = decode(bytes);
  if (!value) return;
  Bytes written;
  encode(*value, written);
  const auto again = decode(BytesView(written));
  require(again.ok() && *again == *value);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);  // NOLINT: bytes are what a fuzzer gives
  if (const auto day = parse_day(text)) require(format_day(*day) == text);
  if (const auto instant = parse_instant(text)) require(instant->nanos >= 0 && instant->nanos < 1'000'000'000);

  const auto bytes = std::as_bytes(std::span(data, size));
  read_back([](BytesView b) { return decode_user(b); }, bytes);
  read_back([](BytesView b) { return decode_ad_day(b); }, bytes);
  read_back([](BytesView b) { return decode_cell(b); }, bytes);

  source::TornDays torn;
  const std::size_t half = text.find('|');
  if (half != std::string_view::npos && half < 64 && torn.parse(text.substr(0, half), text.substr(half + 1))) {
    static_cast<void>(torn.json());
  }
  return 0;
}
