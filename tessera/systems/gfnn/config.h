#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/ops/grid_weights.h"

namespace tessera::gfnn {

/// Grid-functioned networks and what they are compared with, in one flat configuration: a key that
/// an architecture does not use is accepted and ignored.
struct GfnnConfig : Config {
  std::string architecture = "gfnn";
  int64_t in_dim = 1, out_dim = 1;
  std::vector<int64_t> hidden_dims = {512, 512};
  std::string activation = "elu";
  std::vector<int64_t> grid_sizes;
  std::vector<double> grid_low, grid_high;  ///< empty: 0 and 1
  Json grid_periodic = Json::array();       ///< list of bool; empty: false
  std::string interpolation = "cubic", boundary = "clamp";
  bool force = false;
  double dropout = 0;
  std::string init = "independent";
  int64_t num_experts = 8, gate_in_dim = 0;
  std::vector<int64_t> gate_dims = {32, 32};
  std::string gate_activation = "elu", blend = "parameters";
  bool return_node_weights = true;
  std::optional<double> cache_reach;

  void fields(FieldList& list) override;
  void choose_defaults(const Json& given) override;
  void validate() const override;

  bool has_grid() const { return architecture == "gfnn" || architecture == "pfnn"; }
  ops::Grid grid() const;
  /// in_dim, hidden_dims…, out_dim.
  std::vector<int64_t> dims() const;
};

}  // namespace tessera::gfnn
