#pragma once

#include <vector>

#include "tessera/systems/egnn/se3/convolution.h"

namespace tessera::egnn::se3 {

/// The nonlinearity of TFN: each vector keeps its direction, its length goes through LayerNorm over
/// the channels, ReLU and, `with_linear`, a linear map. Lengths are at least 1e-12.
/// Parameters transform.b.0.bn and transform.b.2.
class NormNonlinearity : public torch::nn::Module {
 public:
  NormNonlinearity(const Fiber& fiber, bool with_linear);

  Features forward(const Features& features) const;

 private:
  std::vector<torch::nn::LayerNorm> norms_;
  std::vector<torch::nn::Linear> linears_;  ///< empty without linear maps
};

/// Attention over the entering edges (SE(3)-Transformer, sec. 3.3), one head, no skip connection:
/// values from all degrees of `out`, keys and queries from those that are in the input too.
/// Parameters GMAB.v.*, GMAB.k.*, GMAB.q.transform.b.
class AttentionBlock : public torch::nn::Module {
 public:
  AttentionBlock(const Fiber& in, const Fiber& out);

  Features forward(const Features& features, const Geometry& geometry) const;

 private:
  Fiber in_, out_, key_;
  std::shared_ptr<PartialConvolution> values_, keys_;
  std::vector<at::Tensor> queries_;  ///< per part of key_: (m_out, m_in)
};

}  // namespace tessera::egnn::se3
