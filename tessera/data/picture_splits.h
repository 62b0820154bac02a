#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tessera/data/image_folder.h"

namespace tessera::data {

/// A data set of one's own: labelled pictures in files.
struct PictureSplits {
  std::vector<PictureFile> train, valid, test;
  std::vector<std::string> class_names;  ///< by label; of a list "0", "1", …
};

/// The folders `train`, `val` and `test` below `path`, each an ImageFolder of the same classes;
/// `val` may be missing, and takes the place of a missing `test`. Throws BadFile, Io.
PictureSplits picture_folders(const std::string& path);

/// Files of lines "path label" (io/image_list.h).
struct PictureLists {
  std::string train;
  std::optional<std::string> valid;
  std::string test;
};

/// The pictures of lists, which lie below `root` as their pictures do. The classes are the labels
/// of the training list. Throws BadFile where a list breaks io/image_list.h's rules, a class below
/// the largest label has no training picture, or a label of another list is not among them; Io
/// where a list or a picture is not there.
PictureSplits picture_lists(const std::string& root, const PictureLists& lists);

/// Moves ⌊share·n + ½⌋ of the n training pictures of each class to validation, drawn by the seed,
/// but never the last one. Both keep their order.
void hold_out(PictureSplits& splits, double share, uint64_t seed);

}  // namespace tessera::data
