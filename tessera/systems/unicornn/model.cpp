#include "tessera/systems/unicornn/model.h"

#include "tessera/systems/sequence_model.h"
#include "tessera/systems/unicornn/network.h"

namespace tessera::unicornn {

std::shared_ptr<Model> make_model(const UnicornnConfig& config) {
  config.validate();
  if (config.scope == "recurrence") return std::make_shared<Recurrence>(config);
  if (config.architecture == "unicornn") return std::make_shared<Unicornn>(config);
  return std::make_shared<SequenceBaselineModel>(
      nn::SequenceBaselineOptions{.kind = config.architecture,
                                  .input_dim = config.input_dim,
                                  .hidden_dim = config.hidden_dim,
                                  .num_layers = config.num_layers,
                                  .output_dim = config.num_classes,
                                  .vocab_size = config.vocab_size,
                                  .embed_dim = config.embed_dim,
                                  .dropout = config.dropout,
                                  .dt = config.steps().front(),
                                  .gamma = config.gamma,
                                  .epsilon = config.epsilon},
      config.batch_first);
}

}  // namespace tessera::unicornn
