#include "tessera/systems/unicornn/config.h"

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::unicornn {

void UnicornnConfig::fields(FieldList& list) {
  list("architecture", architecture,
       {.help = "the network: UnICORNN or a baseline of the same shape",
        .one_of = {"unicornn", "lstm", "gru", "rnn", "cornn", "indrnn", "linear"}});
  list("scope", scope,
       {.help = "the whole network, or one recurrence without its input map (x is the drive)",
        .one_of = {"model", "recurrence"}});
  list("input_dim", input_dim, {.help = "width of x", .min = 1, .authors_name = "ninp"});
  list("hidden_dim", hidden_dim, {.help = "neurons of a layer", .min = 1, .authors_name = "nhid"});
  list("num_layers", num_layers, {.help = "layers", .min = 1, .authors_name = "n_layers, nlayers"});
  list("num_classes", num_classes,
       {.help = "logits; 1 for a regression or a binary choice", .min = 1, .authors_name = "nout"});
  list("dt", dt,
       {.help = "step of the oscillators, a number or a list of num_layers of them",
        .authors_name = "dt"});
  list("alpha", alpha, {.help = "restoring force of y", .min = 0, .authors_name = "alpha"});
  list("dropout", dropout,
       {.help = "share of each layer's outputs that is dropped, the same at every step (below 1)",
        .min = 0,
        .max = 1,
        .authors_name = "drop"});
  list("embed_dropout", embed_dropout,
       {.help = "share of the vocabulary that is dropped in a forward (below 1)",
        .min = 0,
        .max = 1,
        .authors_name = "drop_emb"});
  list("vocab_size", vocab_size,
       {.help = "x holds tokens below this, which are embedded; none: x holds numbers",
        .min = 1,
        .authors_name = "vocab_size"});
  list("embed_dim", embed_dim,
       {.help = "width of the embedding", .min = 1, .authors_name = "embedding_dim"});
  list("pad_id", pad_id,
       {.help = "token whose embedding gets no gradient", .min = 0, .authors_name = "pad_idx"});
  list("residual", residual,
       {.help =
            "what a layer's drive gets of the output residual_skip + 1 layers below it: nothing, "
            "a learned map of it, or itself",
        .one_of = {"none", "learned", "identity"}});
  list("residual_skip", residual_skip,
       {.help = "layers that a residual connection passes over", .min = 1});
  list(
      "backward", backward,
      {.help = "how the backward gets the states: rebuilt from the last one and the stored drives, "
               "stored by autograd, or all rebuilt in blocks of steps with nothing stored",
       .one_of = {"reconstruct", "store", "full_reversible"}});
  list("batch_first", batch_first, {.help = "x is (B, T, …), not (T, B, …)"});
  list("return_sequences", return_sequences,
       {.help = "also return y, the last layer's output at every step"});
  list("return_state", return_state,
       {.help = "also return y_n and z_n, each layer's state after the last step"});
  list("max_len", max_len, {.help = "longest sequence that is taken", .unit = "steps", .min = 1});
  list("gamma", gamma, {.help = "cornn: restoring force", .min = 0, .authors_name = "gamma"});
  list("epsilon", epsilon, {.help = "cornn: damping", .min = 0, .authors_name = "epsilon"});
  list("task", task, {.help = "a remark: the script that these settings are from"});
}

std::vector<double> UnicornnConfig::steps() const {
  const auto refuse = [](const std::string& rule, const std::string& got, const char* id) {
    fail<InvalidArgument>({.where = "unicornn", .rule = rule, .got = got, .id = id});
  };
  const auto count = static_cast<size_t>(num_layers);
  std::vector<double> values;
  for (const Json& item : dt.is_array() ? dt : Json::array({dt})) {
    if (!item.is_number()) {
      refuse("dt is a number or a list of numbers, one for each layer", dt.dump(), "T-UNI-01");
    }
    values.push_back(item.get<double>());
    if (!(values.back() > 0) || !std::isfinite(values.back())) {
      refuse("dt must be above 0", shortest(values.back()), "T-UNI-02");
    }
  }
  if (!dt.is_array()) values.resize(count, values.front());
  if (values.size() != count) {
    refuse("dt needs one value for each of the " + std::to_string(count) + " layers",
           std::to_string(values.size()), "T-UNI-03");
  }
  return values;
}

void UnicornnConfig::validate() const {
  steps();
  for (const auto& [name, share] :
       {std::pair("dropout", dropout), std::pair("embed_dropout", embed_dropout)}) {
    if (share < 1) continue;
    fail<InvalidArgument>({.where = "unicornn",
                           .rule = std::string(name) + " must be below 1",
                           .got = shortest(share),
                           .next = "Nothing would be left.",
                           .id = "T-UNI-04"});
  }
  if (vocab_size && pad_id && *pad_id >= *vocab_size) {
    fail<InvalidArgument>(
        {.where = "unicornn",
         .rule = "pad_id must be below vocab_size = " + std::to_string(*vocab_size),
         .got = std::to_string(*pad_id),
         .id = "T-UNI-05"});
  }
  if (scope == "recurrence" && (num_layers != 1 && !dt.is_number())) {
    fail<InvalidArgument>({.where = "unicornn",
                           .rule = "a recurrence has one layer and one dt",
                           .got = dt.dump(),
                           .id = "T-UNI-06"});
  }
}

}  // namespace tessera::unicornn
