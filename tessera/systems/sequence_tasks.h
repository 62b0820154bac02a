#pragma once

#include <vector>

#include "tessera/data/source.h"
#include "tessera/systems/task.h"

// Tasks on sequences that more than one system is trained on. A model gets `x`, and `lengths` where
// sequences differ, batch first, and answers with `logits`.

namespace tessera {

/// Images of digits read pixel by pixel in a fixed order: x (B, 784, 1) in [0, 1], y (B) int64.
/// Reads "logits" (B, 10). Metrics: loss (cross entropy), accuracy in percent, by which the best
/// model is chosen.
/// Keys: source (mnist, fashion_mnist, subset: the images that ship with the library);
/// permutation (see data/permutation.h): "none", "torch:SEED", "numpy:SEED", "reference_unicornn",
/// "lmu2019" (which also fixes the order of the training images, before they are split) or
/// "file:PATH"; train_size, valid_size, split ("random" by split_seed, "last", "none").
TaskFactory psmnist_task();

/// Rows of an image, then steps of noise N(0, 1) drawn once and shared by all samples and splits
/// (UnICORNN, section 4): x (B, T, 28) of MNIST or (B, T, 96) of CIFAR-10, where a row is its red,
/// green and blue pixels, y (B) int64. Outputs and metrics as psmnist_task.
/// Keys: source (mnist, fashion_mnist, subset, cifar10), length (T), noise_seed, train_size,
/// valid_size, split, split_seed.
TaskFactory noise_padded_task();

/// Films' reviews, good or bad: x (B, T) int64 tokens, lengths (B) int64, y (B) 0 or 1 in the
/// task's dtype. Reads "logits" (B, 1) or (B). Loss: binary cross entropy with logits; accuracy in
/// percent of round(sigmoid).
/// Keys: vocab_size (words; two more tokens are padding and unknown), max_length, padding ("end",
/// "front"), embeddings (a GloVe text file, see initial_embeddings), split sizes.
TaskFactory imdb_task();

/// MNIST, Fashion-MNIST, CIFAR-10 and IMDB: what the tasks above read from the data root.
std::vector<data::DataSource> sequence_data_sources();

}  // namespace tessera
