// Lets the plotting library, where the page has it, take over the figures that gain by it: curves,
// to zoom and to read off, and scenes in three dimensions, to turn. Their data lie in the figure.
"use strict";
(() => {
  if (typeof Plotly === "undefined") return;
  const hasWebGl = Boolean(document.createElement("canvas").getContext("webgl"));
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // Less than two decades: 2 and 5 as well, or there would be one tick or none. Many decades: at
  // most eight ticks, whole decades apart.
  function logTicks(plot, key) {
    const seen = plot.series.flatMap((s) => s[key]).filter((v) => v > 0);
    const decades = Math.log10(Math.max(...seen)) - Math.log10(Math.min(...seen));
    return decades < 2 ? "D2" : [1, 2, 5, 10, 20, 50].find((step) => decades <= 8 * step);
  }

  function plane(plot) {
    const axis = (key) => ({
      title: { text: plot[key]?.label ?? "" }, type: plot[key]?.log ? "log" : "linear",
      dtick: plot[key]?.log ? logTicks(plot, key) : undefined, tickformat: "~g",
      gridcolor: color("--rule"), linecolor: color("--soft"), zeroline: false, automargin: true,
    });
    const data = plot.series.map((s, i) => ({
      type: "scatter", name: s.name, x: s.x, y: s.y,
      mode: plot.kind === "scatter" ? "markers" : s.markers ? "lines+markers" : "lines",
      line: { color: color(`--c${(s.color ?? i) % 8}`), width: 2, dash: s.dash ? "dash" : "solid" },
      marker: { size: 7, color: color(`--c${(s.color ?? i) % 8}`) },
      error_y: s.error ? { type: "data", array: s.error, thickness: 1.4, width: 3 } : undefined,
    }));
    return { data, layout: { xaxis: axis("x"), yaxis: axis("y"), height: 380 } };
  }

  function space(plot) {
    const groups = [...new Set(plot.series.map((s) => s.group ?? ""))];
    const sceneName = (g) => (g === 0 ? "scene" : `scene${g + 1}`);
    const seen = new Set();
    const data = plot.series.map((s, i) => {
      const isFirst = !seen.has(s.name);
      seen.add(s.name);
      const shade = color(`--c${(s.color ?? i) % 8}`);
      return {
        type: "scatter3d", name: s.name, legendgroup: s.name, showlegend: isFirst,
        scene: sceneName(groups.indexOf(s.group ?? "")), x: s.x, y: s.y, z: s.z, mode: s.markers ? "markers" : "lines",
        line: { color: shade, width: 3, dash: s.dash ? "dash" : "solid" },
        marker: { size: 3, color: shade }, connectgaps: false,
      };
    });
    const layout = { height: 400, annotations: [], legend: { y: 1.07 } };
    const axis = (text) => ({
      title: { text }, gridcolor: color("--rule"), showbackground: false, zeroline: false,
      linecolor: color("--soft"), showticklabels: false, nticks: 4, showspikes: false,
    });
    groups.forEach((group, g) => {
      const [left, right] = [g / groups.length, (g + 1) / groups.length];
      layout[sceneName(g)] = {
        domain: { x: [left, right], y: [0, 0.98] }, aspectmode: "data",
        xaxis: axis("x"), yaxis: axis("y"), zaxis: axis("z"),
        camera: { eye: { x: 1.15, y: -1.75, z: 0.85 } },
      };
      layout.annotations.push({
        text: group, x: (left + right) / 2, y: 1, xref: "paper", yref: "paper", showarrow: false,
        yanchor: "bottom",
      });
    });
    return { data, layout };
  }

  function draw(figure, plot) {
    const is3d = plot.kind === "lines3d";
    let target = figure.querySelector(".plot");
    if (!target) {
      target = document.createElement("div");
      target.className = "plot";
      figure.append(target);
    }
    const { data, layout } = is3d ? space(plot) : plane(plot);
    const common = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: color("--soft") },
      margin: is3d ? { l: 0, r: 0, t: 50, b: 0 } : { l: 66, r: 14, t: 30, b: 46 },
      hoverlabel: { bgcolor: color("--panel"), font: { color: color("--ink") } },
    };
    const legend = { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { color: color("--ink") },
                     ...layout.legend };
    figure.classList.add("live");
    const config = { displaylogo: false, responsive: true, displayModeBar: false };
    Plotly.react(target, data, { ...common, ...layout, legend }, config).catch(() => {
      target.remove();
      figure.classList.remove("live");
    });
  }

  const figures = [...document.querySelectorAll("figure")]
    .map((figure) => ({ figure, plot: JSON.parse(figure.querySelector("script").textContent) }))
    .filter(({ plot }) => ["lines", "scatter"].includes(plot.kind) || (plot.kind === "lines3d" && hasWebGl));

  // Only when it comes near the screen: a browser has few 3D contexts, a long report many figures.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((e) => e.isIntersecting)) {
      watcher.unobserve(entry.target);
      draw(entry.target, figures.find((f) => f.figure === entry.target).plot);
    }
  }, { rootMargin: "300px" });
  for (const { figure } of figures) watcher.observe(figure);
  darkness.addEventListener("change", () => {
    for (const { figure, plot } of figures) {
      if (figure.classList.contains("live")) draw(figure, plot);
    }
  });
})();
