#include "tessera/train/batch_maker.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <omp.h>

#include <utility>

namespace tessera::train {
namespace {

const char* const kNoise = "noise";

}  // namespace

BatchMaker::BatchMaker(Task& task, Loader& loader, Rng& rng, int64_t ahead)
    : task_(task),
      loader_(loader),
      rng_(rng),
      ahead_(ahead),
      noise_(at::detail::createCPUGenerator()) {
  if (ahead_ > 0) thread_ = std::thread([this] { work(); });
}

BatchMaker::~BatchMaker() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

TensorMap BatchMaker::next() {
  const std::span<const int64_t> examples = loader_.next();
  if (ahead_ == 0) {
    task_.begin_epoch(loader_.epoch());
    BatchContext context{Split::kTrain, rng_.stream(kNoise)};
    return task_.batch(examples, context);
  }
  std::unique_lock lock(mutex_);
  if (orders_.empty()) {
    // The thread waits: the task and its generator are ours.
    task_.begin_epoch(loader_.epoch());
    noise_.set_state(rng_.stream(kNoise).get_state());
    order(examples);
  }
  while (static_cast<int64_t>(orders_.size()) <= ahead_) {
    const std::span<const int64_t> later = loader_.peek(static_cast<int64_t>(orders_.size()) - 1);
    if (later.empty()) break;
    order(later);
  }
  changed_.notify_all();
  changed_.wait(lock, [this] { return orders_.front().is_done; });
  Order made = std::move(orders_.front());
  orders_.pop_front();
  --done_;
  if (made.error) std::rethrow_exception(made.error);
  rng_.stream(kNoise).set_state(made.noise);
  return std::move(made.batch);
}

void BatchMaker::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return done_ == orders_.size(); });
}

void BatchMaker::order(std::span<const int64_t> examples) {
  orders_.push_back({.examples = {examples.begin(), examples.end()}});
}

void BatchMaker::work() {
  // Of this thread alone: the other cores are the model's. ATen sets the number when a thread first
  // asks for it, so that we have to come after.
  at::internal::lazy_init_num_threads();
  at::get_num_threads();
  omp_set_num_threads(1);
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return is_over_ || done_ < orders_.size(); });
    if (is_over_) return;
    Order& made = orders_[done_];
    lock.unlock();  // a deque's elements stay where they are
    try {
      BatchContext context{Split::kTrain, noise_};
      made.batch = task_.batch(made.examples, context);
      made.noise = noise_.get_state();
    } catch (...) {
      made.error = std::current_exception();
    }
    lock.lock();
    made.is_done = true;
    ++done_;
    changed_.notify_all();
  }
}

}  // namespace tessera::train
