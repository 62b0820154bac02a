#include "tessera/report/run_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "tessera/io/file.h"
#include "tessera/report/html.h"
#include "tessera/report/results.h"
#include "tessera/train/run_folder.h"

namespace tessera::report {
namespace {

// A curve of points that come one by one. Curves of long runs are thinned: a screen has no more.
class Curve {
 public:
  explicit Curve(std::string name) : name_(std::move(name)) {}

  void add(double x, const Json& y) {
    if (y.is_number()) points_.emplace_back(x, y.get<double>());
  }
  bool empty() const { return points_.empty(); }
  bool is_positive() const {
    return std::all_of(points_.begin(), points_.end(), [](const auto& p) { return p.second > 0; });
  }
  bool is_constant() const {
    return std::all_of(points_.begin(), points_.end(),
                       [this](const auto& p) { return p.second == points_.front().second; });
  }

  Json series() const {
    constexpr size_t kMaxPoints = 1000;
    const size_t every = (points_.size() + kMaxPoints - 1) / kMaxPoints;
    Json x = Json::array(), y = Json::array();
    for (size_t i = 0; i < points_.size(); ++i) {
      if (i % every != 0 && i + 1 != points_.size()) continue;
      x.push_back(points_[i].first);
      y.push_back(points_[i].second);
    }
    return {{"name", name_}, {"x", x}, {"y", y}};
  }

 private:
  std::string name_;
  std::vector<std::pair<double, double>> points_;
};

std::optional<Figure> figure_of(std::string title, std::string caption, std::string label,
                                const std::vector<Curve>& curves) {
  Json series = Json::array();
  bool is_log = true;
  for (const Curve& curve : curves) {
    if (curve.empty()) continue;
    is_log = is_log && curve.is_positive();
    series.push_back(curve.series());
  }
  if (series.empty()) return std::nullopt;
  return Figure{std::move(title),
                std::move(caption),
                {{"kind", "lines"},
                 {"x", {{"label", "epoch"}}},
                 {"y", {{"label", std::move(label)}, {"log", is_log}}},
                 {"series", std::move(series)}}};
}

Curve curve_of(const std::vector<Json>& lines, std::string name, std::string_view event,
               const Json::json_pointer& value) {
  Curve curve(std::move(name));
  for (const Json& line : lines) {
    if (line.value("event", "") != event || !line.contains(value)) continue;
    curve.add(line.value("epoch", 0.0), line.at(value));
  }
  return curve;
}

Curve metric_curve(const std::vector<Json>& lines, const char* name, const char* split,
                   const std::string& metric) {
  return curve_of(lines, name, "evaluation", Json::json_pointer("/" + std::string(split)) / metric);
}

std::vector<Figure> figures_of(const std::vector<Json>& lines) {
  std::vector<std::optional<Figure>> figures;
  figures.push_back(figure_of("Loss", "The mean over each epoch, and over the held-out splits.",
                              "loss",
                              {curve_of(lines, "training", "train", Json::json_pointer("/loss")),
                               metric_curve(lines, "validation", "valid", "loss"),
                               metric_curve(lines, "test", "test", "loss")}));
  Json metrics = Json::object();
  for (const Json& line : lines) {
    if (line.contains("valid") && line["valid"].is_object()) metrics.update(line["valid"]);
  }
  for (const auto& [name, value] : metrics.items()) {
    if (name == "loss") continue;
    figures.push_back(figure_of(name, "On the held-out splits.", name,
                                {metric_curve(lines, "validation", "valid", name),
                                 metric_curve(lines, "test", "test", name)}));
  }
  const Curve rate = curve_of(lines, "learning rate", "train", Json::json_pointer("/lr"));
  if (!rate.is_constant()) {
    figures.push_back(figure_of("Learning rate", "As used by the last update of each epoch.",
                                "learning rate", {rate}));
  }
  std::vector<Figure> present;
  for (std::optional<Figure>& figure : figures) {
    if (figure) present.push_back(std::move(*figure));
  }
  return present;
}

// The last evaluation, and the best by the validation split, in words.
std::string standing(const std::vector<Json>& lines) {
  std::string text;
  for (const Json& line : lines) {
    if (line.value("event", "") != "evaluation" || !line.value("best", false)) continue;
    text = fmt::format("Best at epoch {}:", number_text(line.value("epoch", 0.0)));
    for (const char* split : {"valid", "test"}) {
      if (!line.contains(split)) continue;
      for (const auto& [name, value] : line[split].items()) {
        if (value.is_number())
          text += fmt::format(" {} {} {},", split, name, number_text(value.get<double>()));
      }
    }
    text.back() = '.';
  }
  return text;
}

}  // namespace

std::string run_report_html(const std::string& run) {
  const train::RunFolder folder{run};
  const std::vector<Json> lines = train::read_metrics(folder.metrics());
  const std::string name = std::filesystem::path(run).filename().string();
  const Json last = lines.empty() ? Json::object() : lines.back();

  std::string body = fmt::format(
      "<header class=\"top\">\n<p class=\"brand\">Tessera</p>\n<h1>{}</h1>\n<p class=\"lead\">{} "
      "updates, {} epochs. {}</p>\n</header>\n",
      escape(name), last.value("step", int64_t{0}), number_text(last.value("epoch", 0.0)),
      escape(standing(lines)));
  for (const Figure& figure : figures_of(lines)) body += figure_html(figure);
  if (std::filesystem::exists(folder.config())) {
    body += "<section>\n<h2>Configuration</h2>\n<pre>" + escape(io::read_text(folder.config())) +
            "</pre>\n</section>\n";
  }
  if (std::filesystem::exists(folder.environment())) {
    const Json environment =
        Json::parse(io::read_text(folder.environment()), nullptr, /*allow_exceptions=*/false);
    if (environment.is_object()) {
      body += "<section>\n<h2>Where it ran</h2>\n" + environment_html(environment) + "</section>\n";
    }
  }
  // A reproduction leaves dozens of these pages: without the library they are small.
  return page_html("Tessera: " + name, body, Figures::kDrawn);
}

void write_run_report(const std::string& run) {
  io::write_atomically(train::RunFolder{run}.report(), run_report_html(run));
}

}  // namespace tessera::report
