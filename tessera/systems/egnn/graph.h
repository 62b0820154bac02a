#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "tessera/core/tensor_map.h"
#include "tessera/ops/edge_list.h"

namespace tessera::egnn {

/// The edges of a batch of graphs as all layers of a network share them: sorted once per forward.
struct Graph {
  at::Tensor edge_index;                  ///< (2, E) int64, row 0 the receivers i, row 1 senders j
  ops::EdgeList edges;                    ///< the same, sorted, without the masked ones
  std::optional<at::Tensor> edge_attr;    ///< (E, e)
  std::optional<at::Tensor> edge_weight;  ///< (E, 1): factor of each message
  bool weighs_steps = false;              ///< … and of what it does to coordinates
};

/// edge_mask: (E) or (E, 1). Where it is bool or integer, edges with 0 are absent: they count
/// neither in sums nor in means. Where it is floating it is the message's factor, differentiable.
/// edge_weight: (E) or (E, 1), floating: the factor of the message and of the coordinate step;
/// means count the edge whatever its weight. In place of a floating edge_mask, not beside it.
/// Throws InvalidArgument on shapes that do not fit and on indices outside [0, num_nodes).
Graph make_graph(const at::Tensor& edge_index, int64_t num_nodes, const at::Tensor& edge_attr = {},
                 const at::Tensor& edge_mask = {}, const at::Tensor& edge_weight = {});

/// The complete graph of n nodes as an edge index: all ordered pairs i ≠ j in row-major order.
at::Tensor complete_edges(int64_t num_nodes, at::Device device = at::kCPU);

/// Mean of the rows of value_Ek (in the order of `edges`) over each receiver; 0 where there is
/// none.
at::Tensor mean_over_receivers(const at::Tensor& value_Ek, const ops::EdgeList& edges);

/// What a network expects of its inputs; 0 where it takes none of a kind.
struct Expectation {
  int64_t h_dim = 0;
  int64_t coord_dim = 0;
  int64_t edge_dim = 0;
  bool vel = false;
  at::Tensor like;  ///< a parameter: all floating inputs have its dtype and device
};

struct GraphInputs {
  at::Tensor h, x, vel;
  Graph graph;
};

/// The one check of what comes in by name: h, x, vel, edge_index, edge_attr, edge_mask,
/// edge_weight. Throws InvalidArgument: missing, wrong shape, dtype or device, differing row
/// counts, edge index out of range, coordinates that are not finite.
GraphInputs read_graph(const TensorMap& inputs, const Expectation& expected);

/// The edges of a network that reads edge attributes of width `edge_dim`, checked.
Graph check_graph(const at::Tensor& edge_index, int64_t num_nodes, const at::Tensor& edge_attr,
                  const at::Tensor& edge_mask, const at::Tensor& edge_weight, int64_t edge_dim,
                  const at::Tensor& like);

/// Refuses what is not (rows, width) of the dtype and device of `like`; rows < 0 takes any number.
void check_rows(const at::Tensor& tensor, const std::string& name, int64_t rows, int64_t width,
                const at::Tensor& like);

/// Refuses coordinates that are not finite.
void check_finite(const at::Tensor& x);

}  // namespace tessera::egnn
