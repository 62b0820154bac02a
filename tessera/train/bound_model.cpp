// torch.classes.tessera.Model: the model of any system, for Python. The module of the Python
// package (python/tessera/model.py) gives it a face; names of weights are those of checkpoints.

#include <ATen/ATen.h>
#include <torch/custom_class.h>

#include <string>

#include "tessera/core/error.h"
#include "tessera/io/tensor_file.h"
#include "tessera/systems/system.h"
#include "tessera/train/trainer.h"

namespace tessera::train {
namespace {

using Tensors = c10::Dict<std::string, at::Tensor>;

TensorMap from_python(const Tensors& tensors) {
  TensorMap map;
  for (const auto& entry : tensors) map.set(entry.key(), entry.value());
  return map;
}

Tensors to_python(const TensorMap& map) {
  Tensors tensors;
  for (const auto& [name, tensor] : map) {
    if (tensor.defined()) tensors.insert(name, tensor);
  }
  return tensors;
}

/// The tensors themselves, not detached: Python trains what C++ computes with.
template <class List>
Tensors as_they_are(const List& list) {
  Tensors tensors;
  for (const auto& item : list) tensors.insert(item.key(), item.value());
  return tensors;
}

Json parse_object(const std::string& text) {
  Json values = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!values.is_object()) {
    fail<InvalidArgument>({.where = "model",
                           .rule = "a configuration is a JSON object",
                           .got = text.substr(0, 60),
                           .id = "T-PY-01"});
  }
  return values;
}

class BoundModel final : public torch::CustomClassHolder {
 public:
  BoundModel(const std::string& system, const std::string& config)
      : system_(&systems().at(system)), config_(system_->model.config()) {
    read_config(*config_, parse_object(config), "model");
    model_ = system_->model.make(*config_);
  }
  /// Of a run folder: its best weights, in evaluation mode.
  explicit BoundModel(const std::string& run_folder) {
    Recipe recipe = load_run_recipe(run_folder);
    model_ = load_run_model(recipe, run_folder);
    system_ = recipe.system;
    config_ = std::move(recipe.model);
  }

  std::string system() const { return system_->name; }
  std::string config() const { return write_config(*config_).dump(); }
  Tensors run(const Tensors& inputs) const { return to_python(model_->run(from_python(inputs))); }
  Tensors predict(const Tensors& inputs) const {
    return to_python(model_->predict(from_python(inputs)));
  }
  Tensors parameters() const { return as_they_are(model_->named_parameters()); }
  Tensors buffers() const { return as_they_are(model_->named_buffers()); }
  void train(bool on) const { model_->train(on); }
  void constrain() const { model_->constrain(); }

  /// Weights in a safetensors file, under our names or the authors'.
  void load(const std::string& path) const {
    TensorMap weights = io::read_tensor_file(path, io::Storage::kCopied).tensors;
    if (system_->from_authors) weights = system_->from_authors(weights, *config_);
    load_weights(*model_, weights);
  }
  void save(const std::string& path) const {
    io::write_tensor_file(path, weights_of(*model_),
                          {{"system", system_->name}, {"config", config()}});
  }

 private:
  const System* system_ = nullptr;
  std::unique_ptr<Config> config_;
  std::shared_ptr<Model> model_;
};

TORCH_LIBRARY_FRAGMENT(tessera, m) {
  m.class_<BoundModel>("Model")
      .def(torch::init<std::string, std::string>())
      .def_static("of_run",
                  [](const std::string& folder) { return c10::make_intrusive<BoundModel>(folder); })
      .def("system", &BoundModel::system)
      .def("config", &BoundModel::config)
      .def("run", &BoundModel::run)
      .def("predict", &BoundModel::predict)
      .def("parameters", &BoundModel::parameters)
      .def("buffers", &BoundModel::buffers)
      .def("train", &BoundModel::train)
      .def("constrain", &BoundModel::constrain)
      .def("load", &BoundModel::load)
      .def("save", &BoundModel::save);
}

}  // namespace
}  // namespace tessera::train
