#pragma once

#include <array>
#include <tuple>

#include "tessera/ops/cpu/padding.h"
#include "tessera/ops/egcl.h"

// Between the files of the operator `egcl`; not for callers.

namespace tessera::ops {

/// All arguments. Absent tensors are undefined.
struct EgclArgs {
  at::Tensor h, x;
  EdgeList edges;
  at::Tensor edge_attr, edge_weight;
  EgclWeights weights;
  EgclOptions options;

  bool has_head() const { return weights.coord_w2.defined(); }
};

/// Floating arguments in the order of the schema: what gradients are named by.
enum EgclInput {
  kH,
  kX,
  kEdgeAttr,
  kEdgeWeight,
  kEdgeW1,
  kEdgeB1,
  kEdgeW2,
  kEdgeB2,
  kAttW,
  kAttB,
  kCoordW1,
  kCoordB1,
  kCoordW2,
  kNumEgclInputs
};
using EgclTensors = std::array<at::Tensor, kNumEgclInputs>;
using EgclNeeds = std::array<bool, kNumEgclInputs>;

EgclTensors tensors_of(const EgclArgs& args);
void set_tensors(EgclArgs& args, const EgclTensors& tensors);

/// Throws InvalidArgument where the kernels would read outside of a tensor.
void check(const EgclArgs& args);

struct EgclKept {
  EgclResult result;
  at::Tensor saved;  ///< for egcl_backward of the same device
};

/// Elements of `saved`: P and Q, the pre-activations, and two numbers for each edge.
template <class Int>
Int saved_size(const Int& nodes, const Int& edges, const Int& dim, bool has_head) {
  const auto pad = [](const Int& n) { return (n + kLane - 1) / kLane * kLane; };
  return nodes * 2 * pad(dim) + edges * pad(dim) * (has_head ? 2 : 1) + 2 * pad(edges);
}

/// The fused kernels. keep: fill `saved`. d_agg and d_x_delta may be undefined (zero); the result
/// holds the gradients that `needs` asks for.
EgclKept egcl_cpu(const EgclArgs& args, bool keep);
EgclTensors egcl_backward_cpu(const at::Tensor& d_agg, const at::Tensor& d_x_delta,
                              const at::Tensor& saved, const EgclArgs& args,
                              const EgclNeeds& needs);

/// The kernels of another device.
struct EgclDevice {
  bool (*fits)(const EgclArgs&);
  EgclKept (*forward)(const EgclArgs&, bool keep);
  EgclTensors (*backward)(const at::Tensor& d_agg, const at::Tensor& d_x_delta,
                          const at::Tensor& saved, const EgclArgs& args, const EgclNeeds& needs);
};
/// Null where the build has no CUDA kernels; cuda/egcl_glue.cpp sets it.
const EgclDevice*& egcl_cuda();

}  // namespace tessera::ops
