#pragma once

#include <ATen/core/Tensor.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tessera {

/// Ordered name → tensor: the one type at every generic boundary (a batch, a model's inputs and
/// outputs, weights, a case file, a prediction file). Iterates in the order of insertion.
class TensorMap {
 public:
  using Entry = std::pair<std::string, at::Tensor>;
  using const_iterator = std::vector<Entry>::const_iterator;

  TensorMap() = default;
  TensorMap(std::initializer_list<Entry> entries);

  /// Adds an entry, or replaces the tensor of an existing one in its place.
  void set(std::string name, at::Tensor tensor);
  /// Adds every entry of `other`, replacing those of the same name.
  void merge(const TensorMap& other);
  /// Removes an entry; false if there was none.
  bool erase(std::string_view name);

  bool contains(std::string_view name) const { return find(name) != nullptr; }
  /// The tensor, or nullptr.
  const at::Tensor* find(std::string_view name) const;
  /// The tensor; throws InvalidArgument naming the entry and the nearest existing one.
  const at::Tensor& at(std::string_view name) const;
  /// The tensor, or an undefined one.
  at::Tensor get(std::string_view name) const;

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  const_iterator begin() const { return entries_.begin(); }
  const_iterator end() const { return entries_.end(); }
  std::vector<std::string> names() const;

  /// The entries whose name starts with `prefix`, without it: with_prefix("weight/").
  TensorMap with_prefix(std::string_view prefix) const;
  /// Every entry renamed to prefix + name.
  TensorMap prefixed(std::string_view prefix) const;
  /// Floating tensors cast to `dtype`, all moved to `device`; integers and bools keep their dtype.
  TensorMap to(at::Device device, at::ScalarType dtype) const;

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace tessera
