#include "tessera/train/run_folder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/train/toy_system_test.h"

namespace tessera::train {
namespace {

TEST(Metrics, are_cut_back_to_a_step_with_the_line_that_a_kill_left) {
  const toy::TemporaryFolder folder;
  const std::string path = folder / "metrics.jsonl";
  io::write_atomically(path, std::string_view("{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"st"));
  {
    MetricsLog log(path, /*last_step=*/2);
    log.append({{"step", 3}, {"loss", 0.5}});
  }
  EXPECT_EQ(io::read_text(path), "{\"step\":1}\n{\"step\":2}\n{\"step\":3,\"loss\":0.5}\n");
}

TEST(Metrics, a_line_that_is_no_object_is_refused_with_its_number) {
  const toy::TemporaryFolder folder;
  const std::string path = folder / "metrics.jsonl";
  io::write_atomically(path, std::string_view("{\"step\":1}\n[1]\n"));
  try {
    read_metrics(path);
    FAIL();
  } catch (const BadFile& error) {
    EXPECT_NE(std::string(error.what()).find("metrics.jsonl:2"), std::string::npos);
  }
}

TEST(Metrics, without_a_path_nothing_is_written) {
  MetricsLog log("", 0);
  log.append({{"step", 1}});
  log.flush();
  EXPECT_TRUE(read_metrics("").empty());
}

TEST(Metrics, not_finite_values_survive_as_nan) {
  const Metrics metrics = {{"loss", 0.25}, {"f1", std::numeric_limits<double>::infinity()}};
  const Json values = to_json(metrics);
  EXPECT_TRUE(values.at("f1").is_null());
  const Metrics back = metrics_from(values);
  EXPECT_EQ(back[0].second, 0.25);
  EXPECT_TRUE(std::isnan(back[1].second));
}

TEST(Metrics, history_is_read_from_the_evaluations) {
  const std::vector<Json> lines = {{{"event", "train"}, {"step", 1}, {"loss", 2.0}},
                                   {{"event", "evaluation"},
                                    {"step", 2},
                                    {"epoch", 1.0},
                                    {"loss", 0.5},
                                    {"valid", {{"loss", 0.75}}},
                                    {"test", Json::object()},
                                    {"best", true}}};
  const auto history = history_of(lines);
  ASSERT_EQ(history.size(), 1u);
  EXPECT_EQ(history[0].step, 2);
  EXPECT_EQ(history[0].train_loss, 0.5);
  EXPECT_EQ(metric(history[0].valid, "loss"), 0.75);
  EXPECT_TRUE(history[0].test.empty());
}

}  // namespace
}  // namespace tessera::train
