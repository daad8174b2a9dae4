// Moves a threshold over its histogram and says both error rates there.
for (const figure of document.querySelectorAll('.scores')) {
  const points = JSON.parse(figure.querySelector('script').textContent);
  const cut = figure.querySelector('.cut');
  const [low, high, left, right] = ['low', 'high', 'left', 'right'].map((k) => Number(cut.dataset[k]));
  const input = figure.querySelector('input');
  const output = figure.querySelector('output');
  const percent = (rate) => (100 * rate).toFixed(rate > 0 && rate < 1e-3 ? 5 : 3) + ' %';
  const move = () => {
    const t = Number(input.value);
    // Thresholds fall; the last one that is at least t says what t accepts.
    let from = 0, to = points.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (points[middle][0] >= t) from = middle + 1; else to = middle;
    }
    const [, fmr, fnmr] = from ? points[from - 1] : [t, 0, 1];
    cut.setAttribute('transform', `translate(${left + (t - low) / (high - low) * (right - left)} 0)`);
    const text = `${t.toFixed(4)}: FMR ${percent(fmr)}, FNMR ${percent(fnmr)}`;
    output.value = text;
    input.setAttribute('aria-valuetext', text);
  };
  input.step = (high - low) / 1000;
  input.addEventListener('input', move);
  move();
}
