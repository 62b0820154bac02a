#include "tessera/train/observer.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace tessera::train {
namespace {

constexpr std::chrono::seconds kBetweenLines{10};
constexpr int kBarWidth = 24;

int terminal_width(std::FILE* stream) {
  winsize size = {};
  const bool is_known = ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? size.ws_col : 80;
}

/// Columns of UTF-8 text whose characters are one column wide.
int columns(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string cut_to(std::string text, int width) {
  while (columns(text) > std::max(width, 0)) {
    while ((text.back() & 0xC0) == 0x80) text.pop_back();
    text.pop_back();
  }
  return text;
}

std::string bar(double fraction) {
  const int full = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * kBarWidth);
  std::string text;
  for (int i = 0; i < kBarWidth; ++i) text += i < full ? "━" : "─";
  return text;
}

std::string status_of(const StepProgress& p) {
  return fmt::format("step {}/{}  loss {:.4g}  lr {:.3g}  {:.3g} steps/s  {} left", p.step,
                     p.total_steps, p.loss, p.lr, p.steps_per_second,
                     describe_seconds(p.seconds_left));
}

}  // namespace

std::string describe_seconds(double seconds) {
  if (!std::isfinite(seconds)) return "?";
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (seconds < 100) return fmt::format("{:.0f} s", seconds);
  const auto minutes = static_cast<int64_t>(std::llround(seconds / 60));
  if (minutes < 60) return fmt::format("{} min", minutes);
  return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
}

std::string describe_metrics(const Metrics& metrics) {
  std::string text;
  for (const auto& [name, value] : metrics) {
    text += fmt::format("{}{} {:.5g}", text.empty() ? "" : "  ", name, value);
  }
  return text;
}

TerminalObserver::TerminalObserver(std::string title, std::FILE* stream)
    : title_(std::move(title)), stream_(stream), is_terminal_(::isatty(::fileno(stream)) == 1) {}

TerminalObserver::~TerminalObserver() {
  if (is_drawn_) std::fputs("\r\033[K", stream_);
  std::fflush(stream_);
}

void TerminalObserver::draw(const std::string& text, double fraction) {
  if (is_terminal_) {
    const std::string line = title_ + " " + bar(fraction) + " " + text;
    fmt::print(stream_, "\r{}\033[K", cut_to(line, terminal_width(stream_) - 1));
    is_drawn_ = true;
    std::fflush(stream_);
  } else if (is_time_for_a_line()) {
    print_line(fmt::format("{:3.0f} %  {}", 100 * fraction, text));
  }
}

void TerminalObserver::print_line(std::string_view text) {
  if (is_drawn_) std::fputs("\r\033[K", stream_);
  is_drawn_ = false;
  fmt::print(stream_, "{}: {}\n", title_, text);
  std::fflush(stream_);
  last_line_ = std::chrono::steady_clock::now();
}

bool TerminalObserver::is_time_for_a_line() {
  return std::chrono::steady_clock::now() - last_line_ >= kBetweenLines;
}

void TerminalObserver::on_step(const StepProgress& progress) {
  const double whole = static_cast<double>(std::max<int64_t>(progress.total_steps, 1));
  draw(status_of(progress), static_cast<double>(progress.step) / whole);
}

void TerminalObserver::on_evaluation(const Evaluation& evaluation, bool /*is_best*/) {
  // Short epochs would flood a log: these lines keep their distance too.
  if (is_terminal_ || !is_time_for_a_line()) return;
  std::string text = fmt::format("step {}  epoch {:.4g}  train {:.5g}", evaluation.step,
                                 evaluation.epoch, evaluation.train_loss);
  if (!evaluation.valid.empty()) text += "  valid: " + describe_metrics(evaluation.valid);
  if (!evaluation.test.empty()) text += "  test: " + describe_metrics(evaluation.test);
  print_line(text);
}

void TerminalObserver::on_progress(const std::string& what, double fraction) {
  draw(what, fraction);
}

void TerminalObserver::on_message(std::string_view message) { print_line(message); }

}  // namespace tessera::train
