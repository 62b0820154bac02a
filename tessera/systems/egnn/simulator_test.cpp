// The constants were printed by the authors' simulator under numpy 2.4, with its own vector code
// for pow switched off.
#include "tessera/systems/egnn/simulator.h"

#include <gtest/gtest.h>

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/systems/egnn/nbody_data.h"

namespace tessera::egnn {
namespace {

Start draw_number(const Simulator& simulator, uint32_t seed, int number) {
  data::NumpyRandom random(seed);
  for (int k = 0; k < number; ++k) simulator.skip(random);
  return simulator.draw(random);
}

TEST(Simulator, a_chaotic_charged_system_ends_where_numpys_does_to_the_last_bit) {
  // With x·sqrt(x) for pow(x, 1.5), system 190 of nbody_small ends 0.29 away.
  const Simulator simulator{SimulatorConfig()};
  const Trajectory trajectory = simulator.run(draw_number(simulator, 43, 190));
  const std::vector<double> x = {-0x1.6be636aa830d7p+1, 0x1.86520568f6602p+1, -0x1.37be7ac4a5701p+1,
                                 0x1.68ad1c1fc3f51p-2, -0x1.6426668869861p+1};
  const std::vector<double> vz = {-0x1.163ac349a9115p-2, 0x1.8dfcce928f368p-1, 0x1.45b3aa1a0f97dp-3,
                                  -0x1.33c9bf8b43e37p-1, -0x1.bde769f1a0c95p-5};
  EXPECT_EQ(std::vector<double>(trajectory.loc.end() - 15, trajectory.loc.end() - 10), x);
  EXPECT_EQ(std::vector<double>(trajectory.vel.end() - 5, trajectory.vel.end()), vz);
}

TEST(Simulator, eight_charged_particles_move_as_numpys_do) {
  SimulatorConfig config;
  config.num_particles = 8;
  config.length = 2000;
  config.sample_every = 1000;
  const Simulator simulator(config);
  const Start start = draw_number(simulator, 7, 0);
  EXPECT_EQ(start.charges, (std::vector<double>{-1, 1, -1, 1, 1, 1, 1, -1}));
  const Trajectory trajectory = simulator.run(start);
  EXPECT_EQ(trajectory.loc[0], 0x1.04f94b6f7ff61p-7);
  EXPECT_EQ(trajectory.loc[1], -0x1.d54d6c9374ecap+0);
  EXPECT_EQ(trajectory.loc[2], 0x1.9407409c7e2bdp-1);
  EXPECT_EQ(trajectory.vel[23], 0x1.44e6d0568387bp+0);
}

TEST(Simulator, noisy_springs_that_start_outside_the_box_move_as_numpys_do) {
  SimulatorConfig config;
  config.simulation = "springs";
  config.num_particles = 9;
  config.length = 2000;
  config.sample_every = 1000;
  config.loc_std = 3;
  config.noise_var = 0.25;
  const Simulator simulator(config);
  const Start start = draw_number(simulator, 5, 0);
  const Trajectory trajectory = simulator.run(start);
  EXPECT_EQ(trajectory.loc[0], -0x1.2ecb551fdca06p+1);
  EXPECT_EQ(trajectory.loc[1], -0x1.30278299bac32p-1);
  EXPECT_EQ(trajectory.loc[2], 0x1.1ae8d2747c888p-1);
  EXPECT_EQ(trajectory.vel[26], 0x1.00f49ce0f304dp+0);
  EXPECT_NEAR(simulator.energy(trajectory, start.edges)[0], 25.286998354927277, 1e-12);
}

TEST(Simulator, skipping_a_system_leaves_the_stream_where_drawing_does) {
  for (const std::string simulation : {"charged", "springs"}) {
    SimulatorConfig config;
    config.simulation = simulation;
    config.length = 200;
    const Simulator simulator(config);
    data::NumpyRandom drawn(1), skipped(1);
    simulator.draw(drawn);
    simulator.skip(skipped);
    EXPECT_EQ(drawn.normal(), skipped.normal()) << simulation;
  }
}

TEST(Simulator, the_sum_of_velocities_stays_where_no_force_is_clipped) {
  for (const std::string simulation : {"charged", "springs"}) {
    SimulatorConfig config;
    config.simulation = simulation;
    config.max_force = 1e9;
    const Simulator simulator(config);
    const Trajectory trajectory = simulator.run(draw_number(simulator, 3, 0));
    for (size_t axis = 0; axis < 3; ++axis) {
      const auto sum_at = [&](size_t frame) {
        double sum = 0;
        for (size_t i = 0; i < 5; ++i) sum += trajectory.vel[(frame * 3 + axis) * 5 + i];
        return sum;
      };
      for (size_t frame = 1; frame < 49; ++frame) {
        EXPECT_NEAR(sum_at(frame), sum_at(0), 1e-11) << simulation;
      }
    }
  }
}

TEST(Simulator, walls_keep_the_particles_in_the_box) {
  SimulatorConfig config;
  config.box_size = 0.75;
  config.walls = true;
  config.loc_std = 0.4;
  const Simulator simulator(config);
  const Trajectory trajectory = simulator.run(draw_number(simulator, 3, 0));
  for (const double x : trajectory.loc) EXPECT_LE(std::abs(x), 0.75);
}

TEST(Simulator, a_start_beyond_three_boxes_is_refused) {
  SimulatorConfig config;
  config.box_size = 0.1;
  const Simulator simulator(config);
  const Start start = draw_number(simulator, 3, 0);
  EXPECT_THROW(simulator.run(start), InvalidArgument);
}

TEST(Simulator, a_length_that_gives_no_frame_is_refused) {
  SimulatorConfig config;
  config.length = 150;
  EXPECT_THROW(Simulator{config}, InvalidArgument);
  config.length = 100;
  EXPECT_THROW(Simulator{config}, InvalidArgument);
}

TEST(NbodyData, systems_do_not_depend_on_threads_or_on_where_one_begins) {
  SimulatorConfig config;
  config.length = 300;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const TensorMap serial = simulate_systems(config, 11, 0, 300);
  at::set_num_threads(2);
  const TensorMap parallel = simulate_systems(config, 11, 0, 300);
  at::set_num_threads(threads);
  const TensorMap tail = simulate_systems(config, 11, 298, 2);
  EXPECT_EQ(serial.at("loc").sizes(), (std::vector<int64_t>{300, 2, 5, 3}));
  for (const auto& [name, systems] : serial) {
    EXPECT_TRUE(at::equal(systems, parallel.at(name))) << name;
    EXPECT_TRUE(at::equal(systems.narrow(0, 298, 2), tail.at(name))) << name;
  }
}

TEST(NbodyData, an_unknown_name_and_an_impossible_size_are_refused) {
  EXPECT_THROW(load_nbody("nbody_smal", Split::kTrain, 1, ""), InvalidArgument);
  EXPECT_THROW(load_nbody("nbody_small", Split::kTrain, 10001, ""), InvalidArgument);
  EXPECT_THROW(load_nbody("nbody_small", Split::kTrain, 0, ""), InvalidArgument);
}

}  // namespace
}  // namespace tessera::egnn
