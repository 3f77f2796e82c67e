#pragma once

#include <vector>

#include "core/engine/state.hpp"
#include "core/metrics/meta.hpp"
#include "core/model/row.hpp"

namespace admetrics {

/// A cell to render: all its rows, or the main row and some breakdown rows.
struct RenderCell {
  CellKey key;
  bool whole = false;
  std::vector<std::pair<Breakdown, DictionaryId>> rows;  // when not whole
  MetaCell meta;
};

/// Renders cells from the frozen state. Any thread, each with a renderer of its own.
class Renderer {
 public:
  Renderer(const State& state, Day today, int trial_length_days)
      : state_(&state), today_(today), trial_length_days_(trial_length_days) {}

  CellWrite render(const RenderCell& cell);

 private:
  struct Member {
    std::string_view distinct_id;
    const UserContribution* contribution;
  };

  const State* state_;
  Day today_;
  int trial_length_days_;
  std::vector<UserRef> refs_;  // reused
  std::vector<Member> members_;
};

}  // namespace admetrics
