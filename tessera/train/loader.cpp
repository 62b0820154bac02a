#include "tessera/train/loader.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/core/error.h"

namespace tessera::train {

Loader::Loader(int64_t size, int64_t batch_size, bool shuffle, bool drop_last, Rng& rng)
    : size_(size),
      batch_size_(batch_size),
      shuffle_(shuffle),
      rng_(rng),
      batches_per_epoch_(drop_last ? size / batch_size : (size + batch_size - 1) / batch_size) {
  if (batches_per_epoch_ < 1) {
    fail<InvalidArgument>(
        {.where = "train",
         .rule = "an epoch has at least one batch",
         .got = std::to_string(size) + " examples for batches of " + std::to_string(batch_size),
         .next = "Lower train.batch_size or set train.drop_last to false.",
         .id = "T-TRAIN-04"});
  }
  begin_epoch();
}

void Loader::begin_epoch() {
  at::Generator& generator = rng_.stream("shuffle");
  epoch_generator_ = generator.get_state();
  const auto options = at::TensorOptions(at::kLong);
  order_ = shuffle_ ? at::randperm(size_, generator, options) : at::arange(size_, options);
}

std::span<const int64_t> Loader::next() {
  if (taken_ == batches_per_epoch_) {
    begin_epoch();
    ++epoch_;
    taken_ = 0;
  }
  return batch(taken_++);
}

std::span<const int64_t> Loader::peek(int64_t ahead) const {
  if (taken_ + ahead >= batches_per_epoch_) return {};
  return batch(taken_ + ahead);
}

std::span<const int64_t> Loader::batch(int64_t index) const {
  const int64_t begin = index * batch_size_;
  const int64_t end = std::min(begin + batch_size_, size_);
  return {order_.const_data_ptr<int64_t>() + begin, static_cast<size_t>(end - begin)};
}

void Loader::restore(int64_t epoch, int64_t batches_taken, const at::Tensor& epoch_generator) {
  if (batches_taken < 0 || batches_taken > batches_per_epoch_) {
    fail<InvalidArgument>({.where = "train",
                           .rule = "a saved position lies in an epoch of " +
                                   std::to_string(batches_per_epoch_) + " batches",
                           .got = std::to_string(batches_taken),
                           .id = "T-TRAIN-05"});
  }
  rng_.stream("shuffle").set_state(epoch_generator.contiguous());
  begin_epoch();
  epoch_ = epoch;
  taken_ = batches_taken;
}

}  // namespace tessera::train
