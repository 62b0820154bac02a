#include "tessera/systems/egnn/molecules.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::egnn {

at::Tensor charge_power_table(const std::vector<int64_t>& species, int64_t charge_power,
                              int64_t max_charge, at::ScalarType dtype) {
  if (species.empty() || charge_power < 0 || max_charge < 1 || std::ranges::min(species) < 1) {
    fail<InvalidArgument>({.where = "molecules",
                           .rule = "species are atomic numbers, with charge_power ≥ 0 and "
                                   "max_charge ≥ 1",
                           .id = "T-EGNN-46"});
  }
  const auto powers = static_cast<size_t>(charge_power) + 1;
  const at::Tensor table = at::zeros(
      {std::ranges::max(species) + 1, static_cast<int64_t>(species.size() * powers)}, at::kDouble);
  for (size_t s = 0; s < species.size(); ++s) {
    double* row = table[species[s]].mutable_data_ptr<double>();
    const double share = static_cast<double>(species[s]) / static_cast<double>(max_charge);
    for (size_t p = 0; p < powers; ++p) {
      row[s * powers + p] = std::pow(share, static_cast<double>(p));
    }
  }
  return table.to(dtype);
}

void check_species(const at::Tensor& charges, const std::vector<int64_t>& species) {
  const at::Tensor all = charges.to(at::kLong).contiguous();
  const int64_t* data = all.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < all.numel(); ++i) {
    if (data[i] == 0 || std::ranges::find(species, data[i]) != species.end()) continue;
    std::vector<std::string> names;
    for (const int64_t z : species) names.push_back(std::to_string(z));
    fail<InvalidArgument>(
        {.where = "molecules",
         .rule = "atoms have one of the charges " + join(names, ", ") + ", or 0 in an empty slot",
         .got = std::to_string(data[i]),
         .id = "T-EGNN-47"});
  }
}

TensorMap collate_molecules(const Molecules& molecules, const at::Tensor& features,
                            const CompleteEdges& edges) {
  const at::Tensor is_used = molecules.charges.gt(0).any(0).nonzero().squeeze(1);
  const at::Tensor charges_Bn = molecules.charges.index_select(1, is_used);
  const at::Tensor x_Bn3 = molecules.positions.index_select(1, is_used);
  const int64_t batch = charges_Bn.size(0), n = charges_Bn.size(1);

  const at::Tensor is_atom_Bn = charges_Bn.gt(0);
  const at::Tensor is_other_nn = at::eye(n, at::kBool).logical_not_();
  const at::Tensor is_edge_Bnn =
      is_atom_Bn.unsqueeze(1).logical_and(is_atom_Bn.unsqueeze(2)).logical_and(is_other_nn);
  return {{"h", features.index_select(0, charges_Bn.reshape(-1))},
          {"x", x_Bn3.reshape({batch * n, 3})},
          {"node_mask", is_atom_Bn.reshape({batch * n, 1})},
          {"edge_index", edges.of(batch, n)},
          {"edge_mask", is_edge_Bnn.reshape({batch * n * n, 1})},
          {"num_nodes", at::full({1}, n, at::kLong)}};
}

LabelScale label_scale(const at::Tensor& labels) {
  const at::Tensor values = labels.to(at::kDouble);
  const double mean = values.mean().item<double>();
  const double mad = (values - mean).abs().mean().item<double>();
  if (!(mad > 0)) {
    fail<InvalidArgument>({.where = "molecules",
                           .rule = "training labels must differ to be standardised",
                           .got = "a mean absolute deviation of " + shortest(mad),
                           .id = "T-EGNN-48"});
  }
  return {.mean = mean, .mad = mad};
}

}  // namespace tessera::egnn
