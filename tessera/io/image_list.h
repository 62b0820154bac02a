#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::io {

struct ImageListEntry {
  std::string path;  ///< below the root, without "." and empty parts
  int64_t label;
  int64_t line;  ///< of the list, from 1
};

/// Parses a list of labelled pictures: a line "path label" for each, with whole labels from 0 and
/// paths below `root`, relative to it or absolute; a path may hold spaces; "\r\n" is allowed. Files
/// are not looked for. Throws BadFile naming the line: a last line without an end (of a list that
/// was cut the label would be wrong), a blank one, no label or one above 2²⁰, a path that leaves
/// the root, a picture that was named before.
std::vector<ImageListEntry> parse_image_list(std::span<const std::byte> bytes,
                                             std::string_view root, std::string_view file = {});

}  // namespace tessera::io
