#include "tessera/systems/ugs/claims.h"

#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include <algorithm>

#include "tessera/systems/ugs/claim_figures.h"
#include "tessera/systems/ugs/model.h"

namespace tessera::ugs {
namespace {

/// A schedule on a recipe: what is changed of it.
struct Run {
  std::string recipe;
  int64_t features = 0, hidden = 0, classes = 0;
  int64_t rounds = 0;
  std::vector<int64_t> seeds;
  std::vector<std::string> more = {};  ///< other settings
};

constexpr int64_t kPhase = 200;

TrainOutcome train(Lab& lab, const Run& run, const std::string& search, int64_t seed) {
  const int64_t length = search == "ugs" ? 2 * kPhase : kPhase;
  const int64_t rounds = search == "dense" ? 1 : run.rounds + (search == "one_shot" ? 1 : 0);
  std::vector<std::string> settings = {
      fmt::format("model.dims=[{}, {}, {}]", run.features, run.hidden, run.classes),
      "model.search=" + search,
      fmt::format("model.num_rounds={}", run.rounds),
      fmt::format("model.seed={}", seed),
      fmt::format("train.seed={}", seed),
      fmt::format("train.epochs={}", rounds * length),
      fmt::format("train.evaluate_every={}", length)};
  settings.insert(settings.end(), run.more.begin(), run.more.end());
  return lab.train(run.recipe, settings);
}

Method method(Lab& lab, const Run& run, const std::string& search, const std::string& name,
              int color) {
  Method made{.name = name, .color = color};
  for (const int64_t seed : run.seeds)
    made.seeds.push_back(curve_of(train(lab, run, search, seed)));
  return made;
}

/// The authors' form: masks as matrices, normalisation by products with diagonal matrices.
at::Tensor dense_logits(const at::Tensor& x, const at::Tensor& mask_NN, const at::Tensor& w0,
                        const at::Tensor& w1) {
  const at::Tensor with_self = mask_NN + at::eye(mask_NN.size(0), mask_NN.options());
  const at::Tensor scale = at::diag(with_self.sum(1).pow(-0.5));
  const at::Tensor p = with_self.mm(scale).t().mm(scale);
  return p.mm(p.mm(x).mm(w0.t()).relu().mm(w1.t()));
}

ClaimResult edge_vectors(Lab&) {
  constexpr int64_t kNodes = 60, kEdges = 400;
  torch::manual_seed(1);
  const auto options = at::TensorOptions(at::kDouble);
  const at::Tensor places =
      std::get<0>(torch::randperm(kNodes * kNodes).narrow(0, 0, kEdges).sort());
  const at::Tensor edges = at::stack({places.div(kNodes, "floor"), places.remainder(kNodes)});
  const UgsConfig config = UgsConfig::of({{"dims", {20, 16, 5}}, {"num_nodes", kNodes}});
  UgsModel model(config);
  model.to(at::kDouble);
  model.eval();
  const at::Tensor x = torch::randn({kNodes, 20}, options);
  const at::Tensor soft = torch::rand({kEdges}, options).requires_grad_();
  const at::Tensor hard = (torch::rand({kEdges}, options) > 0.3).to(at::kDouble);
  const Graph graph = make_graph(edges, kNodes);
  const at::Tensor ours = model.forward(x, graph, {.soft = soft, .hard = hard});

  const at::Tensor dense_soft =
      at::zeros({kNodes, kNodes}, options).index_put({edges[0], edges[1]}, soft.detach());
  const at::Tensor dense_hard =
      at::zeros({kNodes, kNodes}, options).index_put({edges[0], edges[1]}, hard);
  dense_soft.requires_grad_();
  const auto& weights = model.network().masked_weights();
  const at::Tensor theirs =
      dense_logits(x, dense_soft * dense_hard, weights[0].effective(), weights[1].effective());
  const at::Tensor cotangent = torch::randn(ours.sizes(), options);
  const at::Tensor by_edge = torch::autograd::grad({ours}, {soft}, {cotangent})[0];
  const at::Tensor by_place = torch::autograd::grad({theirs}, {dense_soft}, {cotangent})[0];
  const double worst =
      std::max((ours - theirs).abs().max().item<double>(),
               (by_edge - by_place.index({edges[0], edges[1]})).abs().max().item<double>());
  constexpr double kTolerance = 1e-12;
  return {.ours = worst,
          .holds = worst <= kTolerance,
          .detail = fmt::format("Rule: logits and gradients of 400 edge masks of a directed graph "
                                "within {} of the dense form, double. Seen: {:.1e}.",
                                kTolerance, worst)};
}

std::vector<Figure> figures(const std::string& title, const std::vector<Method>& methods,
                            double dense, const TrainOutcome& ticket) {
  std::vector<Figure> list = {
      round_figure(title + ": accuracy against pruning rounds", methods, dense),
      macs_figure(title + ": accuracy against MACs", methods)};
  const auto* model = dynamic_cast<const UgsModel*>(ticket.model.get());
  if (!model || !model->edge_masks().hard.defined()) return list;
  const at::Tensor edges = test_batch(*ticket.task, {0}).at("edge_index");
  const int64_t nodes = model->config().num_nodes;
  list.push_back(
      graph_figure(title + ": the pruned graph", edges, model->edge_masks().hard, nodes));
  list.push_back(degree_figure(title + ": degrees", edges, model->edge_masks().hard, nodes));
  return list;
}

/// UGS against random pruning at equal sparsity; `gap` (points) at `round` (from 1) is the rule.
ClaimResult against_random(Lab& lab, const std::string& title, const Run& run,
                           const std::vector<std::pair<int64_t, double>>& gaps) {
  const Method ugs = method(lab, run, "ugs", "UGS", 0);
  const Method random = method(lab, run, "random", "random pruning", 1);
  const double dense = method(lab, run, "dense", "unpruned", kTruthColor).test(0).mean;
  bool holds = true;
  std::string rule, seen;
  for (const auto& [round, gap] : gaps) {
    const Spread a = ugs.test(static_cast<size_t>(round - 1));
    const Spread b = random.test(static_cast<size_t>(round - 1));
    holds = holds && a.mean - b.mean >= gap;
    rule +=
        fmt::format("{}at least {} points at round {}", rule.empty() ? "" : " and ", gap, round);
    seen += fmt::format("; round {}: UGS {:.1f} ± {:.1f}, random {:.1f} ± {:.1f}", round, a.mean,
                        a.deviation, b.mean, b.deviation);
  }
  const size_t last = static_cast<size_t>(gaps.back().first - 1);
  return {
      .ours = ugs.test(last).mean,
      .baseline = random.test(last).mean,
      .holds = holds,
      .detail = fmt::format("Rule: UGS is above random pruning by {}. Seen: unpruned {:.1f} %{}.",
                            rule, dense, seen),
      .seeds = run.seeds,
      .figures = figures(title, {ugs, random}, dense, train(lab, run, "ugs", run.seeds[0]))};
}

constexpr double kLoss = 1.5;  // points

/// The largest saving of MACs in %, and of edges, among rounds that lose at most kLoss.
struct Saving {
  double macs = 0, edges = 0;
};
Saving best_saving(const Method& it, double dense, double all_macs) {
  Saving best;
  for (size_t round = 0; round < it.rounds(); ++round) {
    if (it.test(round).mean < dense - kLoss) continue;
    best.macs = std::max(best.macs, 100 * (1 - it.seeds[0].macs[round] / all_macs));
    best.edges = std::max(best.edges, 100 - it.seeds[0].edges_left[round]);
  }
  return best;
}

/// The largest saving of MACs among rounds that lose at most 1.5 points.
ClaimResult saving(Lab& lab, const std::string& title, const Run& run, double least_percent) {
  const Method ugs = method(lab, run, "ugs", "UGS", 0);
  const Method random = method(lab, run, "random", "random pruning", 1);
  const Method one_shot = method(lab, run, "one_shot", "one-shot magnitude", 2);
  const Method whole = method(lab, run, "dense", "unpruned", kTruthColor);
  const double dense = whole.test(0).mean, all_macs = whole.seeds[0].macs[0];
  const auto best = [&](const Method& it) { return best_saving(it, dense, all_macs).macs; };
  return {
      .ours = best(ugs),
      .baseline = best(random),
      .holds = best(ugs) >= least_percent,
      .detail = fmt::format("Rule: a ticket at most {} points below the unpruned network saves "
                            "{} % of its MACs or more. Seen: unpruned {:.1f} %; savings UGS "
                            "{:.1f} %, one-shot {:.1f} %, random {:.1f} %.",
                            kLoss, least_percent, dense, best(ugs), best(one_shot), best(random)),
      .seeds = run.seeds,
      .figures =
          figures(title, {ugs, random, one_shot}, dense, train(lab, run, "ugs", run.seeds[0]))};
}

/// Masks of weights alone and of edges alone, beside both. A rate of 0 takes one entry a round.
ClaimResult halves(Lab& lab, const std::string& title, const Run& run) {
  const auto without = [&](const char* half) {
    Run it = run;
    for (const char* key : {"prune_rate", "l1"}) {
      it.more.push_back(fmt::format("model.{}_{}=0", half, key));
    }
    return it;
  };
  const Method both = method(lab, run, "ugs", "weights and edges", 0);
  const Method weights = method(lab, without("graph"), "ugs", "weights alone", 1);
  const Method edges = method(lab, without("weight"), "ugs", "edges alone", 2);
  const Method whole = method(lab, run, "dense", "unpruned", kTruthColor);
  const double dense = whole.test(0).mean, all_macs = whole.seeds[0].macs[0];
  const Saving of_both = best_saving(both, dense, all_macs);
  const Saving of_weights = best_saving(weights, dense, all_macs);
  const Saving of_edges = best_saving(edges, dense, all_macs);
  const auto seen = [&](const Method& it) {
    std::string text;
    for (const size_t round : {size_t{0}, size_t{4}, size_t{9}, it.rounds() - 1}) {
      text += fmt::format("{}{:.1f}", text.empty() ? "" : ", ", it.test(round).mean);
    }
    return text;
  };
  return {
      .ours = of_weights.macs,
      .baseline = of_both.macs,
      .holds = of_weights.macs > of_both.macs,
      .detail = fmt::format(
          "Rule: at a loss of {} points or less masks of weights alone save more MACs than both "
          "kinds. Seen: unpruned {:.1f} %; after 1, 5, 10 and all rounds both {}, weights alone "
          "{}, edges alone {} %; MACs saved by both {:.1f} %, by weights alone {:.1f} %; edges "
          "taken by both {:.1f} %, by edges alone {:.1f} %.",
          kLoss, dense, seen(both), seen(weights), seen(edges), of_both.macs, of_weights.macs,
          of_both.edges, of_edges.edges),
      .seeds = run.seeds,
      .figures = {
          round_figure(title + ": which half costs accuracy", {both, weights, edges}, dense)}};
}

/// The paper's size: 512 units, twenty rounds, three seeds.
Run paper_run(const std::string& dataset, const std::string& model, int64_t features,
              int64_t classes) {
  return {.recipe = "ugs/" + dataset + "_" + model,
          .features = features,
          .hidden = 512,
          .classes = classes,
          .rounds = 20,
          .seeds = model == "gcn" ? std::vector<int64_t>{2377, 4428, 3333}
                                  : std::vector<int64_t>{666, 667, 668}};
}

Claim ticket_claim(const std::string& dataset, const std::string& shown, const std::string& model,
                   int64_t features, int64_t classes) {
  const Run run = paper_run(dataset, model, features, classes);
  std::string upper = model;
  std::ranges::transform(upper, upper.begin(), [](char c) { return static_cast<char>(c - 32); });
  const std::string title = upper + " on " + shown;
  return {.name = "ticket_" + dataset + "_" + model,
          .statement = title + ": a graph lottery ticket keeps the accuracy with fewer MACs",
          .kind = Claim::Kind::kFinding,
          .quantity = "MACs saved in % at a loss of 1.5 points or less",
          .paper = 98.0,
          .paper_source = "abstract: 20 to 98 % on the three graphs",
          .scales = {Scale::kCpu, Scale::kPaper},
          .run = [run, title](Lab& lab) { return saving(lab, title, run, 20); }};
}

}  // namespace

std::vector<Claim> claims() {
  const Run quick{.recipe = "ugs/cora_gcn",
                  .features = 1433,
                  .hidden = 128,
                  .classes = 7,
                  .rounds = 5,
                  .seeds = {2377}};
  Run narrow = quick;
  narrow.hidden = 32;
  narrow.rounds = 10;
  narrow.seeds = {2377, 4428, 3333};
  Run links = quick;
  links.recipe = "ugs/cora_links_gcn";
  links.hidden = 512;
  links.classes = 16;
  links.rounds = 20;
  links.seeds = {1234, 1235, 1236};
  std::vector<Claim> list = {
      {.name = "edge_vectors",
       .statement = "Masks as edge lists equal the authors' dense matrices",
       .quantity = "largest difference, double",
       .paper = 0.0,
       .paper_source = "the authors' layers",
       .scales = {Scale::kQuick, Scale::kCpu, Scale::kPaper},
       .run = edge_vectors},
      {.name = "cora_five_rounds",
       .statement = "Learned masks prune better than random ones: Cora, GCN, 128 units",
       .kind = Claim::Kind::kFinding,
       .quantity = "test accuracy in % after 5 rounds; baseline: random pruning",
       .paper_source = "figures: above random pruning at every sparsity, 512 units",
       .scales = {Scale::kQuick},
       .run =
           [quick](Lab& lab) {
             return against_random(lab, "GCN on Cora, 128 units", quick, {{5, 0.0}});
           }},
      {.name = "cora_narrow",
       .statement = "Random pruning collapses, learned masks do not: Cora, GCN, 32 units",
       .kind = Claim::Kind::kFinding,
       .quantity = "test accuracy in % after 8 rounds; baseline: random pruning",
       .scales = {Scale::kCpu},
       .run = [narrow](Lab& lab) {
         return against_random(lab, "GCN on Cora, 32 units", narrow, {{5, 2.0}, {8, 8.0}});
       }}};
  for (const auto& [dataset, shown, features, classes] : {std::tuple("cora", "Cora", 1433, 7),
                                                          {"citeseer", "CiteSeer", 3703, 6},
                                                          {"pubmed", "PubMed", 500, 3}}) {
    for (const char* model : {"gcn", "gin", "gat"}) {
      list.push_back(ticket_claim(dataset, shown, model, features, classes));
    }
  }
  list.push_back(
      {.name = "halves_cora_gcn",
       .statement = "Masks of weights alone cost less accuracy than with edges: Cora, GCN",
       .kind = Claim::Kind::kFinding,
       .quantity = "MACs saved in % at a loss of 1.5 points or less; baseline: both",
       .scales = {Scale::kCpu, Scale::kPaper},
       .run = [](Lab& lab) {
         return halves(lab, "GCN on Cora", paper_run("cora", "gcn", 1433, 7));
       }});
  list.push_back({.name = "links_cora_gcn",
                  .statement = "Links of Cora: a ticket keeps the ROC-AUC with fewer MACs",
                  .kind = Claim::Kind::kFinding,
                  .quantity = "MACs saved in % at a loss of 1.5 points or less",
                  .paper = 97.0,
                  .paper_source = "abstract: 48 to 97 %",
                  .scales = {Scale::kCpu, Scale::kPaper},
                  .run = [links](Lab& lab) { return saving(lab, "Links of Cora", links, 48); }});
  return list;
}

}  // namespace tessera::ugs
