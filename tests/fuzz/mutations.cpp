// Runs a fuzz target without a fuzzer: every file of the corpus as it is, then as many mutations of them as are asked for, drawn
// from a seed. What failed stands in the working folder; libFuzzer or this program repeats it.
//   mutations CORPUS [COUNT] [SEED]
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

void run(const Input& input) {
  {
    std::ofstream file("mutations-last-input", std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(input.data()), static_cast<std::streamsize>(input.size()));  // NOLINT
  }
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

Input mutated(const std::vector<Input>& corpus, std::mt19937_64& random) {
  const auto below = [&](std::size_t limit) { return limit == 0 ? 0 : static_cast<std::size_t>(random() % limit); };
  Input input = corpus[below(corpus.size())];
  for (std::size_t steps = 1 + below(6); steps > 0; --steps) {
    const std::size_t at = below(input.size() + 1);
    const std::size_t count = std::min(input.size() - at, 1 + below(24));
    const auto from = input.begin() + static_cast<std::ptrdiff_t>(at);
    const auto to = from + static_cast<std::ptrdiff_t>(count);
    switch (below(6)) {
      case 0: input.erase(from, to); break;
      case 1: {
        const Input piece(from, to);
        input.insert(from, piece.begin(), piece.end());
        break;
      }
      case 2: {
        constexpr char kMeaningful[] = "{}[]\",:\\\n\r\0 -0e9\xff\xef\xbb\xbf";
        input.insert(from, static_cast<std::uint8_t>(kMeaningful[below(sizeof kMeaningful - 1)]));
        break;
      }
      case 3:
        if (count > 0) *from = static_cast<std::uint8_t>(random());
        break;
      case 4: {
        const Input& other = corpus[below(corpus.size())];
        const std::size_t begin = below(other.size() + 1);
        const std::size_t size = below(other.size() - begin + 1);
        input.insert(from, other.begin() + static_cast<std::ptrdiff_t>(begin),
                     other.begin() + static_cast<std::ptrdiff_t>(begin + size));
        break;
      }
      default: input.resize(at); break;
    }
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s CORPUS [COUNT] [SEED]\n", argv[0]);
    return 64;
  }
  const std::uint64_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  const std::uint64_t seed = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Input> corpus;
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    run(corpus.back());
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "%s: no corpus\n", argv[1]);
    return 1;
  }
  std::mt19937_64 random(seed);
  for (std::uint64_t i = 0; i < count; ++i) run(mutated(corpus, random));
  std::filesystem::remove("mutations-last-input");
  std::printf("%zu files and %llu mutations of them, seed %llu\n", corpus.size(),
              static_cast<unsigned long long>(count), static_cast<unsigned long long>(seed));
  return 0;
}
