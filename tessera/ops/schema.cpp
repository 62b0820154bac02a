#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/library.h>

#include "tessera/ops/autocast.h"

// Every operator's schema, in alphabetical order. Python sees them as torch.ops.tessera.<name>.

#define TESSERA_AGGREGATED_CONV2D_ARGUMENTS                                        \
  "Tensor x, Tensor gates, Tensor weight, Tensor? align=None, Tensor? bias=None, " \
  "int stride=1, int padding=0, int dilation=1, int groups=1"

#define TESSERA_EGCL_ARGUMENTS                                                            \
  "Tensor h, Tensor? x, int num_given_edges, Tensor row_ptr, Tensor row, Tensor col, "    \
  "Tensor order, Tensor sender_ptr, Tensor sender_order, Tensor? edge_attr, "             \
  "Tensor? edge_weight, Tensor edge_w1, Tensor edge_b1, Tensor edge_w2, Tensor edge_b2, " \
  "Tensor? att_w, Tensor? att_b, Tensor? coord_w1, Tensor? coord_b1, Tensor? coord_w2, "  \
  "str activation=\"silu\", str coord_norm=\"none\", bool coord_tanh=False, "             \
  "bool coord_mean=True, float? coord_clamp=None, bool weigh_coords=False"

#define TESSERA_GRID_LINEAR_ARGUMENTS \
  "Tensor x, Tensor weight, Tensor? bias, Tensor node_index, Tensor node_weight"

#define TESSERA_LMU_CELL_ARGUMENTS                                                        \
  "Tensor u, Tensor h, Tensor h0, Tensor m0, Tensor e_h, Tensor e_m, Tensor W_h, Tensor " \
  "W_m, Tensor A, Tensor B"

#define TESSERA_PROPAGATE_ARGUMENTS                                                      \
  "Tensor h, Tensor mask, int num_given_edges, Tensor row_ptr, Tensor row, Tensor col, " \
  "Tensor order, Tensor sender_ptr, Tensor sender_order"

#define TESSERA_SPARSE_ARGUMENTS                                                                 \
  "Tensor value, Tensor weight, Tensor row_ptr, Tensor col, Tensor col_ptr, Tensor row, Tensor " \
  "place"

#define TESSERA_PERCEPTRON_ARGUMENTS                                              \
  "Tensor x, Tensor? y, Tensor? z, Tensor w1, Tensor b1, Tensor w2, Tensor? b2, " \
  "str activation=\"silu\", bool residual=False"

#define TESSERA_UNICORNN_ARGUMENTS                                                 \
  "Tensor q, Tensor w, Tensor c, Tensor? y0, Tensor? z0, Tensor? mask, float dt, " \
  "float alpha, bool sequence=True"

TORCH_LIBRARY(tessera, m) {
  m.def("aggregated_conv2d(" TESSERA_AGGREGATED_CONV2D_ARGUMENTS ") -> Tensor");
  // The results are the gradients of x, gates, weight, align and bias.
  m.def(
      "aggregated_conv2d_backward(Tensor d_y, Tensor saved, bool[5] "
      "needs, " TESSERA_AGGREGATED_CONV2D_ARGUMENTS
      ") -> (Tensor, Tensor, Tensor, Tensor, Tensor)");
  // aggregated_conv2d that also returns what aggregated_conv2d_backward reads.
  m.def("aggregated_conv2d_forward(" TESSERA_AGGREGATED_CONV2D_ARGUMENTS
        ") -> (Tensor y, Tensor saved)");
  m.def("causal_convolution(Tensor u, Tensor kernel) -> Tensor");
  m.def(
      "causal_convolution_backward(Tensor d_y, Tensor u, Tensor kernel, bool[2] needs) -> (Tensor, "
      "Tensor)");
  m.def(
      "edge_softmax(Tensor logits, int num_given_edges, Tensor row_ptr, Tensor row, Tensor order) "
      "-> "
      "Tensor");
  m.def(
      "edge_softmax_backward(Tensor d_alpha, Tensor alpha, int num_given_edges, Tensor row_ptr, "
      "Tensor row, Tensor order) -> Tensor");
  m.def("egcl(" TESSERA_EGCL_ARGUMENTS ") -> (Tensor agg, Tensor x_delta)");
  // The last 13 results are the gradients of h, x, edge_attr, edge_weight and the nine weights.
  m.def(
      "egcl_backward(Tensor? d_agg, Tensor? d_x_delta, Tensor saved, bool[13] "
      "needs, " TESSERA_EGCL_ARGUMENTS
      ") -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, "
      "Tensor, Tensor, Tensor)");
  // egcl that also returns what egcl_backward reads.
  m.def("egcl_forward(" TESSERA_EGCL_ARGUMENTS ") -> (Tensor agg, Tensor x_delta, Tensor saved)");
  m.def("grid_linear(" TESSERA_GRID_LINEAR_ARGUMENTS ") -> Tensor");
  // The results are the gradients of x, weight, bias and node_weight.
  m.def("grid_linear_backward(Tensor d_y, bool[4] needs, " TESSERA_GRID_LINEAR_ARGUMENTS
        ") -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "grid_weights(Tensor g, int[] sizes, float[] low, float[] high, int[] periodic, "
      "str interpolation=\"cubic\", str boundary=\"clamp\") -> (Tensor index, Tensor weight)");
  m.def(
      "if_neuron(Tensor current, Tensor threshold, Tensor? potential, int steps, int "
      "shift_steps=0, bool constant=False, bool sum=False, bool membranes=False, Tensor? "
      "residual=None, Tensor? residual_scale=None, bool marks=False) -> (Tensor spikes, Tensor "
      "membranes)");
  m.def("lmu_cell(" TESSERA_LMU_CELL_ARGUMENTS ") -> (Tensor h, Tensor m_n)");
  // The results are the gradients of the ten arguments.
  m.def(
      "lmu_cell_backward(Tensor? d_h, Tensor? d_m_n, Tensor h_all, Tensor m_all, Tensor u_all, "
      "bool[10] needs, " TESSERA_LMU_CELL_ARGUMENTS
      ") -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
  // lmu_cell that also returns what lmu_cell_backward reads.
  m.def("lmu_cell_forward(" TESSERA_LMU_CELL_ARGUMENTS
        ") -> (Tensor h, Tensor m_n, Tensor m_all, Tensor u_all)");
  m.def("lmu_chunked(Tensor u, Tensor? m0, Tensor impulse, Tensor A_t, int chunk=64) -> Tensor");
  m.def(
      "lmu_chunked_backward(Tensor d_m, Tensor u, Tensor impulse, Tensor A_t, int chunk, bool[2] "
      "needs) -> (Tensor, Tensor)");
  m.def("lmu_final_state(Tensor u, Tensor impulse) -> Tensor");
  m.def(
      "lmu_final_state_backward(Tensor d_m, Tensor u, Tensor impulse, bool[2] needs) -> (Tensor, "
      "Tensor)");
  m.def(
      "mmse_threshold_search(Tensor a, int steps, bool channel_wise=False) -> (Tensor threshold, "
      "Tensor candidates, Tensor scores)");
  m.def("masked_propagate(" TESSERA_PROPAGATE_ARGUMENTS ") -> Tensor");
  // The results are the gradients of h and mask.
  m.def(
      "masked_propagate_backward(Tensor d_out, Tensor scale, bool[2] "
      "needs, " TESSERA_PROPAGATE_ARGUMENTS ") -> (Tensor, Tensor)");
  // masked_propagate that also returns what masked_propagate_backward reads.
  m.def("masked_propagate_forward(" TESSERA_PROPAGATE_ARGUMENTS ") -> (Tensor out, Tensor scale)");
  m.def("perceptron(" TESSERA_PERCEPTRON_ARGUMENTS ") -> Tensor");
  // The results are the gradients of x, y, z, w1, b1, w2 and b2.
  m.def("perceptron_backward(Tensor d_out, Tensor z1, bool[7] needs, " TESSERA_PERCEPTRON_ARGUMENTS
        ") -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
  // perceptron that also returns what perceptron_backward reads.
  m.def("perceptron_forward(" TESSERA_PERCEPTRON_ARGUMENTS ") -> (Tensor out, Tensor z1)");
  m.def("relu_dropout(Tensor x, float p, int seed) -> Tensor");
  m.def("relu_dropout_backward(Tensor d_out, Tensor out, float p) -> Tensor");
  m.def(
      "sort_edges(Tensor edge_index, int num_nodes, Tensor? keep=None) -> (Tensor row_ptr, "
      "Tensor row, Tensor col, Tensor order, Tensor sender_ptr, Tensor sender_order)");
  m.def(
      "sparse_conv2d(Tensor x, Tensor packed, Tensor? bias, int stride=1, int padding=0) -> "
      "Tensor");
  m.def("sparse_linear(" TESSERA_SPARSE_ARGUMENTS ") -> Tensor");
  // The results are the gradients of value and weight.
  m.def("sparse_linear_backward(Tensor d_out, bool[2] needs, " TESSERA_SPARSE_ARGUMENTS
        ") -> (Tensor, Tensor)");
  m.def(
      "sparsity_adam_(Tensor(a!)[] weight, Tensor(b!)[] mask, Tensor[] fixed, Tensor[] "
      "d_effective, "
      "Tensor(c!)[] weight_avg, Tensor(d!)[] weight_square, Tensor(e!)[] mask_avg, Tensor(f!)[] "
      "mask_square, Tensor(g!)[] effective, int updates, float lr, float beta1, float beta2, float "
      "eps, float weight_decay, float[] l1) -> ()");
  // The entries of compressed rows grouped by column.
  m.def(
      "transpose_rows(Tensor row_ptr, Tensor col, int cols) -> (Tensor col_ptr, Tensor row, Tensor "
      "place)");
  m.def("unicornn_recurrence(" TESSERA_UNICORNN_ARGUMENTS
        ") -> (Tensor y, Tensor y_n, Tensor z_n)");
  // The results are the gradients of q, w, c, y0, z0 and mask.
  m.def(
      "unicornn_recurrence_backward(Tensor? d_y, Tensor? d_y_n, Tensor? d_z_n, Tensor y_n, "
      "Tensor z_n, bool[6] needs, " TESSERA_UNICORNN_ARGUMENTS
      ") -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
}

// In this file because static objects of one file are made in their order: the names are there.
namespace {

void register_autocast(torch::Library& library) {
  for (const c10::OperatorName& op : c10::Dispatcher::singleton().getAllOpNames()) {
    if (op.getNamespace() != "tessera") continue;
    library.impl(op.name.c_str(),
                 torch::CppFunction::makeFromBoxedFunction<&tessera::ops::autocast_to_float32>());
  }
}

}  // namespace

TORCH_LIBRARY_IMPL(tessera, AutocastCPU, m) { register_autocast(m); }
TORCH_LIBRARY_IMPL(tessera, AutocastCUDA, m) { register_autocast(m); }
