// Draws the page from its data. All text is set as text, never as markup.
(() => {
  const page = JSON.parse(document.getElementById("data").textContent);
  const main = document.getElementById("page");
  const add = (parent, tag, text, name) => {
    const made = document.createElement(tag);
    if (text !== undefined && text !== null) made.textContent = text;
    if (name) made.className = name;
    parent.append(made);
    return made;
  };
  const shown = (value) => (typeof value === "number" ? value.toLocaleString("en") : value ?? "");
  const table = (parent, part) => {
    const wide = add(parent, "div", null, "wide");
    wide.tabIndex = 0;
    const made = add(wide, "table");
    const numbers = part.columns.map((_, at) => part.rows.length > 0 && part.rows.every((row) => row[at] === null || typeof row[at] === "number"));
    const kind = (at) => (numbers[at] ? "number" : "");
    const head = add(add(made, "thead"), "tr");
    part.columns.forEach((column, at) => { add(head, "th", column, kind(at)).scope = "col"; });
    const body = add(made, "tbody");
    for (const row of part.rows) {
      const line = add(body, "tr");
      row.forEach((value, at) => add(line, "td", shown(value), kind(at)));
    }
    if (part.all > part.rows.length) add(parent, "p", `${shown(part.rows.length)} of ${shown(part.all)} rows. ${part.sql ? "The SQL" : "The CSV"} gives all.`);
  };
  const folded = (parent, title, fill) => fill(add(parent, "details"), add(parent.lastChild, "summary", title));

  document.title = page.title;
  add(main, "h1", page.title);
  for (const line of page.head) add(main, "p", line);
  for (const line of page.wrong) add(main, "p", line, "wrong");
  if (page.figures.length) {
    const list = add(main, "dl", null, "figures");
    for (const [name, value, more] of page.figures) {
      const box = add(list, "div");
      add(box, "dt", name);
      add(add(box, "dd", value), "small", more);
    }
  }
  const plots = [];
  for (const part of page.parts) {
    const section = add(main, "section");
    add(section, "h2", part.title);
    add(section, "p", part.says);
    if (part.plot) {
      add(section, "p", part.plot.says);
      const frame = add(section, "div", null, "plot");
      frame.tabIndex = 0;
      const box = add(frame, "div");
      box.setAttribute("role", "img");
      box.setAttribute("aria-label", `${part.title}. ${part.plot.says} The table below has the figures.`);
      box.style.height = `${part.plot.height}px`;
      if (part.plot.width) box.style.minWidth = `${part.plot.width}px`;
      plots.push({ box, option: part.plot.option });
      folded(section, "Table", (place) => table(place, part));
    } else if (part.rows.length) {
      table(section, part);
    }
    if (part.sql) folded(section, "SQL", (place) => add(place, "pre", part.sql));
  }
  add(main, "footer", page.foot);

  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrowed = (option, width) => {
    const axis = option.yAxis?.axisLabel;
    if (!axis?.width) return option;
    return { ...option, yAxis: { ...option.yAxis, axisLabel: { ...axis, width: Math.min(axis.width, width * 0.34) } } };
  };
  const draw = () => {
    for (const plot of plots) {
      plot.chart?.dispose();
      plot.chart = echarts.init(plot.box, dark.matches ? "dark" : null, { renderer: "svg" });
      plot.chart.setOption({
        animation: false,
        backgroundColor: "transparent",
        ...narrowed(plot.option, plot.box.clientWidth),
        ...(plot.option.tooltip && { tooltip: { ...plot.option.tooltip, renderMode: "richText", confine: true } }),
      });
    }
  };
  draw();
  dark.addEventListener("change", draw);
  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(draw, 150); });
})();
