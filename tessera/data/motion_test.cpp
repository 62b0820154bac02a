#include "tessera/data/motion.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "tessera/core/refused_test.h"
#include "tessera/io/file.h"
#include "tessera/io/temporary_folder.h"

// From motion files to examples of a gait: rotations, places in the world, phases, splits.

namespace tessera::data {
namespace {

using tessera::testing::refused;

constexpr double kPi = std::numbers::pi;

std::string joint(const std::string& name, const std::string& offset, const std::string& channels,
                  const std::string& below = "End Site { OFFSET 0 -1 0 }\n") {
  return "JOINT " + name + "\n{\nOFFSET " + offset + "\nCHANNELS " + channels + "\n" + below +
         "}\n";
}

std::string file_of(const std::string& hierarchy, const std::vector<std::string>& frames,
                    double frame_time = 0.01) {
  std::string text = "HIERARCHY\nROOT " + hierarchy +
                     fmt::format("MOTION\nFrames: {}\nFrame Time: {}\n", frames.size(), frame_time);
  for (const std::string& frame : frames) text += frame + "\n";
  return text;
}

Motion motion_in(const std::string& text) {
  return motion_of(io::parse_bvh(std::as_bytes(std::span(text))));
}

at::Tensor vector(double x, double y, double z) { return at::tensor({x, y, z}, at::kDouble); }

double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(Motion, joints_turn_what_hangs_on_them) {
  // An upper arm raised by a quarter turn, a forearm bent back by one.
  const std::string arm =
      "Body\n{\nOFFSET 0 1 0\nCHANNELS 4 Xposition Yposition Zposition Zrotation\n" +
      joint("Elbow", "2 0 0", "1 Zrotation",
            joint("Hand", "3 0 0", "0", "End Site { OFFSET 0.5 0 0 }\n")) +
      "}\n";
  const Motion motion = motion_in(file_of(arm, {"10 0 0 90 -90", "0 0 0 0 0"}));
  EXPECT_EQ(motion.parents, (std::vector<int64_t>{-1, 0, 1, 2}));
  EXPECT_EQ(motion.joints, (std::vector<std::string>{"Body", "Elbow", "Hand", ""}));
  EXPECT_EQ(motion.turning, (std::vector<int64_t>{0, 1}));
  const at::Tensor p = forward_kinematics(motion).position_TJ3;
  EXPECT_LT(distance(p[0][0], vector(10, 1, 0)), 1e-12);
  EXPECT_LT(distance(p[0][1], vector(10, 3, 0)), 1e-12);
  EXPECT_LT(distance(p[0][2], vector(13, 3, 0)), 1e-12);
  EXPECT_LT(distance(p[0][3], vector(13.5, 3, 0)), 1e-12);
  EXPECT_LT(distance(p[1][3], vector(5.5, 1, 0)), 1e-12);
}

TEST(Motion, rotations_are_multiplied_in_the_order_of_the_channels) {
  const auto end = [](const char* channels) {
    const std::string body = std::string("Body\n{\nOFFSET 0 0 0\nCHANNELS ") + channels +
                             "\nEnd Site { OFFSET 1 0 0 }\n}\n";
    return forward_kinematics(motion_in(file_of(body, {"90 90 0"}))).position_TJ3[0][1];
  };
  EXPECT_LT(distance(end("3 Zrotation Xrotation Yrotation"), vector(0, 1, 0)), 1e-12);
  EXPECT_LT(distance(end("3 Xrotation Zrotation Yrotation"), vector(0, 0, 1)), 1e-12);
}

TEST(Motion, positions_of_a_joint_take_the_place_of_its_offset) {
  const std::string body = "Body\n{\nOFFSET 1 1 1\nCHANNELS 1 Xposition\n" +
                           joint("Tail", "5 6 7", "2 Xposition Zposition") + "}\n";
  const Motion motion = motion_in(file_of(body, {"4 8 9"}));
  EXPECT_LT(distance(motion.translation_TJ3[0][0], vector(5, 1, 1)), 1e-12);
  EXPECT_LT(distance(motion.translation_TJ3[0][1], vector(8, 6, 9)), 1e-12);
}

TEST(Motion, rotation_vectors_are_axis_times_angle) {
  for (const double angle : {0.0, 1e-9, 1e-4, 0.7, 2.0, kPi - 1e-7}) {
    for (int64_t axis = 0; axis < 3; ++axis) {
      for (const double sign : {-1.0, 1.0}) {
        const at::Tensor v =
            rotation_vectors(rotation_about(axis, at::full({1}, sign * angle, at::kDouble)))[0];
        at::Tensor expected = at::zeros({3}, at::kDouble);
        expected[axis] = sign * angle;
        EXPECT_LT(distance(v, expected), 1e-8) << angle << " about " << axis;
      }
    }
  }
  // A third of a turn about (1, 1, 1) sends x to y, y to z and z to x.
  const at::Tensor cyclic =
      at::tensor({0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0}, at::kDouble).view({3, 3});
  EXPECT_LT(
      distance(rotation_vectors(cyclic), at::full({3}, 2 * kPi / 3 / std::sqrt(3.0), at::kDouble)),
      1e-12);
}

TEST(Motion, half_a_turn_has_an_axis_too) {
  const at::Tensor axis = vector(1, 2, 2) / 3;
  const at::Tensor v = rotation_vectors(2 * at::outer(axis, axis) - at::eye(3, at::kDouble));
  EXPECT_LT(distance(v * v[0].sign(), kPi * axis), 1e-12) << "in either sense";
}

// ---- A walker -----------------------------------------------------------------------------------

struct Walk {
  double cycle = 1.1, speed = 1.4, turn_rate = 0.5;  ///< s, unit/s, rad/s
  double frame_time = 0.01;
  int frames = 600;
  bool has_arm = false;
};

/// Two legs that swing in turn, hips that go round a circle.
std::string walk_file(const Walk& walk) {
  const auto leg = [](const std::string& side, const char* x) {
    return joint(
        side + "Thigh", std::string(x) + " 0 0", "1 Xrotation",
        joint(side + "Shin", "0 -1 0", "1 Xrotation", joint(side + "Foot", "0 -1 0", "0")));
  };
  const std::string hips =
      "Hips\n{\nOFFSET 0 0 0\nCHANNELS 4 Xposition Yposition Zposition Yrotation\n" +
      leg("Left", "0.1") + leg("Right", "-0.1") +
      (walk.has_arm ? joint("Arm", "0 1 0", "1 Zrotation") : "") + "}\n";
  std::vector<std::string> frames;
  for (int t = 0; t < walk.frames; ++t) {
    const double time = t * walk.frame_time, phase = 2 * kPi * time / walk.cycle,
                 yaw = walk.turn_rate * time, radius = walk.speed / walk.turn_rate;
    const auto bent = [](double p) { return -40 * std::max(std::sin(p), 0.0); };
    frames.push_back(fmt::format(
        "{} {} {} {} {} {} {} {}{}", radius * (1 - std::cos(yaw)), 2 + 0.03 * std::cos(2 * phase),
        radius * std::sin(yaw), yaw * 180 / kPi, 25 * std::cos(phase), bent(phase),
        -25 * std::cos(phase), bent(phase + kPi), walk.has_arm ? " 5" : ""));
  }
  return file_of(hips, frames, walk.frame_time);
}

TEST(Gait, phase_speed_and_turn_are_those_of_the_walk) {
  // A cycle of no whole number of frames; past half a turn, where headings jump.
  const Walk walk{.cycle = 1.234, .turn_rate = 0.8};
  const GaitFrames it = gait_frames(motion_in(walk_file(walk)), {.step = 0.03});
  EXPECT_EQ(it.stride, 3);
  const double per_frame = 2 * kPi * walk.frame_time / walk.cycle;
  // Whole cycles in the middle; the ends have no cycle of their own.
  const at::Tensor phase = it.phase_T.narrow(0, 150, 300);
  ASSERT_FALSE(phase.isnan().any().item<bool>());
  EXPECT_TRUE(it.phase_T.isnan().any().item<bool>());
  EXPECT_GE(phase.min().item<double>(), 0);
  EXPECT_LT(phase.max().item<double>(), 2 * kPi);
  const at::Tensor step = (phase.diff() + kPi).remainder(2 * kPi) - kPi;
  EXPECT_LT(distance(step, at::full_like(step, per_frame)), 1e-3 * per_frame);
  EXPECT_LT(distance(it.speed_T, at::full_like(it.speed_T, walk.speed)), 1e-3 * walk.speed);
  EXPECT_LT(distance(it.turn_T, at::full_like(it.turn_T, walk.turn_rate)), 1e-4);
  EXPECT_TRUE(it.root_T3.narrow(0, 0, 3).isnan().any(1).all().item<bool>());
  const at::Tensor root = it.root_T3.narrow(0, 3, 597);
  EXPECT_LT(distance(root.select(1, 1), at::full({597}, walk.turn_rate, at::kDouble)), 1e-4);
  EXPECT_NEAR(root.select(1, 2).max().item<double>(), 0.03, 2e-3);
}

TEST(Gait, a_pose_does_not_say_where_the_body_looks) {
  const GaitFrames it = gait_frames(motion_in(walk_file({})), {});
  ASSERT_EQ(it.pose_TS.size(1), 3 * 5) << "hips, thighs and shins";
  EXPECT_LT(it.pose_TS.narrow(1, 0, 3).abs().max().item<double>(), 1e-6);
  EXPECT_NEAR(it.pose_TS.select(1, 3).max().item<double>(), 25 * kPi / 180, 1e-4);
}

TEST(Gait, the_first_foots_rise_begins_a_cycle) {
  const Motion motion = motion_in(walk_file({.frames = 900}));
  const auto phase = [&](std::vector<std::string> feet) {
    return gait_frames(motion, {.feet = std::move(feet)}).phase_T;
  };
  const at::Tensor found = phase({}), left = phase({"LeftFoot", "RightFoot"}),
                   right = phase({"RightFoot", "LeftFoot"});
  const auto middle = [](const at::Tensor& t) { return t.narrow(0, 300, 300); };
  EXPECT_LT(distance(middle(found), middle(left)), 1e-9);
  const at::Tensor apart = (middle(right) - middle(left)).remainder(2 * kPi);
  EXPECT_LT(distance(apart, at::full_like(apart, kPi)), 0.3) << "half a cycle";
  const at::Tensor height_TJ = forward_kinematics(motion).position_TJ3.select(2, 1);
  const auto height = [&](const char* foot) {
    return middle(
        height_TJ.select(1, std::ranges::find(motion.joints, foot) - motion.joints.begin()));
  };
  const at::Tensor is_early = (middle(left) > 0.5) & (middle(left) < 2.5);
  const at::Tensor raised = (height("LeftFoot") - height("RightFoot")).masked_select(is_early);
  EXPECT_GT(raised.min().item<double>(), 0) << "the first foot is up in the first half";
}

TEST(Gait, who_stands_has_no_phase) {
  // Still for four seconds between walks.
  Motion motion = motion_in(walk_file({.frames = 1400}));
  for (at::Tensor* t : {&motion.translation_TJ3, &motion.rotation_TJ33}) {
    t->narrow(0, 600, 400).copy_(t->narrow(0, 600, 1).clone().expand_as(t->narrow(0, 600, 400)));
  }
  const at::Tensor phase = gait_frames(motion, {}).phase_T;
  EXPECT_TRUE(phase.narrow(0, 650, 300).isnan().all().item<bool>());
  EXPECT_FALSE(phase.narrow(0, 250, 200).isnan().any().item<bool>());
  EXPECT_FALSE(phase.narrow(0, 1230, 40).isnan().any().item<bool>());
}

TEST(Gait, what_cannot_be_told_is_refused) {
  const Motion motion = motion_in(walk_file({}));
  const auto feet = [&](std::vector<std::string> names) {
    return refused("T-MOT-01", [&] { gait_frames(motion, {.feet = std::move(names)}); });
  };
  EXPECT_NE(feet({"LeftFoto", "RightFoot"}).find("LeftFoot"), std::string::npos);
  feet({"LeftFoot"});
  feet({"LeftFoot", "LeftFoot"});
  feet({"LeftFoot", ""});
  const std::string snake = "Head\n{\nOFFSET 0 0 0\nCHANNELS 1 Yrotation\n" +
                            joint("Body", "1 0 0", "1 Yrotation", joint("Tail", "1 0 0", "0")) +
                            "}\n";
  refused("T-MOT-02", [&] { gait_frames(motion_in(file_of(snake, {"0 0", "1 1"}, 0.1)), {}); });
  refused("T-MOT-03", [&] { gait_frames(motion_in(walk_file({.frames = 3})), {.step = 0.03}); });
}

// ---- Files --------------------------------------------------------------------------------------

TEST(Recordings, of_a_folder_are_split_by_time_and_scaled_by_training) {
  const io::TemporaryFolder folder;
  std::filesystem::create_directory(folder / "b");
  io::write_atomically(folder / "a.bvh", walk_file({.speed = 1, .turn_rate = -0.5}));
  io::write_atomically(folder / "b/c.bvh", walk_file({.speed = 2, .turn_rate = 0.25}));
  io::write_atomically(folder / "notes.txt", "not a motion");
  const RecordedGaits all = load_gaits(folder.path(), {}, 0.25, 0.25);
  EXPECT_GT(all.train.phase.size(0), 300);
  // Quarters of each recording, rounded down; no step of 3 frames reaches into the split behind.
  const int64_t quarters = all.test.phase.size(0);
  EXPECT_GT(quarters, 200);
  EXPECT_EQ(all.valid.phase.size(0), quarters - 2 * 3);
  EXPECT_GE(all.train.phase.size(0), 2 * quarters - 2 * 3);
  EXPECT_LE(all.train.phase.size(0), 2 * quarters - 2 * 3 + 2 * 3);
  EXPECT_EQ(all.train.step.size(1), 15 + 3);
  EXPECT_NEAR(all.train.speed.max().item<double>(), 1, 1e-12);
  EXPECT_NEAR(all.train.speed.min().item<double>(), 0.5, 1e-3);
  EXPECT_NEAR(all.train.turn.min().item<double>(), -1, 1e-12);
  EXPECT_NEAR(all.train.turn.max().item<double>(), 0.5, 1e-3);
  EXPECT_LE(all.test.speed.max().item<double>(), 1);
  // A step is what the next pose has more.
  const at::Tensor next = all.valid.pose + all.valid.step.narrow(1, 0, 15);
  EXPECT_LT(distance(next.narrow(0, 0, 100), all.valid.pose.narrow(0, 3, 100)), 1e-9);
}

TEST(Recordings, labels_beside_a_file_take_the_place_of_what_is_measured) {
  const io::TemporaryFolder folder;
  io::write_atomically(folder / "a.bvh", walk_file({.frames = 100}));
  std::string labels;
  for (int t = 0; t < 100; ++t) labels += fmt::format("{},0.25,-0.5\n", 0.1 * t);
  io::write_atomically(folder / "a.csv", labels);
  const RecordedGaits all = load_gaits(folder / "a.bvh", {}, 0.1, 0.1);
  ASSERT_EQ(all.train.phase.size(0), 79 - 3) << "of 97 frames that a step follows";
  EXPECT_LT(distance(all.train.speed, at::full_like(all.train.speed, 0.25)), 1e-9);
  EXPECT_LT(distance(all.train.turn, at::full_like(all.train.turn, -0.5)), 1e-9);
  EXPECT_NEAR(all.train.phase[70].item<double>(), 7 - 2 * kPi, 1e-5);
  const GaitFrames frames = gait_frames(motion_in(walk_file({.frames = 100})), {});
  EXPECT_LT(distance(all.train.step.narrow(1, 15, 3), frames.root_T3.narrow(0, 3, 76)), 1e-12)
      << "the root's motion up to the next pose";

  io::write_atomically(folder / "a.csv", labels + "1,0,0\n");
  refused<BadFile>("T-MOT-06", [&] { load_gaits(folder.path(), {}, 0.1, 0.1); });
  labels.replace(labels.rfind("0.25"), 4, "1.25");
  io::write_atomically(folder / "a.csv", labels);
  const std::string error =
      refused<BadFile>("T-MOT-06", [&] { load_gaits(folder.path(), {}, 0.1, 0.1); });
  EXPECT_NE(error.find("a.csv: line 100: "), std::string::npos) << error;
}

TEST(Recordings, that_do_not_fit_are_refused) {
  const io::TemporaryFolder folder;
  const auto load = [&](const std::string& path) {
    return [path] { load_gaits(path, {}, 0.1, 0.1); };
  };
  refused<Io>("T-MOT-04", load(folder / "nothing.bvh"));
  refused<Io>("T-MOT-04", load(folder.path()));
  io::write_atomically(folder / "a.bvh", walk_file({}));
  io::write_atomically(folder / "b.bvh", walk_file({.has_arm = true}));
  const std::string error = refused("T-MOT-05", load(folder.path()));
  EXPECT_NE(error.find("b.bvh"), std::string::npos) << error;
  const std::string stick =
      "Hips\n{\nOFFSET 0 0 0\nCHANNELS 1 Xposition\nEnd Site { OFFSET 0 1 0 }\n}\n";
  io::write_atomically(folder / "stick.bvh", file_of(stick, {"1", "2"}));
  refused("T-MOT-05", load(folder / "stick.bvh"));
  io::write_atomically(folder / "short.bvh", walk_file({.frames = 100}));
  refused("T-MOT-07", load(folder / "short.bvh"));
  std::string cut = walk_file({});
  io::write_atomically(folder / "cut.bvh", cut.substr(0, cut.size() - 20));
  const std::string damaged = refused<BadFile>("T-BVH-12", load(folder / "cut.bvh"));
  EXPECT_NE(damaged.find("cut.bvh: line "), std::string::npos) << damaged;
}

}  // namespace
}  // namespace tessera::data
