#pragma once

#include <string>

namespace tessera {

/// Threads within an operator (ATen's intra-op pool). 0 takes the number of cores this process may
/// use. Set once, before the first operator; returns the number in use.
int set_threads(int threads);
int threads();

/// Deterministic algorithms where ATen has the choice; our own operators always are.
void set_deterministic(bool deterministic);

/// "AVX512", "AVX2" or "DEFAULT": what ATen and our kernels run with on this machine.
std::string cpu_capability();

}  // namespace tessera
