#include "tessera/data/series.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <functional>
#include <string>

#include "tessera/core/error.h"
#include "tessera/data/generated_series.h"
#include "tessera/io/file.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

/// A root with hand-written files of a set.
class SeriesFolder : public ::testing::Test {
 protected:
  void write(const std::string& path, const std::string& text) {
    const fs::path full = fs::path(folder_.path()) / path;
    fs::create_directories(full.parent_path());
    io::write_atomically(full.string(), text);
  }
  std::string root() const { return folder_.path(); }

  /// `series` series of six channels and two steps whose first value is `start`, `start` + 1, …
  static std::string worms(int start, int series, const std::string& header = "") {
    std::string text = "@problemName EigenWorms\n" + header + "@classLabel true 1 2 3 4 5\n@data\n";
    for (int n = 0; n < series; ++n) {
      for (int channel = 0; channel < 6; ++channel) {
        text += std::to_string(start + n) + "," + std::to_string(channel) + ":";
      }
      text += std::to_string(n % 5 + 1) + "\n";
    }
    return text;
  }
  static std::string worms_arff(int start, int series) {
    std::string text =
        "@relation EigenWorms\n@attribute bag relational\n@attribute a numeric\n"
        "@attribute b numeric\n@end bag\n@attribute label {1,2,3,4,5}\n@data\n";
    for (int n = 0; n < series; ++n) {
      text += "'";
      for (int channel = 0; channel < 6; ++channel) {
        text +=
            (channel > 0 ? "\\n" : "") + std::to_string(start + n) + "," + std::to_string(channel);
      }
      text += "'," + std::to_string(n % 5 + 1) + "\n";
    }
    return text;
  }

  /// The message of what load_… throws.
  template <class E>
  static std::string complaint(const std::function<void()>& load) {
    try {
      load();
    } catch (const E& error) {
      return error.what();
    }
    return "no such error";
  }
  std::string worms_complaint() {
    return complaint<BadFile>([&] { load_eigenworms(root()); });
  }

 private:
  io::TemporaryFolder folder_;
};

bool has_part(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void expect_seven_worms(const SeriesData& data) {
  EXPECT_EQ(data.sizes, (std::vector<int64_t>{4, 3}));
  EXPECT_EQ(data.pool.values.sizes(), (at::IntArrayRef{7, 2, 6}));
  EXPECT_EQ(data.pool.values.scalar_type(), at::kFloat);
  for (int64_t n = 0; n < 7; ++n) {
    const float first = n < 4 ? static_cast<float>(10 + n) : static_cast<float>(50 + n - 4);
    EXPECT_TRUE(data.pool.values[n][0].eq(first).all().item<bool>()) << n;
    EXPECT_TRUE(at::equal(data.pool.values[n][1], at::arange(6, at::kFloat))) << n;
  }
  EXPECT_TRUE(at::equal(data.pool.labels, at::tensor({0, 1, 2, 3, 0, 1, 2}, at::kLong)));
  EXPECT_EQ(data.pool.class_names[4], "5");
}

TEST_F(SeriesFolder, eigenworms_are_found_in_each_folder_that_they_may_lie_in) {
  for (const char* place : {"EigenWorms/", "eigenworms/EigenWorms/", "eigenworms/"}) {
    write(std::string(place) + "EigenWorms_TRAIN.ts", worms(10, 4));
    write(std::string(place) + "EigenWorms_TEST.ts", worms(50, 3));
    expect_seven_worms(load_eigenworms(root()));
    fs::remove_all(fs::path(root()) / place);
  }
}

TEST_F(SeriesFolder, arff_and_ts_hold_the_same_set) {
  write("eigenworms/EigenWorms_TRAIN.arff", worms_arff(10, 4));
  write("eigenworms/EigenWorms_TEST.arff", worms_arff(50, 3));
  expect_seven_worms(load_eigenworms(root()));
}

TEST_F(SeriesFolder, a_file_may_be_packed_by_gzip) {
  const auto pack = [&](const std::string& path, const std::string& text) {
    fs::create_directories((fs::path(root()) / path).parent_path());
    const gzFile file = gzopen((fs::path(root()) / path).c_str(), "wb");
    gzwrite(file, text.data(), static_cast<unsigned>(text.size()));
    gzclose(file);
  };
  pack("eigenworms/EigenWorms_TRAIN.ts.gz", worms(10, 4));
  pack("eigenworms/EigenWorms_TEST.ts.gz", worms(50, 3));
  expect_seven_worms(load_eigenworms(root()));
}

TEST_F(SeriesFolder, the_authors_arrays_keep_their_three_splits) {
  const auto array = [](const std::string& descr, const std::string& shape,
                        const std::string& data) {
    std::string header =
        "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
    header += std::string(118 - header.size() - 1, ' ') + "\n";
    return std::string("\x93NUMPY\x01\x00", 8) + std::string("\x76\x00", 2) + header + data;
  };
  const auto series = [&](int n) {
    return array("<f4", "(" + std::to_string(n) + ", 3, 2)", std::string(size_t(n) * 24, '\0'));
  };
  const auto answers = [&](std::vector<double> values) {
    return array("<f8", "(" + std::to_string(values.size()) + ",)",
                 std::string(reinterpret_cast<const char*>(values.data()), values.size() * 8));
  };
  write("bidmc/HR/trainx.npy", series(3));
  write("bidmc/HR/trainy.npy", answers({60, 61.5, 62}));
  write("bidmc/HR/validx.npy", series(1));
  write("bidmc/HR/validy.npy", answers({70}));
  write("bidmc/HR/testx.npy", series(2));
  write("bidmc/HR/testy.npy", answers({80, 81}));
  const SeriesData data = load_bidmc("hr", root());
  EXPECT_EQ(data.sizes, (std::vector<int64_t>{3, 1, 2}));
  EXPECT_EQ(data.pool.values.sizes(), (at::IntArrayRef{6, 3, 2}));
  EXPECT_TRUE(
      at::equal(data.pool.targets, at::tensor({60.0, 61.5, 62.0, 70.0, 80.0, 81.0}, at::kDouble)));
  EXPECT_FALSE(data.pool.labels.defined());
}

TEST_F(SeriesFolder, bidmc_reads_the_quantity_s_files) {
  const std::string head = "@problemName x\n@dimensions 2\n@targetlabel true\n@data\n";
  write("bidmc/BIDMC32SpO2_TRAIN.ts", head + "1,2,3:4,5,6:97.5\n");
  write("bidmc/BIDMC32SpO2_TEST.ts", head + "7,8,9:1,1,1:96\n");
  const SeriesData data = load_bidmc("spo2", root());
  EXPECT_TRUE(at::equal(data.pool.targets, at::tensor({97.5, 96.0}, at::kDouble)));
  EXPECT_TRUE(
      at::equal(data.pool.values[0], at::tensor({1.f, 4.f, 2.f, 5.f, 3.f, 6.f}).view({3, 2})));
  EXPECT_TRUE(has_part(complaint<Io>([&] { load_bidmc("rr", root()); }), "BIDMC32RR_TRAIN"));
  EXPECT_TRUE(has_part(complaint<InvalidArgument>([&] { load_bidmc("bp", root()); }), "T-SER-09"));
}

TEST_F(SeriesFolder, a_missing_set_is_an_error_that_says_what_to_do) {
  const std::string text = complaint<Io>([&] { load_eigenworms(root()); });
  EXPECT_TRUE(has_part(text, "EigenWorms.zip") && has_part(text, "trainx.npy")) << text;
  EXPECT_TRUE(has_part(text, "tessera data get unicornn/eigenworms") && has_part(text, "T-SER-07"))
      << text;
}

TEST_F(SeriesFolder, files_that_are_no_such_set_are_refused) {
  const std::string train = "EigenWorms/EigenWorms_TRAIN.ts",
                    test = "EigenWorms/EigenWorms_TEST.ts";
  write(test, worms(50, 3));
  write(train, "@problemName x\n@classLabel true 1 2 3 4 5\n@data\n1:2:1\n");
  EXPECT_TRUE(has_part(worms_complaint(), "T-SER-08"));  // two channels beside six
  write(test, "@problemName x\n@classLabel true 1 2 3 4 5\n@data\n1:2:1\n");
  EXPECT_TRUE(has_part(worms_complaint(), "6 channels, but got 2"));
  write(test, worms(50, 3));
  write(train, "@problemName x\n@classLabel true 1 2 3 4 5\n@data\n");
  EXPECT_TRUE(has_part(worms_complaint(), "T-SER-01"));
  write(train, "@problemName x\n@classLabel true 1 2 3 4 5\n@data\n?,1:2,1:3,1:4,1:5,1:6,1:1\n");
  EXPECT_TRUE(has_part(worms_complaint(), "every value, but got missing ones"));
  write(train, "@problemName x\n@classLabel true 1 2 3 4 5\n@data\n1:2:3:4:5:6:1\n");
  EXPECT_TRUE(has_part(worms_complaint(), "series of one length, but got 1 to 2 steps"));
}

TEST_F(SeriesFolder, one_long_series_among_many_short_ones_is_no_bomb) {
  std::string text = "@problemName x\n@data\n";
  for (int i = 0; i < 100'000; ++i) text += "1\n";
  for (int i = 0; i < 30'000; ++i) text += "1,";
  write("x.ts", text + "1\n");
  EXPECT_TRUE(
      has_part(complaint<BadFile>([&] { read_series_file(root() + "/x.ts"); }), "T-SER-02"));
  write("x.csv", "1\n");
  EXPECT_TRUE(
      has_part(complaint<Unsupported>([&] { read_series_file(root() + "/x.csv"); }), "T-SER-03"));
}

TEST_F(SeriesFolder, shorter_series_end_in_zeros) {
  write("x.ts", "@problemName x\n@data\n1,2,3\n4\n");
  const SeriesSet set = read_series_file(root() + "/x.ts");
  EXPECT_TRUE(
      at::equal(set.values.squeeze(2), at::tensor({1.f, 2.f, 3.f, 4.f, 0.f, 0.f}).view({2, 3})));
  EXPECT_TRUE(at::equal(set.lengths, at::tensor({3, 1}, at::kLong)));
}

TEST(GeneratedSeries, have_the_shapes_of_the_published_sets_and_repeat) {
  const SeriesSet worms = generated_worms(7, 300, 1);
  EXPECT_EQ(worms.values.sizes(), (at::IntArrayRef{7, 300, 6}));
  EXPECT_TRUE(at::equal(worms.labels, at::tensor({0, 1, 2, 3, 4, 0, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(worms.values, generated_worms(7, 300, 1).values));
  EXPECT_FALSE(at::equal(worms.values, generated_worms(7, 300, 2).values));

  const SeriesSet rr = generated_pulses("rr", 50, 1000, 1),
                  hr = generated_pulses("hr", 50, 1000, 1);
  EXPECT_EQ(rr.values.sizes(), (at::IntArrayRef{50, 1000, 2}));
  EXPECT_TRUE(at::equal(rr.values, hr.values));
  EXPECT_GE(rr.targets.min().item<double>(), 8);
  EXPECT_LE(rr.targets.max().item<double>(), 30);
  EXPECT_GE(hr.targets.min().item<double>(), 50);
  EXPECT_LE(hr.targets.max().item<double>(), 110);
}

TEST(GeneratedSeries, a_heart_beats_at_its_rate) {
  const SeriesSet set = generated_pulses("hr", 10, 7500, 3);
  for (int64_t n = 0; n < 10; ++n) {
    // The strongest frequency of the pulse wave over 60 s is the number of beats a minute.
    const at::Tensor spectrum = at::fft_rfft(set.values[n].select(1, 0)).abs();
    EXPECT_NEAR(spectrum.narrow(0, 40, 80).argmax().item<double>() + 40,
                set.targets[n].item<double>(), 1);
  }
}

}  // namespace
}  // namespace tessera::data
