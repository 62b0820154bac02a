#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tessera/core/config.h"

namespace tessera::egnn {

/// Every architecture of this folder, in one flat configuration: a key that an architecture does
/// not use is accepted and ignored, so that one file describes a model and its baselines.
///
/// Some defaults follow the architecture (the authors' classes differ): a key that is absent takes
/// them, `none` for coord_clamp means no clamp. From C++ start from EgnnConfig::of("egnn_qm9").
struct EgnnConfig : Config {
  std::string architecture = "egnn";
  int64_t node_in_dim = 1;
  int64_t edge_in_dim = 0;
  int64_t node_out_dim = 1;
  int64_t dim = 64;
  int64_t num_layers = 4;
  int64_t coord_dim = 3;
  std::string activation = "silu";
  bool residual = true;
  bool attention = false;
  bool update_coords = true;
  std::string coord_norm = "none";
  bool coord_tanh = false;
  std::string coord_agg = "mean";
  std::optional<double> coord_clamp;
  double coord_weight = 1.0;
  double coord_reg = 1e-3;
  int64_t latent_dim = 8;
  int64_t noise_dim = 0;
  bool learnable_decoder = true;
  bool node_attr = false;
  int64_t charge_power = 2;
  int64_t max_charge = 9;
  int64_t num_nodes = 0;
  int64_t num_degrees = 2;
  int64_t channels = 16;
  int64_t num_heads = 1;
  int64_t num_particles = 5;

  /// The defaults of an architecture; throws InvalidArgument on an unknown name.
  static EgnnConfig of(std::string_view architecture);

  void fields(FieldList& list) override;
  void choose_defaults(const Json& given) override;
  void validate() const override;
};

}  // namespace tessera::egnn
