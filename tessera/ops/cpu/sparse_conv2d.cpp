#include <ATen/ATen.h>

#include <cstring>
#include <vector>

#include "tessera/ops/cpu/sparse_conv2d_kernel.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/sparse_conv2d_args.h"

namespace tessera::ops {
namespace {

SparseConvKernel kernel(int64_t block, bool of_ones) {
  switch (instruction_set()) {
    case InstructionSet::kAvx512:
      return AVX512::sparse_conv_kernel(block, of_ones);
    case InstructionSet::kAvx2:
      return AVX2::sparse_conv_kernel(block, of_ones);
    default:
      return DEFAULT::sparse_conv_kernel(block, of_ones);
  }
}

/// The non-zeros of one image, pixel after pixel.
class NonZeros {
 public:
  NonZeros(int64_t pixels, int64_t channels, bool are_ones)
      : first_(static_cast<size_t>(pixels + 1)),
        channel_of_(static_cast<size_t>(pixels * channels + 1)),
        value_of_(are_ones ? 0 : channel_of_.size()) {}

  void read(const uint8_t* image, int64_t pixels, int64_t channels, int64_t block) {
    constexpr int64_t kWord = sizeof(uint64_t);
    int64_t filled = 0;
    int32_t* const channel_of = channel_of_.data();
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      first_[static_cast<size_t>(pixel)] = filled;
      const uint8_t* const row = image + pixel * channels;
      const auto append = [&](int64_t c) {
        channel_of[filled] = static_cast<int32_t>(c * block);
        filled += row[c];
      };
      int64_t c = 0;
      for (; c + kWord <= channels; c += kWord) {
        uint64_t word = 0;
        std::memcpy(&word, row + c, kWord);
        if (word == 0) continue;  // eight silent neurons at once
        for (int64_t k = 0; k < kWord; ++k) append(c + k);
      }
      for (; c < channels; ++c) append(c);
    }
    first_.back() = filled;
  }
  void read(const float* image, int64_t pixels, int64_t channels, int64_t block) {
    int64_t filled = 0;
    int32_t* const channel_of = channel_of_.data();
    float* const value_of = value_of_.data();
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      first_[static_cast<size_t>(pixel)] = filled;
      const float* const row = image + pixel * channels;
      for (int64_t c = 0; c < channels; ++c) {
        // Without a branch: which neuron fires cannot be foretold.
        channel_of[filled] = static_cast<int32_t>(c * block);
        value_of[filled] = row[c];
        filled += row[c] != 0.0f;
      }
    }
    first_.back() = filled;
  }
  void show(SparseConvProblem& p) const {
    p.first = first_.data();
    p.channel_of = channel_of_.data();
    p.value_of = value_of_.empty() ? nullptr : value_of_.data();
  }

 private:
  std::vector<int64_t> first_;
  std::vector<int32_t> channel_of_;
  std::vector<float> value_of_;
};

}  // namespace

at::Tensor sparse_conv2d_cpu(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                             int64_t stride, int64_t padding) {
  const int64_t samples = x.size(0), blocks = packed.size(0);
  SparseConvProblem shape{.channels = x.size(1),
                          .height = x.size(2),
                          .width = x.size(3),
                          .block = packed.size(4),
                          .outputs = blocks * packed.size(4),
                          .kernel_height = packed.size(1),
                          .kernel_width = packed.size(2),
                          .stride = stride,
                          .padding = padding,
                          .weight = packed.const_data_ptr<float>(),
                          .bias = bias.const_data_ptr<float>()};
  shape.out_height = (shape.height + 2 * padding - shape.kernel_height) / stride + 1;
  shape.out_width = (shape.width + 2 * padding - shape.kernel_width) / stride + 1;
  const at::Tensor out = at::empty({samples, shape.outputs, shape.out_height, shape.out_width},
                                   packed.options(), at::MemoryFormat::ChannelsLast);
  const int64_t pixels = shape.height * shape.width, size = pixels * shape.channels,
                out_size = out.numel() / samples;
  const bool are_ones = x.scalar_type() == at::kBool;
  const float* const images = are_ones ? nullptr : x.const_data_ptr<float>();
  const auto* const marks = are_ones ? static_cast<const uint8_t*>(x.const_data_ptr()) : nullptr;
  float* const results = out.mutable_data_ptr<float>();
  const SparseConvKernel run = kernel(shape.block, are_ones);

  // All images of a part are read before one block of outputs meets them all: its rows of W stay
  // in the cache.
  constexpr int64_t kAtOnce = 8;
  at::parallel_for(0, (samples + kAtOnce - 1) / kAtOnce, 1, [&](int64_t begin, int64_t end) {
    std::vector<NonZeros> lists(static_cast<size_t>(std::min(kAtOnce, samples)),
                                NonZeros(pixels, shape.channels, are_ones));
    for (int64_t part = begin; part < end; ++part) {
      const int64_t from = part * kAtOnce, to = std::min(from + kAtOnce, samples);
      for (int64_t n = from; n < to; ++n) {
        NonZeros& list = lists[static_cast<size_t>(n - from)];
        if (are_ones) {
          list.read(marks + n * size, pixels, shape.channels, shape.block);
        } else {
          list.read(images + n * size, pixels, shape.channels, shape.block);
        }
      }
      for (int64_t index = 0; index < blocks; ++index) {
        for (int64_t n = from; n < to; ++n) {
          SparseConvProblem p = shape;
          lists[static_cast<size_t>(n - from)].show(p);
          p.out = results + n * out_size;
          run(p, index);
        }
      }
    }
  });
  return out;
}

}  // namespace tessera::ops
