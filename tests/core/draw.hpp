#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace admetrics {

/// Draws for tests: the same seed gives the same draws on every machine (the standard distributions do not promise it).
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {  // SplitMix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// 0 … `count` - 1.
  std::uint64_t below(std::uint64_t count) { return bits() % count; }
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most - least) + 1));
  }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[below(choices.size())];
  }
  std::string digits(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += static_cast<char>('0' + below(10));
    return text;
  }
  /// A number of any size: small ones as likely as large ones, both signs.
  std::int64_t any_size() { return static_cast<std::int64_t>(bits()) >> below(64); }

 private:
  std::uint64_t state_;
};

}  // namespace admetrics
