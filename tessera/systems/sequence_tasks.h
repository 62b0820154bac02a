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
/// Lengths only where padding stands at the end. A model with an embedding begins with the vectors
/// of `embeddings` (a file in GloVe's text format); `predict` takes text, a review a line.
/// Keys: vocab_size (words; two more tokens are unknown, 0, and padding, 1), lower_case,
/// max_length, truncate and padding ("end", "front"), embeddings, unknown_vectors, split sizes,
/// split_seed.
TaskFactory imdb_task();

/// The next character of a text: x (B, T) and y (B, T) int64, places in the alphabet of the file's
/// bytes. Reads "logits" (B, T, V). Metrics: loss (cross entropy) and bpc, bits per character.
/// The first 90 % of the file train (at another phase of the windows each epoch), the next 5 %
/// validate, the last 5 % test; of validation and test windows the first `context` characters are
/// read but not counted, except at the very beginning.
/// Keys: file (a path, or below the data root; plain, packed, or text8.zip), length (T), context.
TaskFactory text8_task();

/// MNIST, Fashion-MNIST, CIFAR-10, IMDB and text8: what the tasks above read from the data root.
std::vector<data::DataSource> sequence_data_sources();

}  // namespace tessera
