#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/data/motion.h"

namespace tessera::data {
namespace {

constexpr double kFullTurn = 2 * std::numbers::pi;
/// A stride of a foot takes about a second: noise is smoothed below it, controls over it, and
/// nobody who takes longer than three is walking.
constexpr double kNoiseSeconds = 0.15, kControlSeconds = 1, kShortestCycle = 0.2, kLongestCycle = 3;
/// Share of the feet's typical difference in height that it must fall below zero before it can
/// rise through it again.
constexpr double kHysteresis = 0.3;

/// Mean over the frames around each one, fewer at the ends. values: (T).
at::Tensor moving_mean(const at::Tensor& values, double seconds, double frame_time) {
  const int64_t frames = values.size(0);
  const int64_t reach = std::llround(seconds / frame_time / 2);
  const at::Tensor sums = at::cat({at::zeros({1}, values.options()), values.cumsum(0)});
  const at::Tensor at_frame = at::arange(frames, at::kLong);
  const at::Tensor begin = (at_frame - reach).clamp_min(0),
                   end = (at_frame + reach + 1).clamp_max(frames);
  return (sums.index_select(0, end) - sums.index_select(0, begin)) / (end - begin);
}

/// How far each joint lies below the root.
std::vector<int64_t> depths(const Motion& motion) {
  std::vector<int64_t> depth = {0};
  for (size_t j = 1; j < motion.parents.size(); ++j) {
    depth.push_back(depth[static_cast<size_t>(motion.parents[j])] + 1);
  }
  return depth;
}

/// The joint at which the limbs of two joints part.
int64_t parting(const Motion& motion, const std::vector<int64_t>& depth, int64_t a, int64_t b) {
  while (a != b) {
    int64_t& deeper = depth[static_cast<size_t>(a)] >= depth[static_cast<size_t>(b)] ? a : b;
    deeper = motion.parents[static_cast<size_t>(deeper)];
  }
  return a;
}

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const std::string& next,
                         const char* id) {
  fail<InvalidArgument>({.where = "motion", .rule = rule, .got = got, .next = next, .id = id});
}

/// The two joints whose heights tell the phase.
std::pair<int64_t, int64_t> find_feet(const Motion& motion, const at::Tensor& height_TJ,
                                      const std::vector<std::string>& names) {
  if (!names.empty()) {
    if (names.size() != 2 || names[0] == names[1]) {
      refuse("feet are two joints", std::to_string(names.size()) + " names", {}, "T-MOT-01");
    }
    std::array<int64_t, 2> feet{};
    for (size_t i = 0; i < 2; ++i) {
      const auto found = std::ranges::find(motion.joints, names[i]);
      if (names[i].empty() || found == motion.joints.end()) {
        refuse("feet are joints of the skeleton", "\"" + names[i] + "\"",
               did_you_mean(names[i], motion.joints), "T-MOT-01");
      }
      feet[i] = found - motion.joints.begin();
    }
    return {feet[0], feet[1]};
  }
  std::vector<bool> has_child(motion.parents.size());
  for (const int64_t parent : motion.parents) {
    if (parent >= 0) has_child[static_cast<size_t>(parent)] = true;
  }
  std::vector<std::pair<double, int64_t>> ends;
  for (size_t j = 0; j < motion.parents.size(); ++j) {
    const auto joint = static_cast<int64_t>(j);
    if (!has_child[j]) ends.emplace_back(height_TJ.select(1, joint).mean().item<double>(), joint);
  }
  std::ranges::sort(ends);
  // Toes and heel are ends too, of one foot: legs part at least a thigh, a shin and a foot above.
  constexpr int64_t kLegJoints = 3;
  const std::vector<int64_t> depth = depths(motion);
  const int64_t first = ends.front().second;
  for (const auto& [height, other] : ends) {
    const int64_t hip = depth[static_cast<size_t>(parting(motion, depth, first, other))];
    if (depth[static_cast<size_t>(first)] - hip >= kLegJoints &&
        depth[static_cast<size_t>(other)] - hip >= kLegJoints) {
      return std::minmax(first, other);
    }
  }
  refuse("two feet must be told from the skeleton",
         std::to_string(ends.size()) + " ends of limbs, none of two legs",
         "Name two joints in task.feet.", "T-MOT-02");
}

/// Phases from how much higher the first foot is than the second.
at::Tensor phases(const at::Tensor& raised_T, double frame_time) {
  const int64_t frames = raised_T.size(0);
  const at::Tensor smooth = moving_mean(raised_T, kNoiseSeconds, frame_time);
  const at::Tensor centred = (smooth - smooth.mean()).contiguous();
  const double* const h = centred.const_data_ptr<double>();
  const double low = -kHysteresis * centred.square().mean().sqrt().item<double>();
  std::vector<double> rises;
  bool was_low = false;
  for (int64_t t = 0; t < frames; ++t) {
    if (h[t] < low) was_low = true;
    if (!was_low || h[t] < 0) continue;
    was_low = false;
    // Between the last frame below zero and this one.
    rises.push_back(static_cast<double>(t) - h[t] / (h[t] - h[t - 1]));
  }
  const at::Tensor phase = at::full({frames}, std::nan(""), at::kDouble);
  double* const to = phase.mutable_data_ptr<double>();
  for (size_t i = 0; i + 1 < rises.size(); ++i) {
    const double cycle = rises[i + 1] - rises[i], seconds = cycle * frame_time;
    if (seconds < kShortestCycle || seconds > kLongestCycle) continue;
    for (auto t = static_cast<int64_t>(std::ceil(rises[i])); static_cast<double>(t) < rises[i + 1];
         ++t) {
      to[t] = kFullTurn * (static_cast<double>(t) - rises[i]) / cycle;
    }
  }
  return phase;
}

}  // namespace

GaitFrames gait_frames(const Motion& motion, const GaitOptions& options) {
  const int64_t frames = motion.frames();
  GaitFrames result;
  result.stride = std::max<int64_t>(std::llround(options.step / motion.frame_time), 1);
  if (frames <= result.stride) {
    refuse(fmt::format("a recording must be longer than a step of {} frames", result.stride),
           fmt::format("{} frames", frames), {}, "T-MOT-03");
  }
  const int64_t up = options.up, a = (up + 1) % 3, b = (up + 2) % 3;
  const WorldPose world = forward_kinematics(motion);
  const at::Tensor height_TJ = world.position_TJ3.select(2, up);

  // The heading is the root's twist about the vertical: of a quaternion, 2 atan2(q_up, q_w).
  const at::Tensor root = world.rotation_TJ33.select(1, 0);
  const auto r = [&](int64_t i, int64_t j) { return root.select(1, i).select(1, j); };
  const at::Tensor heading = at::atan2(r(b, a) - r(a, b), r(a, a) + r(b, b));
  at::Tensor turning = motion.rotation_TJ33.clone();
  const at::Tensor back = rotation_about(up, -heading);
  turning.select(1, 0).copy_(at::bmm(back, root));
  result.pose_TS =
      rotation_vectors(turning.index_select(1, at::tensor(motion.turning, at::kLong))).flatten(1);

  // Over `lag` frames, from the first to the last; NaN in front where nothing lies before.
  const auto rates = [&](int64_t lag) {
    const int64_t count = frames - lag;
    const double seconds = static_cast<double>(lag) * motion.frame_time;
    const at::Tensor position = world.position_TJ3.select(1, 0);
    const at::Tensor way = position.narrow(0, lag, count) - position.narrow(0, 0, count);
    const at::Tensor turn = heading.narrow(0, lag, count) - heading.narrow(0, 0, count);
    return std::pair(at::hypot(way.select(1, a), way.select(1, b)) / seconds,
                     ((turn + kFullTurn / 2).remainder(kFullTurn) - kFullTurn / 2) / seconds);
  };
  const auto [speed, turn] = rates(result.stride);
  const at::Tensor height = height_TJ.select(1, 0);
  const at::Tensor none = at::full({result.stride}, std::nan(""), speed.options());
  result.root_T3 =
      at::stack({at::cat({none, speed}), at::cat({none, turn}), height - height.mean()}, 1);

  const auto [speed_now, turn_now] = rates(1);
  const auto control = [&](const at::Tensor& rate) {
    return moving_mean(at::cat({rate.narrow(0, 0, 1), rate}), kControlSeconds, motion.frame_time);
  };
  result.speed_T = control(speed_now);
  result.turn_T = control(turn_now);

  const auto [left, right] = find_feet(motion, height_TJ, options.feet);
  result.phase_T =
      phases(height_TJ.select(1, left) - height_TJ.select(1, right), motion.frame_time);
  return result;
}

}  // namespace tessera::data
