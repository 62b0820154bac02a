#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::io {

/// What a number of a frame moves: along an axis, in the file's unit of length, or about it, in
/// degrees.
struct BvhChannel {
  bool is_rotation = false;
  int axis = 0;  ///< 0, 1, 2: x, y, z
};

struct BvhJoint {
  std::string name;  ///< empty: the end of a limb, which has no channels
  int64_t parent = -1;
  std::array<double, 3> offset{};    ///< from the parent at rest
  std::vector<BvhChannel> channels;  ///< as each frame lists them; rotations are applied last first
};

/// A skeleton and its motion (Biovision hierarchy).
struct BvhMotion {
  std::vector<BvhJoint> joints;  ///< the root first, parents before children
  int64_t channels = 0;          ///< of all joints
  int64_t frames = 0;
  double frame_time = 0;      ///< seconds
  std::vector<float> values;  ///< frames × channels
};

/// Parses a file of one skeleton: HIERARCHY with joints in any layout of lines, MOTION with a line
/// for each frame. Words are taken in upper and lower case. Throws BadFile naming the line, and
/// Unsupported on a second skeleton.
BvhMotion parse_bvh(std::span<const std::byte> bytes, std::string_view file = {});

}  // namespace tessera::io
