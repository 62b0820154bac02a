#include "tessera/systems/ugs/claim_figures.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numbers>

namespace tessera::ugs {
namespace {

constexpr size_t kMostDrawn = 90;
constexpr int kLayoutSteps = 300;

Json axis(const std::string& label, bool is_log = false) {
  return {{"label", label}, {"log", is_log}};
}

Json lines(const std::string& x, bool x_log, const std::string& y, const Json& series) {
  return {{"kind", "lines"}, {"x", axis(x, x_log)}, {"y", axis(y)}, {"series", series}};
}

double mean_of(const Method& method, std::vector<double> Curve::*values, size_t round) {
  double sum = 0;
  for (const Curve& curve : method.seeds) sum += (curve.*values)[round];
  return sum / static_cast<double>(method.seeds.size());
}

Json series_of(const Method& method, std::vector<double> Curve::*abscissa) {
  Json x = Json::array(), y = Json::array(), error = Json::array();
  for (size_t round = 0; round < method.rounds(); ++round) {
    const Spread test = method.test(round);
    x.push_back(mean_of(method, abscissa, round));
    y.push_back(test.mean);
    error.push_back(test.deviation);
  }
  return {{"name", method.name}, {"color", method.color}, {"markers", true}, {"x", x}, {"y", y},
          {"error", error}};
}

struct Drawing {
  std::vector<std::pair<size_t, size_t>> links;
  std::vector<bool> kept;
  std::vector<std::array<double, 2>> places;
};

/// Places by forces: nodes push each other away, links pull (Fruchterman, Reingold 1991).
void lay_out(Drawing& drawing, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(count);
    drawing.places.push_back({std::cos(angle), std::sin(angle)});
  }
  const double k = 2 / std::sqrt(static_cast<double>(count));
  for (int step = 0; step < kLayoutSteps; ++step) {
    std::vector<std::array<double, 2>> force(count, {0, 0});
    const auto push = [&](size_t a, size_t b, auto strength) {
      const double dx = drawing.places[a][0] - drawing.places[b][0];
      const double dy = drawing.places[a][1] - drawing.places[b][1];
      const double d = std::max(std::hypot(dx, dy), 1e-3), f = strength(d) / d;
      force[a][0] += f * dx, force[a][1] += f * dy;
      force[b][0] -= f * dx, force[b][1] -= f * dy;
    };
    for (size_t a = 0; a < count; ++a) {
      for (size_t b = a + 1; b < count; ++b) push(a, b, [&](double d) { return k * k / d; });
    }
    for (const auto& [a, b] : drawing.links) push(a, b, [&](double d) { return -d * d / k; });
    const double most = 0.1 * (1 - static_cast<double>(step) / kLayoutSteps);
    for (size_t i = 0; i < count; ++i) {
      const double size = std::max(std::hypot(force[i][0], force[i][1]), 1e-9);
      const double move = std::min(size, most) / size;
      drawing.places[i][0] += move * force[i][0];
      drawing.places[i][1] += move * force[i][1];
    }
  }
}

/// Breadth-first from the node with most edges, up to kMostDrawn nodes.
Drawing neighbourhood(const at::Tensor& edges, const at::Tensor& hard, int64_t num_nodes) {
  const at::Tensor from = edges[0].contiguous(), to = edges[1].contiguous();
  const at::Tensor kept = hard.detach().to(at::kDouble).contiguous();
  std::vector<std::vector<std::pair<int64_t, bool>>> next(static_cast<size_t>(num_nodes));
  for (int64_t e = 0; e < from.numel(); ++e) {
    const int64_t a = from.const_data_ptr<int64_t>()[e], b = to.const_data_ptr<int64_t>()[e];
    if (a != b) {
      next[static_cast<size_t>(a)].emplace_back(b, kept.const_data_ptr<double>()[e] != 0);
    }
  }
  const auto hub = std::ranges::max_element(next, {}, [](const auto& list) { return list.size(); });
  std::vector<int64_t> nodes = {hub - next.begin()};
  std::map<int64_t, size_t> place = {{nodes[0], 0}};
  for (size_t i = 0; i < nodes.size() && nodes.size() < kMostDrawn; ++i) {
    for (const auto& [node, is_kept] : next[static_cast<size_t>(nodes[i])]) {
      if (nodes.size() == kMostDrawn || !place.emplace(node, nodes.size()).second) continue;
      nodes.push_back(node);
    }
  }
  Drawing drawing;
  for (const int64_t node : nodes) {
    for (const auto& [other, is_kept] : next[static_cast<size_t>(node)]) {
      if (!place.contains(other)) continue;
      drawing.links.emplace_back(place[node], place[other]);
      drawing.kept.push_back(is_kept);
    }
  }
  lay_out(drawing, nodes.size());
  return drawing;
}

std::vector<double> nodes_by_degree(const at::Tensor& degrees, int64_t last) {
  const at::Tensor counts = at::bincount(degrees.clamp_max(last), {}, last + 1).to(at::kDouble);
  return {counts.const_data_ptr<double>(), counts.const_data_ptr<double>() + counts.numel()};
}

}  // namespace

Curve curve_of(const TrainOutcome& outcome) {
  Curve curve;
  for (const Evaluation& evaluation : outcome.history) {
    curve.rounds.push_back(metric(evaluation.valid, "round"));
    curve.edges_left.push_back(metric(evaluation.valid, "edges_left"));
    curve.weights_left.push_back(metric(evaluation.valid, "weights_left"));
    curve.macs.push_back(metric(evaluation.valid, "macs"));
    curve.test.push_back(metric(evaluation.valid, "ticket_test"));
  }
  return curve;
}

Spread Method::test(size_t round) const {
  std::vector<double> values;
  for (const Curve& curve : seeds) values.push_back(curve.test.at(round));
  return spread_of(values);
}

size_t Method::rounds() const {
  size_t least = seeds.empty() ? 0 : seeds[0].test.size();
  for (const Curve& curve : seeds) least = std::min(least, curve.test.size());
  return least;
}

Figure round_figure(const std::string& title, const std::vector<Method>& methods, double dense,
                    const std::string& y_label) {
  Json series = Json::array();
  double last = 1;
  for (const Method& method : methods) {
    series.push_back(series_of(method, &Curve::rounds));
    last = std::max(last, static_cast<double>(method.rounds()));
  }
  series.push_back({{"name", "unpruned"},
                    {"color", kTruthColor},
                    {"dash", true},
                    {"x", {1.0, last}},
                    {"y", {dense, dense}}});
  return {title,
          "At the best validation epoch of each round's retraining; bars: spread over seeds.",
          lines("round", false, y_label, series)};
}

Figure macs_figure(const std::string& title, const std::vector<Method>& methods,
                   const std::string& y_label) {
  Json series = Json::array();
  for (const Method& method : methods) series.push_back(series_of(method, &Curve::macs));
  return {title, "Millions of multiplications in the weight products of one forward.",
          lines("MACs, millions", true, y_label, series)};
}

Figure graph_figure(const std::string& title, const at::Tensor& edges, const at::Tensor& hard,
                    int64_t num_nodes) {
  const Drawing drawing = neighbourhood(edges, hard, num_nodes);
  Json series = Json::array();
  for (const bool is_kept : {false, true}) {
    Json x = Json::array(), y = Json::array();
    for (size_t i = 0; i < drawing.links.size(); ++i) {
      if (drawing.kept[i] != is_kept) continue;
      for (const size_t end : {drawing.links[i].first, drawing.links[i].second}) {
        x.push_back(drawing.places[end][0]);
        y.push_back(drawing.places[end][1]);
      }
      x.push_back(nullptr);
      y.push_back(nullptr);
    }
    series.push_back({{"name", is_kept ? "kept" : "pruned in this direction"},
                      {"color", is_kept ? 0 : 1},
                      {"dash", !is_kept},
                      {"x", x},
                      {"y", y}});
  }
  return {title, "The neighbourhood of the node with most edges; each direction has its own mask.",
          lines("", false, "", series)};
}

Figure degree_figure(const std::string& title, const at::Tensor& edges, const at::Tensor& hard,
                     int64_t num_nodes) {
  constexpr int64_t kLast = 12;
  const at::Tensor kept = edges[0].masked_select(hard.detach() != 0);
  Json names = Json::array();
  for (int64_t d = 0; d <= kLast; ++d) {
    names.push_back(std::to_string(d) + (d == kLast ? "+" : ""));
  }
  const auto degrees = [&](const at::Tensor& nodes) {
    return nodes_by_degree(at::bincount(nodes, {}, num_nodes), kLast);
  };
  return {title,
          "Nodes by the number of edges that leave them.",
          {{"kind", "bars"},
           {"x", {{"label", "edges"}}},
           {"y", {{"label", "nodes"}}},
           {"series",
            {{{"name", "before"}, {"color", kTruthColor}, {"x", names}, {"y", degrees(edges[0])}},
             {{"name", "after"}, {"color", 0}, {"x", names}, {"y", degrees(kept)}}}}}};
}

}  // namespace tessera::ugs
