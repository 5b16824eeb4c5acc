(function () {
  "use strict";
  const script = document.currentScript;
  const svg = script ? script.closest("svg") : document.documentElement;
  const frames = Array.from(svg.querySelectorAll(".f"), function (g) {
    return {
      g: g,
      rect: g.querySelector("rect"),
      text: g.querySelector("text"),
      title: g.querySelector("title").textContent,
      x: Number(g.dataset.x),
      w: Number(g.dataset.w),
      d: Number(g.dataset.d),
    };
  });
  const [details, reset, search, matched] = ["details", "reset", "search", "matched"].map(
    function (name) { return svg.querySelector("." + name); });
  const width = Number(svg.dataset.width);
  const margin = Number(svg.dataset.margin);
  const all = frames[0];

  function label(frame, space) {
    const name = frame.title.split("\n")[0];
    const fits = Math.floor((space - 6) / 7.25);
    frame.text.textContent = fits < 3 ? "" :
      name.length <= fits ? name : name.slice(0, fits - 1) + "…";
  }

  function zoom(to) {
    for (const frame of frames) {
      const above = frame.d < to.d && frame.x <= to.x && frame.x + frame.w >= to.x + to.w;
      const below = frame.d >= to.d && frame.x >= to.x && frame.x + frame.w <= to.x + to.w;
      frame.g.style.display = above || below ? "" : "none";
      frame.g.style.opacity = above ? 0.5 : "";
      if (!above && !below) continue;
      const x = above ? 0 : (frame.x - to.x) / to.w * width;
      const w = above ? width : frame.w / to.w * width;
      frame.rect.setAttribute("x", margin + x);
      frame.rect.setAttribute("width", w);
      frame.text.setAttribute("x", margin + x + 3);
      label(frame, w);
    }
    reset.style.display = to === all ? "none" : "";
  }

  function find(words) {
    const wanted = words.toLowerCase();
    let sum = 0;
    let end = 0;
    // In the order of the walk: what is inside of something found comes before its end.
    for (const frame of frames) {
      const name = frame.title.split("\n")[0].toLowerCase();
      const found = wanted !== "" && name.includes(wanted);
      frame.g.classList.toggle("found", found);
      if (found && frame.x >= end) {
        sum += frame.w;
        end = frame.x + frame.w;
      }
    }
    matched.textContent = wanted === "" ? "" :
      "found: " + (100 * sum / all.w).toFixed(2) + " %";
  }

  function ask() {
    const words = window.prompt("Part of a name to look for:", "");
    if (words !== null) find(words);
  }

  for (const frame of frames) {
    frame.g.addEventListener("mouseover", function () {
      details.textContent = frame.title.replace("\n", ": ");
    });
    frame.g.addEventListener("mouseout", function () { details.textContent = ""; });
    frame.g.addEventListener("click", function () { zoom(frame); });
  }
  reset.addEventListener("click", function () { zoom(all); });
  search.addEventListener("click", ask);
  window.addEventListener("keydown", function (event) {
    if (event.key === "Escape") { zoom(all); find(""); }
    if (event.key === "f" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); ask(); }
  });
})();
