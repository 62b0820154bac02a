#include "tessera/core/threads.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <sched.h>

#include "tessera/core/error.h"

namespace tessera {
namespace {

int usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return 1;
}

}  // namespace

int set_threads(int threads) {
  if (threads < 0) {
    fail<InvalidArgument>({.where = "threads",
                           .rule = "the number of threads is 0 (all cores) or more",
                           .got = std::to_string(threads),
                           .id = "T-THR-01"});
  }
  at::set_num_threads(threads == 0 ? usable_cores() : threads);
  return at::get_num_threads();
}

int threads() { return at::get_num_threads(); }

void set_deterministic(bool deterministic) {
  at::globalContext().setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  // Results are written before they are read; filling them first is a pass over each.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  at::globalContext().setDeterministicCuDNN(deterministic);
  at::globalContext().setBenchmarkCuDNN(!deterministic);
}

std::string cpu_capability() { return at::get_cpu_capability(); }

}  // namespace tessera
