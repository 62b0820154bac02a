#include "tessera/report/html.h"

#include <gtest/gtest.h>

#include "tessera/core/error.h"
#include "tessera/report/svg.h"

namespace tessera::report {
namespace {

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

Json lines_plot() {
  return {{"kind", "lines"},
          {"x", {{"label", "epoch"}}},
          {"y", {{"label", "MSE"}, {"log", true}}},
          {"series",
           {{{"name", "a"}, {"x", {0, 1, 2}}, {"y", {1.0, 0.1, 0.01}}},
            {{"name", "b"}, {"x", {0, 1}}, {"y", {0.5, 0.2}}, {"markers", true}}}}};
}

TEST(Html, text_is_made_safe_in_content_and_attributes) {
  EXPECT_EQ(escape(R"(<a href="x">'&'</a>)"),
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
  EXPECT_EQ(escape("é ✓"), "é ✓");
}

TEST(Html, json_cannot_end_its_script) {
  const std::string json = script_json({{"name", "</script><script>alert(1)</script>"}});
  EXPECT_EQ(json.find('<'), std::string::npos);
  EXPECT_EQ(Json::parse(json)["name"], "</script><script>alert(1)</script>");
}

TEST(Html, figure_keeps_its_data_and_a_drawing_and_escapes_its_words) {
  Json plot = lines_plot();
  plot["series"][0]["name"] = "<b>";
  const std::string html = figure_html({"a < b", "c & d", plot});
  EXPECT_EQ(count(html, "<svg "), 1u);
  EXPECT_EQ(count(html, "application/json"), 1u);
  EXPECT_NE(html.find("a &lt; b"), std::string::npos);
  EXPECT_NE(html.find("c &amp; d"), std::string::npos);
  EXPECT_EQ(html.find("<b>"), std::string::npos);
}

TEST(Html, page_asks_nothing_of_the_network) {
  std::string page = page_html("title", figure_html({"t", "c", lines_plot()}));
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.find("<link"), std::string::npos);
  EXPECT_EQ(page.find(" src="), std::string::npos);
  // The library's own text names its makers' pages; everything before it is ours.
  const std::string ours = page.substr(0, page.find("<footer>"));
  EXPECT_EQ(ours.find("http://"), std::string::npos);
  EXPECT_EQ(ours.find("https://"), std::string::npos);
}

TEST(Html, environment_is_a_list_of_names_and_values) {
  const std::string html = environment_html({{"instruction_set", "AVX2 <x>"}, {"threads", 2}});
  EXPECT_NE(html.find("<dt>instruction set</dt><dd>AVX2 &lt;x&gt;</dd>"), std::string::npos);
  EXPECT_NE(html.find("<dt>threads</dt><dd>2</dd>"), std::string::npos);
  EXPECT_FALSE(environment().contains("host"));
}

TEST(Svg, a_line_for_each_series_and_a_mark_for_each_point) {
  const std::string text = svg(lines_plot());
  EXPECT_EQ(count(text, "class=\"curve c0\" d="), 1u);
  EXPECT_EQ(count(text, "class=\"curve c1\" d="), 1u);
  EXPECT_EQ(count(text, "<title>b: "), 2u);
  EXPECT_EQ(text.find("nan"), std::string::npos);
}

TEST(Svg, logarithmic_axis_has_a_tick_for_each_decade) {
  const std::string text = svg(lines_plot());
  for (const char* tick : {">0.01<", ">0.1<", ">1<"}) EXPECT_NE(text.find(tick), std::string::npos);
}

TEST(Svg, many_decades_have_few_ticks) {
  Json plot = lines_plot();
  plot["series"] = {{{"x", {0, 1}}, {"y", {1e-170, 1.0}}}};
  const std::string text = svg(plot);
  EXPECT_EQ(count(text, ">1e-"), 3u);
  for (const char* tick : {">1e-150<", ">1e-100<", ">1e-50<", ">1<"}) {
    EXPECT_NE(text.find(tick), std::string::npos) << tick;
  }
}

TEST(Svg, null_is_a_gap_and_what_an_axis_cannot_show_is_left_out) {
  Json plot = lines_plot();
  plot["series"] = {{{"x", {0, 1, 2, 3, 4}}, {"y", {1.0, nullptr, 0.1, -5.0, 0.2}}}};
  const std::string text = svg(plot);
  const size_t path = text.find(" d=\"");
  const std::string d = text.substr(path, text.find("\"/>", path) - path);
  EXPECT_EQ(count(d, "M"), 3u);
  EXPECT_EQ(count(d, "L"), 0u);
  EXPECT_EQ(text.find("nan"), std::string::npos);
  EXPECT_EQ(text.find("inf"), std::string::npos);
}

TEST(Svg, empty_and_constant_series_draw_without_infinities) {
  Json plot = lines_plot();
  for (const Json& series :
       {Json::array(), Json{{{"x", {1}}, {"y", {3}}}}, Json{{{"x", {1, 1}}, {"y", {0.5, 0.5}}}}}) {
    plot["series"] = series;
    const std::string text = svg(plot);
    EXPECT_EQ(text.find("nan"), std::string::npos) << text;
    EXPECT_EQ(text.find("inf"), std::string::npos) << text;
  }
}

TEST(Svg, bars_stand_on_zero_with_their_values) {
  const std::string text =
      svg({{"kind", "bars"},
           {"y", {{"label", "MSE"}}},
           {"series",
            {{{"name", "here"}, {"x", {"p", "q"}}, {"y", {0.5, 2.0}}, {"error", {0.1, 0.0}}},
             {{"name", "paper"}, {"x", {"p"}}, {"y", {0.25}}}}}});
  EXPECT_EQ(count(text, "class=\"bar c0\" x="), 3u);  // two bars and the key
  EXPECT_EQ(count(text, "class=\"bar c1\" x="), 2u);
  EXPECT_EQ(count(text, "class=\"error "), 1u);
  EXPECT_NE(text.find(">0.25<"), std::string::npos);
}

TEST(Svg, series_of_a_group_share_a_scene) {
  const auto series = [](const char* name, const char* group, bool markers) {
    return Json{{"name", name}, {"group", group}, {"markers", markers},
                {"x", {0, 1}},  {"y", {0, 1}},    {"z", {0, 1}}};
  };
  const std::string text = svg(
      {{"kind", "lines3d"},
       {"series",
        {series("path", "one", false), series("end", "one", true), series("path", "two", false)}}});
  EXPECT_EQ(count(text, ">one<"), 1u);
  EXPECT_EQ(count(text, ">two<"), 1u);
  EXPECT_EQ(count(text, ">path<"), 1u);  // once in the key
  EXPECT_EQ(count(text, "<title>end</title>"), 2u);
}

TEST(Svg, heatmap_has_a_cell_for_each_number) {
  const std::string text = svg({{"kind", "heatmap"},
                                {"series",
                                 {{{"name", "true"}, {"z", {{0, 1}, {1, 0}}}},
                                  {{"name", "EGNN"}, {"z", {{0.1, 0.9}, {0.9, 0.1}}}}}}});
  EXPECT_EQ(count(text, "class=\"heat\""), 8u);
  EXPECT_NE(text.find("<title>0, 1: 0.90</title>"), std::string::npos);
}

TEST(Svg, unknown_kind_is_refused) {
  EXPECT_THROW(svg({{"kind", "pie"}, {"series", Json::array()}}), InvalidArgument);
}

}  // namespace
}  // namespace tessera::report
