#include "tessera/core/error.h"
#include "tessera/nn/convnet/builder.h"
#include "tessera/nn/convnet/presets.h"

namespace tessera::nn {
namespace {

/// features.0, features.1, …: the position counts every layer, with weights or without.
class Positions {
 public:
  explicit Positions(std::string prefix) : prefix_(std::move(prefix)) {}
  std::string next() { return prefix_ + std::to_string(position_++); }

 private:
  std::string prefix_;
  int64_t position_ = 0;
};

void add_pool(NetworkBuilder& net, PoolKind kind, const std::string& name, int64_t kernel,
              int64_t stride, int64_t padding = 0) {
  if (kind == PoolKind::kMax) {
    net.max_pool(name, kernel, stride, padding);
  } else {
    net.avg_pool(name, kernel, stride, padding);
  }
}

/// Where there is no batch norm, `dropout` > 0 takes its place.
void add_plan(NetworkBuilder& net, const std::vector<int64_t>& plan, bool use_batch_norm,
              PoolKind pool, double dropout) {
  Positions names("features.");
  for (const int64_t width : plan) {
    if (width == kPool) {
      add_pool(net, pool, names.next(), 2, 2);
      continue;
    }
    net.conv(names.next(), width, 3, {.padding = 1, .has_bias = true});
    if (use_batch_norm) {
      net.batch_norm(names.next());
    } else if (dropout > 0) {
      net.dropout(names.next(), dropout);
    }
    net.relu(names.next());
  }
}

}  // namespace

Network vgg(const VggOptions& options) {
  NetworkBuilder net("vgg", options.input);
  add_plan(net, options.plan, options.use_batch_norm, options.pool, options.dropout);
  net.flatten().linear("classifier", options.num_classes);
  return net.build();
}

Network vgg_fc(const VggFcOptions& options) {
  NetworkBuilder net("vgg_fc", options.input);
  add_plan(net, options.plan, options.use_batch_norm, options.pool, 0);
  net.adaptive_avg_pool("avgpool", options.pooled_size).flatten();
  net.linear("classifier.0", options.hidden).relu("classifier.1").dropout("classifier.2", 0.5);
  net.linear("classifier.3", options.hidden).relu("classifier.4").dropout("classifier.5", 0.5);
  net.linear("classifier.6", options.num_classes);
  return net.build();
}

std::vector<int64_t> vgg_plan(std::string_view name) {
  constexpr int64_t M = kPool;
  if (name == "vgg11_narrow") return {16, M, 32, M, 64, 64, M, 128, 128, M, 128, 128, M};
  if (name == "vgg13") return {64, 64, M, 128, 128, M, 256, 256, M, 512, 512, M, 512, 512, M};
  if (name == "vgg16") {
    return {64, 64, M, 128, 128, M, 256, 256, 256, M, 512, 512, 512, M, 512, 512, 512, M};
  }
  if (name == "vgg19") {
    return {64,  64,  M,   128, 128, M,   256, 256, 256, 256, M,
            512, 512, 512, 512, M,   512, 512, 512, 512, M};
  }
  fail<InvalidArgument>({.where = "network",
                         .rule = "a plan is vgg11_narrow, vgg13, vgg16 or vgg19",
                         .got = "\"" + std::string(name) + "\"",
                         .id = "T-NET-13"});
}

Network mobilenet_v1(const MobileNetOptions& options) {
  std::vector<MobileNetOptions::Unit> units = options.units;
  if (units.empty()) {
    units = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
             {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
  }
  NetworkBuilder net("mobilenet_v1", options.input);
  net.conv("model.0.0", options.stem_width, 3, {.stride = options.stem_stride, .padding = 1});
  net.batch_norm("model.0.1").relu("model.0.2");
  int64_t width = options.stem_width;
  for (size_t i = 0; i < units.size(); ++i) {
    const std::string name = "model." + std::to_string(i + 1) + ".";
    net.conv(name + "0", width, 3, {.stride = units[i].stride, .padding = 1, .groups = width});
    net.batch_norm(name + "1").relu(name + "2");
    net.conv(name + "3", units[i].out, 1).batch_norm(name + "4").relu(name + "5");
    width = units[i].out;
  }
  net.adaptive_avg_pool("avgpool").flatten().linear("fc", options.num_classes);
  return net.build();
}

Network game_cnn(const GameOptions& options) {
  NetworkBuilder net("game_cnn", options.input);
  Positions names("conv.");
  int64_t left = options.num_convs;
  const auto conv = [&](int64_t width) {
    net.conv(names.next(), width, 3, {.padding = 1, .has_bias = true}).relu(names.next());
    --left;
  };
  if (left > 0) {
    conv(options.first_channels);
    net.max_pool(names.next(), 3, 2);
  }
  for (int64_t unit = 0; unit < options.num_units && left > 0; ++unit) {
    for (int64_t i = 0; i < options.convs_per_unit && left > 0; ++i) conv(options.unit_channels);
    net.max_pool(names.next(), 3, 1);
  }
  if (left > 0) {
    conv(options.last_channels);
    net.max_pool(names.next(), 3, 2);
  }
  net.flatten().linear("lin", options.num_classes);
  return net.build();
}

Network noscope_cnn(const NoscopeOptions& options) {
  NetworkBuilder net("noscope_cnn", options.input);
  Positions names("");
  const auto drop = [&] {
    if (options.use_dropout) net.dropout(names.next(), 0.25);
  };
  for (int64_t pair = 0; pair < (options.num_conv_layers > 2 ? 2 : 1); ++pair) {
    const int64_t width = options.base_filters * (pair + 1);
    for (int64_t i = 0; i < 2; ++i) {
      net.conv(names.next(), width, 3, {.padding = 1, .has_bias = true}).relu(names.next());
    }
    net.max_pool(names.next(), 2, 2);
    drop();
  }
  net.flatten(names.next()).linear(names.next(), options.dense_dim).relu(names.next());
  drop();
  net.linear(names.next(), options.num_classes);
  return net.build();
}

Network lenet(const Shape& input, int64_t num_classes, const std::vector<int64_t>& widths) {
  NetworkBuilder net("lenet", input);
  for (size_t i = 0; i < widths.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    const int64_t kernel = i == 0 ? 5 : 3;
    net.conv("conv" + number, widths[i], kernel, {.padding = kernel / 2, .has_bias = true});
    net.batch_norm("bn" + number).relu("relu" + number);
    if (i + 1 < widths.size()) net.max_pool("pool" + number, 2, 2);
  }
  net.adaptive_avg_pool("avgpool").flatten().linear("fc", num_classes);
  return net.build();
}

}  // namespace tessera::nn
