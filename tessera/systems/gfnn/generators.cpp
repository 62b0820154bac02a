#include "tessera/systems/gfnn/generators.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numbers>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::gfnn {

const std::vector<std::string>& surface_names() {
  static const std::vector<std::string> names = {"hill", "regions", "disc"};
  return names;
}

at::Tensor surface(const std::string& name, const at::Tensor& u, const at::Tensor& v) {
  if (name == "hill") {
    return 4 * at::exp(-3 * ((u - 0.4).square() + (v + 0.3).square())) +
           0.2 * at::sin(12 * u) * at::sin(12 * v) * at::sigmoid(20 * (-u - 0.2));
  }
  if (name == "regions") {
    return 3 * at::sin(1.5 * u + 0.5 * v) + 0.25 * at::sigmoid(15 * (u - 0.25)) * at::sin(18 * v) +
           0.25 * at::sigmoid(-15 * (u + 0.25)) * at::sin(18 * u);
  }
  if (name == "disc") {
    const at::Tensor r = at::sqrt(u.square() + v.square() + 1e-12);
    return 5 * at::tanh(4 * (0.5 - r)) +
           0.3 * at::cos(6 * at::atan2(v, u)) * at::sigmoid(20 * (r - 0.7));
  }
  fail<InvalidArgument>({.where = "surfaces",
                         .rule = "a surface is hill, regions or disc",
                         .got = "\"" + name + "\"",
                         .next = did_you_mean(name, surface_names()),
                         .id = "T-GFN-30"});
}

Gait gait(const at::Tensor& phase, const at::Tensor& speed, const at::Tensor& turn,
          int64_t num_joints) {
  const at::Tensor j = at::arange(1, num_joints + 1, phase.options());
  const at::Tensor amplitude = 0.25 + 0.15 * at::sin(1.7 * j);
  const at::Tensor delay = 2 * std::numbers::pi * at::sin(2.3 * j).square();
  const at::Tensor p = phase.unsqueeze(1), s = speed.unsqueeze(1), t = turn.unsqueeze(1);
  const at::Tensor running = at::sigmoid(10 * (s - 0.5));
  const at::Tensor walk = at::sin(p + delay) + 0.3 * at::sin(2 * p + 2 * delay);
  const at::Tensor run = at::sin(p + 0.5 * delay + 1) + 0.6 * at::cos(2 * p + delay);
  return {amplitude * (0.3 + s) * ((1 - running) * walk + running * run) +
              0.1 * t * at::cos(0.9 * j) + 0.02 * at::sin(5 * p + j),
          at::stack({speed * (1 + 0.1 * at::cos(2 * phase)), 0.2 * turn * (0.5 + speed),
                     0.05 * speed * at::cos(2 * phase)},
                    1)};
}

}  // namespace tessera::gfnn
