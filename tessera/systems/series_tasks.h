#pragma once

#include <vector>

#include "tessera/data/source.h"
#include "tessera/systems/task.h"

// Tasks on long recordings for sequence models (UnICORNN, section 4). A model gets `x` (B, T, F)
// and answers with `logits`.
//
// Keys of both: source ("archive": the data root's files, see data/series.h; "generated": made-up
// series of the same shape, see data/generated_series.h, with size and generated_seed); split
// ("random": all series are pooled and drawn by split_seed, as the authors do; "files": the test
// file is the test split, and validation is drawn from the training file; a set that its user has
// divided into training, validation and test stays so); valid_share, test_share; normalise ("none",
// as the authors; "standard": each channel by training's mean and standard deviation); length (the
// first steps of each series; 0: all).

namespace tessera {

/// Which of five strains of worms moves: x (B, 17984, 6), y (B) int64. Reads "logits" (B, 5).
/// Metrics: loss (cross entropy), accuracy in percent, by which the best model is chosen.
TaskFactory eigenworms_task();

/// The rate of breath ("rr", 1/min), of the heart ("hr", 1/min) or the blood's oxygen ("spo2",
/// percent) from pulse and heart: x (B, 4000, 2), y (B) in the task's dtype. Reads "logits" (B, 1)
/// or (B). Loss: mean squared error; rmse, its root, chooses the best model (the paper's L2 loss).
/// Key: quantity.
TaskFactory bidmc_task();

/// EigenWorms and BIDMC.
std::vector<data::DataSource> series_data_sources();

}  // namespace tessera
