#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace admetrics {

/// A number with a name of its own: a position is not a count is not an amount.
template <class Tag, class Number = std::int64_t>
struct Strong {
  Number value = 0;

  constexpr Strong() = default;
  constexpr explicit Strong(Number number) : value(number) {}
  constexpr auto operator<=>(const Strong&) const = default;
};

using EpochId = Strong<struct EpochIdTag, std::uint64_t>;            // counts committed epochs, from 1
using DictionaryId = Strong<struct DictionaryIdTag, std::uint32_t>;  // a text the ledger has seen; 0 is "none"

}  // namespace admetrics

template <class Tag, class Number>
struct std::hash<admetrics::Strong<Tag, Number>> {
  std::size_t operator()(const admetrics::Strong<Tag, Number>& s) const noexcept {
    return std::hash<Number>{}(s.value);
  }
};
