#include "tessera/systems/zoo_tuning/procedures.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"
#include "tessera/systems/zoo_tuning/model.h"
#include "tessera/systems/zoo_tuning/zoo.h"

namespace tessera::zoo_tuning {
namespace {

/// source0.*, source1.*, …: as many as the inputs hold.
std::vector<TensorMap> sources_among(const TensorMap& inputs) {
  std::vector<TensorMap> sources;
  for (;;) {
    TensorMap source = inputs.with_prefix("source" + std::to_string(sources.size()) + ".");
    if (source.empty()) return sources;
    sources.push_back(std::move(source));
  }
}

/// Counters of batches, where the sources have them: their mean as an integer.
TensorMap counters_of(const std::vector<TensorMap>& sources) {
  TensorMap counters;
  for (const auto& [name, first] : sources.front()) {
    if (!name.ends_with("num_batches_tracked")) continue;
    std::vector<at::Tensor> each;
    for (const TensorMap& source : sources) each.push_back(source.at(name).to(at::kDouble));
    counters.set(name, at::stack(each).mean(0).to(at::kLong));
  }
  return counters;
}

/// Every tensor of the model that a zoo makes, and its features of x in evaluation. Gates, and
/// whatever else `weight/*` and `buffer/*` give, are taken from there.
TensorMap build_zoo_model(const Json& config, const TensorMap& inputs) {
  Json values = config;
  values.erase("num_classes");
  const ZooConfig zoo = ZooConfig::of(values);
  std::vector<TensorMap> sources = sources_among(inputs);
  if (static_cast<int64_t>(sources.size()) != zoo.num_sources) {
    fail<InvalidArgument>({.where = "build_zoo_model",
                           .rule = "there are the sources source0.* to source" +
                                   std::to_string(zoo.num_sources - 1) + ".*",
                           .got = std::to_string(sources.size()),
                           .id = "T-ZOO-30"});
  }
  const TensorMap counters = counters_of(sources);
  for (TensorMap& source : sources) source = from_authors(source);
  const auto model = std::make_shared<ZooModel>(zoo);
  TensorMap weights = weights_of(*model);
  weights.merge(weights_from_zoo(model->net().network(), sources));
  for (const char* prefix : {"weight/", "buffer/"}) {
    weights.merge(from_authors(inputs.with_prefix(prefix)));
  }
  model->to(sources.front().begin()->second.scalar_type());
  load_weights(*model, weights);
  model->eval();
  TensorMap outputs = weights_of(*model);
  outputs.merge(counters);
  if (const at::Tensor* x = inputs.find("x")) {
    const at::NoGradGuard no_grad;
    outputs.merge(model->run({{"x", *x}}));
  }
  return outputs;
}

}  // namespace

std::vector<Procedure> procedures() {
  return {{.name = "build_zoo_model",
           .summary = "the model that several trained ones make, and its features",
           .run = build_zoo_model}};
}

}  // namespace tessera::zoo_tuning
