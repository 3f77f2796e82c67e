#include "daemon/http/content.hpp"

#include <gtest/gtest.h>
#include <libdeflate.h>

#include <thread>
#include <vector>

namespace admetrics::http {
namespace {

std::string unpacked(const std::string& gzip, std::size_t size) {
  std::string out(size, '\0');
  libdeflate_decompressor* decompressor = libdeflate_alloc_decompressor();
  std::size_t written = 0;
  const auto result =
      libdeflate_gzip_decompress(decompressor, gzip.data(), gzip.size(), out.data(), out.size(), &written);
  libdeflate_free_decompressor(decompressor);
  EXPECT_EQ(result, LIBDEFLATE_SUCCESS);
  EXPECT_EQ(written, size);
  return out;
}

TEST(ContentTest, CompressedIsTheSameAndSmaller) {
  std::string text;
  for (int i = 0; i < 10'000; ++i) text += "entry " + std::to_string(i) + ", ";
  const Content content(text);
  EXPECT_LT(content.gzip().size(), text.size() / 2);
  EXPECT_EQ(unpacked(content.gzip(), text.size()), text);
}

TEST(ContentTest, WhatDoesNotPayIsNotCompressed) {
  EXPECT_EQ(Content("short").gzip(), "");
  EXPECT_EQ(Content("").gzip(), "");
}

TEST(ContentTest, ManyAskAtOnce) {
  const Content content(std::string(100'000, 'x'));
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { EXPECT_FALSE(content.gzip().empty()); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace admetrics::http
