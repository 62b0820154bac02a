#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tessera/report/results.h"
#include "tessera/report/svg_canvas.h"

namespace tessera::report {
namespace {

constexpr double kWidth = 640, kHeight = 360;
constexpr double kLeft = 66, kRight = 14, kTop = 12, kBottom = 46;

// The range of the values seen and where its ticks lie.
struct Axis {
  std::string label;
  bool is_log = false;
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  explicit Axis(const Json& plot, std::string_view name) {
    if (const auto found = plot.find(name); found != plot.end()) {
      label = word(*found, "label");
      is_log = flag(*found, "log");
    }
  }

  bool shows(double value) const { return std::isfinite(value) && (!is_log || value > 0); }

  void see(double value) {
    if (!shows(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }

  // A margin of `share` of the range on both sides; a range of no extent gets one.
  void widen(double share) {
    if (!(low <= high)) low = is_log ? 1 : 0, high = is_log ? 10 : 1;
    if (is_log) {
      const double factor = std::pow(high / low, share) * (low == high ? 2 : 1);
      low /= factor;
      high *= factor;
    } else {
      const double extra = low == high ? std::max(1.0, std::abs(low)) : share * (high - low);
      low -= extra;
      high += extra;
    }
  }

  double share(double value) const {
    if (!shows(value)) return std::numeric_limits<double>::quiet_NaN();
    return is_log ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
  }

  std::vector<double> ticks() const {
    std::vector<double> ticks;
    if (is_log) {
      // Less than two decades: 2 and 5 as well, or there would be one tick or none. Many decades:
      // at most eight ticks, whole decades apart.
      const double first = std::log10(low), last = std::log10(high);
      const bool is_fine = last - first < 2;
      double step = 1;
      for (const double wider : {2, 5, 10, 20, 50, 100}) {
        if (last - first > 8 * step) step = wider;
      }
      for (double decade = step * std::floor(first / step); decade <= last; decade += step) {
        for (const double digit : {1.0, 2.0, 5.0}) {
          const double tick = digit * std::pow(10.0, decade);
          if ((digit == 1 || is_fine) && tick >= low && tick <= high) ticks.push_back(tick);
        }
      }
      return ticks;
    }
    const double rough = (high - low) / 5;
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    const double lead = rough / power;
    const double step = power * (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10);
    for (double k = std::ceil(low / step); k * step <= high; ++k) {
      ticks.push_back(k == 0 ? 0 : k * step);
    }
    return ticks;
  }
};

// The drawing area with its frame; maps values to points.
struct Plane {
  Box box;
  Axis x, y;

  Point at(double vx, double vy) const {
    return {box.left + x.share(vx) * box.width, box.top + (1 - y.share(vy)) * box.height};
  }

  void draw_y_axis(Canvas& canvas) const {
    for (const double tick : y.ticks()) {
      const double level = box.top + (1 - y.share(tick)) * box.height;
      canvas.line({box.left, level}, {box.left + box.width, level}, "grid");
      canvas.text({box.left - 8, level + 4}, "end", "tick", number_text(tick));
    }
    canvas.text({14, box.top + box.height / 2}, "middle", "label", y.label, true);
  }

  void draw_x_label(Canvas& canvas) const {
    const double bottom = box.top + box.height;
    canvas.line({box.left, bottom}, {box.left + box.width, bottom}, "axis");
    canvas.text({box.left + box.width / 2, kHeight - 8}, "middle", "label", x.label);
  }

  void draw_x_axis(Canvas& canvas) const {
    const double bottom = box.top + box.height;
    for (const double tick : x.ticks()) {
      const double at = box.left + x.share(tick) * box.width;
      canvas.line({at, bottom}, {at, bottom + 4}, "axis");
      canvas.text({at, bottom + 18}, "middle", "tick", number_text(tick));
    }
    draw_x_label(canvas);
  }

  void draw_error(Canvas& canvas, Point at, double value, double error,
                  const std::string& color) const {
    if (!std::isfinite(error) || error <= 0) return;
    const auto level = [&](double v) {
      return box.top + (1 - std::clamp(y.shows(v) ? y.share(v) : 0.0, 0.0, 1.0)) * box.height;
    };
    canvas.line({at.x, level(value - error)}, {at.x, level(value + error)}, "error " + color);
  }
};

Box area(double legend_height) {
  return {kLeft, kTop + legend_height, kWidth - kLeft - kRight,
          kHeight - kTop - legend_height - kBottom};
}

double or_zero(const std::vector<double>& values, size_t i) {
  return i < values.size() && std::isfinite(values[i]) ? values[i] : 0;
}

}  // namespace

std::string svg_plane(const Json& plot) {
  const Json& all = plot.at("series");
  const bool is_scatter = word(plot, "kind") == "scatter";
  Canvas canvas(kWidth, kHeight);
  Plane plane{area(canvas.legend({kLeft, kTop - 6}, kWidth - kLeft - kRight, all)), Axis(plot, "x"),
              Axis(plot, "y")};
  for (const Json& series : all) {
    const auto x = numbers(series, "x"), y = numbers(series, "y"), e = numbers(series, "error");
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!plane.x.shows(x[i]) || !plane.y.shows(y[i])) continue;
      plane.x.see(x[i]);
      plane.y.see(y[i] + or_zero(e, i));
      plane.y.see(y[i] - or_zero(e, i));
    }
  }
  plane.x.widen(0.02);
  plane.y.widen(0.06);
  plane.draw_y_axis(canvas);
  plane.draw_x_axis(canvas);

  for (size_t s = 0; s < all.size(); ++s) {
    const Json& series = all[s];
    const std::string color = color_class(series, s);
    const auto x = numbers(series, "x"), y = numbers(series, "y"), e = numbers(series, "error");
    std::vector<Point> points;
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      points.push_back(plane.at(x[i], y[i]));
    if (!is_scatter) canvas.path(points, (flag(series, "dash") ? "curve dash " : "curve ") + color);
    for (size_t i = 0; i < points.size(); ++i) {
      plane.draw_error(canvas, points[i], y[i], or_zero(e, i), color);
      if (is_scatter || flag(series, "markers")) {
        canvas.circle(
            points[i], 3.5, "mark " + color,
            fmt::format("{}: {}, {}", word(series, "name"), number_text(x[i]), number_text(y[i])));
      }
    }
  }
  return canvas.finish(plane.y.label + " against " + plane.x.label);
}

std::string svg_bars(const Json& plot) {
  const Json& all = plot.at("series");
  Canvas canvas(kWidth, kHeight);
  // One series needs no key: the words below its bars name them.
  const double key =
      all.size() > 1 ? canvas.legend({kLeft, kTop - 6}, kWidth - kLeft - kRight, all, true) : 0;
  Plane plane{area(key), Axis(plot, "x"), Axis(plot, "y")};
  std::vector<std::string> words;
  for (const Json& series : all) {
    const auto y = numbers(series, "y"), e = numbers(series, "error");
    for (size_t i = 0; i < y.size(); ++i) {
      plane.y.see(y[i]);
      plane.y.see(y[i] + or_zero(e, i));
    }
    for (const Json& x : series.at("x")) {
      if (std::find(words.begin(), words.end(), x.get<std::string>()) == words.end()) {
        words.push_back(x.get<std::string>());
      }
    }
  }
  if (!plane.y.is_log) plane.y.see(0);
  const double least = plane.y.low;
  plane.y.widen(0.1);
  if (!plane.y.is_log && least == 0) plane.y.low = 0;  // bars that only rise stand on the axis
  plane.draw_y_axis(canvas);
  plane.draw_x_label(canvas);

  const double slot = plane.box.width / static_cast<double>(std::max<size_t>(words.size(), 1));
  const double width =
      std::min(0.7 * slot / static_cast<double>(std::max<size_t>(all.size(), 1)), 56.0);
  const double bottom = plane.box.top + plane.box.height;
  const auto level = [&](double v) {
    return plane.box.top + (1 - plane.y.share(v)) * plane.box.height;
  };
  const double ground = plane.y.is_log ? bottom : level(std::max(plane.y.low, 0.0));
  for (size_t w = 0; w < words.size(); ++w) {
    canvas.text({plane.box.left + (static_cast<double>(w) + 0.5) * slot, bottom + 18}, "middle",
                "tick", words[w]);
  }
  for (size_t s = 0; s < all.size(); ++s) {
    const Json& series = all[s];
    const auto y = numbers(series, "y"), e = numbers(series, "error");
    for (size_t i = 0; i < std::min(y.size(), series.at("x").size()); ++i) {
      if (!plane.y.shows(y[i])) continue;
      const auto w = std::find(words.begin(), words.end(), series.at("x")[i].get<std::string>());
      const double middle =
          plane.box.left + (static_cast<double>(w - words.begin()) + 0.5) * slot +
          (static_cast<double>(s) - (static_cast<double>(all.size()) - 1) / 2) * width;
      const double top = level(y[i]);
      canvas.rect(
          {middle - width / 2 + 1, std::min(top, ground), width - 2, std::abs(ground - top)},
          "bar " + color_class(series, s),
          fmt::format("{} {}: {}", *w, word(series, "name"), number_text(y[i])));
      plane.draw_error(canvas, {middle, top}, y[i], or_zero(e, i), "ink");
      if (words.size() * all.size() <= 16) {
        canvas.text({middle, level(y[i] + or_zero(e, i)) - 5}, "middle", "value",
                    number_text(y[i]));
      }
    }
  }
  return canvas.finish(plane.y.label);
}

}  // namespace tessera::report
