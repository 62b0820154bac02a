#include "tessera/systems/ugs/link_split.h"

#include <ATen/ATen.h>

#include <set>
#include <vector>

namespace tessera::ugs {
namespace {

using Pair = std::pair<int64_t, int64_t>;

/// Adjacency that edges can be taken from, with a search that tells whether two nodes hang
/// together.
class Links {
 public:
  explicit Links(int64_t num_nodes)
      : neighbours_(static_cast<size_t>(num_nodes)), seen_(static_cast<size_t>(num_nodes), 0) {}

  void add(Pair edge) {
    of(edge.first).insert(edge.second);
    of(edge.second).insert(edge.first);
  }
  void remove(Pair edge) {
    of(edge.first).erase(edge.second);
    of(edge.second).erase(edge.first);
  }
  bool hang_together(Pair ends) {
    ++stamp_;
    std::vector<int64_t> front = {ends.first};
    seen_[static_cast<size_t>(ends.first)] = stamp_;
    while (!front.empty()) {
      const int64_t node = front.back();
      front.pop_back();
      for (const int64_t next : of(node)) {
        if (next == ends.second) return true;
        if (std::exchange(seen_[static_cast<size_t>(next)], stamp_) != stamp_) {
          front.push_back(next);
        }
      }
    }
    return false;
  }

 private:
  std::set<int64_t>& of(int64_t node) { return neighbours_[static_cast<size_t>(node)]; }

  std::vector<std::set<int64_t>> neighbours_;
  std::vector<int64_t> seen_;
  int64_t stamp_ = 0;
};

at::Tensor tensor_of(const std::vector<Pair>& pairs) {
  std::vector<int64_t> flat;
  for (const auto& [a, b] : pairs) flat.insert(flat.end(), {a, b});
  return at::tensor(flat, at::kLong).view({-1, 2});
}

}  // namespace

LinkSplit split_links(const at::Tensor& edges, int64_t num_nodes, double test, double validation,
                      at::Generator generator) {
  const at::Tensor from = edges[0].contiguous(), to = edges[1].contiguous();
  std::vector<Pair> all;
  std::set<Pair> taken;
  Links links(num_nodes);
  for (int64_t e = 0; e < from.numel(); ++e) {
    const Pair pair(from.const_data_ptr<int64_t>()[e], to.const_data_ptr<int64_t>()[e]);
    if (pair.first >= pair.second || !taken.insert(pair).second) continue;
    all.push_back(pair);
    links.add(pair);
  }
  const auto count = static_cast<double>(all.size());
  const auto tests = static_cast<size_t>(test * count);
  const auto validations = static_cast<size_t>(validation * count);
  const at::Tensor order = at::randperm(static_cast<int64_t>(all.size()), generator, at::kLong);
  std::vector<Pair> held;
  std::set<Pair> left(all.begin(), all.end());
  for (int64_t i = 0; i < order.numel() && held.size() < tests + validations; ++i) {
    const Pair pair = all[static_cast<size_t>(order.const_data_ptr<int64_t>()[i])];
    links.remove(pair);
    if (!links.hang_together(pair)) {
      links.add(pair);
      continue;
    }
    held.push_back(pair);
    left.erase(pair);
  }
  std::vector<Pair> none;
  while (none.size() < held.size()) {
    const at::Tensor ends = at::randint(num_nodes, {2}, generator, at::kLong);
    const int64_t a = ends[0].item<int64_t>(), b = ends[1].item<int64_t>();
    const Pair pair(std::min(a, b), std::max(a, b));
    if (a != b && taken.insert(pair).second) none.push_back(pair);
  }
  const auto part = [&](const std::vector<Pair>& list, size_t begin, size_t end) {
    const size_t first = std::min(begin, list.size()), last = std::min(end, list.size());
    return tensor_of(
        {list.begin() + static_cast<int64_t>(first), list.begin() + static_cast<int64_t>(last)});
  };
  std::set<Pair> both;
  for (const auto& [a, b] : left) both.insert({{a, b}, {b, a}});
  return {.train_edges = tensor_of({both.begin(), both.end()}).t().contiguous(),
          .validation = part(held, tests, held.size()),
          .validation_none = part(none, tests, none.size()),
          .test = part(held, 0, tests),
          .test_none = part(none, 0, tests)};
}

}  // namespace tessera::ugs
