#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "tessera/core/error.h"
#include "tessera/io/arff.h"
#include "tessera/io/ts.h"

namespace tessera::io {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

const std::string kTs =
    "#Worms of a kind.\n"
    "@problemName Worms\n"
    "@timeStamps false\n"
    "@missing false\n"
    "@univariate false\n"
    "@dimensions 2\n"
    "@equalLength true\n"
    "@seriesLength 3\n"
    "@classLabel true 1 2\n"
    "@data\n"
    "1,2,3:4,5,6.5:2\n"
    "-1e-3,?,3:4,5,6:1\n";

TEST(Ts, a_file_of_classes_gives_channels_in_order) {
  const SeriesFile file = parse_ts(bytes_of(kTs));
  EXPECT_EQ(file.name, "Worms");
  EXPECT_EQ(file.channels, 2);
  EXPECT_EQ(file.lengths, (std::vector<int64_t>{3, 3}));
  EXPECT_EQ(file.answer, SeriesFile::Answer::kClass);
  EXPECT_EQ(file.class_names, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(file.classes, (std::vector<int64_t>{1, 0}));
  ASSERT_EQ(file.values.size(), 12u);
  EXPECT_EQ(std::vector<float>(file.values.begin(), file.values.begin() + 7),
            (std::vector<float>{1, 2, 3, 4, 5, 6.5f, -1e-3f}));
  EXPECT_TRUE(std::isnan(file.values[7]));
}

TEST(Ts, targets_and_unequal_lengths_are_read) {
  const SeriesFile file = parse_ts(
      bytes_of("@problemName Breath\n@univariate true\n@equalLength false\n@targetlabel true\n"
               "@data\n1,2:15.25\n1,2,3:-3\n"));
  EXPECT_EQ(file.answer, SeriesFile::Answer::kValue);
  EXPECT_EQ(file.lengths, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file.targets, (std::vector<double>{15.25, -3}));
}

TEST(Ts, numbers_too_small_for_a_float_are_zero) {
  EXPECT_EQ(parse_ts(bytes_of("@data\n1e-60,-1e-60\n")).values, (std::vector<float>{0, 0}));
}

template <class E>
std::string complaint(const std::string& text,
                      SeriesFile (*parse)(std::span<const std::byte>, std::string_view)) {
  try {
    parse(bytes_of(text), "a.file");
  } catch (const E& error) {
    return error.what();
  }
  return "no such error";
}

TEST(Ts, complaints_name_the_line) {
  EXPECT_EQ(complaint<BadFile>(kTs + "1,2:3,4:1\n", parse_ts),
            "[ts] a.file: line 13: @equalLength: a series has 3 steps, but got 2.  (T-TS-18)");
}

TEST(Ts, time_stamps_are_refused_with_what_to_do) {
  EXPECT_EQ(complaint<Unsupported>("@timeStamps true\n@data\n", parse_ts),
            "[ts] a.file: line 1: series are read as values at equal steps, without time stamps, "
            "but got @timeStamps true. Resample them, and write the values alone.  (T-TS-09)");
}

const std::string kArff =
    "@relation 'Worms'\n"
    "\n"
    "@attribute relationalAtt relational\n"
    "\t@attribute att0 numeric\n"
    "\t@attribute att1 numeric\n"
    "\t@attribute att2 numeric\n"
    "@end relationalAtt\n"
    "@attribute class {1,2}\n"
    "@data\n"
    "'1,2,3\\n4,5,6.5',2\n"
    "\"-0.001,?,3\\n4,5,6\",1\n";

TEST(Arff, relational_rows_are_channels_as_in_ts) {
  const SeriesFile file = parse_arff(bytes_of(kArff)), same = parse_ts(bytes_of(kTs));
  EXPECT_EQ(file.name, same.name);
  EXPECT_EQ(file.channels, same.channels);
  EXPECT_EQ(file.lengths, same.lengths);
  EXPECT_EQ(file.class_names, same.class_names);
  EXPECT_EQ(file.classes, same.classes);
  ASSERT_EQ(file.values.size(), same.values.size());
  for (size_t i = 0; i < same.values.size(); ++i) {
    EXPECT_TRUE(file.values[i] == same.values[i] ||
                (std::isnan(file.values[i]) && std::isnan(same.values[i])))
        << i;
  }
}

TEST(Arff, flat_attributes_are_one_channel_and_a_last_number_is_the_target) {
  const SeriesFile file = parse_arff(
      bytes_of("@RELATION r\n@ATTRIBUTE a NUMERIC\n@ATTRIBUTE b REAL\n@ATTRIBUTE y REAL\n@DATA\n"
               "1,2,3.5\n4,5,6\n"));
  EXPECT_EQ(file.channels, 1);
  EXPECT_EQ(file.lengths, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(file.values, (std::vector<float>{1, 2, 4, 5}));
  EXPECT_EQ(file.answer, SeriesFile::Answer::kValue);
  EXPECT_EQ(file.targets, (std::vector<double>{3.5, 6}));
}

TEST(Arff, complaints_name_the_line) {
  EXPECT_EQ(complaint<BadFile>(kArff + "'1,2,3\\n4,5',1\n", parse_arff),
            "[arff] a.file: line 12: a channel has 3 values, but got 2.  (T-ARFF-19)");
}

}  // namespace
}  // namespace tessera::io
