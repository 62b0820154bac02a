#include "tessera/io/bvh.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>

#include "tessera/io/cursor.h"
#include "tessera/io/series_file.h"

namespace tessera::io {
namespace {

/// A body with hands and a face has about 150 joints, and a finger's tip lies about 12 deep.
constexpr size_t kMaxJoints = 10'000;
constexpr size_t kMaxDepth = 256;
constexpr size_t kMaxName = 256;
/// Six channels move a joint in every way.
constexpr int64_t kMaxJointChannels = 6;
/// Eleven days at 100 frames a second.
constexpr int64_t kMaxFrames = 100'000'000;
/// Lengths and angles above it are no motion; below it sums of all joints stay finite.
constexpr double kMaxValue = 1e9;
constexpr double kMaxFrameTime = 3600;

class BvhReader {
 public:
  BvhReader(std::string_view text, const Origin& origin) : text_(text), origin_(origin) {}

  BvhMotion read() {
    expect_word("HIERARCHY");
    read_skeleton();
    const std::string_view word = take("MOTION after the skeleton");
    if (lower_case(word) == "root") {
      unsupported("15", "a file holds one skeleton", "a second ROOT", "Split the file.");
    }
    if (lower_case(word) != "motion") bad("01", "MOTION follows the skeleton", shown(word));
    read_motion();
    return std::move(result_);
  }

 private:
  // ---- Words, over any number of lines ----------------------------------------------------------

  /// Goes to the next line that is not blank. False at the end.
  bool next_line() {
    while (!text_.empty()) {
      const size_t end = std::min(text_.find('\n'), text_.size());
      line_ = trimmed(text_.substr(0, end));
      text_.remove_prefix(std::min(end + 1, text_.size()));
      ++number_;
      if (!line_.empty()) return true;
    }
    return false;
  }

  /// The next word; a brace is a word of its own.
  std::string_view take(std::string_view what) {
    if (line_.empty() && !next_line()) {
      bad("02", "there must be " + std::string(what), "the end of the file");
    }
    size_t end = std::min(line_.find_first_of(" \t\r{}"), line_.size());
    if (end == 0) end = 1;
    const std::string_view word = line_.substr(0, end);
    line_ = trimmed(line_.substr(end));
    return word;
  }

  void expect_word(std::string_view expected) {
    const std::string_view word = take(expected);
    if (lower_case(word) == lower_case(expected)) return;
    bad("01", "the word must be " + std::string(expected), shown(word));
  }

  void expect_brace(std::string_view brace) {
    const std::string_view word = take(brace);
    if (word != brace) bad("03", "there must be " + std::string(brace), shown(word));
  }

  double number(std::string_view word) const {
    const std::string_view given = word;
    if (word.starts_with('+') && !word.starts_with("+-")) word.remove_prefix(1);
    double value = 0;
    std::from_chars_result parsed{word.data(), std::errc::invalid_argument};
    if (word.size() <= kMaxNumberLength) {
      parsed = std::from_chars(word.data(), word.data() + word.size(), value);
    }
    const bool is_whole = parsed.ptr == word.data() + word.size();
    // What is too small for a double is zero.
    const bool is_out = parsed.ec == std::errc::result_out_of_range;
    if (is_whole && is_out && lower_case(word).find("e-") != std::string::npos) return 0;
    if (parsed.ec != std::errc() || !is_whole || !(std::abs(value) <= kMaxValue)) {
      bad("13", "numbers are from -1e9 to 1e9", shown(given));
    }
    return value;
  }

  int64_t integer(std::string_view word, std::string_view id, int64_t least, int64_t most,
                  const std::string& what) const {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value < least || value > most) {
      bad(id, what + " are from " + std::to_string(least) + " to " + std::to_string(most),
          shown(word));
    }
    return value;
  }

  // ---- HIERARCHY --------------------------------------------------------------------------------

  /// Without recursion: how deep joints lie is the file's to say, and the stack's to bear.
  void read_skeleton() {
    expect_word("ROOT");
    begin_joint(/*is_end=*/false);
    while (!open_.empty()) {
      const std::string_view word = take("} that closes a joint");
      const std::string lower = lower_case(word);
      if (word == "}") {
        close_joint();
      } else if (lower == "offset") {
        read_offset();
      } else if (lower == "channels") {
        read_channels();
      } else if (lower == "joint" || lower == "end") {
        if (is_end(top())) bad("01", "an end has no joints below it", shown(word));
        begin_joint(lower == "end");
      } else {
        bad("01", "a joint holds OFFSET, CHANNELS, JOINT and End Site", shown(word));
      }
    }
    if (result_.channels == 0) bad("06", "a skeleton has at least one channel", "none");
  }

  static bool is_end(const BvhJoint& joint) { return joint.name.empty(); }
  BvhJoint& top() { return result_.joints[static_cast<size_t>(open_.back().joint)]; }

  void begin_joint(bool is_end) {
    // The rest of the line: names may hold spaces.
    const size_t brace = std::min(line_.find('{'), line_.size());
    const std::string_view name = trimmed(line_.substr(0, brace));
    line_.remove_prefix(brace);
    if (is_end) {
      if (!lower_case(name).starts_with("site")) {
        bad("01", "Site follows End", name.empty() ? "nothing" : shown(name));
      }
    } else {
      if (name.empty() || name.size() > kMaxName) {
        bad("04", "a joint has a name of at most 256 bytes",
            name.empty() ? "none" : std::to_string(name.size()) + " bytes");
      }
      if (!names_.insert(name).second) bad("04", "a joint's name is its own", shown(name));
    }
    if (result_.joints.size() == kMaxJoints) bad("09", "there are at most 10,000 joints", "more");
    if (open_.size() == kMaxDepth) bad("08", "joints lie at most 256 deep", "more");
    const int64_t parent = open_.empty() ? -1 : open_.back().joint;
    open_.emplace_back();
    open_.back().joint = std::ssize(result_.joints);
    BvhJoint& joint = result_.joints.emplace_back();
    joint.parent = parent;
    if (!is_end) joint.name = name;
    expect_brace("{");
  }

  void close_joint() {
    const bool needs_channels = !is_end(top());
    if (!open_.back().has_offset) bad("05", "a joint has an OFFSET", "none");
    if (needs_channels && !open_.back().has_channels) bad("06", "a joint has CHANNELS", "none");
    open_.pop_back();
  }

  void read_offset() {
    if (open_.back().has_offset) bad("05", "a joint has one OFFSET", "a second");
    open_.back().has_offset = true;
    for (double& value : top().offset) value = number(take("three numbers of an OFFSET"));
  }

  void read_channels() {
    if (is_end(top())) bad("06", "an end has no CHANNELS", "some");
    if (open_.back().has_channels) bad("06", "a joint has CHANNELS once", "a second list");
    // A joint below would stand before this one in the frames.
    if (open_.back().joint + 1 != std::ssize(result_.joints)) {
      bad("06", "CHANNELS come before the joints below", "after them");
    }
    open_.back().has_channels = true;
    const int64_t count =
        integer(take("the number of CHANNELS"), "06", 0, kMaxJointChannels, "channels of a joint");
    bool seen[2][3] = {};
    for (int64_t i = 0; i < count; ++i) {
      const std::string_view word = take("a channel's name");
      const std::string lower = lower_case(word);
      const bool is_rotation = lower.ends_with("rotation");
      const int axis = lower.empty() ? -1 : lower[0] - 'x';
      if (axis < 0 || axis > 2 || lower.substr(1) != (is_rotation ? "rotation" : "position")) {
        bad("07", "a channel is X, Y or Z with position or rotation, such as Xrotation",
            shown(word));
      }
      if (seen[is_rotation][axis]) bad("07", "a joint has each channel once", shown(word));
      seen[is_rotation][axis] = true;
      top().channels.push_back({is_rotation, axis});
    }
    result_.channels += count;
  }

  // ---- MOTION -----------------------------------------------------------------------------------

  void read_motion() {
    expect_word("Frames:");
    result_.frames = integer(take("the number of frames"), "10", 0, kMaxFrames, "frames");
    expect_word("Frame");
    expect_word("Time:");
    result_.frame_time = number(take("the time of a frame"));
    if (!(result_.frame_time > 0 && result_.frame_time <= kMaxFrameTime)) {
      bad("11", "a frame takes more than 0 and at most 3600 seconds",
          std::to_string(result_.frame_time));
    }
    if (!line_.empty()) bad("12", "frames begin on a line of their own", shown(line_));

    // A number takes a digit and a space, or the end of the line: known before memory is taken.
    const int64_t count = result_.frames * result_.channels;
    if (2 * count > std::ssize(text_) + 1) {
      bad("16",
          std::to_string(result_.frames) + " frames of " + std::to_string(result_.channels) +
              " numbers must follow",
          std::to_string(text_.size()) + " bytes");
    }
    result_.values.reserve(static_cast<size_t>(count));
    for (int64_t frame = 0; frame < result_.frames; ++frame) {
      if (!next_line()) {
        bad("14", "there must be " + std::to_string(result_.frames) + " frames",
            std::to_string(frame));
      }
      read_frame();
    }
    if (next_line()) {
      bad("14", "nothing follows the " + std::to_string(result_.frames) + " frames", shown(line_));
    }
  }

  void read_frame() {
    int64_t count = 0;
    while (!line_.empty()) {
      if (++count > result_.channels) break;
      result_.values.push_back(static_cast<float>(number(take_word(line_))));
    }
    if (count == result_.channels) return;
    bad("12", "a frame has " + std::to_string(result_.channels) + " numbers, one a channel",
        count > result_.channels ? "more" : std::to_string(count));
  }

  // ---- Complaints -------------------------------------------------------------------------------

  [[noreturn]] void bad(std::string_view id, std::string_view rule, std::string_view got) const {
    origin_.bad("T-BVH-" + std::string(id), at_line(rule), got);
  }
  [[noreturn]] void unsupported(std::string_view id, std::string_view rule, std::string_view got,
                                std::string_view next) const {
    origin_.unsupported("T-BVH-" + std::string(id), at_line(rule), got, next);
  }
  std::string at_line(std::string_view rule) const {
    return "line " + std::to_string(std::max<int64_t>(number_, 1)) + ": " + std::string(rule);
  }

  /// A joint whose } has not come yet.
  struct Open {
    int64_t joint = 0;
    bool has_offset = false, has_channels = false;
  };

  std::string_view text_, line_;  ///< what is left of the file, and of the line
  Origin origin_;
  int64_t number_ = 0;
  BvhMotion result_;
  std::vector<Open> open_;
  std::set<std::string_view> names_;
};

}  // namespace

BvhMotion parse_bvh(std::span<const std::byte> bytes, std::string_view file) {
  return BvhReader(as_text(bytes), {"bvh", file}).read();
}

}  // namespace tessera::io
