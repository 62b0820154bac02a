#include <torch/library.h>

// Every operator's schema, in alphabetical order. Python sees them as torch.ops.tessera.<name>.

#define TESSERA_EGCL_ARGUMENTS                                                                    \
  "Tensor h, Tensor? x, int num_given_edges, Tensor row_ptr, Tensor row, Tensor col, "            \
  "Tensor order, Tensor sender_ptr, Tensor sender_order, Tensor? edge_attr, "                     \
  "Tensor? edge_weight, Tensor edge_w1, Tensor edge_b1, Tensor edge_w2, Tensor edge_b2, "         \
  "Tensor? att_w, Tensor? att_b, Tensor? coord_w1, Tensor? coord_b1, Tensor? coord_w2, "          \
  "str activation=\"silu\", str coord_norm=\"none\", bool coord_tanh=False, "                     \
  "bool coord_mean=True, float? coord_clamp=None"

TORCH_LIBRARY(tessera, m) {
  m.def("egcl(" TESSERA_EGCL_ARGUMENTS ") -> (Tensor agg, Tensor x_delta)");
  // The last 13 results are the gradients of h, x, edge_attr, edge_weight and the nine weights.
  m.def("egcl_backward(Tensor? d_agg, Tensor? d_x_delta, Tensor saved, bool[13] needs, "
        TESSERA_EGCL_ARGUMENTS
        ") -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, "
        "Tensor, Tensor, Tensor)");
  // egcl that also returns what egcl_backward reads.
  m.def("egcl_forward(" TESSERA_EGCL_ARGUMENTS
        ") -> (Tensor agg, Tensor x_delta, Tensor saved)");
  m.def("sort_edges(Tensor edge_index, int num_nodes, Tensor? keep=None) -> (Tensor row_ptr, "
        "Tensor row, Tensor col, Tensor order, Tensor sender_ptr, Tensor sender_order)");
}
