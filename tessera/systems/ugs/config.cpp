#include "tessera/systems/ugs/config.h"

#include <algorithm>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/systems/ugs/refuse.h"

namespace tessera::ugs {
UgsConfig UgsConfig::of(const Json& values) {
  UgsConfig config;
  read_config(config, values);
  return config;
}

void UgsConfig::choose_defaults(const Json& given) {
  const auto word = [&](const char* key) {
    const Json value = given.value(key, Json());
    return value.is_string() ? value.get<std::string>() : std::string();
  };
  const std::string network = word("model");
  if (network == "gat") dropout = 0.6;
  if (network == "gat" && word("task") == "link_prediction") num_heads = 1;
  if (word("task") == "link_prediction") mask_noise = 1e-4;
}

void UgsConfig::fields(FieldList& list) {
  list("task", task,
       {.help = "classes of nodes, or which pairs are linked",
        .one_of = {"node_classification", "link_prediction"}});
  list("model", model,
       {.help = "the graph network",
        .one_of = {"gcn", "gin", "gat", "resgcn"},
        .authors_name = "--net"});
  list("dims", dims,
       {.help = "widths from features to classes (gcn, gin, gat)",
        .authors_name = "--embedding-dim"});
  list("num_nodes", num_nodes, {.help = "nodes of the graph; 0: taken from the inputs", .min = 0});
  list("num_edges", num_edges,
       {.help = "edges whose masks are weights of the model; 0: masks are inputs, or all 1",
        .min = 0});
  list("num_heads", num_heads, {.help = "heads of the hidden layer (gat)", .min = 1});
  list("dropout", dropout, {.help = "share dropped (below 1)", .min = 0, .max = 1});
  list("leaky_slope", leaky_slope, {.help = "slope of attention's leaky ReLU (gat)", .min = 0});
  list("learn_eps", learn_eps, {.help = "whether gin's eps is trained"});
  list("edge_mask_mode", edge_mask_mode,
       {.help = "what an edge's mask multiplies; default: adjacency (gcn), message (gin, resgcn), "
                "logit (gat); remove: an edge masked with 0 is taken out of the graph",
        .one_of = {"default", "adjacency", "message", "logit", "remove"}});
  list("masked_layers", masked_layers,
       {.help = "gcn: layers whose weights have masks, a list or \"all\""});
  list("num_layers", num_layers, {.help = "convolutions (resgcn)", .min = 1});
  list("input_dim", input_dim,
       {.help = "features, encoded to hidden_dim (resgcn); 0: they have that width already",
        .min = 0});
  list("hidden_dim", hidden_dim, {.help = "width (resgcn)", .min = 1});
  list("num_classes", num_classes, {.help = "classes (resgcn); 0: no head", .min = 0});
  list("mlp_layers", mlp_layers, {.help = "linear maps of a convolution (resgcn)", .min = 1});
  list("softmax_temperature", softmax_temperature,
       {.help = "inverse temperature of the aggregation's softmax", .authors_name = "--t"});
  list(
      "learn_temperature", learn_temperature,
      {.help = "train it, one for each layer (softmax, softmax_sum)", .authors_name = "--learn_t"});
  list("block", block,
       {.help = "order of normalisation, convolution and sum (resgcn)",
        .one_of = {"res+", "res", "plain"}});
  list("aggregation", aggregation,
       {.help = "how messages are joined; default: softmax_sg (resgcn), mean (gin)",
        .one_of = {"default", "softmax_sg", "softmax", "softmax_sum", "mean", "add"},
        .authors_name = "--gcn_aggr"});
  list("norm", norm, {.help = "normalisation (resgcn)", .one_of = {"batch", "none"}});
  list("message_eps", message_eps, {.help = "added to a message (resgcn)", .min = 0});
  list("num_clusters", num_clusters,
       {.help = "centres of the readout (link prediction)", .min = 1, .authors_name = "--c"});
  list("cluster_temperature", cluster_temperature,
       {.help = "sharpness of the assignment to centres", .min = 0, .authors_name = "--b"});
  list("cluster_iters", cluster_iters, {.help = "steps without a gradient", .min = 1});
  list("alpha", alpha,
       {.help = "weight of the global loss; the clusters' has the rest",
        .min = 0,
        .max = 1,
        .authors_name = "--a"});
  list("search", search,
       {.help = "training: plain (none), of masks too (masks), or a schedule of rounds: of masks "
                "(ugs), random masks, the largest weights of one training (one_shot), unpruned",
        .one_of = {"none", "masks", "ugs", "random", "one_shot", "dense"}});
  list("graph_l1", graph_l1, {.help = "L1 of edge masks", .min = 0, .authors_name = "--s1"});
  list("weight_l1", weight_l1, {.help = "L1 of weight masks", .min = 0, .authors_name = "--s2"});
  list("graph_prune_rate", graph_prune_rate,
       {.help = "share of the remaining edges that a round prunes (below 1)",
        .min = 0,
        .max = 1,
        .authors_name = "--pruning_percent_adj"});
  list("weight_prune_rate", weight_prune_rate,
       {.help = "share of the remaining weights that a round prunes (below 1)",
        .min = 0,
        .max = 1,
        .authors_name = "--pruning_percent_wei"});
  list("mask_init", mask_init,
       {.help = "soft masks at the start of a round",
        .one_of = {"all_one", "kaiming", "normal", "uniform"},
        .authors_name = "--init_soft_mask_type"});
  list("mask_noise", mask_noise,
       {.help = "masks are scaled by 1 + U(−c, c): no two are equal", .min = 0});
  list(
      "mask_epochs", mask_epochs,
      {.help = "epochs that train masks", .min = 1, .authors_name = "--total_epoch, --mask_epoch"});
  list("retrain_epochs", retrain_epochs,
       {.help = "epochs after the rewind", .min = 1, .authors_name = "--fix_epoch"});
  list("num_rounds", num_rounds, {.help = "pruning rounds", .min = 1});
  list(
      "dropout_schedule", dropout_schedule,
      {.help = "epochs with dropout; first_epoch: those of the authors' GIN and GAT, whose scripts "
               "leave training mode after the first of each phase",
       .one_of = {"always", "first_epoch"}});
  list("lr", lr, {.help = "rate (procedures and traces)", .min = 0, .min_exclusive = true});
  list("weight_decay", weight_decay, {.help = "L2 in Adam (procedures and traces)", .min = 0});
  list("seed", seed, {.help = "of noise and random masks", .min = 0});
  list("dataset", dataset, {.help = "cases: the citation graph that is the input"});
  list("row_normalize_features", row_normalize_features,
       {.help = "cases: divide each node's features by their sum"});
  list("training", training, {.help = "cases: dropout and normalisation of training, or not"});
}

int64_t UgsConfig::layers() const {
  return model == "resgcn" ? num_layers : static_cast<int64_t>(dims.size()) - 1;
}

bool UgsConfig::is_masked(int64_t layer) const {
  if (masked_layers.is_string()) return true;
  return std::ranges::any_of(masked_layers,
                             [&](const Json& item) { return item.get<int64_t>() == layer; });
}

void UgsConfig::validate() const {
  if (!masked_layers.is_array() && masked_layers != "all") {
    refuse("masked_layers is a list of layers or \"all\"", masked_layers.dump(), "T-UGS-01");
  }
  if (masked_layers.is_array()) {
    for (const Json& item : masked_layers) {
      if (!item.is_number_integer() || item.get<int64_t>() < 0) {
        refuse("masked_layers holds numbers of layers from 0", item.dump(), "T-UGS-01");
      }
    }
  }
  if (!training.is_null() && !training.is_boolean()) {
    refuse("training is true or false", training.dump(), "T-UGS-02");
  }
  for (const auto& [name, share] :
       {std::pair("dropout", dropout), std::pair("graph_prune_rate", graph_prune_rate),
        std::pair("weight_prune_rate", weight_prune_rate)}) {
    if (share >= 1) refuse(std::string(name) + " must be in [0, 1)", shortest(share), "T-UGS-03");
  }
  for (const int64_t width : dims) {
    if (width < 1) refuse("dims must be positive", std::to_string(width), "T-UGS-04");
  }
  if (model == "resgcn") return;
  const auto given = std::to_string(dims.size()) + " widths";
  // A procedure needs no widths.
  if (dims.size() == 1) refuse("dims needs 2 widths or more", given, "T-UGS-04");
  if ((model == "gin" || model == "gat") && !dims.empty() && dims.size() != 3) {
    refuse("dims of " + model + " needs exactly 3 widths", given, "T-UGS-05");
  }
  const bool fits = edge_mask_mode == "default" || edge_mask_mode == "remove" ||
                    (model == "gcn" && edge_mask_mode == "adjacency") ||
                    (model == "gin" && edge_mask_mode == "message") ||
                    (model == "gat" && edge_mask_mode == "logit");
  if (!fits) {
    refuse("edge_mask_mode of " + model + " is \"remove\" or the model's own", edge_mask_mode,
           "T-UGS-06");
  }
}

}  // namespace tessera::ugs
