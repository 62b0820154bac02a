#include <ATen/ATen.h>
#include <fmt/format.h>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/io/tensor_file.h"
#include "tessera/nn/convnet/mergeable.h"

namespace tessera::cli {
namespace {

/// Largest difference of the model's and the network's outputs, over the largest output.
double difference(Model& model, const nn::WeightedNetwork& plain) {
  const at::NoGradGuard no_grad;
  const nn::Shape& in = plain.network.input;
  const at::TensorOptions like = plain.weights.begin()->second.options();
  const at::Tensor x = at::randn({2, in.channels, in.height, in.width}, like);
  const TensorMap outputs = model.run({{"x", x}});
  const at::Tensor* theirs = outputs.find("logits");
  if (!theirs) theirs = &outputs.at("features");
  const at::Tensor ours = nn::evaluate(plain.network, plain.weights, x);
  return ((ours - *theirs).abs().max() / theirs->abs().max().clamp_min(1e-12)).item<double>();
}

}  // namespace

int zoo_merge(const Arguments& arguments) {
  const Trained trained = open_trained(arguments);
  const auto* mergeable = dynamic_cast<const nn::Mergeable*>(trained.model.get());
  if (!mergeable) {
    fail<Unsupported>({.where = "zoo merge",
                       .rule = trained.recipe.name + " trains a model that merges",
                       .got = "one of " + trained.recipe.system->name + " that does not",
                       .next = "Train with model.method = \"zoo\" and model.lite = true.",
                       .id = "T-CLI-20"});
  }
  const nn::WeightedNetwork plain = mergeable->merged();
  const std::string& out = arguments.positional().at(1);
  io::write_tensor_file(out, plain.weights,
                        {{"network", nn::to_json(plain.network).dump()},
                         {"recipe", trained.recipe.name},
                         {"system", trained.recipe.system->name}});
  int64_t parameters = 0;
  for (const nn::WeightSpec& spec : nn::weight_specs(plain.network)) {
    if (!spec.is_buffer) parameters += plain.weights.at(spec.name).numel();
  }
  line(
      "{}: {} as a plain network, {} parameters instead of {}; outputs differ by {:.1e} of the "
      "largest",
      out, plain.network.name, parameters,
      [&] {
        int64_t count = 0;
        for (const at::Tensor& tensor : trained.model->parameters()) count += tensor.numel();
        return count;
      }(),
      difference(*trained.model, plain));
  return 0;
}

}  // namespace tessera::cli
