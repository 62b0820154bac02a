#include "tessera/systems/zoo_tuning/zoo.h"

#include <ATen/ATen.h>

#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/io/tensor_file.h"
#include "tessera/nn/convnet/evaluate.h"
#include "tessera/nn/convnet/names.h"

namespace tessera::zoo_tuning {
namespace {

/// The prefix under which a state dict holds the network: "module.", "backbone.body.", or none.
std::string prefix_of(const TensorMap& source, const std::string& first) {
  if (source.contains(first)) return "";
  const std::string suffix = "." + first;
  for (const auto& [name, tensor] : source) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - first.size());
  }
  return "";
}

/// The tensor `spec` of each source, in order, in one dtype.
std::vector<at::Tensor> tensors_of(const nn::WeightSpec& spec,
                                   const std::vector<TensorMap>& sources,
                                   const std::vector<std::string>& prefixes) {
  std::vector<at::Tensor> tensors;
  for (size_t i = 0; i < sources.size(); ++i) {
    const at::Tensor* tensor = sources[i].find(prefixes[i] + spec.name);
    const auto refuse = [&](const std::string& got, const char* id) {
      fail<InvalidArgument>({.where = "zoo_tuning",
                             .rule = "source " + std::to_string(i) + " has " + spec.name +
                                     " of shape " + c10::str(at::IntArrayRef(spec.shape)) +
                                     " without a NaN",
                             .got = got,
                             .next = "All sources are of the one architecture model.network.",
                             .id = id});
    };
    if (!tensor) refuse("none", "T-ZOO-20");
    if (tensor->sizes() != at::IntArrayRef(spec.shape)) {
      refuse(c10::str(tensor->sizes()), "T-ZOO-21");
    }
    const at::Tensor value = tensor->detach();
    if (!value.is_floating_point() || value.isnan().any().item<bool>()) {
      refuse(value.is_floating_point() ? "a NaN" : "integers", "T-ZOO-22");
    }
    tensors.push_back(tensors.empty() ? value : value.to(tensors.front().scalar_type()));
  }
  return tensors;
}

/// Calls function(spec, tensors of all sources) for every tensor of the network.
template <class Function>
TensorMap for_each_tensor(const nn::Network& features, const std::vector<TensorMap>& sources,
                          const Function& function) {
  if (sources.empty()) {
    fail<InvalidArgument>({.where = "zoo_tuning",
                           .rule = "a zoo has at least one source",
                           .got = "none",
                           .id = "T-ZOO-23"});
  }
  const std::vector<nn::WeightSpec> specs = nn::weight_specs(features);
  std::vector<std::string> prefixes;
  for (const TensorMap& source : sources) prefixes.push_back(prefix_of(source, specs.front().name));
  TensorMap weights;
  for (const nn::WeightSpec& spec : specs) {
    weights.set(spec.name, function(spec, tensors_of(spec, sources, prefixes)));
  }
  return weights;
}

at::Tensor mean_of(const std::vector<at::Tensor>& tensors) { return at::stack(tensors).mean(0); }

}  // namespace

TensorMap weights_from_zoo(const nn::Network& features, const std::vector<TensorMap>& sources) {
  return for_each_tensor(
      features, sources, [&](const nn::WeightSpec& spec, const std::vector<at::Tensor>& tensors) {
        const nn::LayerKind kind = features.layers[spec.layer].kind;
        if (kind == nn::LayerKind::kBatchNorm) {
          if (!spec.is_buffer) return mean_of(tensors);
          return spec.name.ends_with("mean") ? at::zeros_like(tensors.front())
                                             : at::ones_like(tensors.front());
        }
        const at::Tensor stacked = at::stack(tensors);
        // A linear layer is a 1×1 convolution.
        const bool is_matrix = kind == nn::LayerKind::kLinear && stacked.dim() == 3;
        return is_matrix ? stacked.unsqueeze(3).unsqueeze(4) : stacked;
      });
}

TensorMap average_weights(const nn::Network& features, const std::vector<TensorMap>& sources) {
  return for_each_tensor(features, sources,
                         [](const nn::WeightSpec&, const std::vector<at::Tensor>& tensors) {
                           return mean_of(tensors);
                         });
}

TensorMap weights_of_source(const nn::Network& features, const std::vector<TensorMap>& sources,
                            size_t index) {
  return for_each_tensor(features, sources,
                         [&](const nn::WeightSpec&, const std::vector<at::Tensor>& tensors) {
                           return tensors[index];
                         });
}

std::string first_missing(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (!std::filesystem::exists(path)) return path;
  }
  return "";
}

std::vector<TensorMap> read_sources(const std::vector<std::string>& paths) {
  std::vector<TensorMap> sources;
  for (const std::string& path : paths) {
    sources.push_back(
        nn::without_counters(io::read_tensor_file(path, io::Storage::kCopied).tensors));
  }
  return sources;
}

}  // namespace tessera::zoo_tuning
