#include "tessera/data/qm9.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/test_tar.h"

namespace tessera::data {
namespace {

using io::tar_of;

/// Molecule number `index`: carbon monoxide with homo = −index and U0 = −100 − index Hartree.
std::string molecule(int index) {
  const std::string number = std::to_string(index);
  return "2\ngdb " + number + "\t1 2 3 0.5 6.5 -" + number + " 0.25 0.75 35 0.04 -" +
         std::to_string(100 + index) + " -99 -98 -97 6.25\t\n" +
         "C\t 0.5\t 1.5*^-1\t-2.0\t-0.1\nO\t 0\t 0\t " + number + "\t0.1\n" +
         "1200.5\t1300.25\t17\nC=O\tC=O\nInChI=1\tInChI=1\n";
}

constexpr const char* kReferences =
    "  Atom references\n\n  Ele-    ZPVE         U (0 K)      U (298.15 K)    H (298.15 K)\n"
    "  H     0.000000    -0.5  -0.4  -0.3  -0.2  2.981\n"
    "  C     0.010000   -37.0 -36.0 -35.0 -34.0  2.5\n"
    "  O     0.000000   -60.0 -59.0 -58.0 -57.0  1.5\n";

class Qm9RawFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("tessera-qm9-" + std::to_string(::getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    std::vector<std::pair<std::string, std::string>> files;
    for (int index = 1; index <= 14; ++index) {
      files.push_back({"dsgdb9nsd_" + std::to_string(index) + ".xyz", molecule(index)});
    }
    files_ = {.archive = write("molecules.tar", tar_of(files)),
              .uncharacterized = write("uncharacterized.txt",
                                       "3 compounds that failed\n=====\n\n   2  CO CO\n   5 x\n"),
              .atom_references = write("atomref.txt", kReferences)};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) {
    const std::string path = (folder_ / name).string();
    io::write_atomically(path, text);
    return path;
  }

  std::filesystem::path folder_;
  Qm9Files files_;
};

/// The numbers of a split's molecules, read back from homo = −index Hartree.
std::vector<int64_t> members(const TensorMap& table, const std::string& split) {
  const at::Tensor index = (table.at(split + "/homo") / -27.2114).round().to(at::kLong);
  return {index.const_data_ptr<int64_t>(), index.const_data_ptr<int64_t>() + index.numel()};
}

TEST_F(Qm9RawFiles, are_split_by_numpys_permutation_without_the_listed_ones) {
  const TensorMap table = read_qm9(files_, 8);
  // "3 compounds" is a line whose first word is a number: molecule 3 goes too, as in the authors'
  // reader. numpy.random.seed(0); permutation(11) = [4 9 2 10 6 1 7 8 3 0 5].
  const std::vector<int64_t> included = {1, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14};
  const std::vector<int64_t> order = {4, 9, 2, 10, 6, 1, 7, 8, 3, 0, 5};
  const auto part = [&](size_t begin, size_t end) {
    std::vector<int64_t> chosen;
    for (size_t k = begin; k < end; ++k) chosen.push_back(included[static_cast<size_t>(order[k])]);
    std::ranges::sort(chosen);
    return chosen;
  };
  EXPECT_EQ(members(table, "train"), part(0, 8));
  EXPECT_EQ(members(table, "valid"), part(8, 10));
  EXPECT_EQ(members(table, "test"), part(10, 11));
}

TEST_F(Qm9RawFiles, have_their_units_converted_and_free_atoms_subtracted) {
  const TensorMap table = read_qm9(files_, 8);
  const double index = static_cast<double>(members(table, "test")[0]);
  const auto value = [&](const std::string& name) {
    return table.at("test/" + name).item<double>();
  };
  EXPECT_DOUBLE_EQ(value("U0"), (-100 - index + 97) * 27.2114);
  EXPECT_DOUBLE_EQ(value("G"), (-97 + 91) * 27.2114);
  EXPECT_DOUBLE_EQ(value("zpve"), (0.04 - 0.01) * 27211.4);
  EXPECT_DOUBLE_EQ(value("Cv"), 6.25 - 4);
  EXPECT_DOUBLE_EQ(value("gap"), 0.75 * 27.2114);
  EXPECT_DOUBLE_EQ(value("mu"), 0.5);
  EXPECT_DOUBLE_EQ(value("omega1"), 1300.25);
}

TEST_F(Qm9RawFiles, keep_charges_and_positions) {
  const TensorMap table = read_qm9(files_, 8);
  EXPECT_TRUE(
      at::equal(table.at("valid/charges"), at::tensor({6, 8, 6, 8}, at::kByte).view({2, 2})));
  const at::Tensor first = table.at("train/positions")[0];
  const auto index = static_cast<float>(members(table, "train")[0]);
  EXPECT_TRUE(at::equal(first, at::tensor({0.5f, 0.15f, -2.f, 0.f, 0.f, index}).view({2, 3})));
}

TEST_F(Qm9RawFiles, that_are_too_few_are_refused) { EXPECT_THROW(read_qm9(files_, 11), BadFile); }

TEST_F(Qm9RawFiles, with_an_element_that_has_no_reference_are_refused) {
  files_.atom_references = write("atomref.txt", "H 1 2 3 4 5 6\nC 1 2 3 4 5 6\n");
  EXPECT_THROW(read_qm9(files_, 8), BadFile);
}

TEST_F(Qm9RawFiles, with_a_damaged_reference_line_are_refused) {
  files_.atom_references = write("atomref.txt", "H 1 2 3\n");
  EXPECT_THROW(read_qm9(files_, 8), BadFile);
}

TEST_F(Qm9RawFiles, with_a_foreign_element_are_refused) {
  std::string text = molecule(1);
  text.replace(text.find("\nC\t"), 3, "\nS\t");
  files_.archive = write("molecules.tar", tar_of({{"1.xyz", text}}));
  EXPECT_THROW(read_qm9(files_, 8), BadFile);
}

TEST_F(Qm9RawFiles, that_are_missing_say_how_to_get_them) {
  try {
    load_qm9(folder_.string());
    FAIL() << "nothing was thrown";
  } catch (const Io& error) {
    EXPECT_EQ(error.id(), "T-QM9-05");
    EXPECT_NE(std::string(error.what()).find("tessera data get qm9"), std::string::npos);
  }
}

}  // namespace
}  // namespace tessera::data
