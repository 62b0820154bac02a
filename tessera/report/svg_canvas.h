#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/core/json.h"

namespace tessera::report {

struct Point {
  double x = 0, y = 0;
};

struct Box {
  double left = 0, top = 0, width = 0, height = 0;
};

/// Appends SVG elements, in units of its view box (about CSS pixels), y downwards.
class Canvas {
 public:
  Canvas(double width, double height) : width_(width), height_(height) {}

  void line(Point a, Point b, std::string_view classes);
  /// An open path through the points; one that is not finite breaks it.
  void path(std::span<const Point> points, std::string_view classes);
  void circle(Point centre, double radius, std::string_view classes, std::string_view hint = {});
  void rect(Box box, std::string_view classes, std::string_view hint = {}, double opacity = 1);
  /// anchor: "start", "middle" or "end". `turned` reads upwards.
  void text(Point at, std::string_view anchor, std::string_view classes, std::string_view text,
            bool turned = false);
  /// Names with swatches (squares for bars) in a row; returns the height used, 0 without names.
  double legend(Point at, double width, const Json& series, bool is_bars = false);

  /// The <svg> element; `label` is read to those who cannot see it.
  std::string finish(std::string_view label) const;

 private:
  double width_, height_;
  std::string body_;
};

/// The class of a series' colour: "c0" … "c7".
std::string color_class(const Json& series, size_t index);

/// The numbers of an array, NaN for null; empty where there is no such key.
std::vector<double> numbers(const Json& series, std::string_view key);
/// A string member, or "".
std::string word(const Json& object, std::string_view key);
/// A bool member, or false.
bool flag(const Json& object, std::string_view key);

/// The different values of a string member, in the order in which they come.
std::vector<std::string> distinct(const Json& series, std::string_view key);

// One function per family of kinds; each returns the whole element.
std::string svg_plane(const Json& plot);
std::string svg_bars(const Json& plot);
std::string svg_space(const Json& plot);
std::string svg_heatmap(const Json& plot);

}  // namespace tessera::report
