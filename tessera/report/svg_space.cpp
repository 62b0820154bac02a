#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tessera/report/svg_canvas.h"

namespace tessera::report {
namespace {

constexpr double kSpaceWidth = 640;

// A cube around the points of one panel, seen in parallel projection from the front, right, above.
class Scene {
 public:
  void see(double x, double y, double z) {
    const std::array<double, 3> p = {x, y, z};
    if (!std::all_of(p.begin(), p.end(), [](double v) { return std::isfinite(v); })) return;
    for (size_t axis = 0; axis < 3; ++axis) {
      low_[axis] = std::min(low_[axis], p[axis]);
      high_[axis] = std::max(high_[axis], p[axis]);
    }
  }

  void fit(Box box) {
    box_ = box;
    // One scale for the three axes: distances are what the picture is about.
    extent_ = 1e-12;
    for (size_t axis = 0; axis < 3; ++axis) {
      if (!(low_[axis] <= high_[axis])) low_[axis] = high_[axis] = 0;
      extent_ = std::max(extent_, high_[axis] - low_[axis]);
    }
    extent_ *= 1.08;
  }

  Point at(double x, double y, double z) const {
    return project(unit(x, 0), unit(y, 1), unit(z, 2));
  }

  void draw_cube(Canvas& canvas) const {
    constexpr double h = 0.5;
    for (const double a : {-h, h}) {
      for (const double b : {-h, h}) {
        canvas.line(project(-h, a, b), project(h, a, b), "grid");
        canvas.line(project(a, -h, b), project(a, h, b), "grid");
        canvas.line(project(a, b, -h), project(a, b, h), "grid");
      }
    }
    canvas.text(project(0, -h - 0.1, -h), "middle", "tick", "x");
    canvas.text(project(h + 0.1, 0, -h), "middle", "tick", "y");
    canvas.text(project(-h - 0.05, h + 0.05, 0), "middle", "tick", "z");
  }

 private:
  double unit(double value, size_t axis) const {
    return (value - (low_[axis] + high_[axis]) / 2) / extent_;
  }

  Point project(double x, double y, double z) const {
    constexpr double kTurn = 0.5, kTilt = 0.35;  // radians
    // Seen so, a cube is 1.36 of its side wide and 1.41 high.
    const double scale = std::min(box_.width, box_.height) / 1.62;
    const double across = x * std::cos(kTurn) - y * std::sin(kTurn);
    const double depth = x * std::sin(kTurn) + y * std::cos(kTurn);
    const double up = z * std::cos(kTilt) + depth * std::sin(kTilt);
    return {box_.left + box_.width / 2 + scale * across, box_.top + box_.height / 2 - scale * up};
  }

  Box box_;
  double extent_ = 1;
  std::array<double, 3> low_ = {std::numeric_limits<double>::infinity(),
                                std::numeric_limits<double>::infinity(),
                                std::numeric_limits<double>::infinity()};
  std::array<double, 3> high_ = {-std::numeric_limits<double>::infinity(),
                                 -std::numeric_limits<double>::infinity(),
                                 -std::numeric_limits<double>::infinity()};
};

}  // namespace

std::string svg_space(const Json& plot) {
  const Json& all = plot.at("series");
  const std::vector<std::string> panels = distinct(all, "group");
  const double side = kSpaceWidth / static_cast<double>(std::clamp<size_t>(panels.size(), 2, 4));
  const double rows =
      std::ceil(static_cast<double>(std::max<size_t>(panels.size(), 1)) * side / kSpaceWidth);

  Canvas measure(kSpaceWidth, 0);
  const double key = measure.legend({0, 0}, kSpaceWidth, all);
  Canvas canvas(kSpaceWidth, key + rows * (side + 16));
  canvas.legend({8, 0}, kSpaceWidth - 16, all);
  for (size_t p = 0; p < panels.size(); ++p) {
    const auto per_row = static_cast<size_t>(std::lround(kSpaceWidth / side));
    const Box box{static_cast<double>(p % per_row) * side,
                  key + static_cast<double>(p / per_row) * (side + 16) + 16, side, side};
    Scene scene;
    std::vector<const Json*> members;
    for (const Json& series : all) {
      if (word(series, "group") != panels[p]) continue;
      members.push_back(&series);
      const auto x = numbers(series, "x"), y = numbers(series, "y"), z = numbers(series, "z");
      for (size_t i = 0; i < std::min({x.size(), y.size(), z.size()}); ++i)
        scene.see(x[i], y[i], z[i]);
    }
    scene.fit(box);
    scene.draw_cube(canvas);
    canvas.text({box.left + side / 2, box.top}, "middle", "label", panels[p]);
    for (const Json* series : members) {
      const std::string color = color_class(*series, static_cast<size_t>(series - &all[0]));
      const auto x = numbers(*series, "x"), y = numbers(*series, "y"), z = numbers(*series, "z");
      std::vector<Point> points;
      for (size_t i = 0; i < std::min({x.size(), y.size(), z.size()}); ++i) {
        points.push_back(scene.at(x[i], y[i], z[i]));
      }
      if (flag(*series, "markers")) {
        for (const Point& point : points) {
          canvas.circle(point, 3.2, "mark " + color, word(*series, "name"));
        }
      } else {
        canvas.path(points, (flag(*series, "dash") ? "curve thin dash " : "curve thin ") + color);
      }
    }
  }
  return canvas.finish(fmt::format("{} scenes in three dimensions", panels.size()));
}

std::string svg_heatmap(const Json& plot) {
  const Json& all = plot.at("series");
  const std::vector<std::string> rows = distinct(all, "group");
  const size_t columns = std::max<size_t>(distinct(all, "name").size(), 1);
  constexpr double kGap = 22, kTitle = 20;
  const double side = std::min((kSpaceWidth - kGap) / static_cast<double>(columns) - kGap, 190.0);
  const double left = (kSpaceWidth - static_cast<double>(columns) * (side + kGap) + kGap) / 2;
  Canvas canvas(kSpaceWidth, static_cast<double>(rows.size()) * (side + kTitle + 12));
  std::vector<size_t> used(rows.size(), 0);
  for (const Json& series : all) {
    const auto row = static_cast<size_t>(
        std::find(rows.begin(), rows.end(), word(series, "group")) - rows.begin());
    const double x0 = left + static_cast<double>(used[row]++) * (side + kGap);
    const double y0 = static_cast<double>(row) * (side + kTitle + 12) + kTitle;
    std::string title = word(series, "name");
    if (!rows[row].empty()) title += ", " + rows[row];
    canvas.text({x0 + side / 2, y0 - 7}, "middle", "label", title);
    const Json& z = series.at("z");
    const double cell = side / static_cast<double>(std::max<size_t>(z.size(), 1));
    for (size_t i = 0; i < z.size(); ++i) {
      for (size_t j = 0; j < z[i].size(); ++j) {
        const double value = z[i][j].is_number() ? std::clamp(z[i][j].get<double>(), 0.0, 1.0) : 0;
        // A faint floor, so that the grid of cells is seen where the value is 0.
        canvas.rect({x0 + static_cast<double>(j) * cell + 0.5,
                     y0 + static_cast<double>(i) * cell + 0.5, cell - 1, cell - 1},
                    "heat", fmt::format("{}, {}: {:.2f}", i, j, value), 0.06 + 0.93 * value);
      }
    }
  }
  return canvas.finish(word(plot, "label").empty() ? "Matrices side by side" : word(plot, "label"));
}

}  // namespace tessera::report
