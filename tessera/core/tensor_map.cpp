#include "tessera/core/tensor_map.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera {

TensorMap::TensorMap(std::initializer_list<Entry> entries) {
  for (const Entry& entry : entries) set(entry.first, entry.second);
}

void TensorMap::set(std::string name, at::Tensor tensor) {
  const auto [it, is_new] = index_.try_emplace(name, entries_.size());
  if (is_new) {
    entries_.emplace_back(std::move(name), std::move(tensor));
  } else {
    entries_[it->second].second = std::move(tensor);
  }
}

void TensorMap::merge(const TensorMap& other) {
  for (const auto& [name, tensor] : other) set(name, tensor);
}

bool TensorMap::erase(std::string_view name) {
  const auto it = index_.find(std::string(name));
  if (it == index_.end()) return false;
  const size_t gone = it->second;
  index_.erase(it);
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(gone));
  for (auto& [key, position] : index_) {
    if (position > gone) --position;
  }
  return true;
}

const at::Tensor* TensorMap::find(std::string_view name) const {
  const auto it = index_.find(std::string(name));
  return it == index_.end() ? nullptr : &entries_[it->second].second;
}

const at::Tensor& TensorMap::at(std::string_view name) const {
  if (const at::Tensor* tensor = find(name)) return *tensor;
  fail<InvalidArgument>({.where = "tensors",
                         .rule = "no tensor named \"" + std::string(name) + "\"",
                         .next = did_you_mean(name, names()),
                         .id = "T-MAP-01"});
}

at::Tensor TensorMap::get(std::string_view name) const {
  const at::Tensor* tensor = find(name);
  return tensor ? *tensor : at::Tensor();
}

std::vector<std::string> TensorMap::names() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const Entry& entry : entries_) names.push_back(entry.first);
  return names;
}

TensorMap TensorMap::with_prefix(std::string_view prefix) const {
  TensorMap found;
  for (const auto& [name, tensor] : entries_) {
    if (name.starts_with(prefix)) found.set(name.substr(prefix.size()), tensor);
  }
  return found;
}

TensorMap TensorMap::prefixed(std::string_view prefix) const {
  TensorMap renamed;
  for (const auto& [name, tensor] : entries_) renamed.set(std::string(prefix) + name, tensor);
  return renamed;
}

TensorMap TensorMap::to(at::Device device, at::ScalarType dtype) const {
  TensorMap moved;
  for (const auto& [name, tensor] : entries_) {
    moved.set(name, tensor.to(device, tensor.is_floating_point() ? dtype : tensor.scalar_type()));
  }
  return moved;
}

}  // namespace tessera
