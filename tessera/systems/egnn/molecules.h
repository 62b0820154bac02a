#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "tessera/core/tensor_map.h"
#include "tessera/systems/egnn/complete_edges.h"

namespace tessera::egnn {

/// Molecules of one batch or split, padded with slots of charge 0.
struct Molecules {
  at::Tensor charges;    ///< (B, slots) int64, atomic numbers
  at::Tensor positions;  ///< (B, slots, 3), Å
};

/// Node features of an atom: its species one-hot, times powers 0 … charge_power of Z/max_charge,
/// species-major. Row z is the atom of charge z, row 0 an empty slot. (max species + 1, features)
at::Tensor charge_power_table(const std::vector<int64_t>& species, int64_t charge_power,
                              int64_t max_charge, at::ScalarType dtype);

/// Throws InvalidArgument where a charge is neither 0 nor one of `species`.
void check_species(const at::Tensor& charges, const std::vector<int64_t>& species);

/// The inputs of egnn_qm9: slots that are empty in the whole batch are dropped, n stay.
/// h (B·n, features), x (B·n, 3), node_mask (B·n, 1) and edge_mask (B·n², 1) bool,
/// edge_index (2, B·n²) with self pairs, which the mask removes; num_nodes (1) holds n.
/// `features` is charge_power_table's, `edges` has all loops.
TensorMap collate_molecules(const Molecules& molecules, const at::Tensor& features,
                            const CompleteEdges& edges);

/// Mean and mean absolute deviation of training labels, by which a property is standardised.
/// Throws InvalidArgument where all labels are equal.
struct LabelScale {
  double mean, mad;
};
LabelScale label_scale(const at::Tensor& labels);

}  // namespace tessera::egnn
