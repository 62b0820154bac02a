#include <algorithm>

#include <ATen/ATen.h>

#include "tessera/ops/cpu/unicornn_layer.h"
#include "tessera/ops/product.h"
#include "tessera/ops/unicornn_stack_args.h"

// All layers march through time together, a block of steps at a time: what a layer's product
// writes, its recurrence reads from the cache, and what that writes, the next layer's product.
//
// Shape suffixes: K steps of a block, B samples, H neurons, D inputs; R = K·B rows of a product.

namespace tessera::ops {

namespace {

using at::Tensor;

/// A block of one layer's values stays in the second cache beside the weights.
constexpr int64_t kBlockBytes = 512 << 10;

/// So few input columns cost less than a product's set-up: they are added up in one pass.
constexpr int64_t kFewColumns = 8;

template <class T>
T* pointer(const Tensor& tensor) {
  return tensor.defined() ? tensor.mutable_data_ptr<T>() : nullptr;
}

struct Block {
  int64_t index, first, steps;
};

template <class T>
class March {
 public:
  explicit March(const UnicornnStackArgs& args)
      : args_(args),
        reach_(args.options.skip + 1),
        steps_(args.x.size(0)),
        batch_(args.x.size(1)),
        in_(args.x.size(2)),
        width_(args.width()),
        num_layers_(args.num_layers()) {
    const int64_t row_bytes = batch_ * width_ * static_cast<int64_t>(sizeof(T));
    block_steps_ = std::clamp<int64_t>(kBlockBytes / row_bytes, 1, steps_);
    if (args.masks.defined()) masks_ = args.masks.contiguous();
    for (const UnicornnStackLayer& layer : args.layers) {
      layers_.emplace_back(UnicornnOscillators{layer.w, layer.c, layer.dt, args.options.alpha},
                           batch_);
    }
    if (has_few_columns()) v0_DH_ = args.layers[0].v.t().contiguous();
    b0_H_ = args.layers[0].b.contiguous();
    outputs_.resize(layers_.size());
    for (size_t l = 0; l + 1 < layers_.size(); ++l) outputs_[l] = empty_block();
    few_drive_ = has_few_columns() ? empty_block() : Tensor();
  }

  UnicornnStackKept forward(bool keep);
  std::vector<Tensor> backward(const UnicornnStackCotangents& given, const UnicornnState& end,
                               const std::vector<Tensor>& drives, const std::vector<bool>& needs);

 private:
  bool has_few_columns() const { return in_ <= kFewColumns; }
  bool is_reversible() const {
    return args_.options.backward == UnicornnBackwardMode::kFullReversible;
  }
  bool has_residual(int64_t l) const {
    return args_.options.residual != UnicornnResidual::kNone && l >= reach_ && l < num_layers_;
  }
  const UnicornnStackLayer& weights(int64_t l) const {
    return args_.layers[static_cast<size_t>(l)];
  }
  const UnicornnLayer<T>& layer(int64_t l) const { return layers_[static_cast<size_t>(l)]; }
  Tensor& output(int64_t l) { return outputs_[static_cast<size_t>(l)]; }

  Tensor empty_block() const {
    return at::empty({block_steps_ * batch_, width_}, args_.x.options());
  }
  int64_t num_blocks() const { return (steps_ + block_steps_ - 1) / block_steps_; }
  Block block(int64_t index) const {
    const int64_t first = index * block_steps_;
    return {index, first, std::min(block_steps_, steps_ - first)};
  }
  /// The block's rows of a scratch block.
  Tensor rows(const Tensor& scratch_RH, const Block& k) const {
    return scratch_RH.narrow(0, 0, k.steps * batch_);
  }
  /// The block's input, (R, D) contiguous.
  Tensor input(const Block& k) const {
    return args_.x.narrow(0, k.first, k.steps).contiguous().view({k.steps * batch_, in_});
  }
  const T* mask(int64_t l) const {
    return masks_.defined() ? masks_.const_data_ptr<T>() + l * batch_ * width_ : nullptr;
  }

  Tensor drive(int64_t l, const Block& k);
  void add_weight_gradient(const Tensor& d_q_RH, const Tensor& below_R, Tensor& sum);
  Tensor gradient_above(int64_t l, const Block& k, const std::vector<Tensor>& d_q);

  const UnicornnStackArgs& args_;
  const int64_t reach_, steps_, batch_, in_, width_, num_layers_;
  int64_t block_steps_;
  Tensor masks_, v0_DH_, b0_H_, few_drive_;
  std::vector<UnicornnLayer<T>> layers_;
  std::vector<Tensor> outputs_;  ///< of the present block, times the masks; none of the last layer
  Tensor y_, z_;                 ///< (L, B, H), the states at the march's present end
};

/// q of a layer over a block, from the outputs of the layers below.
template <class T>
Tensor March<T>::drive(int64_t l, const Block& k) {
  if (l == 0 && has_few_columns()) {
    const Tensor u = input(k), q = rows(few_drive_, k);
    const int64_t count = q.size(0);
    const int64_t parts = parts_for(count * width_ * 4 * (in_ + 1), kMaxThreads);
    for_each_part(parts, [&](int64_t part) {
      unicornn_kernels<T>().drive(in_, width_, u.const_data_ptr<T>(), v0_DH_.const_data_ptr<T>(),
                                  b0_H_.const_data_ptr<T>(), q.mutable_data_ptr<T>(),
                                  part_begin(count, parts, part),
                                  part_begin(count, parts, part + 1));
    });
    return q;
  }
  const Tensor below = l == 0 ? input(k) : rows(output(l - 1), k);
  Tensor q = affine(below, weights(l).v, weights(l).b);
  if (has_residual(l)) {
    const Tensor from = rows(output(l - reach_), k);
    q.add_(weights(l).residual.defined() ? affine(from, weights(l).residual) : from);
  }
  return q;
}

template <class T>
UnicornnStackKept March<T>::forward(bool keep) {
  const auto options = args_.x.options();
  const auto movable = [&](const Tensor& given) {
    return given.defined() ? given.clone(at::MemoryFormat::Contiguous)
                           : at::zeros({num_layers_, batch_, width_}, options);
  };
  y_ = movable(args_.start.y);
  z_ = movable(args_.start.z);
  UnicornnStackKept kept;
  kept.result.y = at::empty({args_.options.sequence ? steps_ : 0, batch_, width_}, options);
  for (int64_t index = 0; index < num_blocks(); ++index) {
    const Block k = block(index);
    for (int64_t l = 0; l < num_layers_; ++l) {
      const Tensor q = drive(l, k);
      const bool is_last = l + 1 == num_layers_;
      const Tensor out = !is_last                 ? output(l)
                         : args_.options.sequence ? kept.result.y.narrow(0, k.first, k.steps)
                                                  : Tensor();
      layer(l).forward({.steps = k.steps,
                        .q = q.template const_data_ptr<T>(),
                        .mask = mask(l),
                        .y = pointer<T>(y_[l]),
                        .z = pointer<T>(z_[l]),
                        .y_out = pointer<T>(out)});
      // The first layer's is made again from the input where that is cheap.
      if (keep && !is_reversible() && !(l == 0 && has_few_columns())) kept.drives.push_back(q);
    }
  }
  kept.result.y_n = y_;
  kept.result.z_n = z_;
  return kept;
}

/// sum += d_qᵀ·below
template <class T>
void March<T>::add_weight_gradient(const Tensor& d_q_RH, const Tensor& below_R, Tensor& sum) {
  sum.add_(product(d_q_RH.t(), below_R));
}

/// The gradient by the masked output of a layer that is not the last, from the drives above it.
template <class T>
Tensor March<T>::gradient_above(int64_t l, const Block& k, const std::vector<Tensor>& d_q) {
  const auto of = [&](int64_t above) { return rows(d_q[static_cast<size_t>(above)], k); };
  Tensor g = product(of(l + 1), weights(l + 1).v);
  if (!has_residual(l + reach_)) return g;
  const Tensor& map = weights(l + reach_).residual;
  return g.add_(map.defined() ? product(of(l + reach_), map) : of(l + reach_));
}

template <class T>
std::vector<Tensor> March<T>::backward(const UnicornnStackCotangents& given,
                                       const UnicornnState& end, const std::vector<Tensor>& drives,
                                       const std::vector<bool>& needs) {
  const auto options = args_.x.options();
  const auto movable = [&](const Tensor& tensor) {
    return tensor.defined() ? tensor.clone(at::MemoryFormat::Contiguous)
                            : at::zeros({num_layers_, batch_, width_}, options);
  };
  y_ = movable(end.y);
  z_ = movable(end.z);
  const Tensor d_y = movable(given.y_n), d_z = movable(given.z_n);
  const Tensor g_last =
      args_.options.sequence && given.y.defined() ? given.y.contiguous() : Tensor();
  enum Sum { kSumW, kSumC, kSumQ, kSumMask, kNumSums };
  const Tensor sums = at::zeros({num_layers_, kNumSums, batch_, width_}, options);
  const Tensor d_x = needs[kStackX] ? at::empty(args_.x.sizes(), options) : Tensor();

  std::vector<Tensor> d_q, d_v, d_residual(layers_.size());
  for (int64_t l = 0; l < num_layers_; ++l) {
    d_q.push_back(empty_block());
    d_v.push_back(l == 0 && has_few_columns() ? at::zeros({in_, width_}, options)
                                              : at::zeros(weights(l).v.sizes(), options));
    if (has_residual(l) && weights(l).residual.defined()) {
      d_residual[static_cast<size_t>(l)] = at::zeros({width_, width_}, options);
    }
  }
  const int64_t first_kept = has_few_columns() ? 1 : 0;
  std::vector<Tensor> q(layers_.size());
  for (int64_t index = num_blocks() - 1; index >= 0; --index) {
    const Block k = block(index);
    for (int64_t l = 0; l < num_layers_; ++l) {
      const bool is_kept = !is_reversible() && l >= first_kept;
      q[static_cast<size_t>(l)] =
          is_kept
              ? drives[static_cast<size_t>(k.index * (num_layers_ - first_kept) + l - first_kept)]
              : drive(l, k);
      if (!is_reversible() || l + 1 == num_layers_) continue;
      // The drive of the next layer needs this layer's outputs: step back on a copy.
      const Tensor y = y_[l].clone(), z = z_[l].clone();
      layer(l).rebuild({.steps = k.steps,
                        .q = q[static_cast<size_t>(l)].template const_data_ptr<T>(),
                        .mask = mask(l),
                        .y = pointer<T>(y),
                        .z = pointer<T>(z),
                        .y_out = pointer<T>(output(l))});
    }
    for (int64_t l = num_layers_ - 1; l >= 0; --l) {
      const bool is_last = l + 1 == num_layers_;
      const Tensor g = !is_last           ? gradient_above(l, k, d_q)
                       : g_last.defined() ? g_last.narrow(0, k.first, k.steps)
                                          : Tensor();
      const Tensor own = sums[l];
      const Tensor d_q_RH = rows(d_q[static_cast<size_t>(l)], k);
      layer(l).backward({.steps = k.steps,
                         .q = q[static_cast<size_t>(l)].template const_data_ptr<T>(),
                         .mask = mask(l),
                         .g = pointer<T>(g),
                         .y = pointer<T>(y_[l]),
                         .z = pointer<T>(z_[l]),
                         .d_y = pointer<T>(d_y[l]),
                         .d_z = pointer<T>(d_z[l]),
                         .y_out = is_last || is_reversible() ? nullptr : pointer<T>(output(l)),
                         .d_q = pointer<T>(d_q_RH),
                         .sum_w = pointer<T>(own[kSumW]),
                         .sum_c = pointer<T>(own[kSumC]),
                         .sum_q = pointer<T>(own[kSumQ]),
                         .sum_mask = needs[kStackMasks] ? pointer<T>(own[kSumMask]) : nullptr});
      if (!is_last) {
        const Tensor below = rows(output(l), k);
        add_weight_gradient(rows(d_q[static_cast<size_t>(l + 1)], k), below,
                            d_v[static_cast<size_t>(l + 1)]);
        if (has_residual(l + reach_) && weights(l + reach_).residual.defined()) {
          add_weight_gradient(rows(d_q[static_cast<size_t>(l + reach_)], k), below,
                              d_residual[static_cast<size_t>(l + reach_)]);
        }
      }
    }
    const Tensor u = input(k), d_q_RH = rows(d_q[0], k);
    if (has_few_columns()) {
      const int64_t lanes = (width_ + kLane - 1) / kLane;
      const int64_t parts = parts_for(u.size(0) * width_ * 4 * in_, std::min(lanes, kMaxThreads));
      for_each_part(parts, [&](int64_t part) {
        unicornn_kernels<T>().gather(
            u.size(0), in_, width_, u.const_data_ptr<T>(), d_q_RH.const_data_ptr<T>(),
            d_v[0].template mutable_data_ptr<T>(), part_begin(lanes, parts, part) * kLane,
            std::min(part_begin(lanes, parts, part + 1) * kLane, width_));
      });
    } else {
      add_weight_gradient(d_q_RH, u, d_v[0]);
    }
    if (d_x.defined()) {
      d_x.narrow(0, k.first, k.steps)
          .copy_(product(d_q_RH, weights(0).v).view({k.steps, batch_, in_}));
    }
  }

  std::vector<Tensor> d(needs.size());
  d[kStackX] = d_x;
  if (needs[kStackMasks]) d[kStackMasks] = sums.select(1, kSumMask).clone();
  if (needs[kStackY0]) d[kStackY0] = d_y;
  if (needs[kStackZ0]) d[kStackZ0] = d_z;
  for (int64_t l = 0; l < num_layers_; ++l) {
    Tensor* own = &d[static_cast<size_t>(kStackLayers + l * kLayerTensors)];
    const Tensor over_batch = sums[l].sum(1);
    own[kLayerV] = l == 0 && has_few_columns() ? d_v[0].t() : d_v[static_cast<size_t>(l)];
    own[kLayerB] = over_batch[kSumQ];
    own[kLayerW] = over_batch[kSumW];
    own[kLayerC] =
        (over_batch[kSumC].to(at::kDouble) * layer(l).step_slope()).to(args_.x.scalar_type());
    own[kLayerResidual] = d_residual[static_cast<size_t>(l)];
  }
  return d;
}

// ---- Parts of the batch -------------------------------------------------------------------------

/// Samples do not wait for each other: each thread marches its part through all of time, instead of
/// all threads meeting at every product. A part has samples enough to fill a product's rows.
int64_t parts_of(const UnicornnStackArgs& args) {
  constexpr int64_t kLeastSamples = 4;
  const int64_t batch = args.x.size(1),
                work = args.x.size(0) * batch * args.width() * args.width() * args.num_layers();
  return parts_for(work, std::max<int64_t>(batch / kLeastSamples, 1));
}

/// Samples [begin, end) of a tensor whose second axis is the batch.
Tensor samples(const Tensor& tensor, int64_t begin, int64_t end) {
  return tensor.defined() ? tensor.narrow(1, begin, end - begin).contiguous() : tensor;
}

struct Part {
  int64_t begin, end;

  Part(const UnicornnStackArgs& args, int64_t parts, int64_t part)
      : begin(part_begin(args.x.size(1), parts, part)),
        end(part_begin(args.x.size(1), parts, part + 1)) {}
  Tensor of(const Tensor& tensor) const { return samples(tensor, begin, end); }
  UnicornnStackArgs of(const UnicornnStackArgs& args) const {
    UnicornnStackArgs mine = args;
    mine.x = of(args.x);
    mine.masks = of(args.masks);
    mine.start = {of(args.start.y), of(args.start.z)};
    return mine;
  }
};

/// body(part) in parallel; what it calls runs on its own thread alone.
template <class Body>
void march_parts(int64_t parts, const Body& body) {
  for_each_part(parts, [&](int64_t part) {
    const at::NoGradGuard no_grad;  // a thread's own
    body(part);
  });
}

UnicornnStackKept march(const UnicornnStackArgs& args, bool keep) {
  return args.x.scalar_type() == at::kDouble ? March<double>(args).forward(keep)
                                             : March<float>(args).forward(keep);
}

std::vector<Tensor> march_back(const UnicornnStackCotangents& d, const UnicornnState& end,
                               const std::vector<Tensor>& drives, const UnicornnStackArgs& args,
                               const std::vector<bool>& needs) {
  return args.x.scalar_type() == at::kDouble ? March<double>(args).backward(d, end, drives, needs)
                                             : March<float>(args).backward(d, end, drives, needs);
}

}  // namespace

UnicornnStackKept unicornn_stack_cpu(const UnicornnStackArgs& args, bool keep) {
  const at::NoGradGuard no_grad;
  const int64_t parts = parts_of(args);
  if (parts == 1) return march(args, keep);
  std::vector<UnicornnStackKept> made(static_cast<size_t>(parts));
  march_parts(parts, [&](int64_t part) {
    made[static_cast<size_t>(part)] = march(Part(args, parts, part).of(args), keep);
  });
  UnicornnStackKept all;
  std::vector<Tensor> y, y_n, z_n;
  for (UnicornnStackKept& one : made) {
    y.push_back(one.result.y);
    y_n.push_back(one.result.y_n);
    z_n.push_back(one.result.z_n);
    all.drives.insert(all.drives.end(), one.drives.begin(), one.drives.end());
  }
  all.result = {at::cat(y, 1), at::cat(y_n, 1), at::cat(z_n, 1)};
  all.parts = parts;
  return all;
}

std::vector<Tensor> unicornn_stack_backward_cpu(const UnicornnStackCotangents& d,
                                                const UnicornnState& end,
                                                const std::vector<Tensor>& drives, int64_t parts,
                                                const UnicornnStackArgs& args,
                                                const std::vector<bool>& needs) {
  const at::NoGradGuard no_grad;
  if (parts == 1) return march_back(d, end, drives, args, needs);
  // Parts differ in size, and so do their blocks: each is asked how many drives are its own.
  std::vector<std::vector<Tensor>> own_drives(static_cast<size_t>(parts));
  auto next = drives.begin();
  for (int64_t part = 0; part < parts && next != drives.end(); ++part) {
    const Part own(args, parts, part);
    int64_t steps = 0;
    // Drives of a part end with the last step of its last kept layer.
    const int64_t kept_layers = args.num_layers() - (args.x.size(2) <= kFewColumns ? 1 : 0);
    while (steps < args.x.size(0) * kept_layers) {
      steps += next->size(0) / (own.end - own.begin);
      own_drives[static_cast<size_t>(part)].push_back(*next++);
    }
  }
  std::vector<std::vector<Tensor>> found(static_cast<size_t>(parts));
  march_parts(parts, [&](int64_t part) {
    const Part own(args, parts, part);
    found[static_cast<size_t>(part)] =
        march_back({own.of(d.y), own.of(d.y_n), own.of(d.z_n)}, {own.of(end.y), own.of(end.z)},
                   own_drives[static_cast<size_t>(part)], own.of(args), needs);
  });
  std::vector<Tensor> all(needs.size());
  for (size_t i = 0; i < all.size(); ++i) {
    std::vector<Tensor> pieces;
    for (const auto& one : found) {
      if (one[i].defined()) pieces.push_back(one[i]);
    }
    if (pieces.empty()) continue;
    if (i < kStackLayers) {
      all[i] = at::cat(pieces, 1);
    } else {
      // In the order of the parts: the same bits at the same number of threads.
      all[i] = pieces.front().clone();
      for (size_t part = 1; part < pieces.size(); ++part) all[i].add_(pieces[part]);
    }
  }
  return all;
}

}  // namespace tessera::ops
