#include "tessera/report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "tessera/core/paths.h"
#include "tessera/io/file.h"
#include "tessera/report/svg.h"
#include "tessera/train/run_folder.h"

namespace tessera::report {
namespace {

std::string resource(const std::string& name) { return io::read_text(resource_path(name)); }

// A script may not contain its own end; within a JavaScript string or expression "<\/" is the same.
std::string script_text(std::string text) {
  for (size_t at = 0; (at = text.find("</", at)) != std::string::npos; at += 3) {
    text.replace(at, 2, "<\\/");
  }
  return text;
}

// The plotting library and its licence; nothing where the build could not fetch it.
std::string plot_library_html() {
  const std::string script = resource_path("share/plot/plotly.min.js");
  const std::string licence = resource_path("share/plot/LICENSE");
  if (!std::filesystem::exists(script) || !std::filesystem::exists(licence)) return "";
  return "<details class=\"licence\"><summary>Interactive figures by Plotly.js</summary><pre>" +
         escape(io::read_text(licence)) + "</pre></details>\n<script>" +
         script_text(io::read_text(script)) + "</script>\n";
}

}  // namespace

std::string escape(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string script_json(const Json& value) {
  std::string safe;
  for (const char c : value.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<') {
      safe += "\\u003c";
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string figure_html(const Figure& figure) {
  return fmt::format(
      "<figure>\n<figcaption><strong>{}</strong> {}</figcaption>\n<div class=\"picture\">{}</div>\n"
      "<script type=\"application/json\">{}</script>\n</figure>\n",
      escape(figure.title), escape(figure.caption), svg(figure.plot), script_json(figure.plot));
}

Json environment() {
  Json machine = train::environment(train::Recipe{});
  // These belong to one training each, and stand in its run folder.
  for (const char* key : {"device", "dtype", "host", "started"}) machine.erase(key);
  return machine;
}

std::string environment_html(const Json& environment) {
  std::string html = "<dl class=\"environment\">\n";
  for (const auto& [key, value] : environment.items()) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", escape(name),
                        escape(value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return html + "</dl>\n";
}

std::string page_html(std::string_view title, std::string_view body, Figures figures) {
  // The policy makes "opens without network" the browser's promise instead of ours. Plotly draws
  // its 3D scenes through data and blob images.
  return fmt::format(R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:">
<title>{}</title>
<style>
{}</style>
</head>
<body>
<main>
{}</main>
<footer>
{}</footer>
<script>
{}</script>
</body>
</html>
)",
                     escape(title), resource("share/report/report.css"), body,
                     figures == Figures::kInteractive ? plot_library_html() : "",
                     resource("share/report/report.js"));
}

}  // namespace tessera::report
