(function () {
  'use strict';
  var root = document.documentElement, button = document.getElementById('theme');
  button.hidden = false;
  button.addEventListener('click', function () {
    var dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
    root.dataset.theme = dark ? 'light' : 'dark';
  });
  // nearest finds the index of the sample next to x; samples are in order of time.
  function nearest(xs, x) {
    var low = 0, high = xs.length - 1;
    while (low < high) {
      var middle = (low + high) >> 1;
      if (xs[middle] < x) { low = middle + 1; } else { high = middle; }
    }
    return low > 0 && x - xs[low - 1] < xs[low] - x ? low - 1 : low;
  }
  function paragraph(text, kind) {
    var p = document.createElement('p');
    p.textContent = text;
    if (kind) { p.className = kind; }
    return p;
  }
  function watch(figure) {
    var lines = JSON.parse(figure.dataset.hover), svg = figure.querySelector('svg'), cursor = svg.querySelector('.cursor');
    var tip = document.createElement('div');
    tip.className = 'tip';
    tip.hidden = true;
    figure.appendChild(tip);
    function leave() {
      tip.hidden = true;
      cursor.setAttribute('visibility', 'hidden');
    }
    svg.addEventListener('pointerleave', leave);
    svg.addEventListener('pointermove', function (event) {
      var box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width, x = (event.clientX - box.left) * scale;
      var when = '', at = null, said = [];
      lines.forEach(function (line) {
        var i = nearest(line.x, x);
        if (x < line.x[0] - 40 || x > line.x[line.x.length - 1] + 40) { return; }
        if (at === null || Math.abs(line.x[i] - x) < Math.abs(at - x)) { at = line.x[i]; when = line.when[i]; }
        said.push(paragraph(line.name + ': ' + line.what[i]));
      });
      if (at === null) { leave(); return; }
      tip.replaceChildren.apply(tip, [paragraph(when, 'when')].concat(said));
      tip.hidden = false;
      cursor.setAttribute('x1', at);
      cursor.setAttribute('x2', at);
      cursor.setAttribute('visibility', 'visible');
      var outer = figure.getBoundingClientRect(), left = at / scale + box.left - outer.left + 12;
      if (left + tip.offsetWidth > outer.width) { left = Math.max(0, left - tip.offsetWidth - 24); }
      tip.style.left = left + 'px';
      tip.style.top = (event.clientY - outer.top + 14) + 'px';
    });
  }
  document.querySelectorAll('figure[data-hover]').forEach(watch);
}());
