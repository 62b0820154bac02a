#include "tessera/report/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tessera/core/error.h"
#include "tessera/report/html.h"
#include "tessera/report/svg_canvas.h"

namespace tessera::report {

void Canvas::line(Point a, Point b, std::string_view classes) {
  fmt::format_to(std::back_inserter(body_),
                 R"(<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>)", classes,
                 a.x, a.y, b.x, b.y);
}

void Canvas::path(std::span<const Point> points, std::string_view classes) {
  std::string d;
  bool drawing = false;
  for (const Point& p : points) {
    if (!std::isfinite(p.x) || !std::isfinite(p.y)) {
      drawing = false;
      continue;
    }
    fmt::format_to(std::back_inserter(d), "{}{:.1f} {:.1f}", drawing ? "L" : "M", p.x, p.y);
    drawing = true;
  }
  if (!d.empty()) {
    fmt::format_to(std::back_inserter(body_), R"(<path class="{}" d="{}"/>)", classes, d);
  }
}

void Canvas::circle(Point centre, double radius, std::string_view classes, std::string_view hint) {
  if (!std::isfinite(centre.x) || !std::isfinite(centre.y)) return;
  fmt::format_to(std::back_inserter(body_),
                 R"(<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}">)", classes, centre.x,
                 centre.y, radius);
  if (!hint.empty()) body_ += "<title>" + escape(hint) + "</title>";
  body_ += "</circle>";
}

void Canvas::rect(Box box, std::string_view classes, std::string_view hint, double opacity) {
  fmt::format_to(std::back_inserter(body_),
                 R"(<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}")",
                 classes, box.left, box.top, box.width, box.height);
  if (opacity < 1) fmt::format_to(std::back_inserter(body_), R"( fill-opacity="{:.2f}")", opacity);
  body_ += ">";
  if (!hint.empty()) body_ += "<title>" + escape(hint) + "</title>";
  body_ += "</rect>";
}

void Canvas::text(Point at, std::string_view anchor, std::string_view classes,
                  std::string_view text, bool turned) {
  fmt::format_to(std::back_inserter(body_),
                 R"(<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}")", classes, at.x, at.y,
                 anchor);
  if (turned) {
    fmt::format_to(std::back_inserter(body_), R"x( transform="rotate(-90 {:.1f} {:.1f})")x", at.x,
                   at.y);
  }
  body_ += ">" + escape(text) + "</text>";
}

double Canvas::legend(Point at, double width, const Json& series, bool is_bars) {
  // Width of a letter at the legend's size: there is no font to measure here.
  constexpr double kLetter = 6.6, kSwatch = 26, kGap = 18, kRow = 20;
  std::vector<std::string> seen;
  double x = at.x, y = at.y;
  for (size_t i = 0; i < series.size(); ++i) {
    const std::string name = word(series[i], "name");
    if (name.empty() || std::find(seen.begin(), seen.end(), name) != seen.end()) continue;
    const double needed = kSwatch + kLetter * static_cast<double>(name.size()) + kGap;
    if (!seen.empty() && x + needed > at.x + width) {
      x = at.x;
      y += kRow;
    }
    const std::string color = color_class(series[i], i);
    const double middle = y + kRow / 2;
    if (is_bars) {
      rect({x + 5, middle - 6, 12, 12}, "bar " + color);
    } else if (flag(series[i], "markers")) {
      circle({x + 10, middle}, 4, "mark " + color);
    } else {
      line({x, middle}, {x + 20, middle},
           (flag(series[i], "dash") ? "curve dash " : "curve ") + color);
    }
    text({x + kSwatch, middle + 4}, "start", "key", name);
    x += needed;
    seen.push_back(name);
  }
  return seen.empty() ? 0 : y + kRow - at.y;
}

std::string Canvas::finish(std::string_view label) const {
  return fmt::format(R"(<svg viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">{}</svg>)",
                     width_, height_, escape(label), body_);
}

std::string color_class(const Json& series, size_t index) {
  constexpr size_t kColors = 8;
  return fmt::format("c{}", series.value("color", index) % kColors);
}

std::vector<double> numbers(const Json& series, std::string_view key) {
  std::vector<double> values;
  if (const auto found = series.find(key); found != series.end()) {
    for (const Json& value : *found) {
      values.push_back(value.is_number() ? value.get<double>()
                                         : std::numeric_limits<double>::quiet_NaN());
    }
  }
  return values;
}

std::string word(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool flag(const Json& object, std::string_view key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

std::vector<std::string> distinct(const Json& series, std::string_view key) {
  std::vector<std::string> values;
  for (const Json& s : series) {
    std::string value = word(s, key);
    if (std::find(values.begin(), values.end(), value) == values.end()) {
      values.push_back(std::move(value));
    }
  }
  return values;
}

std::string svg(const Json& plot) {
  const std::string kind = word(plot, "kind");
  if (kind == "lines" || kind == "scatter") return svg_plane(plot);
  if (kind == "bars") return svg_bars(plot);
  if (kind == "lines3d") return svg_space(plot);
  if (kind == "heatmap") return svg_heatmap(plot);
  fail<InvalidArgument>({.where = "report",
                         .rule = "a figure's kind is lines, scatter, bars, lines3d or heatmap",
                         .got = "\"" + kind + "\"",
                         .id = "T-REP-01"});
}

}  // namespace tessera::report
