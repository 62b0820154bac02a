#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <vector>

#include "tessera/systems/egnn/se3/angular_basis.h"
#include "tessera/systems/egnn/se3/fiber.h"

namespace tessera::egnn::se3 {

/// The learned radial function of a pair of degrees: 1 → 32 → 32 → m_out·m_in·F with LayerNorm and
/// ReLU between, of the distance alone. Parameters net.0, net.1.bn, net.3, net.4.bn, net.6.
class RadialNet : public torch::nn::Module {
 public:
  RadialNet(int64_t channels_in, int64_t channels_out, int64_t num_frequencies);

  /// products · R(distance), R (F·m_in, m_out) for each pair: (U, 2·(2b+1), m_out).
  at::Tensor apply(const at::Tensor& products, const at::Tensor& distance_U1) const;

 private:
  int64_t channels_in_, channels_out_, num_frequencies_;
  torch::nn::Linear first_{nullptr}, second_{nullptr}, last_{nullptr};
  torch::nn::LayerNorm first_norm_{nullptr}, second_norm_{nullptr};
};

/// The senders' features as each edge's angular basis turns them, with no weight yet, so that
/// convolutions of the same input share them. [a-th part of `in`][degree b] = K_{a,b} f_a:
/// (U, 2·(2b+1), F·m_a); undefined where `out` lacks b.
using AngularProducts = std::vector<std::vector<at::Tensor>>;
AngularProducts angular_products(const Features& features, const Fiber& in, const Fiber& out,
                                 const Geometry& geometry);

/// Messages Σ_a k_{a,b}(e) f_a[sender] of each edge, k = Σ_F R·K. The kernel k itself,
/// (E, m_out(2b+1), m_in(2a+1)), is never formed: the angular part acts on the features first.
/// Parameters kernel_unary.(a,b).rp.*.
class PartialConvolution : public torch::nn::Module {
 public:
  PartialConvolution(const Fiber& in, const Fiber& out);

  /// Features of `out`, one row per edge.
  Features messages(const AngularProducts& products, const Geometry& geometry) const;

 private:
  Fiber out_;
  std::vector<std::vector<std::shared_ptr<RadialNet>>> radial_;  ///< [in part][out part]
};

/// Mean over the entering edges of messages plus, for degrees b of the input, self-interaction
/// W_b f_b[receiver]; 0 where no edge enters. Parameters as above and kernel_self.b.
class Convolution : public PartialConvolution {
 public:
  Convolution(const Fiber& in, const Fiber& out);

  Features forward(const Features& features, const Geometry& geometry) const;

 private:
  Fiber in_, out_;
  struct SelfInteraction {
    size_t part_in, part_out;
    at::Tensor weight;  ///< (1, m_out, m_in)
  };
  std::vector<SelfInteraction> self_;
};

}  // namespace tessera::egnn::se3
