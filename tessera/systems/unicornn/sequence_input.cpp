#include "tessera/systems/unicornn/sequence_input.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"

namespace tessera::unicornn {
namespace {

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const char* id,
                         const char* next = "") {
  fail<InvalidArgument>({.where = "unicornn", .rule = rule, .got = got, .next = next, .id = id});
}

void check_dtype(const at::Tensor& tensor, const char* name, const at::Tensor& like) {
  if (tensor.scalar_type() == like.scalar_type() && tensor.device() == like.device()) return;
  refuse(fmt::format("{} must have the model's dtype and device, {} on {}", name,
                     c10::toString(like.scalar_type()), like.device().str()),
         fmt::format("{} on {}", ops::describe(tensor), tensor.device().str()), "T-UNI-12",
         "Cast it, or the model.");
}

void check_tokens(const at::Tensor& x, int64_t vocab_size) {
  if (x.scalar_type() != at::kLong && x.scalar_type() != at::kInt) {
    refuse("x must hold integer tokens, because the model has an embedding", ops::describe(x),
           "T-UNI-13");
  }
  const auto [least, most] = at::aminmax(x);
  const int64_t low = least.item<int64_t>(), high = most.item<int64_t>();
  if (low >= 0 && high < vocab_size) return;
  refuse(fmt::format("tokens must lie in [0, {})", vocab_size),
         std::to_string(low < 0 ? low : high), "T-UNI-14",
         "Map unknown words to a token of the vocabulary.");
}

}  // namespace

at::Tensor read_sequence(const TensorMap& inputs, const SequenceExpectation& expected) {
  const at::Tensor& x = inputs.at("x");
  const bool has_tokens = expected.vocab_size.has_value();
  const char* layout = expected.batch_first ? "B, T" : "T, B";
  if (x.dim() != (has_tokens ? 2 : 3) || (!has_tokens && x.size(2) != expected.width)) {
    refuse(has_tokens ? fmt::format("x must be ({})", layout)
                      : fmt::format("x must be ({}, {})", layout, expected.width),
           ops::describe(x), "T-UNI-10");
  }
  const at::Tensor time_major = expected.batch_first ? x.transpose(0, 1) : x;
  if (x.size(0) == 0 || x.size(1) == 0) {
    refuse("x must have at least one step and one sample", ops::describe(x), "T-UNI-11");
  }
  if (expected.max_len && time_major.size(0) > *expected.max_len) {
    refuse(fmt::format("sequences must have at most max_len = {} steps", *expected.max_len),
           std::to_string(time_major.size(0)), "T-UNI-15");
  }
  if (has_tokens) {
    check_tokens(x, *expected.vocab_size);
  } else {
    check_dtype(x, "x", expected.like);
  }
  return time_major;
}

at::Tensor read_optional(const TensorMap& inputs, const char* name, at::IntArrayRef sizes,
                         const at::Tensor& like) {
  const at::Tensor* given = inputs.find(name);
  if (given == nullptr) return {};
  if (given->sizes() != sizes) {
    refuse(fmt::format("{} must be ({})", name, fmt::join(sizes, ", ")), ops::describe(*given),
           "T-UNI-16");
  }
  check_dtype(*given, name, like);
  return *given;
}

}  // namespace tessera::unicornn
