#include "daemon/http/content.hpp"

#include <libdeflate.h>

namespace admetrics::http {
namespace {

constexpr std::size_t kCompressedFrom = 1'024;  // below, the head is most of the answer
constexpr int kLevel = 1;  // user ids are random: higher levels take several times as long for a few percent

}  // namespace

const std::string& Content::gzip() const {
  std::call_once(compressed_, [&] {
    if (plain_.size() < kCompressedFrom) return;
    libdeflate_compressor* compressor = libdeflate_alloc_compressor(kLevel);
    if (compressor == nullptr) return;
    std::string out(plain_.size(), '\0');
    const std::size_t size = libdeflate_gzip_compress(compressor, plain_.data(), plain_.size(), out.data(), out.size());
    libdeflate_free_compressor(compressor);
    out.resize(size);  // 0: it did not fit, so it is not smaller
    out.shrink_to_fit();
    gzip_ = std::move(out);
  });
  return gzip_;
}

}  // namespace admetrics::http
