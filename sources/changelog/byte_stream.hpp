#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/base/result.hpp"

namespace admetrics::source {

enum class Compression : std::uint8_t { kNone, kGzip, kZstd };
/// By the end of a file's name: `.gz`, `.zst`.
Compression compression_of(std::string_view name);
/// `name` without such an end.
std::string_view without_compression(std::string_view name);

/// The bytes of one open file, decompressed, from its beginning on. Threads: one at a time.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Reads into `into`; 0: nothing more for now. Fails with kIo, or kCorrupt where the compressed data is damaged.
  virtual Result<std::size_t> read(std::span<char> into) = 0;
  /// After a read gave 0: whether the compressed data stops short of its end, as of a file that is still being written.
  [[nodiscard]] virtual bool cut_short() const { return false; }

  /// `file` is an open descriptor, which stays the caller's; `from` the first byte wanted, of the decompressed bytes.
  /// Fails with kNotFound when there are fewer.
  static Result<std::unique_ptr<ByteStream>> open(int file, const std::string& path, Compression compression,
                                                  std::int64_t from);
};

}  // namespace admetrics::source
