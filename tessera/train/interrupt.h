#pragma once

#include <csignal>

namespace tessera::train {

/// While one lives, the first SIGINT or SIGTERM is only remembered; a second one of the same kind
/// acts as it did before. Restores the former handlers when it ends.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  /// The signal that came, or 0.
  static int signal();

 private:
  struct sigaction old_interrupt_, old_terminate_;
};

}  // namespace tessera::train
