#include "tessera/systems/egnn/model.h"

#include "tessera/core/error.h"
#include "tessera/systems/egnn/autoencoder.h"
#include "tessera/systems/egnn/egcl_layer.h"
#include "tessera/systems/egnn/egnn_model.h"
#include "tessera/systems/egnn/gnn.h"
#include "tessera/systems/egnn/linear_models.h"
#include "tessera/systems/egnn/qm9_model.h"
#include "tessera/systems/egnn/radial_field.h"
#include "tessera/systems/egnn/se3/se3_models.h"

namespace tessera::egnn {

namespace {

std::shared_ptr<Model> make_layer(const EgnnConfig& config) {
  EgclConfig layer = EgclConfig::of(config);
  layer.in_dim = config.node_in_dim;
  layer.out_dim = config.node_out_dim;
  return std::make_shared<Egcl>(layer);
}

}  // namespace

std::shared_ptr<Model> make_model(const EgnnConfig& config) {
  config.validate();
  const std::string& name = config.architecture;
  if (name == "egnn") return std::make_shared<Egnn>(config);
  if (name == "egnn_layer") return make_layer(config);
  if (name == "egnn_vel" || name == "egnn_nbody") return std::make_shared<EgnnDynamics>(config);
  if (name == "egnn_qm9") return std::make_shared<EgnnQm9>(config);
  if (name == "egnn_ae") return std::make_shared<EgnnAutoencoder>(config);
  if (name == "gnn_ae") return std::make_shared<GnnAutoencoder>(config);
  if (name == "radial_field_ae") return std::make_shared<RadialFieldAutoencoder>(config);
  if (name == "gnn") return std::make_shared<Gnn>(config);
  if (name == "radial_field_vel") return std::make_shared<RadialFieldDynamics>(config);
  if (name == "linear") return std::make_shared<LinearMap>(config);
  if (name == "linear_dynamics") return std::make_shared<LinearDynamics>(config);
  if (name == "identity") return std::make_shared<Identity>();
  if (name == "tfn" || name == "se3_transformer") return make_se3_model(config);
  fail<Internal>({.where = "egnn", .rule = "an architecture without a model", .got = name});
}

}  // namespace tessera::egnn
