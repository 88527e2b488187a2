// Draws the figures that lie in the page as JSON, and draws them anew at the paper's width before printing.
(function () {
  "use strict";
  const PAPER_WIDTH = 680; // A4 without its margins, in CSS pixels
  const HALF_PAPER_WIDTH = 330;
  const PAPER_SCALE = 0.72; // of the height on the screen, so that two tall figures fit on a page
  const narrow = window.matchMedia("(max-width: 640px)");
  const places = Array.from(document.querySelectorAll(".plot"));
  const config = { displayModeBar: false, displaylogo: false, responsive: true };

  function fitted(layout) {
    if (!narrow.matches) return layout;
    // A finger that scrolls the page must not zoom into a figure, and a label needs room that is not there.
    const small = Object.assign({}, layout, { dragmode: false });
    small.font = Object.assign({}, layout.font, { size: 10 });
    return small;
  }

  for (const place of places) {
    const drawing = JSON.parse(document.getElementById(place.id + "-data").textContent);
    Plotly.newPlot(place, drawing.data, fitted(drawing.layout), config);
  }

  window.addEventListener("beforeprint", function () {
    for (const place of places) {
      place.dataset.height = place.style.height;
      const height = PAPER_SCALE * place.layout.height;
      place.style.height = height + "px";
      Plotly.relayout(place, { autosize: false, width: place.closest(".pair") ? HALF_PAPER_WIDTH : PAPER_WIDTH, height: height, "font.size": 10 });
    }
  });
  window.addEventListener("afterprint", function () {
    for (const place of places) {
      place.style.height = place.dataset.height;
      Plotly.relayout(place, { autosize: true, width: null, height: parseFloat(place.dataset.height), "font.size": narrow.matches ? 10 : 12 });
    }
  });
})();
