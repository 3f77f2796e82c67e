#pragma once

namespace admetrics {

/// Empties a container and gives its memory back. (`= {}` would keep the capacity.)
template <class Container>
void release(Container& container) {
  Container().swap(container);
}

}  // namespace admetrics
