// Times the operators `egcl` and `perceptron` in stacks of the shapes of the benchmark workloads:
// forward, forward + backward + Adam, and the share of the measured product peak.
//   c++ -std=c++20 -O2 -fopenmp -DFMT_HEADER_ONLY -I. -isystem $TORCH/include
//       -isystem $TORCH/include/torch/csrc/api/include dev/egcl/bench_egcl.cpp -o bench_egcl
//       -Lbuild/release/lib -ltessera -L$TORCH/lib -ltorch -ltorch_cpu -lc10
//   bench_egcl [nbody|qm9|ae] [threads] [repeats]
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "tessera/ops/egcl.h"
#include "tessera/ops/perceptron.h"

using namespace tessera::ops;

namespace {

struct Layer {
  EgclWeights edge;
  PerceptronWeights node, velocity;
};

struct Stack {
  std::string name;
  int64_t graphs, slots, real, dim, layers, attr_dim, coord_dim;
  bool head, attention, velocity;
  std::vector<Layer> weights;
  std::vector<at::Tensor> parameters;
  at::Tensor h, x, vel, edge_index, edge_attr, keep;

  at::Tensor parameter(at::IntArrayRef sizes) {
    at::Tensor p = (torch::rand(sizes) * 2 - 1) / std::sqrt(double(sizes.back()));
    p.requires_grad_();
    parameters.push_back(p);
    return p;
  }

  void make() {
    torch::manual_seed(0);
    const int64_t n = slots;
    const auto pairs = torch::arange(n).repeat({n, 1});
    at::Tensor row = pairs.t().reshape({-1}), col = pairs.reshape({-1});
    if (!attention) {
      const at::Tensor off = (row != col).nonzero().reshape({-1});
      row = row.index_select(0, off), col = col.index_select(0, off);
    }
    const at::Tensor offset = (torch::arange(graphs) * n).unsqueeze(1);
    edge_index =
        torch::stack({(row + offset).reshape({-1}), (col + offset).reshape({-1})}).contiguous();
    if (attention) {
      const auto inside = [&](const at::Tensor& node) { return node.remainder(n) < real; };
      keep = inside(edge_index[0]) & inside(edge_index[1]) & (edge_index[0] != edge_index[1]);
    }
    const int64_t nodes = graphs * n;
    h = torch::randn({nodes, dim});
    h.requires_grad_();
    x = torch::randn({nodes, coord_dim});
    vel = torch::randn({nodes, coord_dim});
    if (attr_dim > 0) edge_attr = torch::randn({edge_index.size(1), attr_dim});
    for (int64_t l = 0; l < layers; ++l) {
      Layer w;
      w.edge = {.edge_w1 = parameter({dim, 2 * dim + 1 + attr_dim}),
                .edge_b1 = parameter({dim}),
                .edge_w2 = parameter({dim, dim}),
                .edge_b2 = parameter({dim})};
      if (attention) {
        w.edge.att_w = parameter({1, dim});
        w.edge.att_b = parameter({1});
      }
      if (head) {
        w.edge.coord_w1 = parameter({dim, dim});
        w.edge.coord_b1 = parameter({dim});
        w.edge.coord_w2 = parameter({1, dim});
      }
      w.node = {parameter({dim, 2 * dim}), parameter({dim}), parameter({dim, dim}),
                parameter({dim})};
      if (velocity) {
        w.velocity = {parameter({dim, dim}), parameter({dim}), parameter({1, dim}), parameter({1})};
      }
      weights.push_back(w);
    }
  }

  at::Tensor forward() const {
    const EdgeList edges =
        sort_edges(edge_index, h.size(0), keep.defined() ? std::optional(keep) : std::nullopt);
    at::Tensor hl = h, xl = x;
    const std::optional<at::Tensor> attr =
        edge_attr.defined() ? std::optional(edge_attr) : std::nullopt;
    for (size_t l = 0; l < weights.size(); ++l) {
      const Layer& w = weights[l];
      const EgclResult r = egcl(hl, xl, edges, attr, std::nullopt, w.edge,
                                {.coord_clamp = head ? std::optional(100.0) : std::nullopt});
      if (head) xl = xl + r.x_delta;
      if (velocity) xl = at::addcmul(xl, perceptron({hl}, w.velocity, Activation::kSilu), vel);
      if (!head || l + 1 < weights.size()) {
        hl = perceptron({hl, r.agg}, w.node, Activation::kSilu, /*residual=*/true);
      }
    }
    return head ? xl : hl;
  }

  /// Floating-point operations of a forward after the split of the first Linear.
  double flops() const {
    const double d2 = 2.0 * dim * dim, nodes = double(h.size(0));
    const double edges = keep.defined() ? keep.sum().item<double>() : double(edge_index.size(1));
    const double node_layers = head ? layers - 1.0 : double(layers);
    return edges * d2 * (head ? 2 : 1) * layers + nodes * d2 * 2 * layers +
           nodes * d2 * 3 * node_layers + (velocity ? nodes * d2 * layers : 0);
  }
};

double median_ms(int repeats, const std::function<void()>& body, double* least) {
  for (int i = 0; i < 5; ++i) body();
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
  }
  std::sort(times.begin(), times.end());
  *least = times.front();
  return times[times.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "nbody";
  at::set_num_threads(argc > 2 ? std::stoi(argv[2]) : 1);
  const int repeats = argc > 3 ? std::stoi(argv[3]) : (name == "qm9" ? 10 : 100);
  Stack stack;
  if (name == "nbody") {
    stack = {.name = name,
             .graphs = 100,
             .slots = 5,
             .real = 5,
             .dim = 64,
             .layers = 4,
             .attr_dim = 2,
             .coord_dim = 3,
             .head = true,
             .attention = false,
             .velocity = true};
  } else if (name == "qm9") {
    stack = {.name = name,
             .graphs = 96,
             .slots = 20,
             .real = 18,
             .dim = 128,
             .layers = 7,
             .attr_dim = 0,
             .coord_dim = 3,
             .head = false,
             .attention = true,
             .velocity = false};
  } else {
    stack = {.name = name,
             .graphs = 1,
             .slots = 16,
             .real = 16,
             .dim = 64,
             .layers = 4,
             .attr_dim = 1,
             .coord_dim = 8,
             .head = true,
             .attention = false,
             .velocity = false};
  }
  stack.make();

  double least = 0;
  const at::Tensor a = torch::randn({480, 64}), b = torch::randn({64, 64});
  const double mm = median_ms(
      200, [&] { at::mm(a, b); }, &least);
  const double mm_peak = 2.0 * 480 * 64 * 64 / mm / 1e6;

  const double forward = median_ms(
      repeats,
      [&] {
        at::NoGradGuard no_grad;
        stack.forward();
      },
      &least);
  std::printf(
      "%s threads %d: forward %.3f ms (least %.3f), %.1f GFLOP/s (at::mm of 480x64x64: %.1f)\n",
      name.c_str(), at::get_num_threads(), forward, least, stack.flops() / forward / 1e6, mm_peak);
  const double gradient = median_ms(
      repeats,
      [&] {
        for (at::Tensor& p : stack.parameters) p.mutable_grad() = at::Tensor();
        stack.forward().square().mean().backward();
      },
      &least);
  std::printf("%s threads %d: forward + backward %.3f ms (least %.3f), %.1f GFLOP/s\n",
              name.c_str(), at::get_num_threads(), gradient, least,
              3 * stack.flops() / gradient / 1e6);

  std::vector<at::Tensor> used, averages, squares, steps;
  for (const at::Tensor& p : stack.parameters) {
    if (!p.grad().defined()) continue;
    used.push_back(p.detach());
    averages.push_back(at::zeros_like(p.detach()));
    squares.push_back(at::zeros_like(p.detach()));
    steps.push_back(at::ones({}));
  }
  const double step = median_ms(
      repeats,
      [&] {
        for (at::Tensor& p : stack.parameters) p.mutable_grad() = at::Tensor();
        stack.forward().square().mean().backward();
        std::vector<at::Tensor> gradients;
        for (const at::Tensor& p : stack.parameters) {
          if (p.grad().defined()) gradients.push_back(p.grad());
        }
        at::_fused_adam_(used, gradients, averages, squares, {}, steps, 5e-4, 0.9, 0.999, 1e-12,
                         1e-8, false, false);
      },
      &least);
  std::printf("%s threads %d: train step %.3f ms (least %.3f)\n", name.c_str(),
              at::get_num_threads(), step, least);
}
