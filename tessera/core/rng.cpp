#include "tessera/core/rng.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include "tessera/core/error.h"

namespace tessera {

uint64_t stream_seed(uint64_t seed, std::string_view name) {
  // FNV-1a over the name, then the finaliser of SplitMix64: nearby seeds give unrelated streams.
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  uint64_t z = hash + seed * 0x9e3779b97f4a7c15ULL;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

at::Generator& Rng::stream(const std::string& name) {
  auto it = streams_.find(name);
  if (it == streams_.end()) {
    it = streams_.emplace(name, at::detail::createCPUGenerator(stream_seed(seed_, name))).first;
  }
  return it->second;
}

TensorMap Rng::state() const {
  TensorMap state;
  for (const auto& [name, generator] : streams_) state.set(name, generator.get_state());
  return state;
}

void Rng::restore(const TensorMap& state) {
  streams_.clear();
  for (const auto& [name, bytes] : state) {
    const int64_t expected = stream(name).get_state().numel();
    if (bytes.scalar_type() != at::kByte || bytes.numel() != expected) {
      fail<InvalidArgument>(
          {.where = "rng",
           .rule = "the state of stream \"" + name + "\" is " + std::to_string(expected) + " bytes",
           .got = std::to_string(bytes.numel()),
           .next = "It was saved by another version of torch.",
           .id = "T-RNG-01"});
    }
    stream(name).set_state(bytes.contiguous());
  }
}

void seed_default_generators(uint64_t seed) { at::manual_seed(seed); }

}  // namespace tessera
