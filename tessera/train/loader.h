#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

#include "tessera/core/rng.h"

namespace tessera::train {

/// The order in which examples are trained on: batches of indices, epoch after epoch. Its position
/// is (epoch, batches taken, generator at the start of the epoch): the order of the epoch is drawn
/// again from it, so a position is small however large the data set.
class Loader {
 public:
  /// Throws InvalidArgument where an epoch would have no batch.
  /// Draws from the stream "shuffle" of `rng`, which must outlive the loader.
  Loader(int64_t size, int64_t batch_size, bool shuffle, bool drop_last, Rng& rng);

  int64_t batches_per_epoch() const { return batches_per_epoch_; }
  int64_t epoch() const { return epoch_; }          ///< of the batch taken last, from 0
  int64_t batches_taken() const { return taken_; }  ///< in that epoch
  /// Examples of the next batch; valid until the next call.
  std::span<const int64_t> next();
  /// The batch `ahead` places behind the next one (0: the next), which is not taken; empty where
  /// the epoch ends before it.
  std::span<const int64_t> peek(int64_t ahead) const;

  /// The generator as it was when the present epoch was drawn.
  const at::Tensor& epoch_generator() const { return epoch_generator_; }
  void restore(int64_t epoch, int64_t batches_taken, const at::Tensor& epoch_generator);

 private:
  void begin_epoch();
  std::span<const int64_t> batch(int64_t index) const;

  int64_t size_, batch_size_;
  bool shuffle_;
  Rng& rng_;
  int64_t batches_per_epoch_;
  int64_t epoch_ = 0, taken_ = 0;
  at::Tensor epoch_generator_;
  at::Tensor order_;
};

}  // namespace tessera::train
