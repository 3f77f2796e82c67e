#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace admetrics::source {

/// Digest: 64 bits that tell records and pieces of files apart. Stored, so it may never change. Not for secrets.
class Digest {
 public:
  void add(std::uint64_t word) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(state_ ^ word ^ 0x9e3779b97f4a7c15ULL) * 0xa0761d6478bd642fULL;
    state_ = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64) ^ (word << 1);
  }
  void add(std::string_view text) {
    add(text.size());
    std::uint64_t word = 0;
    while (text.size() >= sizeof word) {
      std::memcpy(&word, text.data(), sizeof word);
      add(word);
      text.remove_prefix(sizeof word);
    }
    word = 0;
    if (!text.empty()) std::memcpy(&word, text.data(), text.size());
    add(word);
  }
  /// Never 0.
  [[nodiscard]] std::uint64_t value() const { return state_ == 0 ? 1 : state_; }

 private:
  std::uint64_t state_ = 0xe7037ed1a0b428dbULL;
};

inline std::uint64_t digest_of(std::string_view text) {
  Digest digest;
  digest.add(text);
  return digest.value();
}

}  // namespace admetrics::source
