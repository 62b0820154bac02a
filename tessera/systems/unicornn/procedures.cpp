#include "tessera/systems/unicornn/procedures.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/unicornn_recurrence.h"

namespace tessera::unicornn {
namespace {

at::Generator seeded(uint64_t seed) { return at::make_generator<at::CPUGeneratorImpl>(seed); }

/// Every state of a recurrence, and those recovered from the last one by the inverse alone.
TensorMap reconstruct(const Json& config, const TensorMap& inputs) {
  const bool batch_first = config.value("batch_first", false);
  const auto time_major = [&](const at::Tensor& t) { return batch_first ? t.transpose(0, 1) : t; };
  const at::Tensor q = time_major(inputs.at("x"));
  const at::Tensor &w = inputs.at("weight/weight_hh"), &c = inputs.at("weight/c_");
  const double alpha = config.value("alpha", 0.0);
  const at::Tensor s = ops::unicornn_step({w, c, config.at("dt").get<double>(), alpha});
  if (q.dim() != 3 || q.size(0) == 0 || q.size(2) != w.size(0)) {
    fail<InvalidArgument>({.where = "reconstruct",
                           .rule = "x must be (T, B, " + std::to_string(w.size(0)) + ")",
                           .got = ops::describe(q),
                           .id = "T-UNI-30"});
  }
  const auto force = [&](const at::Tensor& y, const at::Tensor& q_t) {
    return at::tanh(w * y + q_t) + alpha * y;
  };
  const at::Tensor zero = at::zeros_like(q[0]);
  const at::Tensor* y0 = inputs.find("y0");
  const at::Tensor* z0 = inputs.find("z0");
  at::Tensor y = y0 ? *y0 : zero, z = z0 ? *z0 : zero;
  std::vector<at::Tensor> all_y = {y}, all_z = {z};
  for (const at::Tensor& q_t : q.unbind(0)) {
    z = z - s * force(y, q_t);
    y = y + s * z;
    all_y.push_back(y);
    all_z.push_back(z);
  }
  const auto steps = static_cast<size_t>(q.size(0));
  std::vector<at::Tensor> before_y(steps), before_z(steps);
  for (size_t t = steps; t-- > 0;) {
    y = y - s * z;
    z = z + s * force(y, q[static_cast<int64_t>(t)]);
    before_y[t] = y;
    before_z[t] = z;
  }
  const auto stacked = [](std::vector<at::Tensor> list, size_t begin, size_t end) {
    return at::stack(at::ArrayRef<at::Tensor>(list).slice(begin, end - begin));
  };
  const auto worst = [&](const std::vector<at::Tensor>& found, const std::vector<at::Tensor>& real,
                         size_t begin, size_t end) {
    if (begin == end) return at::zeros({}, q.options());
    return (stacked(found, begin, end) - stacked(real, begin, end)).abs().max();
  };
  const at::Tensor errors =
      at::stack({worst(before_y, all_y, 1, steps), worst(before_z, all_z, 1, steps),
                 worst(before_y, all_y, 0, 1), worst(before_z, all_z, 0, 1)});
  return {{"y", time_major(stacked(all_y, 1, steps + 1)).contiguous()},
          {"z", time_major(stacked(all_z, 1, steps + 1)).contiguous()},
          {"reconstructed_y_before", time_major(stacked(before_y, 0, steps)).contiguous()},
          {"reconstructed_z_before", time_major(stacked(before_z, 0, steps)).contiguous()},
          {"errors", errors}};
}

/// The order in which the reference reads the pixels of an image.
TensorMap psmnist_permutation(const Json& config, const TensorMap&) {
  const auto seed = config.value("seed", uint64_t{5544});
  return {{"permutation", at::randperm(config.value("length", int64_t{784}), seeded(seed),
                                       at::TensorOptions(at::kLong))}};
}

/// The first floating input of `dims` axes whose name holds `word`, else the first of that many.
at::Tensor find_input(const TensorMap& inputs, const char* word, int64_t dims) {
  at::Tensor found;
  for (const auto& [name, tensor] : inputs) {
    if (tensor.dim() != dims) continue;
    if (name.find(word) != std::string::npos) return tensor;
    if (!found.defined()) found = tensor;
  }
  return found;
}

/// Rows of images, red, green and blue side by side, then steps of noise that all images share.
/// Without the input `noise` it is drawn from `seed`.
TensorMap noise_padded_cifar(const Json& config, const TensorMap& inputs) {
  const at::Tensor images = find_input(inputs, "image", 4);
  const auto length = config.value("length", int64_t{1000});
  if (!images.defined() || images.size(2) > length) {
    fail<InvalidArgument>(
        {.where = "noise_padded_cifar",
         .rule = "images must be (N, channels, rows, columns) with at most length = " +
                 std::to_string(length) + " rows",
         .got = ops::describe(images),
         .id = "T-UNI-31"});
  }
  const at::Tensor pixels = images.is_floating_point() ? images : images.to(at::kDouble) / 255;
  const int64_t count = images.size(0), rows = images.size(2);
  const int64_t width = images.size(1) * images.size(3);
  const at::Tensor image_rows = pixels.permute({2, 0, 1, 3}).reshape({rows, count, width});
  at::Tensor noise = find_input(inputs, "noise", 3);
  if (!noise.defined()) noise = find_input(inputs, "noise", 2);
  if (!noise.defined()) {
    noise = at::randn({1, length - rows, width}, seeded(config.value("seed", uint64_t{12345})),
                      at::TensorOptions(at::kFloat));
  }
  if (noise.numel() != (length - rows) * width) {
    fail<InvalidArgument>({.where = "noise_padded_cifar",
                           .rule = "noise must be (" + std::to_string(length - rows) + ", " +
                                   std::to_string(width) + ")",
                           .got = ops::describe(noise),
                           .id = "T-UNI-32"});
  }
  const at::Tensor shared = noise.reshape({length - rows, 1, width}).to(pixels.scalar_type());
  const at::Tensor x = at::cat({image_rows, shared.expand({length - rows, count, width})}, 0);
  return {{"x", config.value("batch_first", false) ? x.transpose(0, 1).contiguous() : x},
          {"noise", noise}};
}

}  // namespace

std::vector<Procedure> procedures() {
  return {{.name = "reconstruct",
           .summary = "every state of a recurrence, and those recovered from the last one",
           .run = reconstruct},
          {.name = "psmnist_permutation",
           .summary = "the order of pixels in permuted sequential MNIST",
           .run = psmnist_permutation},
          {.name = "noise_padded_cifar",
           .summary = "rows of images, then steps of noise",
           .run = noise_padded_cifar}};
}

}  // namespace tessera::unicornn
