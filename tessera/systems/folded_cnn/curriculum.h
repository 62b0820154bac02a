#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "tessera/core/json.h"

namespace tessera::folded_cnn {

/// Curriculum over classes (section 3.3 of the paper): training begins with a few classes, and more
/// are added every so many epochs, until all K are in use.
struct CurriculumRules {
  struct Step {
    int64_t gap;  ///< epochs until the next addition
    int64_t add;  ///< classes that it adds
  };
  int64_t init_classes = 1;
  std::vector<Step> steps;  ///< after the last it repeats

  /// The published rule: max(⌊K/10⌋, f) classes, then ⌊K/10⌋ more (at least 1) every 60 epochs. For
  /// lol/timer-minutes at fold 4 it is K/20 and 120.
  static CurriculumRules published(int64_t num_classes, int64_t fold, bool is_slow = false);
  /// {"init_classes": 2, "steps": [[60, 2]]}; keys that are missing are the published rule's.
  /// Throws InvalidArgument on init_classes, a gap or an addition below 1.
  static CurriculumRules of(const Json& json, const CurriculumRules& otherwise);
};

/// Where the curriculum is at the start of an epoch.
class Curriculum {
 public:
  Curriculum(const CurriculumRules& rules, int64_t num_classes);

  int64_t epoch() const { return epoch_; }
  int64_t classes_in_use() const { return classes_; }
  int64_t next_step_epoch() const { return next_; }
  /// The end of an epoch.
  void advance();

 private:
  CurriculumRules rules_;
  int64_t num_classes_;
  int64_t epoch_ = 0, classes_, next_;
  size_t step_ = 0;
};

/// Classes in use at the start of `epoch`.
int64_t classes_in_use(const CurriculumRules& rules, int64_t num_classes, int64_t epoch);

/// The place of each label among the classes that occur, in ascending order: a curriculum counts
/// these alone.
struct RankedLabels {
  std::vector<int64_t> ranks;
  int64_t num_classes = 0;  ///< that occur
};
RankedLabels ranked(std::span<const int64_t> labels);

/// Indices of the samples whose class is below `classes`, in their order.
std::vector<int64_t> samples_in_use(std::span<const int64_t> labels, int64_t classes);

}  // namespace tessera::folded_cnn
