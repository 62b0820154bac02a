#include "tessera/core/error.h"
#include "tessera/nn/convnet/builder.h"
#include "tessera/nn/convnet/presets.h"

namespace tessera::nn {
namespace {

class ResNetBuilder {
 public:
  ResNetBuilder(const std::string& name, const ResNetOptions& options)
      : options_(options), net_(name, options.input) {
    const bool has_strides = !options.strides.empty();
    if (options.blocks.empty() || options.blocks.size() != options.widths.size() ||
        (has_strides && options.strides.size() != options.blocks.size())) {
      fail<InvalidArgument>({.where = "network",
                             .rule = "a ResNet has a width, a number of blocks and a stride for "
                                     "each of its stages",
                             .got = std::to_string(options.widths.size()) + ", " +
                                    std::to_string(options.blocks.size()) + " and " +
                                    std::to_string(options.strides.size()),
                             .id = "T-NET-14"});
    }
  }

  Network build() {
    stem();
    int64_t in = options_.stem_width;
    for (size_t stage = 0; stage < options_.blocks.size(); ++stage) {
      const int64_t first_stride = stage_stride(stage);
      for (int64_t b = 0; b < options_.blocks[stage]; ++b) {
        const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(b);
        in = block(name, in, options_.widths[stage], b == 0 ? first_stride : 1);
      }
    }
    if (options_.pool_kernel > 0) {
      net_.avg_pool("avgpool", options_.pool_kernel, options_.pool_kernel, options_.pool_padding);
    } else {
      net_.adaptive_avg_pool("avgpool");
    }
    net_.flatten();
    if (options_.num_classes > 0) net_.linear("fc", options_.num_classes);
    return net_.build();
  }

 private:
  int64_t stage_stride(size_t stage) const {
    if (!options_.strides.empty()) return options_.strides[stage];
    return stage == 0 ? 1 : 2;
  }

  void conv_norm(const std::string& conv, const std::string& norm, int64_t width, int64_t kernel,
                 int64_t stride) {
    // The small stem's authors leave their convolutions without a bias either way.
    const bool has_bias = !options_.use_batch_norm && options_.stem != Stem::kSmall;
    net_.conv(conv, width, kernel, {.stride = stride, .padding = kernel / 2, .has_bias = has_bias});
    if (options_.use_batch_norm) net_.batch_norm(norm);
  }

  void stem() {
    const bool is_large = options_.stem != Stem::kSmall;
    if (options_.stem == Stem::kDeep) {
      conv_norm("conv1.0", "conv1.1", options_.stem_inner_width, 3, 2);
      net_.relu("conv1.2");
      conv_norm("conv1.3", "conv1.4", options_.stem_inner_width, 3, 1);
      net_.relu("conv1.5");
      conv_norm("conv1.6", "bn1", options_.stem_width, 3, 1);
    } else {
      conv_norm("conv1", "bn1", options_.stem_width, is_large ? 7 : 3, is_large ? 2 : 1);
    }
    net_.relu("relu");
    if (!is_large || !options_.stem_pools) return;
    if (options_.stem_pool == PoolKind::kMax) {
      net_.max_pool("maxpool", 3, 2, 1);
    } else {
      net_.avg_pool("maxpool", 3, 2, 1);
    }
  }

  /// Returns the block's output width.
  int64_t block(const std::string& name, int64_t in, int64_t width, int64_t stride) {
    const std::string input = net_.last();
    const int64_t out = options_.is_bottleneck ? width * options_.expansion : width;
    const auto at = [&](const char* leaf) { return name + "." + leaf; };
    if (options_.is_bottleneck) {
      conv_norm(at("conv1"), at("bn1"), width, 1, 1);
      net_.relu(at("relu1"));
      conv_norm(at("conv2"), at("bn2"), width, 3, stride);
      net_.relu(at("relu2"));
      conv_norm(at("conv3"), at("bn3"), out, 1, 1);
    } else {
      conv_norm(at("conv1"), at("bn1"), width, 3, stride);
      net_.relu(at("relu1"));
      conv_norm(at("conv2"), at("bn2"), width, 3, 1);
    }
    std::string shortcut = input;
    if (stride != 1 || in != out) {
      const std::string main_path = net_.last();
      net_.from(input);
      conv_norm(at("downsample.0"), at("downsample.1"), out, 1, stride);
      shortcut = net_.last();
      net_.from(main_path);
    }
    net_.add(at("add"), shortcut).relu(at("relu"));
    return out;
  }

  const ResNetOptions& options_;
  NetworkBuilder net_;
};

}  // namespace

Network resnet(const std::string& name, const ResNetOptions& options) {
  return ResNetBuilder(name, options).build();
}

}  // namespace tessera::nn
