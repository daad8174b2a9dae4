// `npm test`: type check, unit tests, the committed build against a new one, its size, and the page in a real browser
// against a real server. Prints one line for each thing that holds, and ends with 1 if one does not.
//
// PHIZ        the program (default: ../target/debug/phiz, then ../target/release/phiz)
// CHROMIUM    the browser (default: the first of chromium, chromium-browser, google-chrome on the path)
// ONLY        runs only the parts whose names contain this text: types, units, build, browser
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { schema } from '../client/generate.mjs';
import { browser } from './browser.mjs';
import { build } from './build.mjs';
import { Report } from './report.mjs';
import { units } from './units.mjs';

const web = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
process.chdir(web);

const found = (names) => {
  for (const name of names) {
    if (name.includes('/')) { if (existsSync(name)) return name; continue; }
    const { status, stdout } = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' });
    if (status === 0) return stdout.trim();
  }
  return null;
};
const report = new Report();
const only = process.env.ONLY ?? '';
const parts = {
  types: async () => {
    const { status, stdout } = spawnSync('npx', ['svelte-check', '--fail-on-warnings', '--output', 'human'], { encoding: 'utf8' });
    report.holds('types: svelte-check finds nothing', status === 0, stdout);
    for (const [module, resolution] of [['nodenext', 'nodenext'], ['esnext', 'bundler']]) {
      const checked = spawnSync('npx', ['tsc', '--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom,dom.iterable', '--module', module, '--moduleResolution', resolution, 'tests/client.ts'], { encoding: 'utf8' });
      report.holds(`types: a program that uses the client is sound (${resolution})`, checked.status === 0, checked.stdout);
    }
    report.holds('types: client/schema.d.ts is what openapi.json gives', await schema() === readFileSync(path.join(web, 'client/schema.d.ts'), 'utf8'), 'run `npm run types`');
  },
  units: () => units(report),
  build: () => build(report, web),
  browser: async () => {
    const phiz = process.env.PHIZ ?? found(['../target/debug/phiz', '../target/release/phiz']);
    const chromium = process.env.CHROMIUM ?? found(['chromium', 'chromium-browser', 'google-chrome']);
    if (!phiz) return report.holds('browser: the program is there', false, 'build it with `cargo build -p phiz-cli`, or name it with PHIZ');
    if (!chromium) return report.holds('browser: Chromium is there', false, 'install chromium, or name it with CHROMIUM');
    await browser(report, { phiz: path.resolve(phiz), chromium, web });
  },
};
for (const [name, run] of Object.entries(parts)) {
  if (!name.includes(only)) continue;
  try { await run(); } catch (error) { report.holds(`${name}: runs to its end`, false, error.stack); }
}
process.exitCode = report.end();
