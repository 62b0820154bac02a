#include "tessera/nn/convnet/network.h"

#include <gtest/gtest.h>

#include "tessera/core/error.h"
#include "tessera/nn/convnet/builder.h"
#include "tessera/nn/convnet/fold.h"
#include "tessera/nn/convnet/networks.h"
#include "tessera/nn/convnet/presets.h"

namespace tessera::nn {
namespace {

constexpr Shape kSmall{.channels = 3, .height = 8, .width = 10};

Network small() {
  return NetworkBuilder("small", kSmall)
      .conv("a", 4, 3, {.padding = 1})
      .batch_norm("bn")
      .relu("r")
      .max_pool("p", 2, 2)
      .flatten()
      .linear("head", 5)
      .build();
}

template <class Action>
std::string error_of_network(Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find('['), std::string::npos) << error.what();
    return error.id();
  }
  return "none";
}

/// The identifier of the error of `small` after `change`.
template <class Change>
std::string error_after(Change change) {
  Network network = small();
  change(network);
  return error_of_network([&] { infer_shapes(network); });
}

TEST(Network, shapes_follow_from_the_layers) {
  const std::vector<LayerShapes> shapes = infer_shapes(small());
  EXPECT_EQ(shapes[0].out, (Shape{.channels = 4, .height = 8, .width = 10}));
  EXPECT_EQ(shapes[3].out, (Shape{.channels = 4, .height = 4, .width = 5}));
  EXPECT_EQ(shapes[4].out, (Shape{.channels = 80, .is_flat = true}));
  EXPECT_EQ(output_shape(small()).text(), "5");
}

TEST(Network, every_network_of_the_registry_is_sound_and_survives_json) {
  for (const NamedNetwork& named : networks().all()) {
    const Network network = named.make();
    EXPECT_EQ(network.name, named.name);
    EXPECT_EQ(network_from_json(Json::parse(to_json(network).dump())), network) << named.name;
  }
}

TEST(Network, what_is_not_sound_is_refused_by_name) {
  EXPECT_EQ(error_after([](Network& n) { n.layers[1].name = "a"; }), "T-NET-01");
  EXPECT_EQ(error_after([](Network& n) { n.layers[1].name = ""; }), "T-NET-01");
  EXPECT_EQ(error_after([](Network& n) { n.layers[1].inputs = {"r"}; }), "T-NET-02");
  EXPECT_EQ(error_after([](Network& n) { n.layers[3].kernel = 9; }), "T-NET-03");
  EXPECT_EQ(error_after([](Network& n) {
              n.layers[2] = {.name = "r", .kind = LayerKind::kAdd, .inputs = {"bn", "input"}};
            }),
            "T-NET-04");
  EXPECT_EQ(error_after([](Network& n) { n.layers[0].groups = 2; }), "T-NET-05");
  EXPECT_EQ(error_after([](Network& n) { n.layers[5].inputs = {"p"}; }), "T-NET-06");
  EXPECT_EQ(error_after([](Network& n) { n.layers[3].inputs = {"flatten"}; }), "T-NET-02");
  EXPECT_EQ(error_after([](Network& n) { n.layers.clear(); }), "T-NET-07");
  EXPECT_EQ(error_after([](Network& n) { n.layers[2].inputs = {}; }), "T-NET-07");
  EXPECT_EQ(error_after([](Network& n) { n.input.height = 0; }), "T-NET-07");
  EXPECT_EQ(error_after([](Network& n) { n.layers[0].out_channels = 0; }), "T-NET-08");
  EXPECT_EQ(error_after([](Network& n) { n.layers[3].padding = 2; }), "T-NET-08");
  EXPECT_EQ(error_after([](Network&) {}), "none");
  EXPECT_EQ(error_of_network([] { small().layer("rr"); }), "T-NET-02");
  EXPECT_EQ(error_of_network([] { vgg_plan("vgg12"); }), "T-NET-13");
  EXPECT_EQ(error_of_network([] { resnet("r", {.widths = {8}, .blocks = {1, 1}}); }), "T-NET-14");
}

TEST(Network, json_that_is_no_network_is_a_bad_file) {
  Json json = to_json(small());
  json["layers"][0]["kind"] = "levitate";
  EXPECT_EQ(error_of_network([&] { network_from_json(json); }), "T-NET-10");
  json = to_json(small());
  json["input"] = {3, 8};
  EXPECT_EQ(error_of_network([&] { network_from_json(json); }), "T-NET-10");
  json.erase("input");
  EXPECT_EQ(error_of_network([&] { network_from_json(json); }), "T-NET-10");
}

TEST(Network, a_removed_layer_leaves_its_input_to_its_readers) {
  Network network = small();
  remove_layer(network, "bn");
  EXPECT_EQ(network.layer("r").inputs, std::vector<std::string>{"a"});
  EXPECT_EQ(consumers(network, "a"), std::vector<std::string>{"r"});
  EXPECT_EQ(network.layers[output_layer(network)].name, "head");
}

TEST(Fold, widths_are_rounded_down_and_ends_are_multiplied) {
  const Network game = networks().at("lol/goldnumber-fraction").make();
  const auto widths = [&](int64_t f) {
    std::vector<int64_t> list;
    for (const Layer& layer : fold(game, {.fold = f}).layers) {
      if (layer.out_channels > 0) list.push_back(layer.out_channels);
    }
    return list;
  };
  EXPECT_EQ(widths(2), (std::vector<int64_t>{45, 45, 45, 45, 11, 22}));
  EXPECT_EQ(widths(3), (std::vector<int64_t>{55, 55, 55, 55, 13, 33}));
  EXPECT_EQ(widths(4), (std::vector<int64_t>{64, 64, 64, 64, 16, 44}));
  EXPECT_EQ(fold(game, {.fold = 3}).input.channels, 9);
  EXPECT_EQ(fold(game, {.fold = 3}).images_per_input, 3);
  EXPECT_EQ(fold(game, {}), game);
}

TEST(Fold, every_described_network_with_a_classifier_folds) {
  for (const NamedNetwork& named : networks().all()) {
    const Network network = named.make();
    if (output_layer(network) == Network::npos) continue;
    for (const int64_t f : {2, 3}) {
      const Network folded = fold(network, {.fold = f});
      EXPECT_EQ(output_shape(folded).channels, f * output_shape(network).channels) << named.name;
    }
  }
}

TEST(Fold, a_depthwise_convolution_follows_its_input) {
  const Network mobile = fold(networks().at("mobilenet_v1").make(), {.fold = 2});
  EXPECT_EQ(mobile.layer("model.0.0").out_channels, 45);
  EXPECT_EQ(mobile.layer("model.1.0").groups, 45);
  EXPECT_EQ(mobile.layer("model.1.0").out_channels, 45);
}

TEST(Fold, what_cannot_be_folded_is_refused) {
  EXPECT_EQ(error_of_network([] { fold(small(), {.fold = 0}); }), "T-FOLD-01");
  EXPECT_EQ(error_of_network([] { fold(small(), {.width_multiplier = -1.0}); }), "T-FOLD-01");
  EXPECT_EQ(error_of_network([] { fold(networks().at("tiny_bottleneck").make(), {.fold = 2}); }),
            "T-FOLD-02");
  EXPECT_EQ(error_of_network([] { fold(small(), {.width_multiplier = 0.1}); }), "T-FOLD-03");
  const Network grouped = NetworkBuilder("grouped", kSmall)
                              .conv("a", 4, 3)
                              .conv("b", 8, 3, {.groups = 2})
                              .flatten()
                              .linear("head", 2)
                              .build();
  EXPECT_EQ(error_of_network([&] { fold(grouped, {.fold = 2}); }), "T-NET-05");
  EXPECT_EQ(fold(grouped, {.fold = 4}).layer("b").groups, 2);
}

}  // namespace
}  // namespace tessera::nn
