#include "sources/changelog/byte_stream.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

namespace admetrics::source {
namespace {

Error io_error(const std::string& path) { return {Errc::kIo, "read the change log", path, std::strerror(errno)}; }

class PlainStream : public ByteStream {
 public:
  PlainStream(int file, std::string path, std::int64_t from) : file_(file), path_(std::move(path)), at_(from) {}

  Result<std::size_t> read(std::span<char> into) override {
    for (;;) {
      const ssize_t count = ::pread(file_, into.data(), into.size(), at_);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return io_error(path_);
      at_ += count;
      return static_cast<std::size_t>(count);
    }
  }

 private:
  const int file_;
  const std::string path_;
  std::int64_t at_;
};

/// The part that gzip and zstd share: compressed bytes in pieces.
class CompressedStream : public ByteStream {
 public:
  CompressedStream(int file, const std::string& path)
      : raw_(file, path, 0), path_(path), input_(std::size_t{128} << 10) {}
  [[nodiscard]] bool cut_short() const override { return inside_; }

 protected:
  /// False: the file has no more.
  Result<bool> refill() {
    ADM_ASSIGN(const std::size_t size, raw_.read(input_));
    begin_ = 0;
    end_ = size;
    return size > 0;
  }
  [[nodiscard]] Error damaged(const char* what) const {
    return {Errc::kCorrupt, "decompress the change log", path_, what == nullptr ? "damaged data" : what};
  }

  PlainStream raw_;
  const std::string path_;
  std::vector<char> input_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  bool inside_ = false;  // a member or frame has begun and not ended
};

class GzipStream : public CompressedStream {
 public:
  GzipStream(int file, const std::string& path) : CompressedStream(file, path) {
    constexpr int kWindowBitsAndHeader = 15 + 16;
    good_ = ::inflateInit2(&zlib_, kWindowBitsAndHeader) == Z_OK;
  }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
  ~GzipStream() override { ::inflateEnd(&zlib_); }

  Result<std::size_t> read(std::span<char> into) override {
    if (!good_) return damaged("zlib could not begin");
    zlib_.next_out = reinterpret_cast<Bytef*>(into.data());  // NOLINT: bytes are characters here
    zlib_.avail_out = static_cast<uInt>(into.size());
    while (zlib_.avail_out == into.size()) {
      if (begin_ == end_) {
        ADM_ASSIGN(const bool more, refill());
        if (!more) break;
      }
      if (!inside_ && input_[begin_] == 0) {  // padding behind the last member
        ++begin_;
        continue;
      }
      inside_ = true;
      zlib_.next_in = reinterpret_cast<Bytef*>(input_.data() + begin_);  // NOLINT
      zlib_.avail_in = static_cast<uInt>(end_ - begin_);
      const int code = ::inflate(&zlib_, Z_NO_FLUSH);
      begin_ = end_ - zlib_.avail_in;
      if (code == Z_STREAM_END) {
        inside_ = false;
        ::inflateReset(&zlib_);
      } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return damaged(zlib_.msg);
      }
    }
    return into.size() - zlib_.avail_out;
  }

 private:
  z_stream zlib_{};
  bool good_ = false;
};

class ZstdStream : public CompressedStream {
 public:
  ZstdStream(int file, const std::string& path) : CompressedStream(file, path), zstd_(::ZSTD_createDStream()) {}
  ZstdStream(const ZstdStream&) = delete;
  ZstdStream& operator=(const ZstdStream&) = delete;
  ~ZstdStream() override { ::ZSTD_freeDStream(zstd_); }

  Result<std::size_t> read(std::span<char> into) override {
    if (zstd_ == nullptr) return damaged("zstd could not begin");
    ZSTD_outBuffer out{into.data(), into.size(), 0};
    while (out.pos == 0) {
      if (begin_ == end_ && !full_) {
        ADM_ASSIGN(const bool more, refill());
        if (!more) break;
      }
      ZSTD_inBuffer in{input_.data() + begin_, end_ - begin_, 0};
      const std::size_t left = ::ZSTD_decompressStream(zstd_, &out, &in);
      if (::ZSTD_isError(left) != 0) return damaged(::ZSTD_getErrorName(left));
      begin_ += in.pos;
      inside_ = left != 0;
      full_ = out.pos == out.size;  // then the library may hold more without further input
    }
    return out.pos;
  }

 private:
  ZSTD_DStream* const zstd_;
  bool full_ = false;
};

}  // namespace

Compression compression_of(std::string_view name) {
  if (name.ends_with(".gz")) return Compression::kGzip;
  if (name.ends_with(".zst")) return Compression::kZstd;
  return Compression::kNone;
}

std::string_view without_compression(std::string_view name) {
  switch (compression_of(name)) {
    case Compression::kNone: return name;
    case Compression::kGzip: return name.substr(0, name.size() - 3);
    case Compression::kZstd: return name.substr(0, name.size() - 4);
  }
  return name;
}

Result<std::unique_ptr<ByteStream>> ByteStream::open(int file, const std::string& path, Compression compression,
                                                     std::int64_t from) {
  std::unique_ptr<ByteStream> stream;
  switch (compression) {
    case Compression::kNone: return std::unique_ptr<ByteStream>(std::make_unique<PlainStream>(file, path, from));
    case Compression::kGzip: stream = std::make_unique<GzipStream>(file, path); break;
    case Compression::kZstd: stream = std::make_unique<ZstdStream>(file, path); break;
  }
  std::vector<char> skipped(std::size_t{64} << 10);
  while (from > 0) {
    const auto most = std::min<std::int64_t>(from, static_cast<std::int64_t>(skipped.size()));
    ADM_ASSIGN(const std::size_t size, stream->read(std::span(skipped).first(static_cast<std::size_t>(most))));
    if (size == 0) return Error{Errc::kNotFound, "read the change log", path, "it is shorter than it was"};
    from -= static_cast<std::int64_t>(size);
  }
  return stream;
}

}  // namespace admetrics::source
