#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>

namespace admetrics::demo {

/// SplitMix64: tiny, and the same numbers with every compiler and library, which the standard's
/// distributions do not promise.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15U;
    return scramble(state_);
  }

  /// 0 … `bound` − 1; 0 when there is nothing to choose from.
  std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>(((next() >> 32U) * std::uint64_t{bound}) >> 32U);
  }
  std::uint64_t below64(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

  /// Both ends included.
  int between(int low, int high) { return low + static_cast<int>(below(static_cast<std::uint32_t>(high - low + 1))); }

  bool chance_permille(std::uint32_t permille) { return below(1'000) < permille; }

  /// An index, drawn by weight.
  std::size_t weighted(std::span<const std::uint32_t> weights) {
    std::uint32_t total = 0;
    for (const std::uint32_t weight : weights) total += weight;
    std::uint32_t rest = below(total);
    for (std::size_t i = 0; i + 1 < weights.size(); ++i) {
      if (rest < weights[i]) return i;
      rest -= weights[i];
    }
    return weights.empty() ? 0 : weights.size() - 1;
  }

  static std::uint64_t scramble(std::uint64_t z) {
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }

 private:
  std::uint64_t state_;
};

/// The seed of a stream of its own: what is drawn for one thing never shifts what is drawn for another.
inline std::uint64_t stream_seed(std::initializer_list<std::uint64_t> parts) {
  std::uint64_t seed = 0x2545f4914f6cdd1dU;
  for (const std::uint64_t part : parts) seed = Random::scramble((seed ^ part) + 0x9e3779b97f4a7c15U);
  return seed;
}

}  // namespace admetrics::demo
