#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <tuple>

#include "tessera/core/error.h"
#include "tessera/ops/cpu/grid_linear_kernel.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/grid_linear_args.h"

namespace tessera::ops {

template <class T>
const GridLinearKernels<T>& grid_linear_kernels() {
  static const GridLinearKernels<T> chosen = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::grid_linear_kernels<T>();
      case InstructionSet::kAvx2:
        return AVX2::grid_linear_kernels<T>();
      default:
        return DEFAULT::grid_linear_kernels<T>();
    }
  }();
  return chosen;
}
template const GridLinearKernels<float>& grid_linear_kernels<float>();
template const GridLinearKernels<double>& grid_linear_kernels<double>();

namespace {

/// The problem, with the contiguous tensors its pointers lead to.
template <class T>
struct Problem : GridLinearProblem<T> {
  explicit Problem(const GridLinearArgs& args)
      : x_t(args.x.contiguous()),
        weight_t(args.weight.contiguous()),
        bias_t(args.bias.defined() ? args.bias.contiguous() : args.bias),
        index(args.n.index.contiguous()),
        node_weight(args.n.weight.contiguous()),
        active(args.n.index.size(1)) {
    this->rows = x_t.size(0);
    this->in = x_t.size(1);
    this->out = weight_t.size(1);
    this->nodes = weight_t.size(0);
    this->x = x_t.template const_data_ptr<T>();
    this->weight = weight_t.template const_data_ptr<T>();
    this->bias = bias_t.defined() ? bias_t.template const_data_ptr<T>() : nullptr;
    // Asked for once: a tensor checks itself at every question.
    indices = index.const_data_ptr<int64_t>();
    weights = node_weight.template const_data_ptr<T>();
  }

  void check_indices() const {
    for (int64_t i = 0; i < this->rows * active; ++i) {
      if (indices[i] >= 0 && indices[i] < this->nodes) continue;
      fail<InvalidArgument>({.where = "grid_linear",
                             .rule = fmt::format("a node index must be below K = {}", this->nodes),
                             .got = std::to_string(indices[i]),
                             .id = "T-GRID-12"});
    }
  }

  int64_t work() const { return this->rows * active * this->in * this->out; }

  at::Tensor x_t, weight_t, bias_t, index, node_weight;
  int64_t active;
  const int64_t* indices;
  const T* weights;
};

/// Samples of neighbouring cells side by side, with the union of their nodes.
template <class T>
struct Blocks {
  std::vector<GridBlock> blocks;
  std::vector<GridBlockEntry<T>> entries;

  explicit Blocks(const Problem<T>& p) : slot_(static_cast<size_t>(p.nodes), -1) {
    const std::vector<int64_t> order = by_first_node(p);
    entries.reserve(static_cast<size_t>(p.rows * p.active));
    size_t i = 0;
    while (i < order.size()) {
      size_t count = std::min<size_t>(kGridRows, order.size() - i);
      if (count < kGridRows) count = 1;
      add(p, order.data() + i, count);
      // Samples that share little cost more together than one by one.
      const GridBlock& block = blocks.back();
      if (count > 1 && 2 * (block.end - block.begin) > 5 * p.active) {
        entries.resize(static_cast<size_t>(block.begin));
        blocks.pop_back();
        for (size_t k = 0; k < count; ++k) add(p, order.data() + i + k, 1);
      }
      i += count;
    }
  }

 private:
  /// Samples, those of one cell side by side.
  static std::vector<int64_t> by_first_node(const Problem<T>& p) {
    std::vector<int64_t> next(static_cast<size_t>(p.nodes) + 2, 0);
    const auto place = [&](int64_t row) {
      return p.active == 0 ? 0 : static_cast<size_t>(p.indices[row * p.active]);
    };
    for (int64_t row = 0; row < p.rows; ++row) ++next[place(row) + 1];
    std::partial_sum(next.begin(), next.end(), next.begin());
    std::vector<int64_t> order(static_cast<size_t>(p.rows));
    for (int64_t row = 0; row < p.rows; ++row) {
      order[static_cast<size_t>(next[place(row)]++)] = row;
    }
    return order;
  }

  void add(const Problem<T>& p, const int64_t* rows, size_t count) {
    GridBlock block{.num_rows = static_cast<int64_t>(count),
                    .begin = static_cast<int64_t>(entries.size())};
    for (size_t r = 0; r < kGridRows; ++r) {
      block.rows[r] = rows[r < count ? r : 0];
      if (r >= count) continue;
      for (int64_t s = 0; s < p.active; ++s) {
        const int64_t node = p.indices[rows[r] * p.active + s];
        int64_t& slot = slot_[static_cast<size_t>(node)];
        // Left over from an earlier block: entries of this one lie behind its begin.
        const bool is_new = slot < block.begin || slot >= static_cast<int64_t>(entries.size()) ||
                            entries[static_cast<size_t>(slot)].node != node;
        if (is_new) {
          slot = static_cast<int64_t>(entries.size());
          entries.push_back({.node = node, .weight = {}});
        }
        entries[static_cast<size_t>(slot)].weight[r] += p.weights[rows[r] * p.active + s];
      }
    }
    block.end = static_cast<int64_t>(entries.size());
    blocks.push_back(block);
  }

  std::vector<int64_t> slot_;
};

/// Samples of each node, in the order of the batch; those without weight are left out unless the
/// gradient by the weight itself is wanted.
template <class T>
struct Uses {
  std::vector<int64_t> begin;
  std::vector<GridUse<T>> uses;
  int64_t most = 0;

  Uses(const Problem<T>& p, bool with_zeros) : begin(static_cast<size_t>(p.nodes) + 1, 0) {
    const int64_t count = p.rows * p.active;
    const auto is_used = [&](int64_t i) { return with_zeros || p.weights[i] != T(0); };
    for (int64_t i = 0; i < count; ++i) {
      if (is_used(i)) ++begin[static_cast<size_t>(p.indices[i]) + 1];
    }
    most = *std::max_element(begin.begin(), begin.end());
    std::partial_sum(begin.begin(), begin.end(), begin.begin());
    uses.resize(static_cast<size_t>(begin.back()));
    std::vector<int64_t> next(begin.begin(), begin.end() - 1);
    int64_t i = 0;
    for (int64_t row = 0; row < p.rows; ++row) {
      for (int64_t s = 0; s < p.active; ++s, ++i) {
        if (!is_used(i)) continue;
        const auto at = static_cast<size_t>(next[static_cast<size_t>(p.indices[i])]++);
        uses[at] = {row, i, p.weights[i]};
      }
    }
  }

  GridUses<T> view() const { return {begin.data(), uses.data()}; }
};

/// A plan (Blocks or Uses) of the node weights of `p`. The last one of each thread is kept: a
/// network's layers blend with the same weights one after another, and to compare them with a copy
/// is an order of magnitude cheaper than to plan again. Valid until the thread's next call.
template <class Plan, class T, class... Options>
const Plan& plan_of(const Problem<T>& p, Options... options) {
  struct Memo {
    std::tuple<int64_t, int64_t, int64_t, Options...> key;
    std::vector<int64_t> index;
    std::vector<T> weight;
    std::optional<Plan> plan;
  };
  // 3 MB of indices and weights; what is larger is not kept.
  constexpr int64_t kLargestKept = 1 << 18;
  thread_local Memo memo;
  const auto key = std::make_tuple(p.rows, p.active, p.nodes, options...);
  const auto count = static_cast<size_t>(p.rows * p.active);
  const auto is_same = [count](const auto& kept, const auto* now) {
    return kept.size() == count && std::memcmp(kept.data(), now, count * sizeof(*now)) == 0;
  };
  if (memo.plan && memo.key == key && is_same(memo.index, p.indices) &&
      is_same(memo.weight, p.weights)) {
    return *memo.plan;
  }
  p.check_indices();
  memo.plan.reset();
  memo.key = key;
  const size_t kept = p.rows * p.active <= kLargestKept ? count : 0;
  memo.index.assign(p.indices, p.indices + kept);
  memo.weight.assign(p.weights, p.weights + kept);
  return memo.plan.emplace(p, options...);
}

/// From here on a batch goes node by node: what it reads is then each node's parameters once, and
/// the sum across lanes that every sample of a node costs is small beside its products.
constexpr int64_t kLeastInputsByNode = 64;

template <class T>
at::Tensor forward(const GridLinearArgs& args) {
  const Problem<T> p(args);
  const at::Tensor y = at::empty({p.rows, p.out}, p.x_t.options());
  T* const to = y.mutable_data_ptr<T>();
  const int64_t parts = parts_for(p.work(), std::max<int64_t>(p.out / 8, 1));
  if (p.rows == 1) {
    p.check_indices();
    for_each_part(parts, [&](int64_t part) {
      grid_linear_kernels<T>().forward_one(p, p.x, p.active, p.indices, p.weights,
                                           part_begin(p.out, parts, part),
                                           part_begin(p.out, parts, part + 1), to);
    });
    return y;
  }
  if (p.in >= kLeastInputsByNode) {
    const auto& uses = plan_of<Uses<T>>(p, /*with_zeros=*/false);
    for_each_part(parts, [&](int64_t part) {
      grid_linear_kernels<T>().forward_by_node(p, uses.view(), part_begin(p.out, parts, part),
                                               part_begin(p.out, parts, part + 1), to);
    });
    return y;
  }
  const auto& plan = plan_of<Blocks<T>>(p);
  for_each_part(parts, [&](int64_t part) {
    grid_linear_kernels<T>().forward(
        p, plan.blocks.data(), static_cast<int64_t>(plan.blocks.size()), plan.entries.data(),
        part_begin(p.out, parts, part), part_begin(p.out, parts, part + 1), to);
  });
  return y;
}

/// d_n += d_y · bias of each use.
template <class T>
void add_bias_part(const Problem<T>& p, const T* d_y, T* d_node) {
  int64_t i = 0;
  for (int64_t row = 0; row < p.rows; ++row) {
    for (int64_t s = 0; s < p.active; ++s, ++i) {
      const T *d = d_y + row * p.out, *b = p.bias + p.indices[i] * p.out;
      T sum = 0;
      for (int64_t o = 0; o < p.out; ++o) sum += d[o] * b[o];
      d_node[i] += sum;
    }
  }
}

template <class T>
GridLinearTensors backward(const at::Tensor& given, const GridLinearArgs& args,
                           const GridLinearNeeds& needs) {
  const Problem<T> p(args);
  const at::Tensor d_y = given.contiguous();
  const T* const d = d_y.const_data_ptr<T>();
  const auto& uses = plan_of<Uses<T>>(p, /*with_zeros=*/needs[kGridNode]);
  GridLinearTensors result;

  if (needs[kGridX] || needs[kGridNode]) {
    const at::Tensor d_x = at::empty_like(p.x_t);
    const int64_t parts = parts_for(p.work(), std::max<int64_t>(p.in / 16, 1));
    // A sum for each range of columns, so that threads share none.
    const at::Tensor sums =
        at::zeros({needs[kGridNode] ? parts : 0, p.rows, p.active}, p.x_t.options());
    for_each_part(parts, [&](int64_t part) {
      grid_linear_kernels<T>().backward_x(
          p, uses.view(), d, part_begin(p.in, parts, part), part_begin(p.in, parts, part + 1),
          d_x.mutable_data_ptr<T>(),
          needs[kGridNode] ? sums.mutable_data_ptr<T>() + part * p.rows * p.active : nullptr);
    });
    if (needs[kGridX]) result[kGridX] = d_x;
    if (needs[kGridNode]) {
      result[kGridNode] = parts == 1 ? sums[0] : sums.sum(0);
      if (p.bias_t.defined()) add_bias_part(p, d, result[kGridNode].template mutable_data_ptr<T>());
    }
  }

  if (needs[kGridWeight] || needs[kGridBias]) {
    if (needs[kGridWeight]) result[kGridWeight] = at::empty_like(p.weight_t);
    if (needs[kGridBias]) result[kGridBias] = at::empty({p.nodes, p.out}, p.x_t.options());
    const int64_t parts = parts_for(p.work(), std::max<int64_t>(p.out / 8, 1));
    const int64_t widest = p.out / parts + 1;
    const at::Tensor scratch = at::empty({parts, uses.most * widest}, p.x_t.options());
    const auto pointer = [](const at::Tensor& t) {
      return t.defined() ? t.mutable_data_ptr<T>() : nullptr;
    };
    for_each_part(parts, [&](int64_t part) {
      grid_linear_kernels<T>().backward_weight(
          p, uses.view(), d, part_begin(p.out, parts, part), part_begin(p.out, parts, part + 1),
          pointer(result[kGridWeight]), pointer(result[kGridBias]),
          scratch.mutable_data_ptr<T>() + part * uses.most * widest);
    });
  }
  return result;
}

}  // namespace

at::Tensor grid_linear_cpu(const GridLinearArgs& args) {
  return args.x.scalar_type() == at::kDouble ? forward<double>(args) : forward<float>(args);
}

GridLinearTensors grid_linear_backward_cpu(const at::Tensor& d_y, const GridLinearArgs& args,
                                           const GridLinearNeeds& needs) {
  return args.x.scalar_type() == at::kDouble ? backward<double>(d_y, args, needs)
                                             : backward<float>(d_y, args, needs);
}

}  // namespace tessera::ops
