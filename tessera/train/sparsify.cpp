#include "tessera/train/sparsify.h"

#include <ATen/ATen.h>

#include <cmath>
#include <filesystem>

#include "tessera/core/config.h"
#include "tessera/core/error.h"
#include "tessera/core/rng.h"
#include "tessera/core/text.h"
#include "tessera/io/file.h"
#include "tessera/systems/edge_weights.h"

namespace tessera::train {
namespace {

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const std::string& next,
                         std::string_view id) {
  fail<InvalidArgument>({.where = "sparsify", .rule = rule, .got = got, .next = next, .id = id});
}

void check(const SparsifyOptions& options) {
  for (const double rate : {options.prune_rate, options.edge_prune_rate}) {
    if (!(rate >= 0 && rate < 1)) {
      refuse("a rate is at least 0 and below 1", shortest(rate), "", "T-SPARSE-01");
    }
  }
  if (options.prune_rate == 0 && options.edge_prune_rate == 0) {
    refuse("a round prunes weights or edges", "two rates of 0", "Give one of them.", "T-SPARSE-01");
  }
  for (const double l1 : {options.masks.weight_l1, options.masks.edge_l1}) {
    if (l1 >= 0 && std::isfinite(l1)) continue;
    refuse("a penalty is finite and at least 0", shortest(l1), "", "T-SPARSE-01");
  }
  if (options.by == PruneBy::kMagnitude && options.edge_prune_rate > 0) {
    refuse("edges go by learned masks or by chance", "magnitude, which an edge has not",
           "Choose another method, or leave the edge rate at 0.", "T-SPARSE-04");
  }
}

/// One search from the first round to the last.
class Search {
 public:
  Search(const std::function<Recipe()>& load, const SparsifyOptions& options)
      : load_(load), options_(options) {
    check(options);
    const Recipe recipe = load();
    seed_ = static_cast<uint64_t>(recipe.train.seed);
    whole_.weights = whole_weights(recipe);
    if (options.edge_prune_rate > 0) whole_.edges = whole_edges(recipe);
    left_ = whole_;
    if (!options.out.empty()) keep_options();
  }

  SparsifyRound round(int64_t number) {
    if (number > 0) prune(number);
    const TrainOutcome outcome = train_with(
        "round-", number, [&](std::shared_ptr<Model> model) { return with_masks(model, left_); });
    trained_ = weights_of(*outcome.model);
    return {.round = number,
            .weights = entries(whole_.weights),
            .weights_left = entries(left_.weights),
            .edges = entries(edges_of(whole_)),
            .edges_left = entries(edges_of(left_)),
            .test = outcome.test};
  }

 private:
  using Wrap = std::function<std::shared_ptr<Model>(std::shared_ptr<Model>)>;

  static TensorMap whole_weights(const Recipe& recipe) {
    TensorMap masks;
    for (const auto& item : make_model(recipe)->named_parameters()) {
      const at::Tensor& weight = item.value();
      // A frozen one is no weight, but a mask of the model's own, say.
      if (!weight.requires_grad() || weight.dim() < 2 || !weight.is_floating_point()) continue;
      masks.set(item.key(), at::ones(weight.sizes()));
    }
    if (masks.empty()) {
      refuse("the model of " + recipe.name + " has matrices to prune", "none", "", "T-SPARSE-02");
    }
    return masks;
  }

  at::Tensor whole_edges(const Recipe& recipe) const {
    const auto task = make_task(recipe, options_.data_root);
    const auto* shared = dynamic_cast<const SharedEdges*>(task.get());
    const int64_t count = shared ? shared->num_edges() : 0;
    if (count == 0) {
      refuse("edges are pruned where all examples of " + recipe.name + " share them",
             "graphs that differ, or none", "Leave the edge rate at 0 to prune weights alone.",
             "T-SPARSE-07");
    }
    const at::Tensor masks = at::ones({count});
    with_masks(make_model(recipe), {.edges = masks});  // refuses a model without edge weights
    return masks;
  }

  /// A folder holds one search: reading the rounds of another would mix them.
  void keep_options() const {
    std::filesystem::create_directories(options_.out);
    const std::string path = options_.out + "/" + kSearchFile;
    const std::string text = write_toml({{"by", kPruneByNames[static_cast<size_t>(options_.by)]},
                                         {"prune_rate", options_.prune_rate},
                                         {"edge_prune_rate", options_.edge_prune_rate},
                                         {"weight_l1", options_.masks.weight_l1},
                                         {"edge_l1", options_.masks.edge_l1},
                                         {"noise", options_.masks.noise}});
    if (!std::filesystem::exists(path)) {
      io::write_atomically(path, std::string_view(text));
    } else if (read_toml_file(path).values != parse_toml(text, "options").values) {
      refuse(options_.out + " goes on with the options it began with, " + path, "other ones",
             "Give a new folder with --out.", "T-SPARSE-08");
    }
  }

  TrainOutcome train_with(const std::string& folder, int64_t number, const Wrap& wrap) const {
    Recipe recipe = load_();
    System system = *recipe.system;
    system.model.make = [make = recipe.system->model.make, wrap](const Config& config) {
      return wrap(make(config));
    };
    recipe.system = &system;
    TrainOptions options{.resume = true,
                         .data_root = options_.data_root,
                         .observer = options_.observer,
                         .run_store = options_.run_store};
    if (!options_.out.empty()) options.out = options_.out + "/" + folder + std::to_string(number);
    return train(recipe, options);
  }

  void prune(int64_t number) {
    switch (options_.by) {
      case PruneBy::kMagnitude:
        left_.weights = prune_smallest(trained_, left_.weights,
                                       share(entries(left_.weights), options_.prune_rate));
        return;
      case PruneBy::kLearnedMask:
        prune_by_masks(number);
        return;
      case PruneBy::kRandom:
        prune_at_random(number);
        return;
    }
  }

  void prune_by_masks(int64_t number) {
    Masks searched = left_;
    if (options_.prune_rate == 0) searched.weights = {};
    LearnedMaskOptions options = options_.masks;
    options.seed = stream_seed(seed_, "sparsify/masks-" + std::to_string(number));
    const TrainOutcome outcome = train_with("masks-", number, [&](std::shared_ptr<Model> model) {
      return with_learned_masks(model, searched, options);
    });
    const Masks learned = learned_masks(weights_of(*outcome.model), searched);
    // The threshold is one of the values and goes too: one more than the share.
    if (options_.prune_rate > 0) {
      left_.weights = prune_smallest(learned.weights, left_.weights,
                                     share(entries(left_.weights), options_.prune_rate) + 1);
    }
    if (left_.edges.defined()) {
      const int64_t gone = share(entries(edges_of(left_)), options_.edge_prune_rate) + 1;
      left_.edges = prune_smallest(edges_of(learned), edges_of(left_), gone).at(kEdgeMask);
    }
  }

  void prune_at_random(int64_t number) {
    auto generator = at::detail::createCPUGenerator(
        stream_seed(seed_, "sparsify/random-" + std::to_string(number)));
    const auto draw = [&](const at::Tensor& whole, double rate) {
      const double gone = 1 - std::pow(1 - rate, static_cast<double>(number));
      const at::Tensor order = at::randperm(whole.numel(), generator, at::kLong);
      const at::Tensor mask = whole.clone();
      mask.view(-1).index_fill_(0, order.narrow(0, 0, share(whole.numel(), gone)), 0);
      return mask;
    };
    for (const auto& [name, mask] : whole_.weights) {
      left_.weights.set(name, draw(mask, options_.prune_rate));
    }
    if (whole_.edges.defined()) left_.edges = draw(whole_.edges, options_.edge_prune_rate);
  }

  static int64_t share(int64_t count, double rate) {
    return static_cast<int64_t>(static_cast<double>(count) * rate);
  }
  static TensorMap edges_of(const Masks& masks) {
    return masks.edges.defined() ? TensorMap{{kEdgeMask, masks.edges}} : TensorMap{};
  }
  static int64_t entries(const TensorMap& masks) {
    int64_t count = 0;
    for (const auto& [name, mask] : masks) count += mask.count_nonzero().item<int64_t>();
    return count;
  }

  const std::function<Recipe()>& load_;
  const SparsifyOptions& options_;
  uint64_t seed_ = 0;
  Masks whole_, left_;
  TensorMap trained_;
};

}  // namespace

TensorMap prune_smallest(const TensorMap& values, const TensorMap& masks, int64_t gone) {
  const auto size_of = [&](const std::string& name) {
    return values.at(name).detach().to(at::kCPU, at::kDouble).abs();
  };
  std::vector<at::Tensor> sizes;
  for (const auto& [name, mask] : masks) sizes.push_back(size_of(name).masked_select(mask != 0));
  const at::Tensor all = at::cat(sizes);
  if (gone >= all.numel()) {
    refuse("a round leaves something", std::to_string(all.numel()) + " left, nothing to prune",
           "Use fewer rounds or lower rates.", "T-SPARSE-09");
  }
  // kthvalue counts from 1; where nothing goes, everything is above the threshold.
  const double threshold = gone > 0 ? std::get<0>(all.kthvalue(gone)).item<double>() : -1;
  TensorMap kept;
  for (const auto& [name, mask] : masks) kept.set(name, mask * (size_of(name) > threshold));
  return kept;
}

std::vector<SparsifyRound> sparsify(const std::function<Recipe()>& load,
                                    const SparsifyOptions& options,
                                    const std::function<void(const SparsifyRound&)>& done) {
  Search search(load, options);
  std::vector<SparsifyRound> rounds;
  for (int64_t round = 0; round <= options.rounds; ++round) {
    rounds.push_back(search.round(round));
    if (done) done(rounds.back());
  }
  return rounds;
}

}  // namespace tessera::train
