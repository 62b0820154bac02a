#include "tessera/nn/convnet/networks.h"

#include "tessera/nn/convnet/presets.h"

namespace tessera::nn {
namespace {

constexpr Shape kCifar{.channels = 3, .height = 32, .width = 32};
constexpr Shape kImageNet{.channels = 3, .height = 224, .width = 224};

ResNetOptions cifar_resnet(const std::vector<int64_t>& widths, int64_t blocks) {
  return {.input = kCifar,
          .num_classes = 10,
          .stem_width = widths.front(),
          .widths = widths,
          .blocks = std::vector<int64_t>(widths.size(), blocks)};
}

ResNetOptions imagenet_resnet(const std::vector<int64_t>& blocks, bool is_bottleneck) {
  return {.input = kImageNet,
          .num_classes = 1000,
          .stem = Stem::kImageNet,
          .blocks = blocks,
          .is_bottleneck = is_bottleneck};
}

Network specialised(const SpecialisedPreset& preset) {
  const Shape input{.channels = 3, .height = preset.image_height, .width = preset.image_width};
  Network network =
      preset.is_game
          ? game_cnn(
                {.input = input, .num_classes = preset.num_classes, .num_units = preset.num_units})
          : noscope_cnn({.input = input,
                         .num_classes = preset.num_classes,
                         .dense_dim = preset.dense_dim,
                         .base_filters = preset.base_filters,
                         .num_conv_layers = preset.num_conv_layers});
  network.name = preset.name;
  return network;
}

Registry<NamedNetwork> register_all() {
  Registry<NamedNetwork> registry("network");
  const auto add = [&](const std::string& name, const std::string& summary,
                       std::function<Network()> make) {
    registry.add({name, summary, [name, make = std::move(make)] {
                    Network network = make();
                    network.name = name;
                    return network;
                  }});
  };
  for (const char* name : {"vgg11_narrow", "vgg13", "vgg16", "vgg19"}) {
    add(name, "VGG for 3x32x32 images, average pools",
        [name] { return vgg({.input = kCifar, .plan = vgg_plan(name)}); });
  }
  add("vgg16_fc", "VGG-16 for ImageNet with three linear layers, average pools",
      [] { return vgg_fc({.input = kImageNet, .plan = vgg_plan("vgg16")}); });
  add("resnet8", "ResNet-8 for 3x32x32 images, widths 16, 32, 64", [] {
    return resnet("", cifar_resnet({16, 32, 64}, 1));
  });
  add("resnet20", "ResNet-20 for 3x32x32 images, widths 16, 32, 64", [] {
    return resnet("", cifar_resnet({16, 32, 64}, 3));
  });
  add("resnet20_wide", "ResNet-20 for 3x32x32 images, widths 64, 128, 256", [] {
    return resnet("", cifar_resnet({64, 128, 256}, 3));
  });
  add("resnet32_wide", "ResNet-32 for 3x32x32 images, widths 64, 128, 256", [] {
    return resnet("", cifar_resnet({64, 128, 256}, 5));
  });
  add("resnet18_cifar", "ResNet-18 for 3x32x32 images", [] {
    return resnet("", cifar_resnet({64, 128, 256, 512}, 2));
  });
  add("resnet18", "ResNet-18 for ImageNet, torchvision's names", [] {
    return resnet("", imagenet_resnet({2, 2, 2, 2}, false));
  });
  add("resnet34", "ResNet-34 for ImageNet, torchvision's names", [] {
    return resnet("", imagenet_resnet({3, 4, 6, 3}, false));
  });
  add("resnet50", "ResNet-50 for ImageNet, torchvision's names", [] {
    return resnet("", imagenet_resnet({3, 4, 6, 3}, true));
  });
  add("resnet34_deep_stem",
      "ResNet-34 for ImageNet with three 3x3 convolutions and an average pool "
      "as its stem",
      [] {
        ResNetOptions options = imagenet_resnet({3, 4, 6, 3}, false);
        options.stem = Stem::kDeep;
        options.stem_pool = PoolKind::kAverage;
        return resnet("", options);
      });
  add("mobilenet_v1", "MobileNet v1 for ImageNet", [] { return mobilenet_v1({}); });
  add("lenet", "three convolutions for 1x28x28 images, widths 8, 16, 32", [] {
    return lenet({.channels = 1, .height = 28, .width = 28}, 10, {8, 16, 32});
  });
  add("tiny_bottleneck", "stem and two bottlenecks of width 8 without a classifier, for tests", [] {
    return resnet("", {.input = kCifar,
                       .num_classes = 0,
                       .stem = Stem::kImageNet,
                       .stem_width = 8,
                       .widths = {8},
                       .blocks = {2},
                       .strides = {2},
                       .is_bottleneck = true});
  });
  for (const SpecialisedPreset& preset : specialised_presets().all()) {
    const std::string kind = preset.is_game ? "game-scraping CNN" : "NoScope CNN";
    add(preset.name, kind + " of FoldedCNNs", [preset] { return specialised(preset); });
  }
  return registry;
}

Registry<SpecialisedPreset> register_presets() {
  Registry<SpecialisedPreset> registry("preset");
  const auto game = [&](const char* name, int64_t height, int64_t width, int64_t classes,
                        int64_t units) {
    registry.add({.name = name,
                  .image_height = height,
                  .image_width = width,
                  .num_classes = classes,
                  .num_units = units});
  };
  game("lol/goldnumber-fraction", 22, 52, 11, 1);
  game("apex/squad_count_v2", 19, 25, 22, 1);
  game("sot/coin_count-digits_3_4-v2", 17, 40, 15, 1);
  game("sot/timer3", 22, 30, 27, 2);
  game("lol/goldnumber-int", 22, 52, 111, 1);
  game("lol/timer-minutes", 15, 35, 62, 1);
  const auto video = [&](const char* name, int64_t dense, int64_t filters, int64_t convs) {
    registry.add({.name = name,
                  .is_game = false,
                  .dense_dim = dense,
                  .base_filters = filters,
                  .num_conv_layers = convs});
  };
  video("coral", 128, 16, 2);
  video("night", 128, 16, 2);
  video("taipei", 32, 64, 2);
  video("roundabout", 32, 32, 4);
  return registry;
}

}  // namespace

const Registry<SpecialisedPreset>& specialised_presets() {
  static const Registry<SpecialisedPreset> registry = register_presets();
  return registry;
}

const Registry<NamedNetwork>& networks() {
  static const Registry<NamedNetwork> registry = register_all();
  return registry;
}

}  // namespace tessera::nn
