#include "core/model/dictionary.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

namespace admetrics {
namespace {

TEST(Dictionary, IdZeroIsTheEmptyText) {
  Dictionary dictionary;
  EXPECT_EQ(dictionary.intern(""), DictionaryId{0});
  EXPECT_EQ(dictionary.text(DictionaryId{0}), "");
  EXPECT_EQ(dictionary.find(""), DictionaryId{0});
  EXPECT_EQ(dictionary.size(), 1U);
}

TEST(Dictionary, EqualTextsHaveOneIdAndIdsAreDense) {
  Dictionary dictionary;
  EXPECT_EQ(dictionary.intern("US"), DictionaryId{1});
  EXPECT_EQ(dictionary.intern("DE"), DictionaryId{2});
  EXPECT_EQ(dictionary.intern(std::string("U") + "S"), DictionaryId{1});
  EXPECT_EQ(dictionary.size(), 3U);
}

TEST(Dictionary, TextsDifferInCaseBlanksAndZeroBytes) {
  Dictionary dictionary;
  std::set<DictionaryId> ids;
  const std::vector<std::string> texts{"us", "US", "US ", " US", std::string("US\0", 3), std::string("US\0\0", 4),
                                       "ÜS"};
  for (const std::string& text : texts) ids.insert(dictionary.intern(text));
  EXPECT_EQ(ids.size(), texts.size());
  for (const std::string& text : texts) EXPECT_EQ(dictionary.text(dictionary.find(text)), text);
}

TEST(Dictionary, FindingDoesNotIntern) {
  Dictionary dictionary;
  EXPECT_EQ(dictionary.find("never seen"), DictionaryId{0});
  EXPECT_EQ(dictionary.size(), 1U);
}

TEST(Dictionary, TextsNeverMove) {
  Dictionary dictionary;
  const std::string_view first = dictionary.text(dictionary.intern("a"));  // short enough to live inside its string
  const char* const bytes = first.data();
  for (int i = 0; i < 10'000; ++i) dictionary.intern("text " + std::to_string(i));
  EXPECT_EQ(dictionary.text(dictionary.find("a")).data(), bytes);
  EXPECT_EQ(first, "a");
}

TEST(Dictionary, OwnsItsTexts) {
  Dictionary dictionary;
  std::string text = "campaign seven";
  const DictionaryId id = dictionary.intern(text);
  text = "something else";
  EXPECT_EQ(dictionary.text(id), "campaign seven");
}

TEST(Dictionary, ClearingForgetsAllButTheEmptyText) {
  Dictionary dictionary;
  dictionary.intern("US");
  dictionary.clear();
  EXPECT_EQ(dictionary.size(), 1U);
  EXPECT_EQ(dictionary.intern(""), DictionaryId{0});
  EXPECT_EQ(dictionary.find("US"), DictionaryId{0});
  EXPECT_EQ(dictionary.intern("DE"), DictionaryId{1});
}

TEST(Dictionary, ThreadsThatInternTheSameTextsGetTheSameIds) {
  constexpr std::size_t kThreads = 6;
  constexpr std::size_t kTexts = 2'000;
  Dictionary dictionary;
  std::vector<std::vector<DictionaryId>> ids(kThreads, std::vector<DictionaryId>(kTexts));
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      DictionaryCache cache(dictionary);
      for (std::size_t i = 0; i < kTexts; ++i) {
        const std::size_t text = (i * (2 * thread + 1)) % kTexts;  // each thread in another order, some with repeats
        const std::string spelled = "text " + std::to_string(text);
        ids[thread][text] = thread % 2 == 0 ? cache.intern(spelled) : dictionary.intern(spelled);
        EXPECT_EQ(dictionary.text(ids[thread][text]), spelled);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(dictionary.size(), kTexts + 1);
  for (std::size_t text = 0; text < kTexts; ++text) {
    const DictionaryId id = dictionary.find("text " + std::to_string(text));
    ASSERT_NE(id, DictionaryId{0});
    for (const auto& seen : ids) ASSERT_TRUE(seen[text] == id || seen[text] == DictionaryId{0});
    ASSERT_EQ(ids[0][text], id);  // thread 0 met every text
  }
}

TEST(Dictionary, ThreadsThatInternDifferentTextsLoseNone) {
  constexpr std::size_t kThreads = 6;
  constexpr std::size_t kTexts = 2'000;
  Dictionary dictionary;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t i = 0; i < kTexts; ++i) {
        const std::string text = std::to_string(thread) + '/' + std::to_string(i);
        const DictionaryId id = dictionary.intern(text);
        EXPECT_EQ(dictionary.text(id), text);
        EXPECT_LT(id.value, dictionary.size());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  ASSERT_EQ(dictionary.size(), kThreads * kTexts + 1);
  std::set<std::string_view> texts;
  for (std::uint32_t id = 1; id < dictionary.size(); ++id) {
    texts.insert(dictionary.text(DictionaryId{id}));
    ASSERT_EQ(dictionary.find(dictionary.text(DictionaryId{id})), DictionaryId{id});
  }
  EXPECT_EQ(texts.size(), kThreads * kTexts);
}

TEST(DictionaryCache, AgreesWithItsDictionary) {
  Dictionary dictionary;
  DictionaryCache cache(dictionary);
  DictionaryCache other(dictionary);
  std::string text = "US";
  const DictionaryId id = cache.intern(text);
  text = "DE";  // the cache must not look at the caller's bytes
  EXPECT_EQ(cache.intern("US"), id);
  EXPECT_EQ(other.intern("US"), id);
  EXPECT_EQ(dictionary.find("US"), id);
  EXPECT_EQ(cache.intern(""), DictionaryId{0});
  EXPECT_EQ(dictionary.size(), 2U);
}

}  // namespace
}  // namespace admetrics
