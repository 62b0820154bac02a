#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "tessera/systems/claim.h"

namespace tessera::train {

/// Where a training stands.
struct StepProgress {
  int64_t step = 0, total_steps = 0;
  double epoch = 0;
  double loss = 0;  ///< mean since the last evaluation
  double lr = 0;
  double steps_per_second = 0;
  double seconds_left = 0;
};

/// An observer is told of steps no more often than this.
inline constexpr std::chrono::milliseconds kBetweenDisplays{100};

/// Watches a training. Every call comes from the thread that called train().
class Observer {
 public:
  virtual ~Observer() = default;
  /// Not sooner than kBetweenDisplays after the last time, and after the last step.
  virtual void on_step(const StepProgress&) {}
  /// `is_best`: the best validation value so far.
  virtual void on_evaluation(const Evaluation&, bool /*is_best*/) {}
  /// Work before or beside the steps: generating data, evaluating a split.
  virtual void on_progress(const std::string& /*what*/, double /*fraction*/) {}
  /// One line that the user should see.
  virtual void on_message(std::string_view) {}
};

class SilentObserver final : public Observer {};

/// A bar that redraws itself where `stream` is a terminal; elsewhere a plain line, at most one
/// every ten seconds, of the evaluation or step that has just come.
class TerminalObserver final : public Observer {
 public:
  explicit TerminalObserver(std::string title, std::FILE* stream = stderr);
  ~TerminalObserver() override;

  void on_step(const StepProgress& progress) override;
  void on_evaluation(const Evaluation& evaluation, bool is_best) override;
  void on_progress(const std::string& what, double fraction) override;
  void on_message(std::string_view message) override;

 private:
  void draw(const std::string& text, double fraction);
  void print_line(std::string_view text);
  bool is_time_for_a_line();

  std::string title_;
  std::FILE* stream_;
  bool is_terminal_;
  bool is_drawn_ = false;
  std::chrono::steady_clock::time_point last_line_;
};

/// "3.2 s", "12 min", "1 h 04 min".
std::string describe_seconds(double seconds);

/// "loss 0.0123  mse 0.004": metrics in their order.
std::string describe_metrics(const Metrics& metrics);

}  // namespace tessera::train
