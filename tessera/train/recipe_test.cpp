#include "tessera/train/recipe.h"

#include <gtest/gtest.h>

#include <fstream>

#include "tessera/core/error.h"
#include "tessera/train/toy_system_test.h"

namespace tessera::train {
namespace {

std::string refusal(const std::string& text) {
  try {
    read_recipe(parse_toml(text, "a.toml"), "a", toy::registry());
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

constexpr const char* kHead = "system = \"toy\"\n[task]\nname = \"sine\"\n";

TEST(Recipe, reads_every_section_and_writes_itself_back) {
  const Recipe recipe = toy::recipe("optimizer = \"sgd\"\nmomentum = 0.9\n", "noise = 0.5\n");
  EXPECT_EQ(recipe.name, "toy/sine");
  EXPECT_EQ(recipe.train.optimizer.name, "sgd");
  EXPECT_EQ(recipe.train.optimizer.momentum, 0.9);
  EXPECT_EQ(recipe.train.epochs, 4);
  const std::string written = write_toml(to_json(recipe));
  const Recipe again = read_recipe(parse_toml(written, "b.toml"), "b", toy::registry());
  EXPECT_EQ(write_toml(to_json(again)), written);
  EXPECT_EQ(again.name, "toy/sine");
  EXPECT_FALSE(again.train.steps.has_value());
}

TEST(Recipe, an_unknown_key_is_answered_with_file_line_and_the_nearest_name) {
  const std::string train = refusal(std::string(kHead) + "[train]\nepochs = 1\nbatchsize = 4\n");
  EXPECT_NE(train.find("a.toml:6"), std::string::npos) << train;
  EXPECT_NE(train.find("batch_size"), std::string::npos) << train;
  EXPECT_NE(refusal(std::string(kHead) + "[model]\nwidht = 1\n").find("width"), std::string::npos);
  EXPECT_NE(refusal(std::string(kHead) + "[trian]\n").find("Did you mean \"train\""),
            std::string::npos);
  EXPECT_NE(refusal("system = \"toi\"\n").find("toy"), std::string::npos);
  EXPECT_NE(refusal("system = \"toy\"\n[task]\nname = \"sin\"\n").find("sine"), std::string::npos);
  EXPECT_NE(refusal("system = \"toy\"\n").find("task.name"), std::string::npos);
}

TEST(Recipe, has_either_steps_or_epochs) {
  EXPECT_NE(refusal(kHead).find("neither"), std::string::npos);
  EXPECT_NE(refusal(std::string(kHead) + "[train]\nsteps = 1\nepochs = 1\n").find("both"),
            std::string::npos);
}

TEST(Recipe, values_out_of_range_are_refused) {
  const auto train = [](const std::string& lines) {
    return refusal(std::string(kHead) + "[train]\nepochs = 1\n" + lines);
  };
  EXPECT_EQ(train("lr = 0.5\n"), "");
  EXPECT_NE(train("lr = -1\n").find("train.lr"), std::string::npos);
  EXPECT_NE(train("batch_size = 0\n"), "");
  EXPECT_NE(train("optimizer = \"adma\"\n").find("adam"), std::string::npos);
  EXPECT_NE(train("momentum = 0.9\n"), "");
  EXPECT_NE(train("ema_decay = 1.0\n"), "");
  EXPECT_NE(train("[run]\ndtype = \"float16\"\n"), "");
  EXPECT_NE(train("[expect]\nmetric = \"mse\"\n"), "");
}

TEST(Recipe, a_missing_recipe_names_the_nearest) {
  EXPECT_THROW(load_recipe("toy/nothing"), InvalidArgument);
  EXPECT_THROW(load_recipe("no/such/file.toml"), Io);
}

TEST(Recipe, an_unknown_device_is_refused) {
  EXPECT_THROW(device_of(toy::recipe("", "", "device = \"tpu\"\n").run), InvalidArgument);
  EXPECT_THROW(device_of(toy::recipe("", "", "device = \"cuda:x\"\n").run), InvalidArgument);
  EXPECT_THROW(device_of(toy::recipe("", "", "device = \"cuda:63\"\n").run), Unsupported);
  EXPECT_TRUE(device_of(toy::recipe().run).is_cpu());
}

TEST(Recipe, every_shipped_recipe_reads_and_writes_itself_back) {
  for (const std::string& name : recipe_names()) {
    EXPECT_NO_THROW({
      const std::string written = write_toml(to_json(load_recipe(name)));
      EXPECT_EQ(write_toml(to_json(read_recipe(parse_toml(written, name), name))), written);
    }) << name;
  }
}

TEST(Recipe, a_length_given_as_a_setting_replaces_the_other) {
  const auto names = recipe_names();
  if (names.empty()) GTEST_SKIP() << "no recipe is shipped";
  const Recipe by_steps = load_recipe(names.front(), {"train.steps=7"});
  EXPECT_EQ(by_steps.train.steps, 7);
  EXPECT_FALSE(by_steps.train.epochs.has_value());
  const Recipe by_epochs = load_recipe(names.front(), {"train.epochs=3"});
  EXPECT_EQ(by_epochs.train.epochs, 3);
  EXPECT_FALSE(by_epochs.train.steps.has_value());
  EXPECT_THROW(load_recipe(names.front(), {"train.steps=7", "train.epochs=3"}), InvalidArgument);
}

}  // namespace
}  // namespace tessera::train
