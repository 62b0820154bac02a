#include "tessera/report/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tessera/train/observer.h"

namespace tessera::report {
namespace {

bool is_gate(const ReportRow& row) { return row.claim.kind == Claim::Kind::kGate; }

std::string anchor(const ReportRow& row) { return row.system + "-" + row.claim.name; }

std::string mark(const ReportRow& row) {
  return fmt::format(R"(<span class="mark {} {}" title="{}">{}</span>)",
                     row.result.holds ? "holds" : "fails", is_gate(row) ? "gate" : "finding",
                     row.result.holds ? "holds" : "does not hold", row.result.holds ? "✓" : "✗");
}

std::string seeds_text(const std::vector<int64_t>& seeds) {
  return seeds.empty() ? "–" : fmt::format("{}", fmt::join(seeds, ", "));
}

std::string summary(std::span<const ReportRow> rows, const ReportInfo& info) {
  return fmt::format(
      "<header class=\"top\">\n<p class=\"brand\">Tessera</p>\n<h1>Claims of the papers, and what "
      "came out here</h1>\n<p class=\"lead\"><strong class=\"{}\">{}</strong>. Scale <em>{}</em>, "
      "{}, {}.{}</p>\n</header>\n",
      gates_hold(rows) ? "good" : "bad", verdict(rows), name_of(info.scale),
      train::describe_seconds(info.seconds), escape(info.date),
      info.complete ? "" : " <strong>Not complete: more claims are to come.</strong>");
}

std::string table(std::span<const ReportRow> rows) {
  std::string html =
      "<div class=\"wide\"><table>\n<thead><tr><th></th><th>Claim</th><th class=\"n\">Paper</th>"
      "<th class=\"n\">Here</th><th class=\"n\">Baseline</th><th "
      "class=\"n\">Time</th></tr></thead>\n"
      "<tbody>\n";
  for (const ReportRow& row : rows) {
    html += fmt::format(
        "<tr><td>{}</td><td><a href=\"#{}\">{}</a><small>{} · {}</small></td>"
        "<td class=\"n\">{}</td>"
        "<td class=\"n ours\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>\n",
        mark(row), escape(anchor(row)), escape(row.claim.statement),
        escape(row.system + "/" + row.claim.name), escape(row.claim.quantity),
        number_text(row.claim.paper), number_text(row.result.ours),
        number_text(row.result.baseline), escape(train::describe_seconds(row.seconds)));
  }
  return html +
         "</tbody>\n</table></div>\n<p class=\"legend\">A <em>gate</em> must hold: the product is "
         "wrong if it does not. A <em>finding</em> says what the paper reports and what came out "
         "here.</p>\n";
}

std::string number_tile(std::string_view name, const std::optional<double>& value,
                        std::string_view note = {}) {
  if (!value) return "";
  return fmt::format("<div><dt>{}</dt><dd>{}</dd><small>{}</small></div>\n", name,
                     number_text(*value), escape(note));
}

std::string section(const ReportRow& row) {
  std::string html = fmt::format(
      "<section id=\"{}\">\n<h2>{}{}</h2>\n<p class=\"meta\">{}/{} · {} · {} · seed{} {}</p>\n"
      "<dl class=\"numbers\">\n{}{}{}</dl>\n<p class=\"meta\">{}</p>\n<p class=\"rule\">{}</p>\n",
      escape(anchor(row)), mark(row), escape(row.claim.statement), escape(row.system),
      escape(row.claim.name), is_gate(row) ? "gate" : "finding",
      escape(train::describe_seconds(row.seconds)), row.result.seeds.size() == 1 ? "" : "s",
      seeds_text(row.result.seeds), number_tile("Here", row.result.ours),
      number_tile("Baseline", row.result.baseline),
      number_tile("Paper", row.claim.paper, row.claim.paper_source), escape(row.claim.quantity),
      escape(row.result.detail));
  for (const Figure& figure : row.result.figures) html += figure_html(figure);
  return html + "</section>\n";
}

}  // namespace

std::string html_report(std::span<const ReportRow> rows, const ReportInfo& info) {
  std::string body = summary(rows, info) + table(rows);
  for (const ReportRow& row : rows) body += section(row);
  body += "<section id=\"environment\">\n<h2>Where it ran</h2>\n" +
          environment_html(info.environment) + "</section>\n";
  return page_html("Tessera: claims at scale " + std::string(name_of(info.scale)), body);
}

}  // namespace tessera::report
