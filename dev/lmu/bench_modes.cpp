// Times every form of the parallel LMU layer on random shapes, forward and forward + backward, and
// prints one line of CSV for each. fit_modes.py makes the constants of `auto` from them.
//   c++ -std=c++20 -O2 -fopenmp -DFMT_HEADER_ONLY -I. -isystem $TORCH/include
//       -isystem $TORCH/include/torch/csrc/api/include dev/lmu/bench_modes.cpp -o bench_modes
//       -Lbuild/release/lib -ltessera -L$TORCH/lib -ltorch -ltorch_cpu -lc10
//   bench_modes steps|last THREADS SECONDS SEED >> modes.csv
#include <torch/torch.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>

#include "tessera/core/threads.h"
#include "tessera/ops/causal_convolution.h"
#include "tessera/ops/product.h"
#include "tessera/systems/lmu/memory.h"

using namespace tessera;
using namespace tessera::lmu;

namespace {

double seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

struct Shape {
  int64_t batch, systems, length, order, hidden, input;
  int64_t rows() const { return batch * systems; }
};

/// The layer of parallel_layer.cpp with its form chosen from outside.
class Layer {
 public:
  Layer(const Shape& shape, bool every_step)
      : shape_(shape),
        every_step_(every_step),
        memory_(shape.order, static_cast<double>(shape.length), Discretizer::kZoh, {}),
        x_(torch::randn({shape.batch, shape.length, shape.input})),
        W_u_(parameter(shape.systems, shape.input)),
        b_u_(parameter(1, shape.systems).detach().flatten().requires_grad_()),
        W_h_(parameter(shape.hidden, shape.systems * shape.order + shape.input)),
        b_h_(parameter(1, shape.hidden).detach().flatten().requires_grad_()) {}

  at::Tensor outputs(std::optional<Mode> mode) {
    const auto [batch, systems, length, order, hidden, input] = shape_;
    const Kernels& kernels = memory_.kernels(length, x_.options());
    const at::Tensor u = at::relu(ops::affine(x_, W_u_, b_u_));
    if (!mode) {
      const at::Tensor read = ops::product(kernels.impulse, W_h_.narrow(1, 0, order).t());
      const at::Tensor z = ops::causal_convolution(u.squeeze(2), read);
      return at::relu(z + ops::affine(x_, W_h_.narrow(1, order, input), b_h_));
    }
    if (!every_step_) {
      const at::Tensor m = final_memory(u, {}, kernels, *mode).reshape({batch, systems * order});
      return at::relu(ops::affine(at::cat({m, x_.select(1, length - 1)}, 1), W_h_, b_h_));
    }
    const at::Tensor m =
        memory_states(u, {}, kernels, *mode).reshape({batch, length, systems * order});
    return at::relu(ops::affine(at::cat({m, x_}, 2), W_h_, b_h_));
  }

  void step(std::optional<Mode> mode, bool trains) {
    if (!trains) {
      const at::NoGradGuard no_grad;
      outputs(mode);
      return;
    }
    for (const at::Tensor& p : {W_u_, b_u_, W_h_, b_h_}) at::Tensor(p).mutable_grad().reset();
    outputs(mode).sum().backward();
  }

 private:
  static at::Tensor parameter(int64_t out, int64_t in) {
    const at::Tensor drawn = torch::randn({out, in}) / std::sqrt(static_cast<double>(in));
    return drawn.requires_grad_();
  }

  Shape shape_;
  bool every_step_;
  DelayMemory memory_;
  at::Tensor x_, W_u_, b_u_, W_h_, b_h_;
};

/// The best of a few calls, fewer where one is long.
double best_ms(Layer& layer, std::optional<Mode> mode, bool trains) {
  const double start = seconds();
  layer.step(mode, trains);
  double best = seconds() - start;
  if (best > 0.25) return 1e3 * best;  // the first is cold by far less than this
  for (int i = 0; i < 4 && seconds() - start < 0.12; ++i) {
    const double begin = seconds();
    layer.step(mode, trains);
    best = std::min(best, seconds() - begin);
  }
  return 1e3 * best;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return std::fprintf(stderr, "see the top of bench_modes.cpp\n"), 2;
  const bool every_step = std::string(argv[1]) == "steps";
  const int threads = set_threads(std::atoi(argv[2]));
  const double end = seconds() + std::atof(argv[3]);
  std::mt19937 random(static_cast<unsigned>(std::atoi(argv[4])));
  const auto between = [&](double low, double high) {
    const double u =
        std::uniform_real_distribution<double>(std::log2(low), std::log2(high))(random);
    return static_cast<int64_t>(std::lround(std::exp2(u)));
  };
  while (seconds() < end) {
    const Shape shape{.batch = between(1, 64),
                      .systems = random() % 3 == 0 ? between(2, 16) : 1,
                      .length = between(2, 2048),
                      .order = between(1, 512),
                      .hidden = between(4, 512),
                      .input = between(1, 64)};
    const double states = static_cast<double>(shape.rows() * shape.length * shape.order);
    if (states > 16e6) continue;  // 64 MB a tensor
    Layer layer(shape, every_step);
    for (const bool trains : {false, true}) {
      const auto time = [&](const char* name, std::optional<Mode> mode) {
        std::printf("%s,%s,%d,%ld,%ld,%ld,%ld,%ld,%ld,%d,%s,%.4f\n", argv[4], argv[1], threads,
                    shape.batch, shape.systems, shape.length, shape.order, shape.hidden,
                    shape.input, static_cast<int>(trains), name, best_ms(layer, mode, trains));
      };
      time("recurrent", Mode::kRecurrent);
      time("fft", Mode::kFft);
      // T² products or N³ powers: left out where they cannot win and would take all the time.
      if (states * static_cast<double>(shape.length) < 8e9) time("convolution", Mode::kConvolution);
      time("chunked", Mode::kChunked);
      if (every_step && shape.systems == 1) time("folded", {});
      if (!every_step) time("final_state", Mode::kFinalState);
    }
    std::fflush(stdout);
  }
  return 0;
}
