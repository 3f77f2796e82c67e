#include "tests/support/temp_folder.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

namespace admetrics::support {
namespace {

namespace fs = std::filesystem;

bool outlives_processes(const fs::path& file) {
  const std::string name = file.filename().string();
  return name != "lock" && !name.ends_with("-shm");
}

/// In memory where there is such a place: thousands of commits wait for a disk otherwise. TMPDIR overrules.
fs::path place() {
  const fs::path memory = "/dev/shm";
  std::error_code none;
  const bool in_memory = std::getenv("TMPDIR") == nullptr && fs::is_directory(memory, none);
  return in_memory ? memory : fs::temp_directory_path();
}

}  // namespace

TempFolder::TempFolder() {
  std::string path = (place() / "admetrics-test-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary folder could be made at " + path);
  path_ = path;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

DiskImage DiskImage::take(const std::string& folder) {
  DiskImage image;
  image.folder_ = folder;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file() || !outlives_processes(entry.path())) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    image.files_[fs::relative(entry.path(), folder).string()] =
        std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  return image;
}

void DiskImage::restore() const {
  std::vector<fs::path> unknown;
  for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
    if (!entry.is_regular_file() || entry.path().filename() == "lock") continue;
    if (!files_.contains(fs::relative(entry.path(), folder_).string())) unknown.push_back(entry.path());
  }
  for (const fs::path& path : unknown) fs::remove(path);
  for (const auto& [name, bytes] : files_) {
    std::ofstream out(fs::path(folder_) / name, std::ios::binary | std::ios::trunc);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) throw std::runtime_error("cannot restore " + name);
  }
}

}  // namespace admetrics::support
