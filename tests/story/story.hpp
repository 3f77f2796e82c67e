#pragma once

#include <string>
#include <vector>

#include "tests/support/world.hpp"

namespace admetrics {

/// A history told as text, and what must be true on the way. `tests/story/README.md` lists the words.
struct Story {
  std::string title;
  std::string file;
  int first_line = 0;
  std::vector<std::string> lines;
};

/// The stories of a file; each begins with a line `story TITLE`.
std::vector<Story> read_stories(const std::string& path);

/// Plays a story to its end or its first fault. What is wrong, with file and line; empty when nothing is. A line that is
/// not understood is a fault.
std::string play(const Story& story, support::WorldOptions options = {});

}  // namespace admetrics
