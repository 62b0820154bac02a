// A game's loop: a character whose next pose a trained grid-functioned network says, one frame a
// call, on one thread, without allocations after the first frame.
//   tessera train gfnn/gait --out RUN && player RUN
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <numbers>
#include <vector>

#include "tessera/systems/gfnn/gait_task.h"
#include "tessera/systems/gfnn/grid_network.h"
#include "tessera/train/trainer.h"

namespace {
long allocations = 0;  // of the whole process, to show that frames need none
}
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

namespace gfnn = tessera::gfnn;

std::vector<float> floats(const at::Tensor& tensor) {
  const at::Tensor values = tensor.to(at::kFloat).contiguous();
  const float* data = values.const_data_ptr<float>();
  return {data, data + values.numel()};
}

/// What the game keeps of its character, and the network that moves it.
class Character {
 public:
  explicit Character(const char* run)
      : recipe_(tessera::train::load_run_recipe(run)),
        player_(player_of(*tessera::train::load_run_model(recipe_, run))) {
    const auto task = tessera::train::make_task(recipe_);
    const auto& gait = dynamic_cast<const gfnn::GaitTask&>(*task);
    mean_ = floats(gait.mean());
    deviation_ = floats(gait.deviation());
    // An example's pose is where the character begins.
    tessera::BatchContext context{tessera::Split::kTest, {}};
    const int64_t first = 0;
    const tessera::TensorMap batch = gait.batch({&first, 1}, context);
    x_ = floats(batch.at("x"));
    g_ = floats(batch.at("g"));
    y_.resize(mean_.size());
  }

  /// One frame. speed in [0, 1], turn in [-1, 1]: what the stick of the player says.
  void step(float speed, float turn) {
    const size_t joints = y_.size() - 3;
    x_[joints] = speed;
    x_[joints + 1] = turn;
    g_[1] = speed;
    player_.frame(x_, g_, y_);
    for (size_t i = 0; i < y_.size(); ++i) y_[i] = y_[i] * deviation_[i] + mean_[i];
    for (size_t j = 0; j < joints; ++j) x_[j] += y_[j];
    g_[0] = std::fmod(g_[0] + 0.2f * (0.3f + speed), 2 * std::numbers::pi_v<float>);
    const float* root = y_.data() + joints;
    heading_ += root[1];
    east_ += root[0] * std::sin(heading_);
    north_ += root[0] * std::cos(heading_);
  }

  float east() const { return east_; }
  float north() const { return north_; }
  const gfnn::GridPlayer& player() const { return player_; }

 private:
  static gfnn::GridPlayer player_of(tessera::Model& model) {
    // Blended again when the phase or the speed has moved by a fifth of a node's spacing.
    return dynamic_cast<gfnn::GridNetwork&>(model).player(/*reach=*/0.2);
  }

  tessera::train::Recipe recipe_;
  gfnn::GridPlayer player_;
  std::vector<float> mean_, deviation_, x_, g_, y_;
  float heading_ = 0, east_ = 0, north_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: player RUN   (a run of gfnn/gait)\n");
    return 2;
  }
  try {
    Character character(argv[1]);
    character.step(0, 0);
    const long before = allocations;
    for (int frame = 1; frame < 600; ++frame) {
      // Speeds up, keeps its speed, turns.
      const float speed = frame < 200 ? 0.005f * static_cast<float>(frame) : 1;
      character.step(speed, frame < 400 ? 0.0f : 0.5f);
    }
    const long during = allocations - before;
    const auto frames = static_cast<long>(character.player().frames());
    const auto blends = static_cast<long>(character.player().blends());
    std::printf("frames %ld, blends %ld, allocations %ld, at (%.3f, %.3f)\n", frames, blends,
                during, static_cast<double>(character.east()),
                static_cast<double>(character.north()));
    return std::isfinite(character.east() + character.north()) && during == 0 ? 0 : 1;
  } catch (const tessera::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.exit_code());
  }
}
