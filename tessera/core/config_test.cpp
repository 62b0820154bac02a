#include "tessera/core/config.h"

#include <gtest/gtest.h>

#include "tessera/core/error.h"

namespace tessera {
namespace {

struct Layer : Config {
  int64_t dim = 64;
  double rate = 0.5;
  bool residual = true;
  std::string activation = "silu";
  std::optional<double> clamp;
  std::vector<int64_t> sizes{1, 2};

  void fields(FieldList& list) override {
    list("dim", dim, {.help = "width", .min = 1, .max = 4096});
    list("rate", rate, {.help = "a rate", .unit = "1/s", .min = 0, .min_exclusive = true});
    list("residual", residual, {.help = "adds the input"});
    list("activation", activation, {.help = "nonlinearity", .one_of = {"silu", "relu"}});
    list("clamp", clamp, {.help = "bound of a step", .min = 0});
    list("sizes", sizes, {.help = "sizes", .min = 1});
  }
  void validate() const override {
    if (residual && dim == 7) {
      fail<InvalidArgument>({.where = "layer", .rule = "seven cannot be residual"});
    }
  }
};

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "nothing thrown";
}

TEST(ReadConfig, values_of_every_type_are_set) {
  Layer layer;
  read_config(layer, Json::parse(R"({"dim": 8, "rate": 2, "residual": false, "activation": "relu",
                                     "clamp": 100, "sizes": [3, 4, 5]})"));
  EXPECT_EQ(layer.dim, 8);
  EXPECT_EQ(layer.rate, 2.0);
  EXPECT_FALSE(layer.residual);
  EXPECT_EQ(layer.activation, "relu");
  EXPECT_EQ(layer.clamp, 100.0);
  EXPECT_EQ(layer.sizes, (std::vector<int64_t>{3, 4, 5}));
  EXPECT_EQ(
      write_config(layer).dump(),
      R"({"dim":8,"rate":2.0,"residual":false,"activation":"relu","clamp":100.0,"sizes":[3,4,5]})");
}

TEST(ReadConfig, null_and_the_word_none_empty_an_optional) {
  Layer layer;
  layer.clamp = 1;
  read_config(layer, {{"clamp", nullptr}});
  EXPECT_FALSE(layer.clamp.has_value());
  layer.clamp = 1;
  read_config(layer, {{"clamp", "none"}});
  EXPECT_FALSE(layer.clamp.has_value());
}

TEST(ReadConfig, an_unknown_key_names_the_nearest_with_file_and_line) {
  Layer layer;
  const Document document = parse_toml("[model]\n\nactivatoin = \"relu\"\n", "x.toml");
  EXPECT_EQ(
      message_of([&] { read_config(layer, document.values["model"], "model", document.origins); }),
      "[config] x.toml:3: unknown key \"model.activatoin\". Did you mean \"activation\"?  "
      "(T-CFG-01)");
}

TEST(ReadConfig, a_range_violation_shows_range_and_value) {
  Layer layer;
  EXPECT_EQ(message_of([&] {
              read_config(layer, {{"dim", 0}}, "model", {{"model.dim", "--set"}});
            }),
            "[config] --set: model.dim must be ≥ 1 and ≤ 4096, but got 0.  (T-CFG-02)");
  EXPECT_EQ(message_of([&] {
              read_config(layer, {{"rate", 0}});
            }),
            "[config] rate must be > 0, but got 0.  (T-CFG-02)");
  EXPECT_EQ(message_of([&] {
              read_config(layer, {{"sizes", {1, 0}}});
            }),
            "[config] sizes must be ≥ 1, but got 0.  (T-CFG-02)");
}

TEST(ReadConfig, wrong_types_and_words_are_refused) {
  Layer layer;
  EXPECT_NE(message_of([&] {
              read_config(layer, {{"dim", 1.5}});
            }).find("is an integer"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              read_config(layer, {{"dim", true}});
            }).find("is an integer"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              read_config(layer, {{"residual", "yes"}});
            }).find("true or false"),
            std::string::npos);
  EXPECT_NE(message_of([&] {
              read_config(layer, {{"activation", "rellu"}});
            }).find("Did you mean \"relu\"?"),
            std::string::npos);
  EXPECT_NE(message_of([&] { read_config(layer, Json::array()); }).find("table of keys"),
            std::string::npos);
}

TEST(ReadConfig, rules_between_fields_are_checked_last) {
  Layer layer;
  EXPECT_EQ(message_of([&] {
              read_config(layer, {{"dim", 7}});
            }),
            "[layer] seven cannot be residual.");
}

TEST(DescribeConfig, one_row_a_field) {
  Layer layer;
  const auto rows = describe_config(layer);
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[1].type, "float");
  EXPECT_EQ(rows[1].range, "> 0");
  EXPECT_EQ(rows[1].unit, "1/s");
  EXPECT_EQ(rows[3].range, "silu, relu");
  EXPECT_EQ(rows[4].type, "float or none");
  EXPECT_EQ(rows[4].default_value, "none");
  EXPECT_EQ(rows[5].type, "list of int");
}

TEST(Toml, what_is_written_reads_back_equal) {
  const Json values = Json::parse(
      R"({"system": "egnn", "note": "a \"quoted\"\nline", "model": {"dim": 64, "rate": 1.0, "lr": 5e-4,
          "clamp": null, "sizes": [1, 2], "words": ["a", "b"], "on": true}, "train": {"betas": [0.9, 0.999]}})");
  const std::string text = write_toml(values);
  Json expected = values;
  expected["model"]["clamp"] = "none";
  EXPECT_EQ(parse_toml(text, "t").values, expected);
  EXPECT_EQ(write_toml(parse_toml(text, "t").values), text);
}

TEST(Toml, keys_keep_the_order_of_the_file) {
  const Document document = parse_toml("b = 1\na = 2\n[z]\ny = 1\nx = 2\n", "t");
  EXPECT_EQ(document.values.dump(), R"({"b":1,"a":2,"z":{"y":1,"x":2}})");
  EXPECT_EQ(document.origins.at("z.x"), "t:5");
}

TEST(Toml, a_syntax_error_names_file_and_line) {
  EXPECT_NE(message_of([] { parse_toml("a = 1\nb = = 2\n", "bad.toml"); }).find("bad.toml:2"),
            std::string::npos);
}

TEST(ApplySetting, reads_numbers_lists_and_bare_words) {
  Document document = parse_toml("[train]\nlr = 0.1\n", "t");
  apply_setting(document, "train.lr=5e-4");
  apply_setting(document, "train.betas=[0.5, 0.9]");
  apply_setting(document, "model.architecture=gnn");
  EXPECT_EQ(document.values["train"]["lr"], 5e-4);
  EXPECT_EQ(document.values["train"]["betas"].size(), 2u);
  EXPECT_EQ(document.values["model"]["architecture"], "gnn");
  EXPECT_EQ(document.origins.at("train.lr"), "--set");
}

TEST(ApplySetting, refuses_what_is_not_an_assignment) {
  Document document;
  EXPECT_THROW(apply_setting(document, "train.lr"), InvalidArgument);
  EXPECT_THROW(apply_setting(document, "=1"), InvalidArgument);
  apply_setting(document, "train.lr=1");
  EXPECT_THROW(apply_setting(document, "train.lr.x=1"), InvalidArgument);
}

}  // namespace
}  // namespace tessera
