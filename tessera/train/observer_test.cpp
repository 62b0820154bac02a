#include "tessera/train/observer.h"

#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <memory>

namespace tessera::train {
namespace {

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

constexpr StepProgress kHalfway{.step = 50,
                                .total_steps = 100,
                                .epoch = 2.5,
                                .loss = 0.125,
                                .lr = 0.001,
                                .steps_per_second = 10,
                                .seconds_left = 5};

TEST(Observer, writes_plain_lines_where_there_is_no_terminal) {
  const File file(std::tmpfile());
  {
    TerminalObserver observer("toy", file.get());
    observer.on_step(kHalfway);
    observer.on_step(kHalfway);  // too soon after the first
    observer.on_message("all is well");
  }
  std::rewind(file.get());
  char text[256] = {};
  const size_t size = std::fread(text, 1, sizeof text - 1, file.get());
  EXPECT_EQ(std::string(text, size),
            "toy:  50 %  step 50/100  loss 0.125  lr 0.001  10 steps/s  5.0 s left\n"
            "toy: all is well\n");
}

TEST(Observer, a_bar_fits_the_width_of_the_terminal_and_is_redrawn) {
  int controller = -1, terminal = -1;
  winsize size = {.ws_row = 24, .ws_col = 50, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(::openpty(&controller, &terminal, nullptr, nullptr, &size), 0);
  {
    const File file(::fdopen(terminal, "w"));
    TerminalObserver observer("toy", file.get());
    observer.on_step(kHalfway);
    std::fflush(file.get());
    char bytes[512];
    const ssize_t count = ::read(controller, bytes, sizeof bytes);
    ASSERT_GT(count, 0);
    const std::string text(bytes, static_cast<size_t>(count));
    EXPECT_EQ(text.front(), '\r');
    EXPECT_NE(text.find("━━━━━━━━━━━━────────────"), std::string::npos);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    const std::string shown = text.substr(1, text.find("\033[K") - 1);
    const auto columns =
        std::count_if(shown.begin(), shown.end(), [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_EQ(columns, 49);
  }
  ::close(controller);
}

TEST(Observer, says_durations_and_metrics_shortly) {
  EXPECT_EQ(describe_seconds(3.24), "3.2 s");
  EXPECT_EQ(describe_seconds(75), "75 s");
  EXPECT_EQ(describe_seconds(720), "12 min");
  EXPECT_EQ(describe_seconds(3840), "1 h 04 min");
  EXPECT_EQ(describe_seconds(1.0 / 0.0), "?");
  EXPECT_EQ(describe_metrics({{"loss", 0.5}, {"f1", 1}}), "loss 0.5  f1 1");
}

}  // namespace
}  // namespace tessera::train
