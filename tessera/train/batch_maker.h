#pragma once

#include <ATen/core/Generator.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "tessera/core/rng.h"
#include "tessera/systems/task.h"
#include "tessera/train/loader.h"

namespace tessera::train {

/// Makes the training batches that the loader orders, up to `ahead` of them before they are asked
/// for, on a thread of its own that computes with one core.
///
/// The stream "noise" is moved on when a batch is taken, not when it is made: between two calls of
/// next() the loader and the streams stand where they would without the thread, so that a saved
/// position has no trace of it. Batches are never made across the end of an epoch, because the task
/// changes there.
class BatchMaker {
 public:
  /// All three must outlive the maker. `ahead` 0: no thread.
  BatchMaker(Task& task, Loader& loader, Rng& rng, int64_t ahead);
  ~BatchMaker();
  BatchMaker(const BatchMaker&) = delete;
  BatchMaker& operator=(const BatchMaker&) = delete;

  /// The loader's next batch. Throws what the task threw while it made it.
  TensorMap next();
  /// Waits until nothing is being made: the task is the caller's until the next call of next().
  void wait();

 private:
  struct Order {
    std::vector<int64_t> examples;
    TensorMap batch;
    at::Tensor noise;  ///< the stream's state behind this batch
    std::exception_ptr error;
    bool is_done = false;
  };

  void order(std::span<const int64_t> examples);
  void work();

  Task& task_;
  Loader& loader_;
  Rng& rng_;
  const int64_t ahead_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Order> orders_;  ///< the oldest first; those of one epoch
  size_t done_ = 0;           ///< of them
  at::Generator noise_;       ///< the thread's own
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace tessera::train
