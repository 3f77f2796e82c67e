#include <gtest/gtest.h>

#include <random>

#include "tests/property/seeds.hpp"

namespace admetrics {
namespace {

constexpr std::uint64_t kSeeds = 1'000;
constexpr std::uint64_t kEpochs = 50;

/// Other seeds every night; a seed that fails is printed, and belongs into `kKeptSeeds`.
TEST(DrawnHistories, StayRightForSeedsThatNobodyChose) {
  const std::uint64_t first = std::random_device()();
  const std::uint64_t seeds = number_of("ADMETRICS_SEEDS", kSeeds);
  for (std::uint64_t i = 0; i < seeds && !HasFailure(); ++i) {
    play_seed(first + i, number_of("ADMETRICS_EPOCHS", kEpochs));
  }
}

}  // namespace
}  // namespace admetrics
