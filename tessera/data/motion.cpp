#include "tessera/data/motion.h"

#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

namespace tessera::data {

at::Tensor rotation_about(int64_t axis, const at::Tensor& angle) {
  const int64_t a = (axis + 1) % 3, b = (axis + 2) % 3;
  const at::Tensor r = at::zeros({angle.size(0), 3, 3}, angle.options());
  const at::Tensor c = angle.cos(), s = angle.sin();
  r.select(1, axis).select(1, axis).fill_(1);
  r.select(1, a).select(1, a).copy_(c);
  r.select(1, b).select(1, b).copy_(c);
  r.select(1, b).select(1, a).copy_(s);
  r.select(1, a).select(1, b).copy_(-s);
  return r;
}

Motion motion_of(const io::BvhMotion& file) {
  const int64_t frames = file.frames, joints = std::ssize(file.joints);
  const at::Tensor values =
      at::from_blob(const_cast<float*>(file.values.data()), {frames, file.channels}, at::kFloat)
          .to(at::kDouble);
  Motion motion;
  motion.frame_time = file.frame_time;
  motion.translation_TJ3 = at::empty({frames, joints, 3}, values.options());
  motion.rotation_TJ33 = at::eye(3, values.options()).expand({frames, joints, 3, 3}).contiguous();
  int64_t column = 0;
  for (int64_t j = 0; j < joints; ++j) {
    const io::BvhJoint& joint = file.joints[static_cast<size_t>(j)];
    motion.joints.push_back(joint.name);
    motion.parents.push_back(joint.parent);
    const at::Tensor translation = motion.translation_TJ3.select(1, j);
    const at::Tensor rotation = motion.rotation_TJ33.select(1, j);
    for (int64_t k = 0; k < 3; ++k)
      translation.select(1, k).fill_(joint.offset[static_cast<size_t>(k)]);
    bool turns = false;
    for (const io::BvhChannel& channel : joint.channels) {
      const at::Tensor value = values.select(1, column++);
      if (channel.is_rotation) {
        const at::Tensor angle = value * (std::numbers::pi / 180);
        rotation.copy_(at::bmm(rotation, rotation_about(channel.axis, angle)));
        turns = true;
      } else if (j == 0) {
        translation.select(1, channel.axis).add_(value);
      } else {
        translation.select(1, channel.axis).copy_(value);
      }
    }
    if (turns) motion.turning.push_back(j);
  }
  return motion;
}

WorldPose forward_kinematics(const Motion& motion) {
  WorldPose world{motion.translation_TJ3.clone(), motion.rotation_TJ33.clone()};
  for (size_t j = 1; j < motion.parents.size(); ++j) {
    const auto own = static_cast<int64_t>(j);
    const int64_t parent = motion.parents[j];
    const at::Tensor above = world.rotation_TJ33.select(1, parent);
    const at::Tensor way =
        at::bmm(above, motion.translation_TJ3.select(1, own).unsqueeze(2)).squeeze(2);
    world.position_TJ3.select(1, own).copy_(world.position_TJ3.select(1, parent) + way);
    world.rotation_TJ33.select(1, own).copy_(at::bmm(above, motion.rotation_TJ33.select(1, own)));
  }
  return world;
}

at::Tensor rotation_vectors(const at::Tensor& rotations) {
  const auto r = [&](int64_t i, int64_t j) { return rotations.select(-2, i).select(-1, j); };
  // Rows are 4 q_i q_j of the quaternion q = (w, x, y, z): the largest square says which row is
  // far from zero, also near half a turn.
  const at::Tensor wx = r(2, 1) - r(1, 2), wy = r(0, 2) - r(2, 0), wz = r(1, 0) - r(0, 1),
                   xy = r(1, 0) + r(0, 1), xz = r(0, 2) + r(2, 0), yz = r(2, 1) + r(1, 2);
  const at::Tensor ww = 1 + r(0, 0) + r(1, 1) + r(2, 2), xx = 1 + r(0, 0) - r(1, 1) - r(2, 2),
                   yy = 1 - r(0, 0) + r(1, 1) - r(2, 2), zz = 1 - r(0, 0) - r(1, 1) + r(2, 2);
  const at::Tensor rows =
      at::stack({at::stack({ww, wx, wy, wz}, -1), at::stack({wx, xx, xy, xz}, -1),
                 at::stack({wy, xy, yy, yz}, -1), at::stack({wz, xz, yz, zz}, -1)},
                -2);
  const at::Tensor best = at::stack({ww, xx, yy, zz}, -1).argmax(-1, /*keepdim=*/true);
  std::vector<int64_t> sizes = best.sizes().vec();
  sizes.push_back(4);
  at::Tensor q = rows.gather(-2, best.unsqueeze(-1).expand(sizes)).squeeze(-2);
  q = q / q.norm(2, {-1}, /*keepdim=*/true);
  q = at::where(q.narrow(-1, 0, 1) < 0, -q, q);
  const at::Tensor v = q.narrow(-1, 1, 3), size = v.norm(2, {-1}, /*keepdim=*/true);
  const at::Tensor angle = 2 * at::atan2(size, q.narrow(-1, 0, 1));
  return v * at::where(size > 1e-12, angle / size.clamp_min(1e-12), at::full_like(angle, 2));
}

}  // namespace tessera::data
