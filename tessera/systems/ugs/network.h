#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <vector>

#include "tessera/systems/ugs/config.h"
#include "tessera/systems/ugs/graph.h"
#include "tessera/systems/ugs/masks.h"

namespace tessera::ugs {

/// A graph network over masked edges. Modules and weights have the authors' names.
class Network : public torch::nn::Module {
 public:
  /// mask: (E), soft times hard. hard: (E) of 0 and 1, which says what "remove" takes out.
  /// returns (N, classes), before any softmax; ResGCN's are log-probabilities.
  virtual at::Tensor forward(const Features& x, const Graph& graph, const at::Tensor& mask,
                             const at::Tensor& hard, bool drops) = 0;

  /// Every masked weight, in module order.
  const std::vector<MaskedWeight>& masked_weights() const { return masked_; }
  /// Multiplications of the weight products with these hard masks: Σ N·nnz.
  int64_t macs(int64_t num_nodes) const;
  /// Widths at which the graph is propagated, for full_macs.
  virtual std::vector<int64_t> propagated_widths() const = 0;

 protected:
  MaskedWeight add_weight(const std::string& path, int64_t out, int64_t in, bool is_masked = true);

 private:
  std::vector<MaskedWeight> masked_, all_;
};

std::shared_ptr<Network> make_network(const UgsConfig& config);
std::shared_ptr<Network> make_res_gcn(const UgsConfig& config);

/// The names that the authors give to the edges' masks.
std::string edge_soft_name(const UgsConfig& config);  ///< "adj_mask1_train"
std::string edge_hard_name(const UgsConfig& config);  ///< "adj_mask2_fixed"

/// x with a share of its entries set to 0 and the others scaled up; x itself where nothing drops.
at::Tensor dropped(const at::Tensor& x, double share, bool drops);
/// The same of relu(x), in one pass. Draws its seed from the default generator.
at::Tensor relu_dropped(const at::Tensor& x, double share, bool drops);

}  // namespace tessera::ugs
