#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tessera/systems/phased.h"
#include "tessera/systems/ugs/model.h"

namespace tessera::ugs {

/// Where a search stands after so many updates (full batch: epochs).
struct Place {
  int64_t round = 0, epoch = 0;  ///< epoch of the phase
  bool trains_masks = false;     ///< else retrains
  int64_t phase_epochs = 0;
};

/// A model that is trained by a schedule of rounds, one update an epoch:
///   ugs       masks and weights with L1 on the masks; the masks of the best validation epoch are
///             pruned; then the weights go back to their first values and are retrained
///   random    as many edges and weights are pruned at random, fresh in each round; retrained
///   one_shot  round 0 trains the whole network; round k rewinds and retrains what the largest of
///             its trained weights leave, all edges kept
///   dense     nothing is pruned
/// At the end of a round the weights are those of the best validation epoch: the ticket. The whole
/// state is in parameters and buffers, so that a checkpoint continues it.
class SearchModel final : public UgsModel, public Phased {
 public:
  explicit SearchModel(const UgsConfig& config);

  /// Inputs as UgsModel::run, and val_idx, test_idx (or val_positive, val_negative, test_positive,
  /// test_negative). In evaluation mode also search/* (0-d): round, edges_left and weights_left in
  /// percent, macs in millions, validation and test of the last ticket.
  TensorMap run(const TensorMap& inputs) override;
  void constrain() override;
  bool is_derived(const std::string& buffer) const override;
  bool ends_phase() const override { return ends_phase_; }

  Place place(int64_t updates) const;
  int64_t updates() const;

 protected:
  bool drops() const override;

 private:
  void begin_phase(const Place& place);
  void begin_masks(int64_t round);
  void begin_retraining(int64_t round);
  void keep_masks();
  void copy_weights(const TensorMap& from);
  void store(const std::string& prefix, const TensorMap& tensors);
  TensorMap stored(const std::string& prefix) const;
  TensorMap trained() const;  ///< weights and statistics that a rewind restores
  double score(const at::Tensor& out, const std::string& split) const;
  double scalar(const char* name) const;
  void set_scalar(const char* name, double value);
  void report(TensorMap& outputs) const;

  /// A forward with what it was computed from.
  struct Ahead {
    TensorMap outputs;
    std::vector<std::pair<const void*, int64_t>> state;  ///< memory and version of every tensor
  };
  bool can_run_ahead(const Place& at) const;
  std::vector<std::pair<const void*, int64_t>> state_of();
  /// Outputs of a training forward of `inputs` that was run ahead; empty where anything changed.
  TensorMap take_ahead(const TensorMap& inputs);

  TensorMap batch_;  ///< of the last training forward
  /// The evaluation after an update, where the next update's forward is the same.
  Ahead ahead_;
  bool is_ahead_ = false;  ///< such a forward is on its way
  bool ends_phase_ = false;
};

/// UgsModel, or SearchModel where the configuration has a search.
std::shared_ptr<UgsModel> make_model(const UgsConfig& config);

}  // namespace tessera::ugs
