// The graph autoencoder (paper, section 5.2): code a graph's nodes, read its edges off the codes.
//
// quick   the seven cycles C4 … C10, where the GNN's failure can be proved
// cpu     the paper's two data sets as well, much shorter than the paper trains

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tessera/systems/egnn/claim_figures.h"
#include "tessera/systems/egnn/claims.h"

namespace tessera::egnn {
namespace {

// All nodes of a cycle are alike, so a GNN that starts from equal features gives them one code and
// all edges of a graph one probability: best is "no edge", wrong on 98 of the 322 ordered pairs.
constexpr double kNoEdgePercent = 100.0 * 98 / 322;

ClaimResult symmetry(Lab& lab) {
  constexpr double kEnough = 3;  // % wrong; the authors' modules have 1.7 after 2400 updates
  const Contestant egnn = {"EGNN", "egnn/cycles", 0}, gnn = {"GNN", "egnn/cycles_gnn", 1};
  const TrainOutcome theirs = lab.train(gnn.recipe, {});
  std::vector<TrainOutcome> runs;
  std::vector<double> wrong;
  for (const int64_t seed : {1, 2, 3}) {
    runs.push_back(lab.train(egnn.recipe, {fmt::format("train.seed={}", seed)}));
    wrong.push_back(metric(runs.back().test, "error_percent"));
  }
  std::vector<size_t> order = {0, 1, 2};
  std::ranges::sort(order, {}, [&](size_t i) { return wrong[i]; });
  const TrainOutcome& ours = runs[order[1]];

  ClaimResult result;
  result.ours = wrong[order[1]];
  result.baseline = metric(theirs.test, "error_percent");
  for (const TrainOutcome& run : runs) result.seeds.push_back(run.seed);
  result.holds = result.ours < kEnough && std::abs(*result.baseline - kNoEdgePercent) < 1e-3;
  result.detail = fmt::format(
      "Rule: the GNN without noise gets exactly the pairs wrong that “no edge” gets wrong "
      "({:.3f} %), EGNN below {} % in the median of three seeds. Seen: GNN {:.3f} %, EGNN {:.2f}, "
      "{:.2f} and {:.2f} % after {} updates. EGNN starts from random coordinates, which tell the "
      "nodes of a cycle apart.",
      kNoEdgePercent, kEnough, *result.baseline, wrong[0], wrong[1], wrong[2], ours.steps);
  result.figures.push_back(
      adjacency_figure({{egnn, ours}, {gnn, theirs}}, /*num_graphs=*/7, {{"C6", 2}, {"C10", 6}}));
  result.figures.push_back(curves_figure(
      "While they learn", "On the seven cycles, with noise that training has not seen.",
      "error_percent", "% wrong edges", {{egnn, ours}, {gnn, theirs}}));
  return result;
}

// A row of the table under figure 5.
struct Row {
  Contestant contestant;
  double paper_percent;
};

// The paper trains 500,000 updates at 1e-4; a twelfth of them needs larger steps.
constexpr int64_t kShortEpochs = 8;
constexpr double kShortLr = 5e-4;

ClaimResult graph_set(Lab& lab, const std::vector<Row>& rows, double empty_percent) {
  std::vector<std::pair<Contestant, TrainOutcome>> trainings;
  std::vector<std::string> names;
  std::vector<Spread> here;
  std::vector<double> paper;
  for (const Row& row : rows) {
    trainings.emplace_back(row.contestant, lab.train(row.contestant.recipe,
                                                     {fmt::format("train.epochs={}", kShortEpochs),
                                                      fmt::format("train.lr={}", kShortLr),
                                                      "train.evaluate_every=1"}));
    names.push_back(row.contestant.name);
    here.push_back({metric(trainings.back().second.test, "error_percent"), 0});
    paper.push_back(row.paper_percent);
  }
  ClaimResult result;
  result.ours = here[0].mean;
  result.baseline = here[1].mean;
  for (size_t i = 2; i < here.size(); ++i)
    result.baseline = std::min(*result.baseline, here[i].mean);
  result.seeds = {trainings[0].second.seed};
  result.holds = result.ours < *result.baseline;
  result.detail = fmt::format(
      "Rule: EGNN has the fewest wrong edges after {} epochs at a rate of {:g} (the paper: 100 "
      "epochs at 1e-4). Seen: EGNN {:.2f} %, the best baseline {:.2f} %; predicting no edge at all "
      "has {:.2f} %.",
      kShortEpochs, kShortLr, result.ours, *result.baseline, empty_percent);
  result.figures.push_back(bars_figure("Wrong edges of held-out graphs",
                                       "The paper’s values are of trainings 12 times as long.",
                                       "% wrong", names, here, paper));
  result.figures.push_back(curves_figure("While they learn", "On the validation split.",
                                         "error_percent", "% wrong edges", trainings));
  const int64_t num_graphs = trainings[0].second.task->size(Split::kTest);
  result.figures.push_back(
      adjacency_figure(trainings, num_graphs, {{"graph 1", 0}, {"graph 2", 1}}));
  return result;
}

ClaimResult community(Lab& lab) {
  return graph_set(lab,
                   {{{"EGNN", "egnn/community", 0}, 0.06},
                    {{"Noise-GNN", "egnn/community_noise_gnn", 5}, 0.44},
                    {{"GNN", "egnn/community_gnn", 1}, 1.29},
                    {{"Radial field", "egnn/community_radial_field", 2}, 1.19}},
                   31.79);
}

ClaimResult erdos_renyi(Lab& lab) {
  return graph_set(lab,
                   {{{"EGNN", "egnn/erdos_renyi", 0}, 0.11},
                    {{"Noise-GNN", "egnn/erdos_renyi_noise_gnn", 5}, 1.25},
                    {{"GNN", "egnn/erdos_renyi_gnn", 1}, 4.62},
                    {{"Radial field", "egnn/erdos_renyi_radial_field", 2}, 1.63}},
                   25.11);
}

}  // namespace

std::vector<Claim> autoencoder_claims() {
  return {
      {.name = "ae_symmetry",
       .statement = "A GNN cannot tell the nodes of a cycle apart and decodes none of its edges; "
                    "EGNN can",
       .quantity = "% wrong edges; baseline: GNN without noise",
       .scales = {Scale::kQuick, Scale::kCpu},
       .run = symmetry},
      {.name = "ae_community",
       .statement = "EGNN reconstructs community graphs best",
       .kind = Claim::Kind::kFinding,
       .quantity = "% wrong edges; baseline: the best of GNN, Noise-GNN, radial field",
       .paper = 0.06,
       .paper_source = "Figure 5",
       .scales = {Scale::kCpu},
       .run = community},
      {.name = "ae_erdos_renyi",
       .statement = "EGNN reconstructs Erdős–Rényi graphs best",
       .kind = Claim::Kind::kFinding,
       .quantity = "% wrong edges; baseline: the best of GNN, Noise-GNN, radial field",
       .paper = 0.11,
       .paper_source = "Figure 5",
       .scales = {Scale::kCpu},
       .run = erdos_renyi},
  };
}

}  // namespace tessera::egnn
