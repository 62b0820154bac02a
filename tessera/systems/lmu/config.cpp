#include "tessera/systems/lmu/config.h"

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::lmu {
namespace {

const std::vector<std::string> kActivations = {"linear", "relu", "tanh", "sigmoid", "gelu"};

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const char* next,
                         const char* id) {
  fail<InvalidArgument>({.where = "lmu", .rule = rule, .got = got, .next = next, .id = id});
}

}  // namespace

void LmuConfig::fields(FieldList& list) {
  list(
      "architecture", architecture,
      {.help = "lmu, a baseline, LMU and LSTM layers in turn (hybrid), or a stack of LMU blocks "
               "that predicts the next character (language)",
       .one_of = {"lmu", "language", "hybrid", "lstm", "gru", "rnn", "cornn", "indrnn", "linear"}});
  list("variant", variant,
       {.help = "the 2019 cell, the same with a gate, the cell with every link, or the parallel "
                "model of 2021",
        .one_of = {"original", "original_gating", "general", "parallel"},
        .authors_name = "class"});
  list("layout", layout,
       {.help = "names and shapes of weights: as in the torch port, or as in the 2019 files",
        .one_of = {"native", "keras2019"}});
  list("input_dim", input_dim, {.help = "width of x", .min = 1, .authors_name = "input_size"});
  list("hidden_dim", hidden_dim,
       {.help = "width of h; 0 with hidden_cell none",
        .min = 0,
        .authors_name = "hidden_size, units"});
  list("memory_dim", memory_dim,
       {.help = "independent delay systems; 1 for the original cells",
        .min = 1,
        .authors_name = "memory_d"});
  list("order", order,
       {.help = "Legendre coefficients of each delay system",
        .min = 1,
        .authors_name = "memory_size, order"});
  list("theta", theta,
       {.help = "length of the remembered window",
        .unit = "steps",
        .min = 0,
        .min_exclusive = true,
        .authors_name = "theta"});
  list("max_len", max_len,
       {.help = "longest sequence whose kernels are kept; longer ones extend them",
        .unit = "steps",
        .min = 1,
        .authors_name = "seq_len"});
  list("discretizer", discretizer,
       {.help = "zero-order hold or Euler",
        .one_of = {"zoh", "euler"},
        .authors_name = "discretizer"});
  list("trainable_theta", trainable_theta,
       {.help = "learn 1/theta (general)", .authors_name = "trainable_theta"});
  list("learn_a", learn_a, {.help = "learn the discrete A (original)", .authors_name = "learn_a"});
  list("learn_b", learn_b, {.help = "learn the discrete B (original)", .authors_name = "learn_b"});
  list(
      "learn_gate", learn_gate,
      {.help = "learn the gate's weights (original_gating)", .authors_name = "trainable_forget_*"});
  list("hidden_cell", hidden_cell,
       {.help = "what reads the memory (dense for parallel, rnn for general)",
        .one_of = {"none", "dense", "rnn", "lstm", "gru"},
        .authors_name = "hidden_cell"});
  list("hidden_activation", hidden_activation,
       {.help = "of h (relu for parallel, else tanh)", .one_of = kActivations});
  list("encoder_activation", encoder_activation,
       {.help = "of u (relu for parallel, else linear)", .one_of = kActivations});
  list("gate_activation", gate_activation,
       {.help = "of the gate (original_gating)", .one_of = kActivations});
  list("hidden_to_memory", hidden_to_memory,
       {.help = "h of the step before enters u (general)", .authors_name = "hidden_to_memory"});
  list("memory_to_memory", memory_to_memory,
       {.help = "m of the step before enters u (general)", .authors_name = "memory_to_memory"});
  list("input_to_hidden", input_to_hidden,
       {.help = "x enters the hidden cell beside m (general; parallel: true)",
        .authors_name = "input_to_hidden"});
  list("input_kernel", input_kernel,
       {.help = "encode x; without it u is x itself (general)",
        .authors_name = "kernel_initializer=None"});
  list("use_bias", use_bias,
       {.help = "bias of u (general, false; parallel, true)", .authors_name = "use_bias"});
  list("hidden_bias", hidden_bias,
       {.help = "bias of h (original)", .authors_name = "include_bias"});
  list("dropout", dropout,
       {.help = "share of u's inputs dropped (general), of h before the head (parallel)",
        .min = 0,
        .max = 1,
        .authors_name = "dropout"});
  list("recurrent_dropout", recurrent_dropout,
       {.help = "share of m dropped where it enters u (general)",
        .min = 0,
        .max = 1,
        .authors_name = "recurrent_dropout"});
  list("return_sequences", return_sequences,
       {.help = "outputs at every step, not at the last", .authors_name = "return_sequences"});
  list("mode", mode,
       {.help = "how the memory is computed; auto takes the fastest that fits",
        .one_of = {"auto", "recurrent", "fft", "convolution", "chunked", "final_state"},
        .authors_name = "conv_mode"});
  list("truncate_ir", truncate_ir,
       {.help = "cut the impulse response where the rest sums to less (convolution); none is exact",
        .min = 0,
        .authors_name = "truncate_ir"});
  list("num_classes", num_classes, {.help = "outputs of a classifier", .min = 1});
  list("output_dim", output_dim,
       {.help = "outputs of a regression", .min = 1, .authors_name = "nout"});
  list("num_layers", num_layers, {.help = "layers", .min = 1});
  list("init", init,
       {.help = "psmnist: the 2019 start for pixels (e_x 1, W_x = W_h = 0)",
        .one_of = {"default", "psmnist", "uniform_hidden"}});
  list("vocab_size", vocab_size, {.help = "tokens; x is then int64", .min = 1});
  list("pad_id", pad_id, {.help = "token whose vector is zero and gets no gradient", .min = 0});
  list("embed_dim", embed_dim, {.help = "width of a token's vector", .min = 1});
  list("freeze_embedding", freeze_embedding, {.help = "keep word vectors as they are loaded"});
  list(
      "dense_dim", dense_dim,
      {.help = "width of a dense layer before the head; 0 for none (language: of the blocks' dense "
               "layers; 0 for four times hidden_dim)",
       .min = 0});
}

void LmuConfig::choose_defaults(const Json& given) {
  const auto it = given.find("variant");
  // A wrong type or word is refused where the key itself is read.
  if (it != given.end() && it->is_string()) variant = it->get<std::string>();
  if (variant == "parallel") return;
  hidden_activation = "tanh";
  encoder_activation = "linear";
  use_bias = false;
  if (variant == "general") {
    hidden_cell = "rnn";
    input_to_hidden = false;
  }
}

bool LmuConfig::is_feedforward() const {
  if (variant == "parallel") return true;
  return variant == "general" && !hidden_to_memory && !memory_to_memory && !trainable_theta;
}

void LmuConfig::validate() const {
  if (!std::isfinite(theta)) refuse("theta must be finite", shortest(theta), "", "T-LMU-01");
  if (dropout >= 1 || recurrent_dropout >= 1) {
    refuse("a dropout must be below 1", shortest(std::max(dropout, recurrent_dropout)), "",
           "T-LMU-02");
  }
  if (num_classes && output_dim) {
    refuse("a head is a classifier or a regression, not both: num_classes or output_dim",
           std::to_string(*num_classes) + " and " + std::to_string(*output_dim), "Remove one.",
           "T-LMU-03");
  }
  if (vocab_size && pad_id && *pad_id >= *vocab_size) {
    refuse("pad_id must be below vocab_size = " + std::to_string(*vocab_size),
           std::to_string(*pad_id), "", "T-LMU-19");
  }
  if (architecture == "language") {
    if (!vocab_size || hidden_dim < 1 || variant != "parallel") {
      refuse("architecture language needs vocab_size, hidden_dim and variant parallel",
             vocab_size ? "hidden_dim " + std::to_string(hidden_dim) + ", variant " + variant
                        : "no vocab_size",
             "Set them in [model].", "T-LMU-25");
    }
    if (mode == "final_state") {
      refuse("architecture language predicts at every step", "mode final_state", "Use mode auto.",
             "T-LMU-26");
    }
  }
  if (architecture != "lmu" && architecture != "hybrid") return;
  const bool is_original = variant == "original" || variant == "original_gating";
  if (is_original && memory_dim != 1) {
    refuse("the original cells have one delay system: memory_dim must be 1",
           std::to_string(memory_dim), "Use variant general or parallel.", "T-LMU-04");
  }
  const bool has_hidden = is_original || hidden_cell != "none";
  if (has_hidden && hidden_dim < 1) {
    refuse("hidden_dim must be at least 1", std::to_string(hidden_dim),
           "0 is for hidden_cell none, which the original cells do not have.", "T-LMU-05");
  }
  if (variant == "general" && hidden_to_memory && hidden_cell == "none") {
    refuse("hidden_to_memory needs a hidden cell", "hidden_cell none",
           "Set model.hidden_cell or model.hidden_to_memory=false.", "T-LMU-06");
  }
  if (variant == "general" && !input_kernel) {
    const int64_t width =
        (vocab_size ? embed_dim : input_dim) + (hidden_to_memory ? hidden_dim : 0);
    if (width != memory_dim) {
      refuse("without an input kernel memory_dim must be the width of what is remembered",
             std::to_string(memory_dim) + " and " + std::to_string(width), "", "T-LMU-07");
    }
  }
  const bool is_parallel_mode = mode != "auto" && mode != "recurrent";
  if (is_parallel_mode && (is_original || !(is_feedforward() || trainable_theta) ||
                           hidden_to_memory || memory_to_memory)) {
    refuse("mode " + mode + " needs a memory without feedback",
           is_original ? "variant " + variant : "hidden_to_memory or memory_to_memory",
           "Use mode recurrent.", "T-LMU-08");
  }
  if (mode == "final_state" && return_sequences) {
    refuse("mode final_state gives the last step only", "return_sequences true", "Use mode auto.",
           "T-LMU-09");
  }
  if (truncate_ir && *truncate_ir > 0 && mode != "convolution") {
    refuse("truncate_ir is for mode convolution", "mode " + mode, "", "T-LMU-10");
  }
}

}  // namespace tessera::lmu
