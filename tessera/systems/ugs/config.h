#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/core/config.h"

namespace tessera::ugs {

/// Every network and every schedule of the paper in one flat configuration: a key that a model or a
/// search does not use is accepted and ignored.
struct UgsConfig : Config {
  std::string task = "node_classification";
  std::string model = "gcn";
  std::vector<int64_t> dims;
  int64_t num_nodes = 0;
  int64_t num_edges = 0;
  int64_t num_heads = 8;
  double dropout = 0.5;
  double leaky_slope = 0.01;
  bool learn_eps = true;
  std::string edge_mask_mode = "default";
  Json masked_layers = {0, 1};

  int64_t num_layers = 28;
  int64_t input_dim = 0;
  int64_t hidden_dim = 128;
  int64_t num_classes = 0;
  int64_t mlp_layers = 1;
  double softmax_temperature = 0.1;
  bool learn_temperature = false;
  std::string block = "res+";
  std::string aggregation = "default";
  std::string norm = "batch";
  double message_eps = 1e-7;

  int64_t num_clusters = 128;
  double cluster_temperature = 100;
  int64_t cluster_iters = 10;
  double alpha = 0.5;

  std::string search = "none";
  double graph_l1 = 1e-4;
  double weight_l1 = 1e-4;
  double graph_prune_rate = 0.05;
  double weight_prune_rate = 0.2;
  std::string mask_init = "all_one";
  double mask_noise = 1e-5;
  int64_t mask_epochs = 200;
  int64_t retrain_epochs = 200;
  int64_t num_rounds = 20;
  std::string dropout_schedule = "always";
  double lr = 0.01;
  double weight_decay = 5e-4;
  int64_t seed = 0;

  std::string dataset;
  bool row_normalize_features = true;
  Json training;

  /// The configuration with these keys; throws InvalidArgument as read_config does.
  static UgsConfig of(const Json& values);

  void fields(FieldList& list) override;
  void choose_defaults(const Json& given) override;
  void validate() const override;

  bool is_link_prediction() const { return task == "link_prediction"; }
  int64_t layers() const;               ///< of gcn, gin and gat: dims − 1
  bool is_masked(int64_t layer) const;  ///< whether the weights of a layer of gcn have masks
};

}  // namespace tessera::ugs
