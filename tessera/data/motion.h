#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/io/bvh.h"

namespace tessera::data {

/// A skeleton in motion: T frames of J joints, parents before children, in double. Lengths are in
/// the file's unit.
struct Motion {
  std::vector<std::string> joints;  ///< names; empty: the end of a limb
  std::vector<int64_t> parents;     ///< -1: the root, which comes first
  std::vector<int64_t> turning;     ///< joints with a rotation of their own
  at::Tensor translation_TJ3;       ///< from the parent, in its frame
  at::Tensor rotation_TJ33;         ///< from the parent
  double frame_time = 0;            ///< seconds

  int64_t frames() const { return translation_TJ3.size(0); }
};

/// Rotations are multiplied in the order of a joint's channels (Z X Y: R_z R_x R_y). Position
/// channels are added to the root's offset and take the place of another joint's.
Motion motion_of(const io::BvhMotion& file);

/// Where joints are in the world, and how they are turned there.
struct WorldPose {
  at::Tensor position_TJ3, rotation_TJ33;
};
/// p_j = p_parent + R_parent t_j, R_j = R_parent r_j.
WorldPose forward_kinematics(const Motion& motion);

/// Rotations about axis 0, 1 or 2 by angles in radians, (T).   returns (T, 3, 3)
at::Tensor rotation_about(int64_t axis, const at::Tensor& angle);
/// Axis times angle, in [0, π], of rotations (…, 3, 3).   returns (…, 3)
at::Tensor rotation_vectors(const at::Tensor& rotations);

/// How a recording becomes examples of a gait.
struct GaitOptions {
  int64_t up = 1;          ///< the vertical axis: 0, 1, 2
  double step = 1.0 / 30;  ///< seconds from a pose to the one that is predicted
  /// Two joints whose heights tell the phase. Empty: the lowest ends of two limbs.
  std::vector<std::string> feet;
};

/// What is known of each frame of a recording.
struct GaitFrames {
  int64_t stride = 1;  ///< frames that a step spans
  at::Tensor pose_TS;  ///< rotation vectors of the joints that turn; the root's without its heading
  at::Tensor root_T3;  ///< over the step before: horizontal speed, turning rate; and height above
                       ///< the recording's mean. NaN where no step lies before
  at::Tensor phase_T;  ///< [0, 2π): from one step of the first foot to its next; NaN: no gait
  at::Tensor speed_T, turn_T;  ///< the root's, averaged over a second; unit/s and rad/s
};

/// Phases grow evenly between the times at which the difference of the feet's heights rises through
/// zero. Throws InvalidArgument on unknown feet, on a skeleton where two feet cannot be told, and
/// on a recording that is shorter than a step.
GaitFrames gait_frames(const Motion& motion, const GaitOptions& options);

/// A split of recorded examples: N steps.
struct RecordedGait {
  at::Tensor pose;                ///< (N, S)
  at::Tensor phase, speed, turn;  ///< (N): [0, 2π), [0, 1], [-1, 1]
  at::Tensor step;                ///< (N, S + 3): the pose's change, then the root's motion
};
struct RecordedGaits {
  RecordedGait train, valid, test;
};

/// The .bvh file at `path`, or all below that folder, of one skeleton. Of the frames of a recording
/// that have a phase, the last share is its test, what lies before that its validation. Speeds and
/// turns are divided by the largest of training. A file NAME.csv beside NAME.bvh, of a line a frame
/// (phase, speed, turn), takes the place of what is measured. Throws BadFile, Io (no such file),
/// InvalidArgument (other skeletons, no gait, splits without examples).
RecordedGaits load_gaits(const std::string& path, const GaitOptions& options, double valid_share,
                         double test_share);

}  // namespace tessera::data
