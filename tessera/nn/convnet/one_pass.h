#pragma once

#include <c10/core/StorageImpl.h>

#include <mutex>
#include <span>
#include <vector>

#include "tessera/nn/convnet/evaluate.h"
#include "tessera/nn/convnet/network.h"

namespace tessera::nn {

/// A network's convolutions for inference by oneDNN, each in one pass with what follows it where
/// nobody else reads what lies between:
///   y = relu(conv(x, W·γ/σ) + β + (b − m)·γ/σ + other)
/// batch norm (m, σ² = v + eps, γ, β) goes into kernel and bias, the sum of two branches and the
/// ReLU to where the values are written. Kernels are kept in oneDNN's own layout until a parameter
/// changes. A change is seen by storage and version: writes through a detached alias (`.data` in
/// Python) are not; forget() after them.
class OnePassConvs {
 public:
  /// The network must be sound and outlive this.
  explicit OnePassConvs(const Network& network);

  /// One forward pass: keeps the branches that wait for their sum. Layers in order.
  class Pass {
   public:
    Pass(OnePassConvs& convs, std::span<const LayerTensors> tensors)
        : convs_(convs), tensors_(tensors), waiting_(convs.network_.layers.size()) {}
    /// Layer `index` on its inputs: float32 or bfloat16 maps, channels last, without gradients.
    at::Tensor operator()(size_t index, std::span<const at::Tensor> inputs);

   private:
    at::Tensor value(size_t index, std::span<const at::Tensor> inputs);

    OnePassConvs& convs_;
    std::span<const LayerTensors> tensors_;
    std::vector<at::Tensor> waiting_;  ///< by layer
  };

  /// Drops what is kept.
  void forget();

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);
  /// What a layer is in one pass.
  struct Plan {
    bool is_conv = false;
    bool has_relu = false;    ///< conv: writes max(y, 0)
    size_t norm = kNone;      ///< conv: the batch norm that its kernel holds
    size_t other = kNone;     ///< conv: the layer whose output it adds
    bool is_awaited = false;  ///< its output is added by a later convolution
    size_t passes = kNone;    ///< its output is this input of it: a convolution has done the rest
  };
  /// A tensor at a time. The weak reference keeps the storage's address from being used again.
  struct Seen {
    explicit Seen(const at::Tensor& tensor);
    bool operator==(const Seen& other) const;
    c10::weak_intrusive_ptr<c10::StorageImpl> storage;
    int64_t version = 0;
  };
  struct Kernel {
    std::vector<Seen> made_from;
    LayerTensors made;
    int64_t images = 0;  ///< the batch that its layout is for
  };

  void plan_conv(size_t index);
  /// Whether the convolution can add the other branch of the sum while it writes.
  bool plan_sum(size_t index, size_t sum);
  /// The only layer that reads this one, or kNone.
  size_t only_reader(size_t index) const;
  /// Weight (packed) and bias of a convolution, with its norm.
  LayerTensors kernel(size_t index, std::span<const LayerTensors> tensors, const at::Tensor& x);

  const Network& network_;
  std::vector<Plan> plans_;
  std::mutex mutex_;
  std::vector<Kernel> kernels_;  ///< by layer
};

}  // namespace tessera::nn
