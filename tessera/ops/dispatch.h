#pragma once

#include <optional>

#include <ATen/core/Tensor.h>
#include <ATen/core/dispatch/Dispatcher.h>

// What the registrations of all operators need.

namespace tessera::ops {

using OptionalTensor = std::optional<at::Tensor>;

/// Absent tensors are undefined inside, empty optionals in schemas.
inline OptionalTensor optional(const at::Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}
inline at::Tensor defined_or_not(const OptionalTensor& tensor) {
  return tensor.value_or(at::Tensor());
}

/// The typed entry of a registered operator. Finding it is slow: keep it in a static.
template <class Signature>
c10::TypedOperatorHandle<Signature> operator_handle(const char* name) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, "").typed<Signature>();
}

/// Whether the fused kernels take this dtype.
inline bool has_fused_dtype(const at::Tensor& tensor) {
  return tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble;
}

}  // namespace tessera::ops
