// Moves a threshold over its histogram and says both error rates there.
for (const figure of document.querySelectorAll('.scores')) {
  const rates = JSON.parse(figure.querySelector('script').textContent);
  const cut = figure.querySelector('.cut');
  const input = figure.querySelector('input');
  const output = figure.querySelector('output');
  const [low, high] = [Number(input.dataset.low), Number(input.dataset.high)];
  const [left, right] = [Number(cut.dataset.left), Number(cut.dataset.right)];
  const percent = (rate) => (100 * rate).toFixed(rate > 0 && rate < 1e-3 ? 5 : 3) + ' %';
  input.setAttribute('aria-valuetext', output.value);
  input.addEventListener('input', () => {
    const share = Number(input.value) / Number(input.max);
    const [fmr, fnmr] = rates[Number(input.value)];
    cut.setAttribute('transform', `translate(${left + share * (right - left)} 0)`);
    output.value = `${(low + share * (high - low)).toFixed(4)}: FMR ${percent(fmr)}, FNMR ${percent(fnmr)}`;
    input.setAttribute('aria-valuetext', output.value);
  });
}
