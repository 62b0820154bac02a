#include "tessera/data/permutation.h"

#include <ATen/ATen.h>

#include <charconv>
#include <numeric>
#include <optional>

#include "tessera/core/error.h"
#include "tessera/data/mt19937.h"
#include "tessera/data/reference_random.h"
#include "tessera/io/tensor_file.h"

namespace tessera::data {
namespace {

constexpr uint64_t kUnicornnSeed = 5544;
constexpr uint32_t kLmuSeed = 50;
constexpr int64_t kMnistSamples = 60000, kMnistPixels = 784;

/// The number behind `prefix`; nothing where the word does not begin with it.
std::optional<uint32_t> seed_behind(std::string_view word, std::string_view prefix) {
  if (!word.starts_with(prefix)) return {};
  word.remove_prefix(prefix.size());
  uint32_t seed = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), seed);
  if (error != std::errc() || end != word.data() + word.size()) {
    fail<InvalidArgument>({.where = "permutation",
                           .rule = std::string(prefix) + " is followed by a seed below 2^32",
                           .got = "\"" + std::string(word) + "\"",
                           .id = "T-PERM-01"});
  }
  return seed;
}

std::vector<int64_t> read_permutation(const std::string& path, int64_t n) {
  const auto file = io::read_tensor_file(path);
  const at::Tensor* found = file.tensors.find("permutation");
  const bool is_list = found != nullptr && found->dim() == 1 && found->size(0) == n &&
                       at::isIntegralType(found->scalar_type(), /*includeBool=*/false);
  const at::Tensor order = is_list ? found->to(at::kLong).contiguous() : at::Tensor();
  if (!is_list || !at::equal(std::get<0>(order.sort()), at::arange(n, at::kLong))) {
    fail<BadFile>({.where = "permutation",
                   .rule = path + " must hold an integer tensor `permutation` with each of 0.." +
                           std::to_string(n - 1) + " once",
                   .got = found == nullptr ? "no such tensor"
                          : is_list        ? "values that are missing or double"
                                           : "another shape or dtype",
                   .id = "T-PERM-02"});
  }
  const auto* values = order.const_data_ptr<int64_t>();
  return {values, values + n};
}

}  // namespace

std::vector<int64_t> torch_permutation(uint64_t seed, int64_t n) {
  Mt19937 engine;
  engine.seed(static_cast<uint32_t>(seed));  // torch takes the low 32 bits too
  std::vector<int64_t> items(static_cast<size_t>(n));
  std::iota(items.begin(), items.end(), 0);
  for (size_t i = 0; i + 1 < items.size(); ++i) {
    std::swap(items[i], items[i + engine.next() % (items.size() - i)]);
  }
  return items;
}

std::vector<int64_t> numpy_permutation(uint32_t seed, int64_t n) {
  return NumpyRandom(seed).permutation(n);
}

Lmu2019Orders lmu2019_orders() {
  NumpyRandom random(kLmuSeed);
  Lmu2019Orders orders;
  orders.samples = random.permutation(kMnistSamples);
  orders.pixels = random.permutation(kMnistPixels);
  return orders;
}

std::vector<int64_t> named_permutation(const std::string& name, int64_t n) {
  if (name == "none") {
    std::vector<int64_t> order(static_cast<size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    return order;
  }
  if (name == "reference_unicornn") return torch_permutation(kUnicornnSeed, n);
  if (name == "lmu2019") {
    if (n != kMnistPixels) {
      fail<InvalidArgument>({.where = "permutation",
                             .rule = "lmu2019 orders 784 pixels",
                             .got = std::to_string(n),
                             .id = "T-PERM-03"});
    }
    return lmu2019_orders().pixels;
  }
  if (const auto seed = seed_behind(name, "torch:")) return torch_permutation(*seed, n);
  if (const auto seed = seed_behind(name, "numpy:")) return numpy_permutation(*seed, n);
  if (name.starts_with("file:")) return read_permutation(name.substr(5), n);
  fail<InvalidArgument>(
      {.where = "permutation",
       .rule = "a permutation is none, torch:SEED, numpy:SEED, reference_unicornn, lmu2019 or "
               "file:PATH",
       .got = "\"" + name + "\"",
       .id = "T-PERM-04"});
}

}  // namespace tessera::data
