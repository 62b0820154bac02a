#include "tessera/systems/ugs/case_forward.h"
#include "tessera/data/planetoid.h"

#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include "tessera/core/error.h"
#include "tessera/core/paths.h"

namespace tessera::ugs {
namespace {

at::Tensor leaf(const at::Tensor& tensor) {
  const at::Tensor copy = tensor.detach().clone();
  return copy.is_floating_point() ? copy.requires_grad_() : copy;
}

at::ScalarType dtype_of(const TensorMap& inputs) {
  for (const auto& [name, tensor] : inputs) {
    if (tensor.is_floating_point()) return tensor.scalar_type();
  }
  return at::kFloat;
}

/// The inputs of the model: those of the case, with the citation graph that its config names.
TensorMap model_inputs(const UgsConfig& config, const TensorMap& inputs, at::ScalarType dtype) {
  TensorMap given;
  for (const auto& [name, tensor] : inputs) {
    if (name.find('/') == std::string::npos && name != "adj") given.set(name, leaf(tensor));
  }
  if (config.dataset.empty() || given.contains("x")) return given;
  const data::GraphData graph = data::load_planetoid(config.dataset, default_data_root());
  const at::Tensor x =
      config.row_normalize_features ? data::row_normalized(graph.features) : graph.features;
  given.set("x", x.to(dtype));
  if (!given.contains("edge_index")) given.set("edge_index", graph.edges);
  if (!given.contains("labels")) given.set("labels", graph.labels);
  if (!given.contains("train_idx")) given.set("train_idx", graph.train);
  return given;
}

/// An edge mask that is a weight of the case, as a vector in the order of the edges.
at::Tensor edge_vector(const at::Tensor& weight, const at::Tensor& edges) {
  const bool is_dense = weight.dim() == 2 && weight.size(1) > 1;
  return (is_dense ? weight.index({edges[0], edges[1]}) : weight).reshape({-1});
}

at::Tensor scalar_of(const TensorMap& outputs, const TensorMap& cotangents) {
  if (cotangents.empty()) return outputs.get("loss");
  at::Tensor sum;
  for (const auto& [name, cotangent] : cotangents) {
    const at::Tensor& output = outputs.at(name);
    if (output.sizes() != cotangent.sizes()) {
      fail<InvalidArgument>(
          {.where = "ugs",
           .rule = "cotangent/" + name + " has the output's shape " + c10::str(output.sizes()),
           .got = c10::str(cotangent.sizes()),
           .id = "T-UGS-32"});
    }
    if (!output.requires_grad()) continue;
    const at::Tensor term = (output * cotangent.detach()).sum();
    sum = sum.defined() ? sum + term : term;
  }
  return sum;
}

}  // namespace

std::shared_ptr<UgsModel> case_model(const UgsConfig& config, const TensorMap& weights,
                                     at::ScalarType dtype) {
  auto model = std::make_shared<UgsModel>(config);
  model->to(dtype);
  model->set_draws_noise(false);
  const TensorMap own = weights_of(*model);
  TensorMap fitting;
  for (const auto& [name, tensor] : own) {
    if (const at::Tensor* given = weights.find(name)) {
      fitting.set(name, *given);
      continue;
    }
    for (const char* suffix : {"_orig_weight", "_mask_train", "_mask_fixed"}) {
      if (!name.ends_with(std::string("weight") + suffix)) continue;
      const std::string plain = name.substr(0, name.size() - std::string(suffix).size());
      const at::Tensor* whole = weights.find(plain);
      const bool is_weight = name.ends_with("_orig_weight");
      // A trace starts from weights alone.
      const bool has_weight = whole || weights.contains(plain + "_orig_weight");
      if (is_weight ? whole != nullptr : has_weight) {
        fitting.set(name, is_weight ? *whole : at::ones_like(tensor));
      }
    }
  }
  load_weights(*model, fitting);
  return model;
}

std::string case_name(const std::string& own, const TensorMap& weights) {
  for (const std::string suffix : {"_orig_weight", "_mask_train"}) {
    if (!own.ends_with("weight" + suffix) || weights.contains(own)) continue;
    const std::string plain = own.substr(0, own.size() - suffix.size());
    if (weights.contains(plain)) return suffix == "_orig_weight" ? plain : "";
  }
  return own;
}

TensorMap run_forward_case(const Json& values, const TensorMap& inputs) {
  const UgsConfig config = UgsConfig::of(values);
  const at::ScalarType dtype = dtype_of(inputs);
  TensorMap weights = inputs.with_prefix("weight/");
  weights.merge(inputs.with_prefix("buffer/"));
  const std::shared_ptr<UgsModel> model = case_model(config, weights, dtype);
  TensorMap given = model_inputs(config, inputs, dtype);

  const at::Tensor& edges = given.at("edge_index");
  const std::string prefix = config.is_link_prediction() ? "gcn." : "";
  const at::Tensor* soft = weights.find(prefix + edge_soft_name(config));
  const at::Tensor* hard = weights.find(prefix + edge_hard_name(config));
  if (!given.contains("edge_mask_train")) {
    given.set("edge_mask_train",
              leaf(soft ? edge_vector(*soft, edges) : at::ones({edges.size(1)}, dtype)));
  }
  if (!given.contains("edge_mask_fixed") && hard) {
    given.set("edge_mask_fixed", edge_vector(*hard, edges));
  }

  const TensorMap outputs = model->run(given);
  TensorMap result = outputs;
  TensorMap leaves;
  for (const auto& item : model->named_parameters()) {
    const std::string name = case_name(item.key(), weights);
    if (!name.empty()) leaves.set("grad/" + name, item.value());
  }
  for (const auto& [name, tensor] : given) leaves.set("grad_input/" + name, tensor);
  const at::Tensor scalar = scalar_of(outputs, inputs.with_prefix("cotangent/"));
  std::vector<std::string> names;
  std::vector<at::Tensor> wanted;
  for (const auto& [name, tensor] : leaves) {
    if (!tensor.requires_grad() || !tensor.is_leaf()) continue;
    names.push_back(name);
    wanted.push_back(tensor);
  }
  if (!scalar.defined() || !scalar.requires_grad()) return result;
  const auto found = torch::autograd::grad({scalar}, wanted, {}, false, false, true);
  for (size_t i = 0; i < names.size(); ++i) {
    if (found[i].defined()) result.set(names[i], found[i]);
  }
  if (const at::Tensor* by_edge = result.find("grad_input/edge_mask_train"); by_edge && soft) {
    at::Tensor by_weight = at::zeros_like(*soft);
    if (soft->dim() == 2 && soft->size(1) > 1) {
      by_weight.index_put_({edges[0], edges[1]}, by_edge->reshape({-1}));
    } else {
      by_weight = by_edge->reshape(soft->sizes());
    }
    result.set("grad/" + prefix + edge_soft_name(config), by_weight);
  }
  return result;
}

}  // namespace tessera::ugs
