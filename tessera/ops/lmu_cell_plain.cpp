#include <ATen/ATen.h>

#include <vector>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/ops/lmu_cell.h"

namespace tessera::ops {

at::Tensor activated(const std::string& name, const at::Tensor& z) {
  static const std::vector<std::string> kNames = {"linear", "relu", "tanh", "sigmoid", "gelu"};
  if (name == "linear") return z;
  if (name == "relu") return at::relu(z);
  if (name == "tanh") return at::tanh(z);
  if (name == "sigmoid") return at::sigmoid(z);
  if (name == "gelu") return at::gelu(z);
  fail<InvalidArgument>({.where = "lmu_cell",
                         .rule = "an activation is linear, relu, tanh, sigmoid or gelu",
                         .got = name,
                         .next = did_you_mean(name, kNames),
                         .id = "T-LMU-21"});
}

LmuCellResult lmu_cell_plain(const LmuCellInput& input, const LmuCellWeights& w,
                             const LmuCellOptions& options) {
  at::Tensor h = input.h0, m = input.m0;
  std::vector<at::Tensor> states;
  for (int64_t t = 0; t < input.u.size(0); ++t) {
    const at::Tensor u =
        activated(options.encoder,
                  input.u[t].unsqueeze(1) + at::matmul(h, w.e_h.t()) + at::matmul(m, w.e_m.t()));
    at::Tensor drive = at::matmul(u, w.B.t());
    if (input.gate.defined()) {
      drive = drive * activated(options.gate, input.gate[t] + at::matmul(h, w.W_fh.t()));
    }
    m = at::matmul(m, w.A.t()) + drive;
    h = activated(options.hidden, input.h[t] + at::matmul(h, w.W_h.t()) + at::matmul(m, w.W_m.t()));
    states.push_back(h);
  }
  return {.h = at::stack(states), .m_n = m};
}

}  // namespace tessera::ops
