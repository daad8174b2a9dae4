// The committed build is what the sources give, and small enough.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { build as vite } from 'vite';

const SCRIPT = 90_000;
const STYLE = 20_000;
const files = (folder, under = '') =>
  readdirSync(path.join(folder, under)).flatMap((name) => {
    const inside = path.join(under, name);
    return statSync(path.join(folder, inside)).isDirectory() ? files(folder, inside) : [inside];
  }).sort();

export async function build(report, web) {
  const fresh = path.join(web, 'tests/out/dist');
  const committed = path.join(web, 'dist');
  // A server for the units leaves `development` behind.
  process.env.NODE_ENV = 'production';
  await vite({ root: web, logLevel: 'error', build: { outDir: fresh, emptyOutDir: true } });
  const hash = (folder) => files(folder).map((file) => [file, createHash('sha256').update(readFileSync(path.join(folder, file))).digest('hex').slice(0, 12)]);
  const [old, now] = [new Map(hash(committed)), new Map(hash(fresh))];
  const different = [...new Set([...old.keys(), ...now.keys()])].filter((file) => old.get(file) !== now.get(file));
  report.holds('build: dist/ is what the sources give', different.length === 0, `run \`npm run build\`; these differ:\n${different.join('\n')}`);

  // The first load is what index.html names, with everything that this imports before it runs, and the first screen.
  const html = readFileSync(path.join(fresh, 'index.html'), 'utf8');
  const wanted = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map((match) => match[1]);
  const first = files(fresh).filter((file) => /assets\/(Review|Question|Blank|Avatar|Notice)-/.test(file));
  const all = new Set([...wanted, ...first]);
  for (const file of all) {
    if (!file.endsWith('.js')) continue;
    for (const [, name] of readFileSync(path.join(fresh, file), 'utf8').matchAll(/from\s*"\.\/([^"]+\.js)"/g)) all.add(`assets/${name}`);
  }
  const size = (ending) => [...all].filter((file) => file.endsWith(ending)).reduce((sum, file) => sum + gzipSync(readFileSync(path.join(fresh, file)), { level: 9 }).length, 0);
  const [script, style] = [size('.js'), size('.css')];
  report.note(`first load with the first screen: ${(script / 1000).toFixed(1)} kB of script, ${(style / 1000).toFixed(1)} kB of style (gzip)`);
  report.holds(`build: at most ${SCRIPT / 1000} kB of script at first`, script <= SCRIPT, `${script} bytes`);
  report.holds(`build: at most ${STYLE / 1000} kB of style at first`, style <= STYLE, `${style} bytes`);
  report.holds('build: no font file', !files(fresh).some((file) => /\.(woff2?|ttf|otf|eot)$/.test(file)));
  report.holds('build: no inline script or style', !/<script(?![^>]*\bsrc=)[^>]*>|<style|\son\w+=|\sstyle=/.test(html), html);
  const addresses = files(fresh).filter((file) => /\.(js|css|html)$/.test(file)).flatMap((file) =>
    [...readFileSync(path.join(fresh, file), 'utf8').matchAll(/https?:\/\/[\w.-]+/g)].map((match) => match[0]).filter((url) => !/w3\.org|svelte\.dev/.test(url)).map((url) => `${file}: ${url}`));
  report.holds('build: names no other host', addresses.length === 0, addresses.join('\n'));
}
