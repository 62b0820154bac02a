#include "tessera/train/precision.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include "tessera/train/recipe.h"

namespace tessera::train {
namespace {

class AutocastGuard {
 public:
  explicit AutocastGuard(at::DeviceType device) : device_(device) {
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
    at::autocast::increment_nesting();
  }
  ~AutocastGuard() {
    // The cache holds casts of parameters that an optimizer may be about to change.
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
  }
  AutocastGuard(const AutocastGuard&) = delete;
  AutocastGuard& operator=(const AutocastGuard&) = delete;

 private:
  at::DeviceType device_;
};

template <class Pass>
TensorMap in_precision(const RunConfig& run, const Pass& pass) {
  if (run.dtype != "bfloat16") return pass();
  const at::Device device = device_of(run);
  TensorMap outputs;
  {
    const AutocastGuard guard(device.type());
    outputs = pass();
  }
  return outputs.to(device, at::kFloat);
}

}  // namespace

TensorMap forward(Model& model, const TensorMap& inputs, const RunConfig& run) {
  return in_precision(run, [&] { return model.run(inputs); });
}

TensorMap predict(Model& model, const TensorMap& inputs, const RunConfig& run) {
  const at::NoGradGuard no_grad;
  const TensorMap cast = inputs.to(device_of(run), dtype_of(run));
  return in_precision(run, [&] { return model.predict(cast); });
}

}  // namespace tessera::train
