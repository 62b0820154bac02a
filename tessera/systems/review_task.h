#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tessera/core/config.h"
#include "tessera/data/imdb.h"
#include "tessera/systems/task.h"

namespace tessera {

/// The keys of the task "imdb" (sequence_tasks.h).
struct ReviewConfig final : Config {
  int64_t vocab_size = 25000;
  bool lower_case = true;
  int64_t max_length = 0;
  std::string truncate = "end";
  std::string padding = "end";
  std::string embeddings;
  std::string unknown_vectors = "zero";
  int64_t train_size = 17500, valid_size = 7500, test_size = 0;
  int64_t split_seed = 0;

  void fields(FieldList& list) override;
};

/// The task on any reviews. Throws InvalidArgument where a split asks for more than there are.
std::unique_ptr<Task> make_review_task(const ReviewConfig& config, const data::ReviewData& reviews,
                                       const TaskContext& context);

}  // namespace tessera
