#include "tessera/systems/egnn/se3/pair_graph.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

namespace tessera::egnn::se3 {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// rows.index_select(0, index) where every row is taken `fan` times: `copies` lists, row by row,
/// where its copies went. So the backward gathers too, where index_select's would scatter.
class Gather : public torch::autograd::Function<Gather> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& rows,
                            const at::Tensor& index, const at::Tensor& copies) {
    context->saved_data["copies"] = copies;
    return rows.index_select(0, index);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const at::Tensor copies = context->saved_data["copies"].toTensor();
    const at::Tensor& grad = grads[0];
    at::Tensor grad_rows = grad.index_select(0, copies.flatten());
    if (copies.size(1) > 1) grad_rows = grad_rows.unflatten(0, copies.sizes()).sum(1);
    return {grad_rows, {}, {}};
  }
};

}  // namespace

PairGraph::PairGraph(int64_t num_systems, int64_t num_particles, at::Device device)
    : num_nodes_(num_systems * num_particles), fan_(num_particles - 1) {
  const int64_t n = num_particles;
  const auto make = [&] { return at::empty({num_edges()}, at::kLong); };
  sender_E_ = make(), receiver_E_ = make();
  outgoing_E_ = make(), incoming_E_ = make(), position_E_ = make();
  int64_t* sender = sender_E_.mutable_data_ptr<int64_t>();
  int64_t* receiver = receiver_E_.mutable_data_ptr<int64_t>();
  int64_t* outgoing = outgoing_E_.mutable_data_ptr<int64_t>();
  int64_t* incoming = incoming_E_.mutable_data_ptr<int64_t>();
  int64_t* position = position_E_.mutable_data_ptr<int64_t>();

  int64_t edge = 0;
  for (int64_t start = 0; start < num_nodes_; start += n) {
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = i + 1; j < n; ++j) {
        for (const auto& [from, to] : {std::pair(i, j), std::pair(j, i)}) {
          // Among the n−1 partners of a node, those after it move up by one.
          const int64_t rank_out = (start + from) * fan_ + to - (to > from);
          const int64_t rank_in = (start + to) * fan_ + from - (from > to);
          sender[edge] = start + from;
          receiver[edge] = start + to;
          outgoing[rank_out] = edge;
          incoming[rank_in] = edge;
          position[edge] = rank_in;
          ++edge;
        }
      }
    }
  }
  for (at::Tensor* index : {&sender_E_, &receiver_E_, &outgoing_E_, &incoming_E_, &position_E_}) {
    *index = index->to(device);
  }
}

at::Tensor PairGraph::of_senders(const at::Tensor& nodes) const {
  return Gather::apply(nodes, sender_E_, outgoing_E_.view({num_nodes_, fan_}));
}

at::Tensor PairGraph::entering(const at::Tensor& edges) const {
  const at::Tensor sorted = Gather::apply(edges, incoming_E_, position_E_.view({num_edges(), 1}));
  return sorted.unflatten(0, {num_nodes_, fan_});
}

at::Tensor PairGraph::by_sender(const at::Tensor& edges) const {
  return edges.index_select(0, outgoing_E_);
}

at::Tensor PairGraph::displacements(const at::Tensor& x_N3) const {
  return Gather::apply(x_N3, receiver_E_, incoming_E_.view({num_nodes_, fan_})) - of_senders(x_N3);
}

}  // namespace tessera::egnn::se3
