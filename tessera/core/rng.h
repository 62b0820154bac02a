#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "tessera/core/tensor_map.h"

namespace tessera {

/// Independent random streams of one seed, each with a name ("shuffle", "noise", "dropout"): adding
/// a draw to one changes no other. All are CPU generators, so bits do not depend on the device.
class Rng {
 public:
  explicit Rng(uint64_t seed) : seed_(seed) {}

  uint64_t seed() const { return seed_; }
  /// The stream; created on first use, seeded from (seed, name).
  at::Generator& stream(const std::string& name);

  /// The exact states of all streams, as uint8 tensors named like them; restore() continues there.
  TensorMap state() const;
  void restore(const TensorMap& state);

 private:
  uint64_t seed_;
  std::map<std::string, at::Generator> streams_;
};

/// Seed of a named stream: a fixed 64-bit hash of both, the same on every machine.
uint64_t stream_seed(uint64_t seed, std::string_view name);

/// Seeds the default generators (CPU, and CUDA where there is one), which parameter initialisation
/// and dropout draw from.
void seed_default_generators(uint64_t seed);

}  // namespace tessera
