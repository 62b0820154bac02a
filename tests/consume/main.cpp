// A program that uses Tessera from outside: builds an EGNN, turns its input, and prints the model's
// output before and after, turned back. The two lines are equal.
#include <torch/torch.h>

#include <iostream>

#include "tessera/systems/system.h"

int main() {
  const tessera::System& egnn = tessera::systems().at("egnn");
  auto config = egnn.model.config();
  tessera::read_config(*config, {{"architecture", "egnn"}, {"node_in_dim", 2}, {"dim", 16}});
  torch::manual_seed(1);
  auto model = egnn.model.make(*config);
  model->to(torch::kDouble);

  const auto h = torch::rand({3, 2}, torch::kDouble);
  const auto x = torch::rand({3, 3}, torch::kDouble);
  const auto edge_index = torch::tensor({{0, 0, 1, 1, 2, 2}, {1, 2, 0, 2, 0, 1}});
  const auto turn = std::get<0>(torch::linalg_qr(torch::rand({3, 3}, torch::kDouble)));

  const torch::NoGradGuard no_grad;
  const auto run = [&](const torch::Tensor& positions) {
    return model->run({{"h", h}, {"x", positions}, {"edge_index", edge_index}}).at("x");
  };
  const double difference = (run(x).matmul(turn) - run(x.matmul(turn))).abs().max().item<double>();
  std::cout << "difference " << difference << '\n';
  return difference < 1e-12 ? 0 : 1;
}
