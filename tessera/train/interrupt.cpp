#include "tessera/train/interrupt.h"

namespace tessera::train {
namespace {

volatile std::sig_atomic_t last_signal = 0;

void remember(int signal) { last_signal = signal; }

}  // namespace

InterruptGuard::InterruptGuard() {
  last_signal = 0;
  struct sigaction action = {};
  action.sa_handler = remember;
  // SA_RESETHAND: a second signal ends the process at once, for a user who does not want to wait.
  action.sa_flags = SA_RESTART | static_cast<int>(SA_RESETHAND);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_interrupt_);
  sigaction(SIGTERM, &action, &old_terminate_);
}

InterruptGuard::~InterruptGuard() {
  sigaction(SIGINT, &old_interrupt_, nullptr);
  sigaction(SIGTERM, &old_terminate_, nullptr);
}

int InterruptGuard::signal() { return last_signal; }

}  // namespace tessera::train
