#include "tessera/systems/folded_cnn/fold_queue.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/core/error.h"

namespace tessera::folded_cnn {

FoldQueue::FoldQueue(const FoldedCnn& model, const QueueOptions& options)
    : model_(model),
      options_(options),
      fold_(model.config().fold),
      dtype_(model.parameters().front().scalar_type()) {
  if (model.is_training()) {
    fail<InvalidArgument>({.where = "fold_queue",
                           .rule = "the model is in evaluation mode",
                           .got = "training",
                           .next = "Call eval() before.",
                           .id = "T-FCNN-20"});
  }
  if (options.max_groups < 1) {
    fail<InvalidArgument>({.where = "fold_queue",
                           .rule = "a pass has at least one group",
                           .got = std::to_string(options.max_groups),
                           .id = "T-FCNN-20"});
  }
  worker_ = std::thread([this] { work(); });
}

FoldQueue::~FoldQueue() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

std::future<at::Tensor> FoldQueue::submit(const at::Tensor& image) {
  const nn::Shape& in = model_.network().input;
  const bool fits = image.dim() == 3 && image.size(0) * fold_ == in.channels &&
                    image.size(1) == in.height && image.size(2) == in.width &&
                    image.scalar_type() == dtype_;
  if (!fits) {
    fail<InvalidArgument>({.where = "fold_queue",
                           .rule = "an image is (" + std::to_string(in.channels / fold_) + ", " +
                                   std::to_string(in.height) + ", " + std::to_string(in.width) +
                                   ") in the model's dtype",
                           .got = c10::str(image.scalar_type(), " ", image.sizes()),
                           .id = "T-FCNN-21"});
  }
  Request request{.image = image, .arrival = Clock::now()};
  std::future<at::Tensor> answer = request.answer.get_future();
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(request));
    ++statistics_.requests;
  }
  changed_.notify_all();
  return answer;
}

void FoldQueue::flush() {
  {
    const std::lock_guard lock(mutex_);
    num_flushed_ = static_cast<int64_t>(waiting_.size());
  }
  changed_.notify_all();
}

QueueStatistics FoldQueue::statistics() const {
  const std::lock_guard lock(mutex_);
  return statistics_;
}

std::vector<FoldQueue::Request> FoldQueue::take() {
  std::unique_lock lock(mutex_);
  const auto is_ready = [&] {
    return static_cast<int64_t>(waiting_.size()) >= fold_ || num_flushed_ > 0 || is_ending_;
  };
  while (!is_ready()) {
    if (waiting_.empty() || !options_.max_wait) {
      changed_.wait(lock);
      continue;
    }
    const Clock::time_point deadline = waiting_.front().arrival + *options_.max_wait;
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) break;
  }
  const auto count = static_cast<int64_t>(waiting_.size());
  // An incomplete group goes alone: the whole ones before it have gone.
  const int64_t taken =
      count < fold_ ? count : std::min(count / fold_, options_.max_groups) * fold_;
  num_flushed_ = std::max<int64_t>(0, num_flushed_ - taken);
  const int64_t groups = (taken + fold_ - 1) / fold_;
  statistics_.groups += groups;
  statistics_.padded += groups * fold_ - taken;
  if (taken > 0) ++statistics_.passes;
  const auto end = waiting_.begin() + taken;
  std::vector<Request> requests(std::make_move_iterator(waiting_.begin()),
                                std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return requests;
}

void FoldQueue::answer(std::vector<Request> requests) {
  try {
    std::vector<at::Tensor> images;
    for (const Request& request : requests) images.push_back(request.image);
    const at::Tensor logits = model_.forward(at::stack(images), Remainder::kPad).logits;
    for (size_t i = 0; i < requests.size(); ++i) {
      requests[i].answer.set_value(logits[static_cast<int64_t>(i)].clone());
    }
  } catch (...) {
    // The end of a thread: what went wrong belongs to those who asked.
    for (Request& request : requests) request.answer.set_exception(std::current_exception());
  }
}

void FoldQueue::work() {
  const at::NoGradGuard no_grad;
  while (true) {
    std::vector<Request> requests = take();
    if (requests.empty()) {
      const std::lock_guard lock(mutex_);
      if (is_ending_ && waiting_.empty()) return;
      continue;
    }
    answer(std::move(requests));
  }
}

at::Tensor classify_through_queue(const FoldedCnn& model, const at::Tensor& images) {
  if (images.dim() != 4 || images.size(0) < 1) {
    fail<InvalidArgument>({.where = "fold_queue",
                           .rule = "images are (B, C, H, W) with at least one image",
                           .got = c10::str(images.sizes()),
                           .id = "T-FCNN-22"});
  }
  // Without a bound on the wait the groups are the same at every run.
  FoldQueue queue(model, {.max_wait = std::nullopt});
  std::vector<std::future<at::Tensor>> answers;
  for (const at::Tensor& image : images.unbind(0)) answers.push_back(queue.submit(image));
  queue.flush();
  std::vector<at::Tensor> logits;
  for (auto& answer : answers) logits.push_back(answer.get());
  return at::stack(logits);
}

}  // namespace tessera::folded_cnn
