#include <fmt/format.h>

#include <cmath>

#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/nn/convnet/cost.h"
#include "tessera/nn/convnet/fold.h"
#include "tessera/nn/convnet/methods.h"
#include "tessera/nn/convnet/networks.h"

namespace tessera::cli {
namespace {

/// A number above 0 given to an option.
double positive(const Arguments& arguments, const char* option, double otherwise) {
  if (!arguments.has(option)) return otherwise;
  const std::string text = arguments.get(option);
  size_t end = 0;
  double value = 0;
  try {
    value = std::stod(text, &end);
  } catch (const std::logic_error&) {  // not a number, or out of range: refused below
    end = 0;
  }
  if (end == 0 || end != text.size() || !(value > 0) || !std::isfinite(value)) {
    fail<InvalidArgument>({.where = arguments.verb().name,
                           .rule = std::string("--") + option + " is a number above 0",
                           .got = "\"" + text + "\"",
                           .id = "T-CLI-05"});
  }
  return value;
}

void list_networks() {
  Table table({"network", "input", "parameters", "what it is"});
  for (const nn::NamedNetwork& named : nn::networks().all()) {
    const nn::Network network = named.make();
    table.add({named.name, network.input.text(), std::to_string(nn::cost(network).parameters),
               named.summary});
  }
  put(table.text());
}

/// What the columns of the table and the rows of the JSON say.
struct Figures {
  nn::Network network;
  nn::NetworkCost cost;
  std::vector<nn::LayerShapes> shapes;
  double inputs = 0, bytes = 0, images = 0;

  const nn::LayerCost* of(size_t layer) const {
    for (const nn::LayerCost& entry : cost.layers) {
      if (entry.layer == layer) return &entry;
    }
    return nullptr;
  }
  double layer_bytes(const nn::LayerCost& layer) const {
    return bytes * (static_cast<double>(layer.weight_elements) +
                    inputs * static_cast<double>(layer.input_elements + layer.output_elements));
  }
  double layer_intensity(const nn::LayerCost& layer) const {
    return inputs * static_cast<double>(layer.ops) / layer_bytes(layer);
  }
  double intensity() const { return nn::arithmetic_intensity(cost, inputs, bytes); }
  double per_image(int64_t value) const {
    return static_cast<double>(value) / static_cast<double>(network.images_per_input);
  }
};

Json to_json(const Figures& it) {
  Json layers = Json::array();
  for (size_t i = 0; i < it.network.layers.size(); ++i) {
    const nn::Layer& layer = it.network.layers[i];
    Json row = {{"name", layer.name},
                {"kind", nn::name_of(layer.kind)},
                {"inputs", layer.inputs},
                {"in", it.shapes[i].in.text()},
                {"out", it.shapes[i].out.text()}};
    if (const nn::LayerCost* cost = it.of(i)) {
      row["ops"] = cost->ops;
      row["input_elements"] = cost->input_elements;
      row["output_elements"] = cost->output_elements;
      row["weight_elements"] = cost->weight_elements;
      row["intensity"] = it.layer_intensity(*cost);
    }
    layers.push_back(std::move(row));
  }
  return {{"name", it.network.name},
          {"input", it.network.input.text()},
          {"images_per_input", it.network.images_per_input},
          {"batch", it.images},
          {"bytes_per_element", it.bytes},
          {"parameters", it.cost.parameters},
          {"ops", it.cost.ops},
          {"flops", it.cost.flops},
          {"intensity", it.intensity()},
          {"layers", std::move(layers)},
          {"network", nn::to_json(it.network)}};
}

void print(const Figures& it) {
  line("{}: {} input, {} image{} each, {} parameters", it.network.name, it.network.input.text(),
       it.network.images_per_input, it.network.images_per_input == 1 ? "" : "s",
       it.cost.parameters);
  Table table({"layer", "kind", "reads", "output", "operations", "weights", "bytes", "FLOP/byte"});
  for (size_t i = 0; i < it.network.layers.size(); ++i) {
    const nn::Layer& layer = it.network.layers[i];
    std::vector<std::string> row{layer.name, nn::name_of(layer.kind), "", it.shapes[i].out.text()};
    // A layer that reads the one above it, as most do, need not say so.
    const bool is_next = layer.inputs.size() == 1 &&
                         (i == 0 || layer.inputs.front() == it.network.layers[i - 1].name);
    if (!is_next) row[2] = join(layer.inputs, " + ");
    if (const nn::LayerCost* cost = it.of(i)) {
      row.push_back(std::to_string(cost->ops));
      row.push_back(std::to_string(cost->weight_elements));
      row.push_back(fmt::format("{:.0f}", it.layer_bytes(*cost)));
      row.push_back(fmt::format("{:.2f}", it.layer_intensity(*cost)));
    } else {
      row.insert(row.end(), 4, "");
    }
    table.add(std::move(row));
  }
  put(table.text());
  line(
      "operations are of one input; bytes and FLOP/byte of a batch of {} images at {} bytes each "
      "element",
      shortest(it.images), shortest(it.bytes));
  line(
      "intensity {:.2f} FLOP/byte; operations an image {:.0f}; FLOPs an image {:.0f} by the "
      "counter of utilisation",
      it.intensity(), it.per_image(it.cost.ops), it.per_image(it.cost.flops));
}

}  // namespace

int info_network(const Arguments& arguments) {
  if (arguments.positional().empty()) {
    list_networks();
    return 0;
  }
  nn::Network network = nn::networks().at(arguments.positional().front()).make();
  if (arguments.has("average-pools")) network = nn::with_average_pools(std::move(network));
  nn::FoldOptions options{.fold = arguments.integer("fold", 1, 1)};
  if (arguments.has("width")) options.width_multiplier = positive(arguments, "width", 1);
  const bool is_changed = arguments.has("fold") || arguments.has("width");
  Figures figures{.network = is_changed ? nn::fold(network, options) : network,
                  .bytes = positive(arguments, "bytes", 2),
                  .images = positive(arguments, "batch", 1024)};
  figures.cost = nn::cost(figures.network);
  figures.shapes = nn::infer_shapes(figures.network);
  figures.inputs = figures.images / static_cast<double>(figures.network.images_per_input);
  if (arguments.has("json")) {
    put_json(to_json(figures));
  } else {
    print(figures);
  }
  return 0;
}

}  // namespace tessera::cli
