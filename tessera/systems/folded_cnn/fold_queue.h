#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "tessera/systems/folded_cnn/model.h"

namespace tessera::folded_cnn {

struct QueueOptions {
  /// How long a request waits for companions, from its arrival. None: until the group is whole or
  /// flush() is called.
  std::optional<std::chrono::microseconds> max_wait = std::chrono::microseconds(2000);
  int64_t max_groups = 64;  ///< of one forward pass
};

struct QueueStatistics {
  int64_t requests = 0, groups = 0, passes = 0;
  int64_t padded = 0;  ///< places of groups that were filled with copies
};

/// Serving of single images by a folded network. Requests are grouped in the order of their
/// arrival. Whole groups start at once; an incomplete one starts when its oldest request has waited
/// for max_wait, filled with copies of its last image. So a request is answered at most max_wait
/// and two passes after its arrival: the pass that may be running, and its own.
/// Companions of a group influence each other's logits (FoldedCnn): requests of parties that must
/// not learn of each other belong into queues of their own.
class FoldQueue {
 public:
  /// The model must be in evaluation mode (InvalidArgument) and outlive the queue, and is not to be
  /// changed meanwhile. One thread of the queue's own runs it.
  explicit FoldQueue(const FoldedCnn& model, const QueueOptions& options = {});
  /// Answers what was submitted, then ends.
  ~FoldQueue();
  FoldQueue(const FoldQueue&) = delete;
  FoldQueue& operator=(const FoldQueue&) = delete;

  /// image: (C, H, W) in the model's dtype.  returns its logits (K). From any thread.
  /// Throws InvalidArgument on another shape or dtype. A failure of the pass comes by the future.
  std::future<at::Tensor> submit(const at::Tensor& image);

  /// What waits now starts without waiting for companions.
  void flush();

  QueueStatistics statistics() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Request {
    at::Tensor image;
    std::promise<at::Tensor> answer;
    Clock::time_point arrival;
  };

  void work();
  /// Requests of the next pass; waits for them. Empty: the queue ends.
  std::vector<Request> take();
  void answer(std::vector<Request> requests);

  const FoldedCnn& model_;
  const QueueOptions options_;
  const int64_t fold_;
  const at::ScalarType dtype_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Request> waiting_;
  int64_t num_flushed_ = 0;  ///< requests at the front that do not wait
  bool is_ending_ = false;
  QueueStatistics statistics_;
  std::thread worker_;  ///< last: starts when all else is there
};

/// Logits (B, K) of images (B, C, H, W), each submitted to a queue as a request of its own.
at::Tensor classify_through_queue(const FoldedCnn& model, const at::Tensor& images);

}  // namespace tessera::folded_cnn
