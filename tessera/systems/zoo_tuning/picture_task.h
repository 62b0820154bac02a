#pragma once

#include "tessera/systems/task.h"

namespace tessera::zoo_tuning {

/// pictures: a data set of one's own, as a folder for each class or as the authors' list files, by
/// their recipe. Every picture is resized to S × S (task.resize), whatever its shape, with Pillow's
/// cubic weights; of that come, s = task.crop and L = max(S − s − 1, 0),
///   train  a random part (data/augment.h) resized to s × s, flipped in half of the pictures
///   valid  the crop of s × s at L/2
///   test   ten crops at 0 and L, whose logits are summed; or the one of validation
/// x (B, 3, s, s), of the ten crops (10 B, 3, s, s) with those of a picture after each other, less
/// ImageNet's mean and over its deviation; labels (B) int64. Pictures stay in their files.
TaskFactory pictures_task();

}  // namespace tessera::zoo_tuning
