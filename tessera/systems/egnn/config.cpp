#include "tessera/systems/egnn/config.h"

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::egnn {
namespace {

const std::vector<std::string> kArchitectures = {"egnn",
                                                 "egnn_layer",
                                                 "egnn_vel",
                                                 "egnn_nbody",
                                                 "gnn",
                                                 "radial_field_vel",
                                                 "linear",
                                                 "linear_dynamics",
                                                 "identity",
                                                 "egnn_ae",
                                                 "gnn_ae",
                                                 "radial_field_ae",
                                                 "egnn_qm9",
                                                 "tfn",
                                                 "se3_transformer"};

/// What the authors' class or script of this architecture takes when it is not told otherwise.
void set_architecture_defaults(EgnnConfig& config) {
  const std::string& name = config.architecture;
  const bool is_autoencoder = name.ends_with("_ae");
  if (name == "egnn_vel" || name == "egnn_nbody" || is_autoencoder) config.coord_clamp = 100.0;
  if (is_autoencoder || name == "gnn") config.edge_in_dim = 1;
  if (name == "egnn_vel" || name == "radial_field_vel") config.edge_in_dim = 2;
  if (name == "egnn_nbody") {
    config.edge_in_dim = 3;
    config.activation = "leaky_relu";
  }
  if (name == "gnn" || name == "linear") {
    config.node_in_dim = 6;
    config.node_out_dim = 3;
  }
  if (name == "egnn_qm9") {
    config.node_in_dim = 15;
    config.attention = true;
    config.update_coords = false;
  }
}

}  // namespace

EgnnConfig EgnnConfig::of(std::string_view architecture) {
  EgnnConfig config;
  read_config(config, {{"architecture", architecture}}, "model");
  return config;
}

void EgnnConfig::fields(FieldList& list) {
  list("architecture", architecture,
       {.help = "the network", .one_of = kArchitectures, .authors_name = "--model"});
  list("node_in_dim", node_in_dim,
       {.help = "width of the input h (6 for gnn and linear, 15 for egnn_qm9)",
        .min = 1,
        .authors_name = "in_node_nf, input_dim"});
  list("edge_in_dim", edge_in_dim,
       {.help = "width of edge_attr (2 for egnn_vel, 3 for egnn_nbody, 1 for gnn and *_ae)",
        .min = 0,
        .authors_name = "in_edge_nf, edges_in_d"});
  list("node_out_dim", node_out_dim,
       {.help = "width of the output h (3 for gnn and linear, whose output is a position)",
        .min = 1,
        .authors_name = "out_node_nf"});
  list(
      "dim", dim,
      {.help = "width of messages and hidden features", .min = 1, .authors_name = "hidden_nf, nf"});
  list("num_layers", num_layers, {.help = "layers", .min = 1, .authors_name = "n_layers"});
  list("coord_dim", coord_dim,
       {.help = "axes of x, any number (tfn and se3_transformer: 3; *_ae: latent_dim)", .min = 1});
  list("activation", activation,
       {.help = "between linear maps; leaky_relu has slope 0.2",
        .one_of = {"silu", "relu", "leaky_relu"},
        .authors_name = "act_fn"});
  list("residual", residual,
       {.help = "add a layer's input h to its output", .authors_name = "residual, recurrent"});
  list("attention", attention,
       {.help = "gate each message by a learned scalar (true for egnn_qm9)",
        .authors_name = "attention"});
  list("update_coords", update_coords,
       {.help = "move the coordinates in each layer (false for egnn_qm9)"});
  list("coord_norm", coord_norm,
       {.help = "divide x_i - x_j by its length (unit) or by its length + 1 (plus_one)",
        .one_of = {"none", "unit", "plus_one"},
        .authors_name = "normalize, norm_diff"});
  list("coord_tanh", coord_tanh,
       {.help = "bound the coordinate weights by tanh", .authors_name = "tanh"});
  list("coord_agg", coord_agg,
       {.help = "how the coordinate steps of a receiver are combined",
        .one_of = {"mean", "sum"},
        .authors_name = "coords_agg"});
  list("coord_clamp", coord_clamp,
       {.help = "bound of each component of a coordinate step (100 for egnn_vel, egnn_nbody, *_ae)",
        .min = 0,
        .min_exclusive = true,
        .authors_name = "clamp"});
  list("coord_weight", coord_weight,
       {.help = "factor of the coordinate step", .authors_name = "coords_weight"});
  list("coord_reg", coord_reg,
       {.help = "share of x removed after each layer (*_ae)", .min = 0, .authors_name = "reg"});
  list("latent_dim", latent_dim,
       {.help = "width of the latent z (*_ae)", .min = 1, .authors_name = "K, emb_nf"});
  list("noise_dim", noise_dim,
       {.help = "gnn_ae: width of the noise that replaces h; 0 for none",
        .min = 0,
        .authors_name = "noise_dim"});
  list("learnable_decoder", learnable_decoder,
       {.help = "gnn_ae: learn the decoder", .authors_name = "learnable_dec"});
  list("node_attr", node_attr,
       {.help = "egnn_qm9: feed the input features to every node update",
        .authors_name = "node_attr"});
  list("charge_power", charge_power,
       {.help = "QM9: highest power of the nuclear charge among the features",
        .min = 0,
        .authors_name = "charge_power"});
  list("max_charge", max_charge,
       {.help = "QM9: the charge that scales to 1", .min = 1, .authors_name = "charge_scale"});
  list("num_nodes", num_nodes,
       {.help = "egnn_qm9: slots per molecule; 0 takes the input num_nodes, else one molecule",
        .min = 0,
        .authors_name = "n_nodes"});
  list(
      "num_degrees", num_degrees,
      {.help = "tfn, se3_transformer: degrees 0 … D-1 inside", .min = 1, .authors_name = "degree"});
  list("channels", channels,
       {.help = "tfn, se3_transformer: channels of each degree",
        .min = 1,
        .authors_name = "nf / degree"});
  list("num_heads", num_heads,
       {.help = "se3_transformer: attention heads", .min = 1, .authors_name = "n_heads"});
  list("num_particles", num_particles,
       {.help = "tfn, se3_transformer: particles per system",
        .min = 1,
        .authors_name = "n_particles"});
}

void EgnnConfig::choose_defaults(const Json& given) {
  const auto it = given.find("architecture");
  // A wrong type or word is refused where the key itself is read.
  if (it != given.end() && it->is_string()) architecture = it->get<std::string>();
  set_architecture_defaults(*this);
}

void EgnnConfig::validate() const {
  const auto refuse = [](const std::string& rule, const std::string& got, const char* next,
                         const char* id) {
    fail<InvalidArgument>({.where = "egnn", .rule = rule, .got = got, .next = next, .id = id});
  };
  const bool is_layer = architecture == "egnn_layer";
  const int64_t in_dim = is_layer ? node_in_dim : dim;
  const int64_t out_dim = is_layer ? node_out_dim : dim;
  if (residual && in_dim != out_dim) {
    refuse("residual needs node_in_dim equal to node_out_dim",
           std::to_string(in_dim) + " and " + std::to_string(out_dim),
           "Set model.residual=false or make the widths equal.", "T-EGNN-01");
  }
  if (!std::isfinite(coord_weight)) {
    refuse("coord_weight must be finite", shortest(coord_weight), "", "T-EGNN-02");
  }
  if ((architecture == "tfn" || architecture == "se3_transformer") && coord_dim != 3) {
    refuse(architecture + " works in three dimensions: coord_dim must be 3",
           std::to_string(coord_dim), "egnn works in any.", "T-EGNN-03");
  }
  if (architecture == "egnn_qm9" && update_coords) {
    refuse("egnn_qm9 keeps coordinates fixed: update_coords must be false", "true",
           "egnn returns moved coordinates.", "T-EGNN-04");
  }
}

}  // namespace tessera::egnn
