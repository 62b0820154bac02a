#include "tessera/systems/lmu/weights.h"

#include <ATen/ATen.h>

#include <set>
#include <string>
#include <vector>

#include "tessera/systems/lmu/state_space.h"

namespace tessera::lmu {
namespace {

enum class Change {
  kNone,
  kTranspose,
  kRow,           ///< theirs (1, n), ours (n)
  kPlusIdentity,  ///< theirs Aᵀ − I, ours A
};

struct Entry {
  std::string theirs, ours;
  Change change = Change::kNone;
};

/// Names within one layer.
std::vector<Entry> layer_entries(const LmuConfig& config) {
  if (config.variant == "general") {
    return {{"kernel", "kernel"},
            {"bias", "bias"},
            {"recurrent_kernel", "recurrent_kernel"},
            {"theta_inv", "theta_inv"},
            {"hidden_cell/kernel", "hidden_cell.kernel"},
            {"hidden_cell/recurrent_kernel", "hidden_cell.recurrent_kernel"},
            {"hidden_cell/bias", "hidden_cell.bias"}};
  }
  if (config.variant == "parallel") {
    return {{"W_u.weight", "W_u.weight"},
            {"W_u.bias", "W_u.bias"},
            {"W_h.weight", "W_h.weight"},
            {"W_h.bias", "W_h.bias"}};
  }
  if (config.layout == "keras2019") {
    return {{"input_encoders", "cell.e_x", Change::kTranspose},
            {"hidden_encoders", "cell.e_h", Change::kTranspose},
            {"memory_encoders", "cell.e_m", Change::kTranspose},
            {"input_kernel", "cell.W_x", Change::kTranspose},
            {"hidden_kernel", "cell.W_h", Change::kTranspose},
            {"memory_kernel", "cell.W_m", Change::kTranspose},
            {"bias", "cell.b", Change::kRow},
            {"forget_input_kernel", "cell.W_fx", Change::kTranspose},
            {"forget_hidden_kernel", "cell.W_fh", Change::kTranspose},
            {"forget_bias", "cell.b_f", Change::kRow},
            {"AT", "cell.A", Change::kPlusIdentity},
            {"BT", "cell.B", Change::kTranspose}};
  }
  std::vector<Entry> entries;
  for (const char* name :
       {"e_x", "e_h", "e_m", "W_x", "W_h", "W_m", "b", "W_fx", "W_fh", "b_f", "A", "B"}) {
    entries.push_back({std::string("cell.") + name, std::string("cell.") + name});
  }
  return entries;
}

bool is_keras(const LmuConfig& config) {
  return config.layout == "keras2019" || config.variant == "general";
}

/// What stands before a layer's names in the source.
std::string layer_prefix(const LmuConfig& config, int64_t layer) {
  if (config.num_layers > 1) {
    return is_keras(config) ? "rnn_" + std::to_string(layer + 1) + "/"
                            : "layers." + std::to_string(layer) + ".";
  }
  if (is_keras(config) || !config.head_dim()) return "";
  return config.variant == "parallel" ? "lmu_fft." : "lmu.";
}

std::vector<Entry> all_entries(const LmuConfig& config) {
  std::vector<Entry> entries;
  for (int64_t l = 0; l < config.num_layers; ++l) {
    const std::string ours = "layers." + std::to_string(l) + ".";
    for (const Entry& entry : layer_entries(config)) {
      entries.push_back({layer_prefix(config, l) + entry.theirs, ours + entry.ours, entry.change});
    }
  }
  if (is_keras(config)) {
    entries.push_back({"dense/kernel", "classifier.weight", Change::kTranspose});
    entries.push_back({"dense/bias", "classifier.bias"});
  }
  return entries;
}

at::Tensor apply(const at::Tensor& tensor, Change change, bool to_ours) {
  switch (change) {
    case Change::kNone:
      return tensor;
    case Change::kTranspose:
      return tensor.t().contiguous();
    case Change::kRow:
      return to_ours ? tensor.reshape({-1}) : tensor.reshape({1, -1});
    case Change::kPlusIdentity: {
      const at::Tensor turned = tensor.t().contiguous();
      const at::Tensor eye = at::eye(turned.size(0), turned.options());
      return to_ours ? turned + eye : turned - eye;
    }
  }
  return tensor;
}

/// Buffers of the sources that follow from the configuration.
bool is_derived(const std::string& name) {
  // The 2019 file for pixels also holds their order, which is the task's.
  static const std::set<std::string> kNames = {
      "A", "B", "H", "fft_H", "A_T", "B_T", "impulse_response", "permutation"};
  for (const char* prefix : {"lmu_fft.", "lmu."}) {
    if (name.starts_with(prefix) && kNames.contains(name.substr(std::string(prefix).size()))) {
      return true;
    }
  }
  return kNames.contains(name);
}

/// A and B of the layers that come without them: where they do not learn, the configuration says
/// them, and in double, which the model's own start, in float, is not.
void add_system(TensorMap& ours, const LmuConfig& config) {
  if (config.architecture != "lmu") return;
  const StateSpace system =
      discretise(delay_system(config.order), 1 / config.theta, discretizer_of(config.discretizer));
  for (int64_t l = 0; l < config.num_layers; ++l) {
    const std::string cell = "layers." + std::to_string(l) + ".cell.";
    if (!ours.contains(cell + "W_m")) continue;
    if (!config.learn_a && !ours.contains(cell + "A")) ours.set(cell + "A", system.A);
    if (!config.learn_b && !ours.contains(cell + "B")) ours.set(cell + "B", system.B.unsqueeze(1));
  }
}

}  // namespace

TensorMap from_authors(const TensorMap& theirs, const LmuConfig& config) {
  const std::vector<Entry> entries = all_entries(config);
  TensorMap ours;
  for (const auto& [name, tensor] : theirs) {
    if (is_derived(name)) continue;
    const auto it = std::find_if(entries.begin(), entries.end(),
                                 [&](const Entry& entry) { return entry.theirs == name; });
    if (it == entries.end()) {
      ours.set(name, tensor);
    } else {
      ours.set(it->ours, apply(tensor, it->change, /*to_ours=*/true));
    }
  }
  if (config.variant == "original" || config.variant == "original_gating") {
    add_system(ours, config);
  }
  return ours;
}

TensorMap to_authors(const TensorMap& ours, const LmuConfig& config) {
  const std::vector<Entry> entries = all_entries(config);
  TensorMap theirs;
  for (const auto& [name, tensor] : ours) {
    const auto it = std::find_if(entries.begin(), entries.end(),
                                 [&](const Entry& entry) { return entry.ours == name; });
    if (it == entries.end()) {
      theirs.set(name, tensor);
    } else {
      // A never learns in this layout: what comes here is a state, not a gradient.
      theirs.set(it->theirs, apply(tensor, it->change, /*to_ours=*/false));
    }
  }
  return theirs;
}

}  // namespace tessera::lmu
