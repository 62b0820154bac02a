#include <ATen/ATen.h>

#include <algorithm>
#include <unordered_set>
#include <vector>

#include "tessera/core/error.h"
#include "tessera/data/graph_data.h"

namespace tessera::data {
namespace {

/// An undirected graph from which edges can be taken.
class Links {
 public:
  Links(const at::Tensor& one_way, int64_t num_nodes) : mark_(num_nodes, 0) {
    const at::Tensor both = undirected(one_way, num_nodes);
    const int64_t *u = both.const_data_ptr<int64_t>(), *v = u + both.size(1);
    begin_.assign(num_nodes + 1, 0);
    for (int64_t e = 0; e < both.size(1); ++e) ++begin_[u[e] + 1];
    for (int64_t n = 0; n < num_nodes; ++n) begin_[n + 1] += begin_[n];
    neighbour_.assign(v, v + both.size(1));
    degree_.resize(num_nodes);
    for (int64_t n = 0; n < num_nodes; ++n) degree_[n] = begin_[n + 1] - begin_[n];
  }

  void remove(int64_t u, int64_t v) {
    remove_one(u, v);
    remove_one(v, u);
  }
  /// Puts back what was removed last.
  void restore(int64_t u, int64_t v) {
    neighbour_[begin_[u] + degree_[u]++] = v;
    neighbour_[begin_[v] + degree_[v]++] = u;
  }

  /// Whether a path leads from u to v. Grows the smaller of two fronts, so that a short way round
  /// costs little.
  bool are_connected(int64_t u, int64_t v) {
    stamp_ += 2;
    std::vector<int64_t> front[2] = {{u}, {v}}, next;
    mark_[u] = stamp_;
    mark_[v] = stamp_ + 1;
    while (!front[0].empty() && !front[1].empty()) {
      const int side = front[0].size() <= front[1].size() ? 0 : 1;
      next.clear();
      for (const int64_t n : front[side]) {
        for (int64_t i = 0; i < degree_[n]; ++i) {
          const int64_t m = neighbour_[begin_[n] + i];
          if (mark_[m] == stamp_ + 1 - side) return true;
          if (mark_[m] == stamp_ + side) continue;
          mark_[m] = stamp_ + side;
          next.push_back(m);
        }
      }
      front[side].swap(next);
    }
    return false;
  }

 private:
  void remove_one(int64_t u, int64_t v) {
    const auto first = neighbour_.begin() + begin_[u], last = first + degree_[u];
    std::iter_swap(std::find(first, last, v), last - 1);
    --degree_[u];
  }

  std::vector<int64_t> begin_, degree_, neighbour_, mark_;
  int64_t stamp_ = 0;
};

at::Tensor pairs_of(const std::vector<int64_t>& keys, int64_t num_nodes) {
  const at::Tensor key = at::tensor(keys, at::kLong);
  const int64_t n = std::max<int64_t>(num_nodes, 1);
  return at::stack({key.div(n, "floor"), key.remainder(n)});
}

void check(const at::Tensor& edges, int64_t num_nodes, double test, double validation) {
  const auto refuse = [](const std::string& rule, const std::string& got) {
    fail<InvalidArgument>({.where = "split_links", .rule = rule, .got = got, .id = "T-LINK-01"});
  };
  if (!(test >= 0) || !(validation >= 0) || !(test + validation < 1)) {
    refuse("test and validation must be fractions whose sum is below 1",
           std::to_string(test) + " and " + std::to_string(validation));
  }
  if (edges.dim() != 2 || edges.size(0) != 2 || edges.scalar_type() != at::kLong) {
    refuse("edges must be int64 of shape (2, E)", "another");
  }
  if (edges.numel() == 0) return;
  const auto [low, high] = edges.aminmax();
  if (low.item<int64_t>() < 0 || high.item<int64_t>() >= num_nodes) {
    refuse("edges must lie in [0, " + std::to_string(num_nodes) + ")",
           std::to_string(high.item<int64_t>()));
  }
}

}  // namespace

at::Tensor LinkSplit::edges() const {
  const int64_t nodes = train.numel() == 0 ? 0 : train.max().item<int64_t>() + 1;
  return undirected(train, nodes);
}

LinkSplit split_links(const at::Tensor& edges, int64_t num_nodes, at::Generator generator,
                      double test, double validation) {
  check(edges, num_nodes, test, validation);
  at::Tensor one_way = undirected(edges.cpu(), num_nodes);
  one_way = one_way.index_select(1, (one_way[0] < one_way[1]).nonzero().flatten()).contiguous();
  const int64_t count = one_way.size(1);
  const int64_t *u = one_way.const_data_ptr<int64_t>(), *v = u + count;
  const auto num_test = static_cast<int64_t>(static_cast<double>(count) * test);
  const auto num_validation = static_cast<int64_t>(static_cast<double>(count) * validation);

  Links links(one_way, num_nodes);
  std::vector<int64_t> taken[2];
  std::vector<bool> is_taken(count, false);
  const at::Tensor order = at::randperm(count, generator, at::kLong);
  const int64_t* at_place = order.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    const int64_t e = at_place[i];
    const int part = static_cast<int64_t>(taken[0].size()) < num_test ? 0 : 1;
    if (part == 1 && static_cast<int64_t>(taken[1].size()) >= num_validation) break;
    links.remove(u[e], v[e]);
    if (!links.are_connected(u[e], v[e])) {
      links.restore(u[e], v[e]);
      continue;
    }
    is_taken[e] = true;
    taken[part].push_back(u[e] * num_nodes + v[e]);
  }

  std::unordered_set<int64_t> known;
  std::vector<int64_t> train;
  for (int64_t e = 0; e < count; ++e) {
    const int64_t key = u[e] * num_nodes + v[e];
    known.insert(key);
    if (!is_taken[e]) train.push_back(key);
  }
  // Drawn until enough: with at most half of all pairs known a draw succeeds every second time.
  if (4 * count > num_nodes * (num_nodes - 1) / 2) {
    fail<InvalidArgument>(
        {.where = "split_links",
         .rule = "at most a quarter of all pairs may be edges",
         .got = std::to_string(count) + " edges of " + std::to_string(num_nodes) + " nodes",
         .id = "T-LINK-02"});
  }
  const auto draw_none = [&](size_t wanted) {
    std::vector<int64_t> none;
    while (none.size() < wanted) {
      const at::Tensor drawn =
          random_pairs(num_nodes, 2 * static_cast<int64_t>(wanted - none.size()) + 16, generator);
      const int64_t *a = drawn.const_data_ptr<int64_t>(), *b = a + drawn.size(1);
      for (int64_t i = 0; i < drawn.size(1) && none.size() < wanted; ++i) {
        if (a[i] == b[i]) continue;
        const int64_t key = std::min(a[i], b[i]) * num_nodes + std::max(a[i], b[i]);
        if (known.insert(key).second) none.push_back(key);
      }
    }
    return pairs_of(none, num_nodes);
  };
  LinkSplit split;
  split.test = pairs_of(taken[0], num_nodes);
  split.validation = pairs_of(taken[1], num_nodes);
  split.train = pairs_of(train, num_nodes);
  split.test_none = draw_none(taken[0].size());
  split.validation_none = draw_none(taken[1].size());
  split.train_none = draw_none(train.size());
  return split;
}

at::Tensor random_pairs(int64_t num_nodes, int64_t count, at::Generator generator) {
  return at::randint(0, num_nodes, {2, count}, generator, at::kLong);
}

}  // namespace tessera::data
