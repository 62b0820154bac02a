#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>

#include "tessera/ops/activation.h"
#include "tessera/ops/edge_list.h"

namespace tessera::ops {

/// "none", "unit", "plus_one"; throws InvalidArgument with the nearest name.
CoordNorm coord_norm_of(std::string_view name);
const char* name_of(CoordNorm norm);

/// The weights of one layer's edge pass as the authors store them ([out, in]); an absent part is an
/// undefined tensor.
struct EgclWeights {
  at::Tensor edge_w1, edge_b1;    ///< [d, 2·d_in + 1 + e], [d]; columns h_i, h_j, r², edge_attr
  at::Tensor edge_w2, edge_b2;    ///< [d, d], [d]
  at::Tensor att_w, att_b;        ///< [1, d], [1]; absent: no attention
  at::Tensor coord_w1, coord_b1;  ///< [d, d], [d]; absent with coord_w2: no coordinate update
  at::Tensor coord_w2;            ///< [1, d]
};

struct EgclOptions {
  Activation activation = Activation::kSilu;
  CoordNorm coord_norm = CoordNorm::kNone;
  bool coord_tanh = false;
  bool coord_mean = true;             ///< mean over the receiver's edges, else sum
  std::optional<double> coord_clamp;  ///< per component of diff·s; gradient 1 inside, 0 outside
  bool weigh_coords = false;          ///< edge_weight multiplies diff·s too, outside the clamp
};

struct EgclResult {
  at::Tensor agg;      ///< [N, d] Σ_j m_ij
  at::Tensor x_delta;  ///< [N, n] mean or sum of diff_ij·s_ij; [N, 0] without a coordinate head
};

/// The edge pass of an E(n)-equivariant layer (EGNN, eqs. 3-5), forward and backward fused:
///   m_ij = act(W2 act(W1 [h_i, h_j, ‖x_i-x_j‖², edge_attr_ij] + b1) + b2)
///   m_ij ← m_ij · sigmoid(w_a·m_ij + b_a) · edge_weight_ij        s_ij = c2 · act(C1 m_ij + c1)
/// An edge of weight 0 sends no message; with weigh_coords it moves no coordinate either, though a
/// mean counts it still. Weights of 1 give the bits of no weights.
/// h: (N, d_in). x: (N, n), any n ≥ 1; without x the squared distance is left out of W1's columns.
/// edge_attr: (E', e) and edge_weight: (E') or (E', 1) in the order of the edge index that `edges`
/// was made from. Everything of one floating dtype; float and double are fused, others run plain.
/// Differentiable in everything but `edges`, twice (the second derivative runs plain).
/// Throws InvalidArgument on shape, dtype or device mismatch.
/// Cost 4·E·d² + 4·N·d_in·d (forward); nothing of size E×d is written without gradients, and with
/// them only the two pre-activations (E×d each) are kept. Results do not depend on the order of the
/// edges of different receivers, and repeat bit for bit at a fixed thread count.
EgclResult egcl(const at::Tensor& h, const std::optional<at::Tensor>& x, const EdgeList& edges,
                const std::optional<at::Tensor>& edge_attr,
                const std::optional<at::Tensor>& edge_weight, const EgclWeights& weights,
                const EgclOptions& options);

/// The same composed of ATen operators: fallback, truth and shape rule.
EgclResult egcl_plain(const at::Tensor& h, const std::optional<at::Tensor>& x,
                      const EdgeList& edges, const std::optional<at::Tensor>& edge_attr,
                      const std::optional<at::Tensor>& edge_weight, const EgclWeights& weights,
                      const EgclOptions& options);

}  // namespace tessera::ops
