#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::data {

/// torch.randperm(n) of a CPU generator with this seed (MT19937; for i = 0..n−2 the i-th item
/// changes places with the one r mod (n−i) behind it, r a raw 32-bit output).
std::vector<int64_t> torch_permutation(uint64_t seed, int64_t n);

/// RandomState(seed).permutation(n) of NumPy's legacy generator.
std::vector<int64_t> numpy_permutation(uint32_t seed, int64_t n);

/// The two draws of the LMU experiments of 2019, from one RandomState(50): first the order of the
/// 60,000 training images, then that of the 784 pixels.
struct Lmu2019Orders {
  std::vector<int64_t> samples, pixels;
};
Lmu2019Orders lmu2019_orders();

/// The order of `n` steps that a recipe's word names: "none" (as they are), "torch:SEED",
/// "numpy:SEED", "reference_unicornn" (torch:5544), "lmu2019" (its pixels; n must be 784) or
/// "file:PATH" (a safetensors file with an integer tensor `permutation`).
/// Throws InvalidArgument (unknown word, bad seed), BadFile (no permutation of 0..n−1), Io.
std::vector<int64_t> named_permutation(const std::string& name, int64_t n);

}  // namespace tessera::data
