#include <ATen/ATen.h>

#include <vector>

#include "tessera/ops/egcl.h"

namespace tessera::ops {

namespace {

/// sqrt with derivative 0 at 0.
at::Tensor radius_of(const at::Tensor& r2_E1) {
  const at::Tensor positive = r2_E1 > 0;
  const at::Tensor safe = at::where(positive, r2_E1, at::ones_like(r2_E1));
  return at::where(positive, safe.sqrt(), at::zeros_like(r2_E1));
}

at::Tensor normalized(const at::Tensor& diff_En, const at::Tensor& r2_E1, CoordNorm norm) {
  switch (norm) {
    case CoordNorm::kNone:
      return diff_En;
    case CoordNorm::kUnit:
      return diff_En / (r2_E1.detach().sqrt() + kUnitNormEpsilon);
    case CoordNorm::kPlusOne:
      return diff_En / (radius_of(r2_E1) + 1);
  }
  return {};
}

at::Tensor sum_at_receivers(const at::Tensor& values_Ek, const EdgeList& edges) {
  return at::zeros({edges.num_nodes, values_Ek.size(1)}, values_Ek.options())
      .index_add(0, edges.row, values_Ek);
}

}  // namespace

EgclResult egcl_plain(const at::Tensor& h, const std::optional<at::Tensor>& x,
                      const EdgeList& edges, const std::optional<at::Tensor>& edge_attr,
                      const std::optional<at::Tensor>& edge_weight, const EgclWeights& w,
                      const EgclOptions& options) {
  const bool has_x = x && x->defined();
  std::vector<at::Tensor> columns = {h.index_select(0, edges.row), h.index_select(0, edges.col)};
  at::Tensor diff_En, r2_E1;
  if (has_x) {
    diff_En = x->index_select(0, edges.row) - x->index_select(0, edges.col);
    r2_E1 = diff_En.square().sum(1, /*keepdim=*/true);
    columns.push_back(r2_E1);
  }
  if (edge_attr && edge_attr->defined()) columns.push_back(edge_attr->index_select(0, edges.order));

  at::Tensor m_Ed = at::linear(at::cat(columns, 1), w.edge_w1, w.edge_b1);
  m_Ed = at::linear(activate(m_Ed, options.activation), w.edge_w2, w.edge_b2);
  m_Ed = activate(m_Ed, options.activation);
  if (w.att_w.defined()) m_Ed = m_Ed * at::sigmoid(at::linear(m_Ed, w.att_w, w.att_b));
  at::Tensor weight_E1;
  if (edge_weight && edge_weight->defined()) {
    weight_E1 = edge_weight->reshape({-1, 1}).index_select(0, edges.order);
    m_Ed = m_Ed * weight_E1;
  }
  const at::Tensor agg = sum_at_receivers(m_Ed, edges);
  if (!w.coord_w2.defined()) return {agg, at::empty({edges.num_nodes, 0}, h.options())};

  at::Tensor s_E1 = activate(at::linear(m_Ed, w.coord_w1, w.coord_b1), options.activation);
  s_E1 = at::linear(s_E1, w.coord_w2);
  if (options.coord_tanh) s_E1 = s_E1.tanh();
  at::Tensor t_En = normalized(diff_En, r2_E1, options.coord_norm) * s_E1;
  if (options.coord_clamp) t_En = t_En.clamp(-*options.coord_clamp, *options.coord_clamp);
  if (options.weigh_coords && weight_E1.defined()) t_En = t_En * weight_E1;
  at::Tensor x_delta = sum_at_receivers(t_En, edges);
  if (options.coord_mean) {
    x_delta = x_delta / edges.row_ptr.diff().clamp_min(1).unsqueeze(1).to(x_delta.scalar_type());
  }
  return {agg, x_delta};
}

}  // namespace tessera::ops
