#include "tessera/train/ema.h"

#include <ATen/ATen.h>

namespace tessera::train {

Ema::Ema(NamedParameters parameters, double decay) : decay_(decay) {
  for (auto& [name, parameter] : parameters) {
    names_.push_back(name);
    parameters_.push_back(parameter.detach());
    averages_.push_back(parameter.detach().clone());
  }
}

void Ema::update() { at::_foreach_lerp_(averages_, parameters_, 1 - decay_); }

void Ema::swap() {
  for (size_t i = 0; i < names_.size(); ++i) {
    const at::Tensor kept = averages_[i].clone();
    averages_[i].copy_(parameters_[i]);
    parameters_[i].copy_(kept);
  }
}

TensorMap Ema::state() const {
  TensorMap state;
  for (size_t i = 0; i < names_.size(); ++i) state.set(names_[i], averages_[i]);
  return state;
}

void Ema::restore(const TensorMap& state) {
  for (size_t i = 0; i < names_.size(); ++i) averages_[i].copy_(state.at(names_[i]));
}

}  // namespace tessera::train
