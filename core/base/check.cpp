#include "core/base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace admetrics {

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "admetricsd: internal check failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace admetrics
