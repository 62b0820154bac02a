#include "tessera/report/reproduce.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <limits>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/report/report.h"
#include "tessera/report/run_report.h"
#include "tessera/train/trainer.h"

namespace tessera::report {
namespace {

namespace fs = std::filesystem;

// A folder of the test's own, removed at its end.
struct Scratch {
  Scratch() {
    std::string name = (fs::temp_directory_path() / "tessera-report-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Scratch() { fs::remove_all(path); }
  fs::path path;
};

// y = w·x, to be learned as w = 2.
class Line final : public Model {
 public:
  Line() { w_ = register_parameter("w", at::zeros({1})); }
  TensorMap run(const TensorMap& inputs) override { return {{"y", inputs.at("x") * w_}}; }

 private:
  at::Tensor w_;
};

class LineTask final : public Task {
 public:
  int64_t size(Split) const override { return 8; }
  TensorMap batch(std::span<const int64_t> examples, BatchContext&) const override {
    const at::Tensor x =
        at::tensor(at::ArrayRef<int64_t>(examples.data(), examples.size())).to(at::kFloat).div(8);
    return {{"x", x}, {"target", 2 * x}};
  }
  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::mse_loss(outputs.at("y"), batch.at("target"));
  }
  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    tally.add("loss", loss(outputs, batch).item<double>(), 1);
  }
};

struct Nothing final : Config {
  void fields(FieldList&) override {}
};

Claim claim_of(std::string name, Claim::Kind kind, std::function<ClaimResult(Lab&)> run) {
  return {.name = std::move(name),
          .statement = "y = 2x is <learned>",
          .kind = kind,
          .quantity = "loss",
          .paper = 0.5,
          .paper_source = "Table 1",
          .scales = {Scale::kQuick},
          .run = std::move(run)};
}

System toy(std::vector<Claim> claims = {}) {
  return {.name = "toy",
          .model = model_factory<Nothing>(
              [](const Nothing&) -> std::shared_ptr<Model> { return std::make_shared<Line>(); }),
          .tasks = {task_factory<Nothing>(
              "line", "",
              [](const Nothing&, const TaskContext&) -> std::unique_ptr<Task> {
                return std::make_unique<LineTask>();
              })},
          .claims = std::move(claims)};
}

// A lab whose recipes are the toy's, whatever their name.
struct ToyLab {
  ToyLab() { registry.add(toy()); }

  TrainingLab make() {
    LabOptions options;
    options.runs = (scratch.path / "runs").string();
    options.run_store = "none";
    options.observer = [this](const std::string&) {
      ++trainings;
      return std::make_unique<train::SilentObserver>();
    };
    options.load_recipe = [this](const std::string& name,
                                 const std::vector<std::string>& settings) {
      Document document = parse_toml(
          "system = \"toy\"\n[task]\nname = \"line\"\n[train]\nepochs = 20\nbatch_size = 4\n"
          "lr = 0.1\n",
          name);
      for (const std::string& setting : settings) apply_setting(document, setting);
      return train::read_recipe(document, name, registry);
    };
    return TrainingLab(std::move(options));
  }

  Scratch scratch;
  Registry<System> registry{"system"};
  int trainings = 0;
};

size_t count_folders(const fs::path& path) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator()));
}

ReportRow row_of(Claim::Kind kind, bool holds) {
  return {
      .system = "toy",
      .claim = claim_of("line", kind, {}),
      .result = {.ours = 0.25, .baseline = 1.5, .holds = holds, .detail = "a < b", .seeds = {1, 2}},
      .seconds = 3};
}

TEST(Results, json_has_exactly_the_keys_of_the_interface) {
  ReportRow row = row_of(Claim::Kind::kGate, true);
  const Json expected = Json::parse(
      R"([{"claim": "line", "system": "toy", "kind": "gate", "paper": 0.5, "ours": 0.25,
           "baseline": 1.5, "holds": true, "seconds": 3.0, "seeds": [1, 2]}])");
  EXPECT_EQ(results_json({{row}}), expected);

  row.claim.kind = Claim::Kind::kFinding;
  row.claim.paper.reset();
  row.result.baseline.reset();
  row.result.ours = std::numeric_limits<double>::quiet_NaN();
  const Json bare = results_json({{row}})[0];
  EXPECT_EQ(bare["kind"], "finding");
  for (const char* key : {"paper", "ours", "baseline"}) EXPECT_TRUE(bare[key].is_null()) << key;
}

TEST(Results, only_gates_decide) {
  EXPECT_TRUE(gates_hold({{row_of(Claim::Kind::kGate, true)}}));
  EXPECT_TRUE(gates_hold({{row_of(Claim::Kind::kFinding, false)}}));
  EXPECT_FALSE(gates_hold({{row_of(Claim::Kind::kGate, true), row_of(Claim::Kind::kGate, false)}}));
}

TEST(Results, table_counts_what_holds) {
  const std::string table =
      table_text({{row_of(Claim::Kind::kGate, true), row_of(Claim::Kind::kGate, false),
                   row_of(Claim::Kind::kFinding, false)}});
  EXPECT_NE(table.find("toy/line"), std::string::npos);
  EXPECT_TRUE(table.ends_with("1 of 2 gates hold, 0 of 1 findings do\n")) << table;
  EXPECT_EQ(verdict({{row_of(Claim::Kind::kGate, true)}}), "1 of 1 gates hold");
  EXPECT_EQ(verdict({{row_of(Claim::Kind::kFinding, true)}}), "1 of 1 findings hold");
}

TEST(Report, shows_every_claim_with_its_rule_escaped) {
  const std::string html =
      html_report({{row_of(Claim::Kind::kGate, true)}}, {.date = "2021-07-18"});
  EXPECT_NE(html.find("y = 2x is &lt;learned&gt;"), std::string::npos);
  EXPECT_NE(html.find("a &lt; b"), std::string::npos);
  EXPECT_NE(html.find("1 of 1 gates hold"), std::string::npos);
  EXPECT_EQ(html.find("Not complete"), std::string::npos);
}

TEST(Lab, equal_trainings_are_made_once) {
  ToyLab toy;
  TrainingLab lab = toy.make();
  const TrainOutcome first = lab.train("toy/line", {"train.seed=1"});
  const TrainOutcome again = lab.train("toy/line", {"train.lr=0.1", "train.seed=1"});
  EXPECT_EQ(first.model, again.model);
  EXPECT_EQ(toy.trainings, 1);
  lab.train("toy/line", {"train.seed=2"});
  EXPECT_EQ(toy.trainings, 2);
  EXPECT_EQ(count_folders(toy.scratch.path / "runs"), 2u);
}

TEST(Lab, a_later_reproduction_reads_what_an_earlier_one_trained) {
  ToyLab toy;
  const TrainOutcome before = toy.make().train("toy/line", {});
  const auto time = [&] {
    const fs::path run = fs::directory_iterator(toy.scratch.path / "runs")->path();
    return fs::last_write_time(run / "report.html");
  };
  const auto written = time();
  const TrainOutcome after = toy.make().train("toy/line", {});
  EXPECT_EQ(time(), written);
  EXPECT_EQ(after.steps, before.steps);
  EXPECT_EQ(after.history.size(), before.history.size());
  EXPECT_EQ(metric(after.test, "loss"), metric(before.test, "loss"));
  EXPECT_TRUE(at::equal(after.model->parameters()[0], before.model->parameters()[0]));
}

TEST(RunReport, has_the_curves_and_the_configuration) {
  ToyLab toy;
  toy.make().train("toy/line", {});
  const fs::path run = fs::directory_iterator(toy.scratch.path / "runs")->path();
  const std::string html = run_report_html(run.string());
  EXPECT_NE(html.find("<strong>Loss</strong>"), std::string::npos);
  EXPECT_EQ(html.find("<strong>Learning rate</strong>"), std::string::npos);  // it never changes
  EXPECT_NE(html.find("batch_size = 4"), std::string::npos);
  EXPECT_NE(html.find("Best at epoch"), std::string::npos);
}

TEST(Reproduce, runs_the_claims_of_the_scale_and_writes_both_files) {
  const Scratch scratch;
  Claim elsewhere = claim_of("long", Claim::Kind::kGate, {});
  elsewhere.scales = {Scale::kPaper};
  const System system =
      toy({claim_of("good", Claim::Kind::kGate,
                    [](Lab&) { return ClaimResult{.ours = 1, .holds = true}; }),
           elsewhere,
           claim_of("bad", Claim::Kind::kFinding, [](Lab&) { return ClaimResult{.ours = 2}; })});
  const System* systems[] = {&system};
  const ReproduceResult result = reproduce(systems, {.out = (scratch.path / "a" / "b").string()});
  EXPECT_TRUE(result.holds);
  const Json results = Json::parse(io::read_text(result.results_path));
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0]["claim"], "good");
  EXPECT_EQ(results[1]["holds"], false);
  const std::string html = io::read_text(result.report_path);
  EXPECT_NE(html.find("toy-bad"), std::string::npos);
  EXPECT_EQ(html.find("Not complete"), std::string::npos);
}

TEST(Reproduce, what_was_found_before_an_interruption_is_on_the_disk) {
  const Scratch scratch;
  const System system = toy({claim_of("good", Claim::Kind::kGate,
                                      [](Lab&) { return ClaimResult{.ours = 1, .holds = true}; }),
                             claim_of("stopped", Claim::Kind::kGate, [](Lab&) -> ClaimResult {
                               throw train::Interrupted(2, "stopped");
                             })});
  const System* systems[] = {&system};
  try {
    reproduce(systems, {.out = scratch.path.string()});
    FAIL() << "not interrupted";
  } catch (const train::Interrupted& stop) {
    EXPECT_EQ(stop.signal(), 2);
    EXPECT_NE(std::string(stop.what()).find("--out " + scratch.path.string()), std::string::npos);
  }
  EXPECT_EQ(Json::parse(io::read_text((scratch.path / "results.json").string())).size(), 1u);
  EXPECT_NE(io::read_text((scratch.path / "report.html").string()).find("Not complete"),
            std::string::npos);
}

TEST(Reproduce, a_gate_that_fails_is_the_result) {
  const Scratch scratch;
  const System system =
      toy({claim_of("bad", Claim::Kind::kGate, [](Lab&) { return ClaimResult{.ours = 1}; })});
  const System* systems[] = {&system};
  EXPECT_FALSE(reproduce(systems, {.out = scratch.path.string()}).holds);
}

TEST(Reproduce, runs_the_claims_that_are_named) {
  const Scratch scratch;
  const auto holding = [](Lab&) { return ClaimResult{.ours = 1, .holds = true}; };
  const System system = toy({claim_of("first", Claim::Kind::kGate, holding),
                             claim_of("second", Claim::Kind::kGate, holding),
                             claim_of("other", Claim::Kind::kGate, holding)});
  const System* systems[] = {&system};
  const auto names = [&](std::vector<std::string> claims) {
    const ReproduceResult result =
        reproduce(systems, {.claims = std::move(claims), .out = scratch.path.string()});
    std::vector<std::string> found;
    for (const ReportRow& row : result.rows) found.push_back(row.claim.name);
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({"toy/other", "toy/first"}), (Names{"first", "other"}));  // in the system's order
  EXPECT_EQ(names({"toy/*r*"}), (Names{"first", "other"}));
  EXPECT_EQ(names({"t*"}), (Names{"first", "second", "other"}));
  EXPECT_THROW(names({"toy/first", "toy/third"}), InvalidArgument);
  EXPECT_THROW(names({"first"}), InvalidArgument);
}

TEST(Reproduce, a_scale_without_claims_is_refused) {
  const Scratch scratch;
  const System system = toy();
  const System* systems[] = {&system};
  EXPECT_THROW(reproduce(systems, {.out = scratch.path.string()}), InvalidArgument);
}

}  // namespace
}  // namespace tessera::report
