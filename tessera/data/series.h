#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/data/source.h"

namespace tessera::data {

/// Series with an answer each: a class or a number.
struct SeriesSet {
  at::Tensor values;   ///< (N, T, F) float32, T of the longest; zeros behind a series' end
  at::Tensor lengths;  ///< (N) int64
  at::Tensor labels;   ///< (N) int64, or undefined
  at::Tensor targets;  ///< (N) float64, or undefined
  std::vector<std::string> class_names;

  int64_t size() const { return lengths.size(0); }
};

/// Reads a file of series, plain or in gzip, .ts or .arff by its name. NaN stays where a value is
/// missing. Throws BadFile, Unsupported (time stamps; another ending), Io.
SeriesSet read_series_file(const std::string& path);

/// The series of `first`, then those of `second`. Throws BadFile where channels or classes differ.
SeriesSet joined(const SeriesSet& first, const SeriesSet& second);

/// A set in the files that it is published in, or that its user has divided it into.
struct SeriesData {
  SeriesSet pool;  ///< the series of all files
  /// How many of them come from each file: training, test; or training, validation, test.
  std::vector<int64_t> sizes;
};

/// EigenWorms (UEA archive): 131 + 128 series of 17,984 steps, 6 channels, 5 classes.
/// Looked for in <data_root>/eigenworms, <data_root>/eigenworms/EigenWorms, <data_root>/EigenWorms:
///   1. EigenWorms_TRAIN and EigenWorms_TEST, .ts, .ts.gz, .arff or .arff.gz;
///   2. EigenWorms.zip, as it is published, with one of them in it;
///   3. the arrays that UnICORNN's authors use: {train,valid,test}{x,y}.npy, x (N, T, 6), y (N).
/// Throws Io where there are none, with the names; BadFile where a file is no such set or a value
/// is missing; Unsupported.
SeriesData load_eigenworms(const std::string& data_root);

/// The three quantities of BIDMC: "rr" (breaths a minute), "hr" (beats a minute), "spo2" (percent).
const std::vector<std::string>& bidmc_quantities();

/// BIDMC32 (Monash, UEA & UCR regression archive): 7,949 series of 4,000 steps (32 s) of two
/// channels, photoplethysmogram and electrocardiogram, with one quantity. NAME is BIDMC32RR,
/// BIDMC32HR or BIDMC32SpO2; looked for in <data_root>/bidmc, <data_root>/bidmc/NAME,
/// <data_root>/NAME and <data_root>/bidmc/RR (HR, SpO2), as load_eigenworms does.
SeriesData load_bidmc(const std::string& quantity, const std::string& data_root);

/// Where they are published.
DataSource eigenworms_source();
DataSource bidmc_source();

}  // namespace tessera::data
