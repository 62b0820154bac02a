#include "tessera/ops/cpu/if_neuron_kernel.h"

#include <ATen/cpu/vec/vec.h>

namespace tessera::ops::CPU_CAPABILITY {

namespace {

template <class T>
using Vec = at::vec::Vectorized<T>;

template <class T>
Vec<T> load(const T* from, int64_t count) {
  return count == Vec<T>::size() ? Vec<T>::loadu(from)
                                 : Vec<T>::loadu(from, static_cast<int>(count));
}

template <class T>
void store(const Vec<T>& value, T* to, int64_t count) {
  if (count == Vec<T>::size()) {
    value.store(to);
  } else {
    value.store(to, static_cast<int>(count));
  }
}

/// `vectors` vectors of neurons over all steps; the last has `tail` neurons.
template <class T, int vectors>
void run_neurons(const IfNeuronProblem<T>& p, int64_t sample, int64_t first, int64_t tail) {
  constexpr int64_t kSize = Vec<T>::size();
  const Vec<T> zero(T(0));
  Vec<T> v[vectors], V[vectors], shift[vectors], sum[vectors], scale[vectors];
  const auto count = [&](int i) { return i + 1 == vectors ? tail : kSize; };
  // Bytes and lanes meet in the first cache; loops over them become vector instructions.
  T lanes[vectors * kSize] = {};
  const int64_t neurons = (vectors - 1) * kSize + tail;
  for (int i = 0; i < vectors; ++i) {
    const int64_t at = first + i * kSize;
    v[i] = p.potential != nullptr ? load(p.potential + at, count(i)) : Vec<T>(p.start);
    V[i] = p.thresholds != nullptr ? load(p.thresholds + at, count(i)) : Vec<T>(p.threshold);
    shift[i] = p.shifts != nullptr ? load(p.shifts + at, count(i)) : Vec<T>(p.shift);
    scale[i] =
        p.residual_scales != nullptr ? load(p.residual_scales + at, count(i)) : p.residual_scale;
    sum[i] = zero;
  }
  const int64_t step = p.samples * p.width, offset = sample * p.width + first;
  for (int64_t t = 0; t < p.steps; ++t) {
    const int64_t now = t * step + offset;
    const T* const z = p.current + (p.is_constant ? offset : now);
    if (p.residual_marks != nullptr) {
      const uint8_t* const mark = p.residual_marks + now;
      for (int64_t k = 0; k < neurons; ++k) lanes[k] = static_cast<T>(mark[k]);
    }
    for (int i = 0; i < vectors; ++i) {
      Vec<T> x = load(z + i * kSize, count(i));
      if (p.residual != nullptr) x = x + load(p.residual + now + i * kSize, count(i));
      if (p.residual_marks != nullptr) x = x + Vec<T>::loadu(lanes + i * kSize) * scale[i];
      v[i] = v[i] + (x + shift[i]);
      const Vec<T> s = V[i] & (v[i] >= V[i]);
      v[i] = v[i] - s;
      if (p.marks != nullptr) {
        s.store(lanes + i * kSize);
      } else if (p.sums) {
        sum[i] = sum[i] + s;
      } else {
        store(s, p.spikes + now + i * kSize, count(i));
      }
      if (p.membranes != nullptr) {
        store(v[i], p.membranes + now + i * kSize, count(i));
      }
    }
    if (p.marks != nullptr) {
      uint8_t* const mark = p.marks + now;
      for (int64_t k = 0; k < neurons; ++k) mark[k] = lanes[k] != T(0);
    }
  }
  if (!p.sums) return;
  for (int i = 0; i < vectors; ++i) store(sum[i], p.spikes + offset + i * kSize, count(i));
}

template <class T>
void run(const IfNeuronProblem<T>& p, int64_t sample, int64_t begin, int64_t end) {
  // Four vectors a step: enough in flight to hide the additions, few enough for the registers.
  constexpr int64_t kSize = Vec<T>::size();
  int64_t i = begin;
  for (; i + 4 * kSize <= end; i += 4 * kSize) run_neurons<T, 4>(p, sample, i, kSize);
  for (; i < end; i += kSize) {
    run_neurons<T, 1>(p, sample, i, end - i < kSize ? end - i : kSize);
  }
}

}  // namespace

template <class T>
IfNeuronKernelOf<T> if_neuron_kernel() {
  return run<T>;
}

template IfNeuronKernelOf<float> if_neuron_kernel<float>();
template IfNeuronKernelOf<double> if_neuron_kernel<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
