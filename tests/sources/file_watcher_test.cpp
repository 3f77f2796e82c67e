#include "sources/sqlite/file_watcher.hpp"

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <fstream>

#include "tests/sources/source_fixture.hpp"

namespace admetrics::source {
namespace {

class FileWatcherTest : public SourceTest {
 protected:
  std::unique_ptr<FileWatcher> watch_files(const std::vector<std::string>& files, int& calls) {
    auto watcher = FileWatcher::create(io_, files, [&calls] { ++calls; });
    EXPECT_TRUE(watcher.ok()) << watcher.error().line();
    return watcher.ok() ? std::move(watcher).value() : nullptr;
  }
  /// Runs until the callback came, or far too long.
  bool woken(const int& calls) {
    const int before = calls;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (calls == before && std::chrono::steady_clock::now() < deadline) {
      io_.restart();
      io_.run_one_until(deadline);
    }
    return calls != before;
  }
  /// Handles all that has been notified so far.
  void drain() {
    io_.restart();
    io_.poll();
  }

  boost::asio::io_context io_;
};

TEST_F(FileWatcherTest, AWriteToTheLogWakes) {
  pipeline();
  int calls = 0;
  const auto watcher = watch_files({product_file(), ads_file()}, calls);
  user("u1");
  EXPECT_TRUE(woken(calls));
  drain();
  meta("a1", "2026-01-03");
  EXPECT_TRUE(woken(calls));
}

TEST_F(FileWatcherTest, AWriteInRollbackJournalModeWakes) {
  pipeline("DELETE");
  int calls = 0;
  const auto watcher = watch_files({product_file(), ads_file()}, calls);
  user("u1");
  EXPECT_TRUE(woken(calls));
}

TEST_F(FileWatcherTest, AnotherFilePutInPlaceWakes) {
  pipeline("DELETE");
  product_.reset();
  std::filesystem::copy_file(product_file(), folder_ + "/other.tmp");
  int calls = 0;
  const auto watcher = watch_files({product_file()}, calls);
  std::filesystem::rename(folder_ + "/other.tmp", product_file());
  EXPECT_TRUE(woken(calls));
}

TEST_F(FileWatcherTest, OtherFilesDoNotWake) {
  pipeline();
  const std::string other = folder_ + "/other.db";
  std::ofstream(other) << "x";
  int calls = 0;
  int calls_for_other = 0;
  const auto watcher = watch_files({product_file()}, calls);
  const auto watcher_of_other = watch_files({other}, calls_for_other);
  std::ofstream(other) << "more";
  std::ofstream(product_file() + ".bak") << "a name that begins like ours";
  meta("a1", "2026-01-03");
  EXPECT_TRUE(woken(calls_for_other));  // so the kernel has told about that write
  drain();
  EXPECT_EQ(calls, 0);
  user("u1");
  EXPECT_TRUE(woken(calls));
}

TEST_F(FileWatcherTest, AFileThatIsYetToComeWakes) {
  int calls = 0;
  const auto watcher = watch_files({product_file()}, calls);
  product_ = connect(product_file());
  product(kUserTable);
  EXPECT_TRUE(woken(calls));
}

TEST_F(FileWatcherTest, AFileBehindALinkWakes) {
  pipeline();
  const std::string folder = folder_ + "/links";
  std::filesystem::create_directory(folder);
  std::filesystem::create_symlink(product_file(), folder + "/linked.db");
  int calls = 0;
  const auto watcher = watch_files({folder + "/linked.db"}, calls);
  user("u1");
  drain();
  EXPECT_GT(calls, 0);
}

TEST_F(FileWatcherTest, AFolderThatIsMissingIsAnError) {
  const auto watcher = FileWatcher::create(io_, {folder_ + "/none/x.db"}, [] {});
  ASSERT_FALSE(watcher.ok());
  EXPECT_EQ(watcher.error().code, Errc::kUnsupported);
  EXPECT_EQ(watcher.error().where, folder_ + "/none");
}

TEST_F(FileWatcherTest, AWatcherThatIsGoneCallsNobody) {
  pipeline();
  int calls = 0;
  auto watcher = watch_files({product_file()}, calls);
  user("u1");
  watcher.reset();
  drain();
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace admetrics::source
