#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>

#include "tessera/cases/case_model.h"
#include "tessera/cases/compare.h"
#include "tessera/cases/runner.h"
#include "tessera/cases/trace.h"
#include "tessera/core/config.h"
#include "tessera/core/error.h"
#include "tessera/train/precision.h"

namespace tessera::cases {
namespace {

namespace fs = std::filesystem;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

bool holds(const at::Tensor& ours, const at::Tensor& recorded, double rtol, double atol) {
  return compare("x", ours, recorded, rtol, atol).holds;
}

TEST(Compare, the_tolerance_is_atol_plus_rtol_times_the_recorded_value) {
  const at::Tensor recorded = at::tensor({100.0, 0.0});
  EXPECT_TRUE(holds(at::tensor({100.9, 0.1}), recorded, 0.01, 0.1));
  EXPECT_FALSE(holds(at::tensor({101.2, 0.0}), recorded, 0.01, 0.1));
  EXPECT_FALSE(holds(at::tensor({100.0, 0.11}), recorded, 0.01, 0.1));
}

TEST(Compare, the_errors_are_the_largest_ones) {
  const Comparison row = compare("x", at::tensor({1.5, -8.0}), at::tensor({1.0, -10.0}), 0.1, 0.0);
  EXPECT_DOUBLE_EQ(row.max_abs, 2.0);
  EXPECT_DOUBLE_EQ(row.max_rel, 0.5);
  EXPECT_DOUBLE_EQ(row.used, 5.0);
}

TEST(Compare, shape_and_dtype_are_part_of_equality) {
  const at::Tensor scalar = at::scalar_tensor(1.0, at::kDouble);
  EXPECT_TRUE(holds(scalar, scalar, 0, 0));
  EXPECT_EQ(compare("x", scalar.reshape({1}), scalar, 0, 0).reason, "shape [1] instead of []");
  EXPECT_FALSE(holds(scalar.to(at::kFloat), scalar, 0, 0));
  EXPECT_EQ(compare("x", at::Tensor(), scalar, 0, 0).reason, "missing");
}

TEST(Compare, nan_and_infinity_equal_only_themselves) {
  const at::Tensor recorded = at::tensor({kNan, kInf, -kInf, 1.0});
  EXPECT_TRUE(holds(recorded, recorded, 0, 0));
  for (const int64_t i : {0, 1, 2, 3}) {
    at::Tensor other = recorded.clone();
    other[i] = i == 3 ? kNan : 2.0;
    EXPECT_FALSE(holds(other, recorded, 1, 1)) << i;
  }
  EXPECT_FALSE(holds(at::tensor({-kInf}), at::tensor({kInf}), 1, 1));
}

TEST(Compare, integers_are_exact_beyond_what_a_double_holds) {
  const at::Tensor big = at::tensor({(int64_t{1} << 60) + 1}, at::kLong);
  EXPECT_TRUE(holds(big, big, 0, 0));
  EXPECT_FALSE(holds(big + 1, big, 0, 0));
  EXPECT_FALSE(holds(at::ones(1, at::kBool), at::zeros(1, at::kBool), 0, 0));
  EXPECT_TRUE(holds(at::empty({0, 3}), at::empty({0, 3}), 0, 0));
}

TEST(Compare, what_is_recorded_must_be_there_and_more_is_no_harm) {
  const at::Tensor one = at::tensor(1.0);
  const auto rows = compare({{"a", one}, {"more", one}}, {{"a", one}, {"b", one}}, 0, 0);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_TRUE(rows[0].holds);
  EXPECT_FALSE(rows[1].holds);
}

TEST(Trace, inputs_are_numbered_each_by_themselves) {
  const TensorMap inputs{{"a_0", at::tensor(0)},   {"a_1", at::tensor(1)}, {"b_c_0", at::tensor(7)},
                         {"fixed", at::tensor(9)}, {"q_1", at::tensor(5)}, {"a", at::tensor(3)}};
  const auto value = [&](int64_t step, const char* name) {
    return inputs_of_step(inputs, step).at(name).item<int64_t>();
  };
  EXPECT_EQ(value(2, "b_c"), 7);
  EXPECT_EQ(value(2, "fixed"), 9);
  EXPECT_EQ(value(2, "q_1"), 5);  // no q_0: a name, not a number
  const TensorMap numbered{{"a_0", at::tensor(0)}, {"a_1", at::tensor(1)}, {"a_2", at::tensor(2)}};
  EXPECT_EQ(inputs_of_step(numbered, 7).at("a").item<int64_t>(), 1);
  EXPECT_EQ(inputs_of_step(numbered, 7).size(), 1U);
}

/// A case of the first system, changed.
io::TensorFile minimal_file() {
  io::TensorFile file;
  file.metadata = {{"system", systems().all().front().name}, {"kind", "forward"}, {"rtol", "1e-9"}};
  file.tensors.set("input/x", at::tensor(1.0));
  file.tensors.set("output/y", at::tensor(2.0));
  file.tensors.set("output_memory/z", at::tensor(3.0));
  return file;
}

TEST(CaseFile, unknown_prefixes_and_metadata_are_remarks) {
  io::TensorFile file = minimal_file();
  file.metadata.emplace_back("licence", "MIT");
  const CaseFile it = parse_case(file, "x.safetensors");
  EXPECT_EQ(it.recorded.names(), std::vector<std::string>{"output/y"});
  EXPECT_EQ(it.inputs.names(), std::vector<std::string>{"x"});
  EXPECT_TRUE(it.training);
}

TEST(CaseFile, an_unknown_procedure_is_unsupported) {
  io::TensorFile file = minimal_file();
  file.metadata[1].second = "procedure";
  file.metadata.emplace_back("procedure", "levitate");
  EXPECT_THROW(run_case(parse_case(file, "x.safetensors")), Unsupported);
}

/// The cases of every system here: the repository's, then the others below TESSERA_CASES.
std::vector<std::string> all_cases() {
  std::vector<fs::path> roots{fs::path(TESSERA_SOURCE_DIR) / "tests" / "cases"};
  if (const char* more = std::getenv("TESSERA_CASES")) roots.emplace_back(more);
  std::vector<std::string> paths;
  std::set<std::string> seen;
  for (const fs::path& root : roots) {
    for (const std::string& system : systems().names()) {
      std::error_code none;
      for (const auto& entry : fs::directory_iterator(root / system, none)) {
        const std::string name = system + "/" + entry.path().filename().string();
        if (entry.path().extension() == ".safetensors" && seen.insert(name).second) {
          paths.push_back(entry.path().string());
        }
      }
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// The first forward case whose gradients the generic runner computes.
CaseFile differentiated_case() {
  for (const std::string& path : all_cases()) {
    CaseFile it = read_case(path);
    const auto& own = it.system->procedures;
    const bool is_generic = std::ranges::none_of(
        own, [](const Procedure& procedure) { return procedure.name == name_of(Kind::kForward); });
    if (it.kind == Kind::kForward && is_generic && !it.cotangents.empty()) return it;
  }
  throw std::runtime_error("no forward case has cotangents");
}

TEST(CaseFile, a_cotangent_has_the_shape_of_its_output) {
  CaseFile it = differentiated_case();
  const auto [name, cotangent] = *it.cotangents.begin();
  it.cotangents.set(name, cotangent.unsqueeze(0));
  EXPECT_THROW(run_case(it), InvalidArgument);
}

TEST(CaseFile, without_cotangents_there_are_outputs_and_no_gradients) {
  CaseFile it = differentiated_case();
  const std::string name = it.cotangents.begin()->first;
  it.cotangents = {};
  const TensorMap result = run_case(it);
  EXPECT_TRUE(result.contains("output/" + name));
  EXPECT_TRUE(result.with_prefix("grad/").empty());
}

/// The rtol to which a tensor is held in place of the recorded one, from known_differences.toml.
std::optional<double> known_difference(const std::string& path, const std::string& tensor) {
  static const Json known =
      read_toml_file(std::string(TESSERA_SOURCE_DIR) + "/tests/cases/known_differences.toml")
          .values.at("difference");
  for (const Json& row : known) {
    if (path.ends_with(row.at("case").get<std::string>()) && row.at("tensor") == tensor) {
      return row.at("rtol").get<double>();
    }
  }
  return {};
}

class AuthorsCase : public ::testing::TestWithParam<std::string> {};

TEST_P(AuthorsCase, equals_the_authors_code) {
  const CaseReport report = check_case(GetParam());
  EXPECT_FALSE(report.comparisons.empty());
  for (const Comparison& row : report.comparisons) {
    const auto rtol = known_difference(GetParam(), row.name);
    EXPECT_TRUE(row.holds || (rtol && row.max_rel <= *rtol))
        << row.name << ": " << row.reason << " abs " << row.max_abs << " rel " << row.max_rel
        << ", " << row.used << " of the tolerance";
  }
}

/// The forward cases that the registry's models run, without a runner of their own.
std::vector<std::string> model_cases() {
  std::vector<std::string> paths;
  for (const std::string& path : all_cases()) {
    const CaseFile it = read_case(path);
    const auto& own = it.system->procedures;
    const bool is_own =
        std::any_of(own.begin(), own.end(), [](const Procedure& p) { return p.name == "forward"; });
    if (it.kind == Kind::kForward && !is_own) paths.push_back(path);
  }
  return paths;
}

class LowPrecision : public ::testing::TestWithParam<std::string> {};

TEST_P(LowPrecision, bfloat16_comes_near_float32) {
  const CaseFile it = read_case(GetParam());
  train::RunConfig single, low;
  low.dtype = "bfloat16";
  const auto make = [&] {
    const std::shared_ptr<Model> model = make_case_model(it, at::kCPU).module;
    model->to(at::kFloat);
    model->eval();
    return model;
  };
  const auto model = make();
  const TensorMap full = train::predict(*make(), it.inputs, single);
  for (const auto& [name, half] : train::predict(*model, it.inputs, low)) {
    const at::Tensor& expected = full.at(name);
    ASSERT_EQ(half.scalar_type(), expected.scalar_type()) << name;
    if (!half.is_floating_point()) continue;
    const double error = (half - expected).norm().item<double>();
    EXPECT_LE(error, 0.05 * expected.norm().item<double>()) << name;
  }
  // What a model keeps from one call serves the next in any precision.
  for (const auto& [name, tensor] : train::predict(*model, it.inputs, single)) {
    EXPECT_TRUE(at::equal(tensor, full.at(name))) << name;
  }
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
  const fs::path path(info.param);
  std::string name = path.parent_path().filename().string() + "_" + path.stem().string();
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Cases, AuthorsCase, ::testing::ValuesIn(all_cases()), test_name);
INSTANTIATE_TEST_SUITE_P(Cases, LowPrecision, ::testing::ValuesIn(model_cases()), test_name);

}  // namespace
}  // namespace tessera::cases
