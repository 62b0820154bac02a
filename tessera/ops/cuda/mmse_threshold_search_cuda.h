#pragma once

#include <cstdint>

// Between the CUDA kernel and its glue: no torch.

namespace tessera::ops::cuda {

template <class T>
struct ThresholdArgs {
  int64_t samples, channels, size, candidates, steps;
  const T* a;  ///< [samples][channels][size]
  const T* c;  ///< [candidates][channels]
  int64_t parts;
  double* partial;  ///< [parts][channels][candidates]
};

/// `stream` is a cudaStream_t. Returns the cudaError_t of the launch.
template <class T>
int launch_threshold_scores(const ThresholdArgs<T>& args, void* stream);

}  // namespace tessera::ops::cuda
