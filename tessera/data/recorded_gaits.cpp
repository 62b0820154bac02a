#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "tessera/core/error.h"
#include "tessera/data/motion.h"
#include "tessera/io/csv.h"
#include "tessera/io/file.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> recordings_at(const std::string& path) {
  if (!fs::exists(path)) {
    fail<Io>({.where = "motion",
              .rule = "a .bvh file, or a folder of them, must lie at " + path,
              .got = "nothing",
              .next = "Pass --data FILE or FOLDER.",
              .id = "T-MOT-04"});
  }
  std::vector<std::string> files;
  if (!fs::is_directory(path)) {
    files.push_back(path);
  } else {
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_regular_file() && entry.path().extension() == ".bvh" && name[0] != '.') {
        files.push_back(entry.path().string());
      }
    }
    std::ranges::sort(files);
  }
  if (files.empty()) {
    fail<Io>({.where = "motion",
              .rule = "there must be .bvh files below " + path,
              .got = "none",
              .next = "Pass --data FILE or FOLDER.",
              .id = "T-MOT-04"});
  }
  return files;
}

bool have_one_skeleton(const io::BvhMotion& a, const io::BvhMotion& b) {
  return std::ranges::equal(a.joints, b.joints, [](const auto& left, const auto& right) {
    return left.name == right.name && left.parent == right.parent &&
           std::ranges::equal(left.channels, right.channels, [](auto l, auto r) {
             return l.is_rotation == r.is_rotation && l.axis == r.axis;
           });
  });
}

/// Phase, speed and turn of each frame as somebody has written them beside a recording.
struct Labels {
  at::Tensor phase_T, speed_T, turn_T;

  Labels(const std::string& path, int64_t frames) {
    const io::MappedFile file(path);
    const io::CsvTable<float> table = io::parse_csv_floats(file.bytes(), path);
    if (table.rows != frames || table.cols != 3) {
      bad(path,
          fmt::format("there must be {} lines, one a frame, of phase, speed and turn", frames),
          fmt::format("{} of {} numbers", table.rows, table.cols));
    }
    const at::Tensor values = at::tensor(table.value, at::kDouble).view({frames, 3});
    phase_T = values.select(1, 0).remainder(2 * std::numbers::pi);
    speed_T = values.select(1, 1);
    turn_T = values.select(1, 2);
    const at::Tensor is_out = (speed_T < 0) | (speed_T > 1) | (turn_T.abs() > 1);
    if (!is_out.any().item<bool>()) return;
    const int64_t line = is_out.to(at::kLong).argmax().item<int64_t>();
    bad(path,
        fmt::format("line {}: speed lies in [0, 1] and turn in [-1, 1], phase in radians",
                    line + 1),
        fmt::format("{} and {}", speed_T[line].item<double>(), turn_T[line].item<double>()));
  }

  [[noreturn]] static void bad(const std::string& path, const std::string& rule,
                               const std::string& got) {
    fail<BadFile>({.where = "motion", .rule = path + ": " + rule, .got = got, .id = "T-MOT-06"});
  }
};

RecordedGait joined(const std::vector<RecordedGait>& parts) {
  const auto all = [&](auto member) {
    std::vector<at::Tensor> tensors;
    for (const RecordedGait& part : parts) tensors.push_back(part.*member);
    return at::cat(tensors);
  };
  return {all(&RecordedGait::pose), all(&RecordedGait::phase), all(&RecordedGait::speed),
          all(&RecordedGait::turn), all(&RecordedGait::step)};
}

/// The steps of a recording from frames that have a phase: the last ones are its test, what lies
/// before that its validation. No step ends in another split.
std::array<RecordedGait, 3> split_examples(const GaitFrames& frames, double valid_share,
                                           double test_share) {
  const int64_t last = frames.phase_T.size(0) - frames.stride;
  const at::Tensor all =
      frames.phase_T.narrow(0, 0, last).isnan().logical_not().nonzero().squeeze(1);
  const int64_t count = all.size(0);
  const auto share = [&](double of) {
    return static_cast<int64_t>(std::floor(of * static_cast<double>(count)));
  };
  const int64_t test = count - share(test_share), valid = test - share(valid_share);
  const auto pick = [](const at::Tensor& of, const at::Tensor& at_frame) {
    return of.index_select(0, at_frame);
  };
  const auto examples = [&](int64_t begin, int64_t end) {
    at::Tensor now = all.narrow(0, begin, end - begin);
    if (end < count) {
      const int64_t beyond = all[end].item<int64_t>();
      now = now.masked_select(now + frames.stride < beyond);
    }
    const at::Tensor next = now + frames.stride, pose = pick(frames.pose_TS, now);
    return RecordedGait{
        pose, pick(frames.phase_T, now), pick(frames.speed_T, now), pick(frames.turn_T, now),
        at::cat({pick(frames.pose_TS, next) - pose, pick(frames.root_T3, next)}, 1)};
  };
  return {examples(0, valid), examples(valid, test), examples(test, count)};
}

}  // namespace

RecordedGaits load_gaits(const std::string& path, const GaitOptions& options, double valid_share,
                         double test_share) {
  io::BvhMotion first;
  std::array<std::vector<RecordedGait>, 3> parts, labelled;
  for (const std::string& name : recordings_at(path)) {
    io::BvhMotion file = [&] {
      const io::MappedFile bytes(name);
      return io::parse_bvh(bytes.bytes(), name);
    }();
    const Motion motion = motion_of(file);
    if (motion.turning.empty()) {
      fail<InvalidArgument>({.where = "motion",
                             .rule = name + ": a joint must have a rotation channel",
                             .got = "none",
                             .id = "T-MOT-05"});
    }
    file.values.clear();
    if (first.joints.empty()) {
      first = std::move(file);
    } else if (!have_one_skeleton(first, file)) {
      fail<InvalidArgument>({.where = "motion",
                             .rule = "recordings must have one skeleton, joint by joint",
                             .got = "another in " + name,
                             .id = "T-MOT-05"});
    }
    GaitFrames frames = gait_frames(motion, options);
    const fs::path beside = fs::path(name).replace_extension(".csv");
    const bool has_labels = fs::exists(beside);
    if (has_labels) {
      const Labels labels(beside.string(), motion.frames());
      frames.phase_T = labels.phase_T;
      frames.speed_T = labels.speed_T;
      frames.turn_T = labels.turn_T;
    }
    const std::array<RecordedGait, 3> own = split_examples(frames, valid_share, test_share);
    for (size_t i = 0; i < 3; ++i) (has_labels ? labelled : parts)[i].push_back(own[i]);
  }
  if (!parts[0].empty()) {
    // What training has seen as the fastest is 1.
    const RecordedGait seen = joined(parts[0]);
    const auto largest = [](const at::Tensor& t) {
      return t.numel() == 0 ? 1.0 : std::max(t.abs().max().item<double>(), 1e-12);
    };
    const double speed = largest(seen.speed), turn = largest(seen.turn);
    for (auto& split : parts) {
      for (RecordedGait& part : split) {
        part.speed = (part.speed / speed).clamp_max(1);
        part.turn = (part.turn / turn).clamp(-1, 1);
      }
    }
  }
  std::array<RecordedGait, 3> splits;
  for (size_t i = 0; i < 3; ++i) {
    parts[i].insert(parts[i].end(), labelled[i].begin(), labelled[i].end());
    splits[i] = joined(parts[i]);
    // Two, so that training has a deviation.
    const int64_t least = i == 0 ? 2 : 1;
    if (splits[i].phase.size(0) >= least) continue;
    constexpr const char* kNames[] = {"training", "validation", "test"};
    fail<InvalidArgument>(
        {.where = "motion",
         .rule = fmt::format("{} must have frames of a gait, in which the feet rise in turn",
                             kNames[i]),
         .got = std::to_string(splits[i].phase.size(0)),
         .next = "Take a longer recording or larger shares, name the joints in task.feet, or lay a "
                 ".csv of phase, speed and turn beside it.",
         .id = "T-MOT-07"});
  }
  return {std::move(splits[0]), std::move(splits[1]), std::move(splits[2])};
}

}  // namespace tessera::data
