// The page in a real browser against the real program: what people do, at three widths, with the browser's fake camera.
//
// The camera plays pictures of a synthetic person who looks straight ahead, to both sides and down (tests/camera, made by
// `cargo xtask portraits --people 0 --out web/tests`). Screenshots of every screen go to tests/out.
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { chromium as playwright } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export const PASSPHRASE = 'quiet harbour seven lanterns';
const FRAMES_A_SECOND = 30;

/** Chromium plays a file of JPEGs one after the other as its camera's picture. */
export function clip(file, folder, seconds) {
  const frames = [];
  for (const [name, lasts] of seconds) {
    const frame = readFileSync(path.join(folder, `${name}.jpg`));
    for (let i = 0; i < lasts * FRAMES_A_SECOND; i++) frames.push(frame);
  }
  writeFileSync(file, Buffer.concat(frames));
}

/** The program on a port of its own, with an empty home. */
export async function serve(phiz, home) {
  const child = spawn(phiz, ['serve', '--listen', '127.0.0.1:0', '--home', home], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', PHIZ_HOME: home } });
  let said = '';
  const url = await new Promise((resolve, reject) => {
    const hear = (bytes) => {
      said += bytes;
      const match = /https?:\/\/127\.0\.0\.1:\d+\/\S*/.exec(said);
      if (match) resolve(match[0]);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('exit', (code) => reject(new Error(`phiz serve ended with ${code}: ${said}`)));
    setTimeout(() => reject(new Error(`phiz serve named no address: ${said}`)), 60_000);
  });
  return { child, url, origin: new URL(url).origin, said: () => said };
}

/** A browser of its own, whose camera plays the clip. */
export const launch = (chromium, camera) => playwright.launch({
  executablePath: chromium,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream', `--use-file-for-fake-video-capture=${camera}`],
});

export async function browser(report, { phiz, chromium, web }) {
  const out = path.join(web, 'tests/out');
  mkdirSync(out, { recursive: true });
  const folder = mkdtempSync(path.join(os.tmpdir(), 'phiz-page-'));
  const fixtures = path.join(web, '../fixtures');
  const camera = path.join(folder, 'clip.mjpeg');
  clip(camera, path.join(web, 'tests/camera'), [['straight', 4], ['left', 4], ['right', 4], ['down', 4]]);
  const server = await serve(phiz, path.join(folder, 'home'));
  const launched = await launch(chromium, camera);
  const faults = [];
  const own = new Set([server.origin]);
  const strangers = new Set();
  let shots = 0;

  /** A window as somebody has it. Every console error and every request elsewhere is kept. */
  async function open(width, scheme, state, locale = 'en-GB') {
    const context = await launched.newContext({
      viewport: { width, height: width < 500 ? 844 : width < 1000 ? 1080 : 900 }, colorScheme: scheme, hasTouch: width < 500, permissions: ['camera'],
      ...(state ? { storageState: state } : {}), reducedMotion: 'reduce', locale,
    });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    page.on('pageerror', (error) => faults.push(`${width}: ${error.message}`));
    page.on('console', (message) => { if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) faults.push(`${width}: ${message.text()}`); });
    page.on('request', (request) => { if (!/^(blob|data):/.test(request.url()) && !own.has(new URL(request.url()).origin)) strangers.add(request.url()); });
    await page.addInitScript(() => {
      globalThis.interactions = [];
      new PerformanceObserver((list) => { for (const entry of list.getEntries()) if (entry.interactionId) globalThis.interactions.push(entry.duration); }).observe({ type: 'event', durationThreshold: 16, buffered: true });
    });
    return page;
  }
  /** A picture of the screen, and what axe finds in it. */
  async function look(page, name) {
    const { width } = page.viewportSize();
    await page.waitForTimeout(150);
    await page.screenshot({ path: path.join(out, `${name}-${width}.png`) });
    // Not by a script element, which the page's policy forbids.
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
    const found = violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.target.join(' ')} ${node.any[0]?.message ?? node.failureSummary ?? ''}`));
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    shots += 1;
    report.holds(`axe: ${name} at ${width} has no finding and no sideways scroll`, found.length === 0 && wide <= 0, [...found, wide > 0 ? `${wide} pixels too wide` : ''].join('\n'));
  }
  const toast = (page, text) => page.getByRole('status').filter({ hasText: text }).first().waitFor();
  const go = async (page, place) => { await page.goto(`${server.origin}/#/${place}`); };
  const choose = async (page, target, files) => { const [chooser] = await Promise.all([page.waitForEvent('filechooser'), target.click()]); await chooser.setFiles(files); };
  const photos = (name) => [1, 2, 3].map((i) => path.join(fixtures, 'people', name, `${i}.jpg`));
  const step = async (name, work) => {
    const began = Date.now();
    try { await work(); report.holds(`${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`, true); return true; } catch (error) {
      report.holds(name, false, `${error.message}\n${error.stack?.split('\n').find((line) => line.includes('browser.mjs')) ?? ''}`);
      const page = launched.contexts().flatMap((context) => context.pages()).at(-1);
      await page?.screenshot({ path: path.join(out, `failed-${name.replace(/\W+/g, '-').slice(0, 60)}.png`) }).catch(() => {});
      // The next step begins on a page without an open dialog.
      await page?.reload().catch(() => {});
      return false;
    }
  };
  /** Asks the server as the page does. */
  const ask = (page, route, method, body) => page.evaluate(async ([route, method, body]) => {
    const { csrf } = await (await fetch('./v1/session')).json();
    const answer = await fetch(`./v1/${route}`, { method, headers: { 'Phiz-Csrf': csrf, ...(body ? { 'Content-Type': 'application/json' } : {}) }, body: body ? JSON.stringify(body) : undefined });
    if (!answer.ok) throw new Error(`${route}: ${answer.status}`);
    return answer.status === 204 ? null : answer.json();
  }, [route, method, body]);
  const send = (page, route, files) => page.evaluate(async ([route, files]) => {
    const { csrf } = await (await fetch('./v1/session')).json();
    const form = new FormData();
    for (const [name, bytes] of files) form.append('photo', new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type: 'image/jpeg' }));
    const answer = await fetch(`./v1/${route}`, { method: 'POST', headers: { 'Phiz-Csrf': csrf }, body: form });
    if (!answer.ok) throw new Error(`${route}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }, [route, files.map((file) => [path.basename(file), readFileSync(file).toString('base64')])]);
  const identify = (page, file) => send(page, 'identify', [file]);
  /** Synthetic people resemble each other more often than people do: then the page asks. */
  const settle = async (page) => {
    const no = page.getByRole('button', { name: 'No, somebody else' });
    for (let i = 0; i < 5 && await no.isVisible(); i++) await no.click();
  };
  const people = async (page) => page.locator('ul.grid li .name').allTextContents();

  try {
    const page = await open(1440, 'light');
    const first = await step('desk: first run sets a passphrase', async () => {
      await page.goto(server.url);
      await page.getByRole('heading', { name: 'Set a passphrase' }).waitFor();
      await page.getByLabel('Passphrase', { exact: true }).fill('short');
      if (await page.getByRole('button', { name: 'Open the gallery' }).isEnabled()) throw new Error('a short passphrase is taken');
      await look(page, 'start');
      await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
      await page.getByLabel('The same again').fill(PASSPHRASE);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Nobody is enrolled yet' }).waitFor();
      await look(page, 'people-empty');
    });
    if (!first) return;

    await step('desk: adds a person by files, and says why two photos cannot be used', async () => {
      await page.keyboard.press('a');
      await page.getByRole('heading', { name: 'Add a person' }).waitFor();
      await page.getByRole('button', { name: 'Photos', exact: true }).click();
      await look(page, 'add-files-empty');
      await choose(page, page.getByText('choose files'), [...photos('Ada'), path.join(fixtures, 'nobody.jpg'), path.join(fixtures, 'party.jpg')]);
      await page.getByText('No face found').waitFor();
      await page.getByText('Several faces').waitFor();
      await page.getByText('Good', { exact: true }).nth(2).waitFor();
      await page.getByLabel('Who is it?').fill('Ada');
      await page.keyboard.press('Escape');
      await page.getByLabel(/^Consent/).fill('Ada agreed on 3 May 2026, door opener');
      await look(page, 'add-files');
      await page.getByRole('button', { name: 'Save 3 photos' }).click();
      await page.getByRole('heading', { name: 'Ada', level: 1 }).waitFor();
      await toast(page, '3 photos of Ada saved');
      await page.getByText('Ada agreed on 3 May').first().waitFor();
      await look(page, 'person');
    });

    await step('desk: asks before a face of Ada becomes somebody else', async () => {
      await go(page, 'add/files');
      await choose(page, page.getByText('choose files'), [path.join(fixtures, 'people/Ada/2.jpg')]);
      await page.getByText('Is it the same person as Ada?').first().waitFor();
      await page.getByLabel('Who is it?').fill('Somebody');
      await page.keyboard.press('Escape');
      await look(page, 'add-question');
      if (await page.getByRole('button', { name: 'Save 1 photo' }).getAttribute('aria-disabled') !== 'true') throw new Error('it can be saved without an answer');
      await page.getByRole('button', { name: 'Yes, it is Ada' }).click();
      await page.waitForFunction(() => document.getElementById('person')?.value === 'Ada');
    });

    await step('desk: adds three more people', async () => {
      for (const name of ['Ben', 'Cleo', 'Dan']) {
        // Not the screen of the person before, with its photos.
        await go(page, 'people');
        await page.getByRole('heading', { name: 'People', level: 1 }).waitFor();
        await go(page, 'add/files');
        await page.getByText('Drop photos here').waitFor();
        await choose(page, page.getByText('choose files'), photos(name));
        await page.getByText('Good', { exact: true }).nth(2).waitFor();
        await page.getByLabel('Who is it?').fill(name);
        await page.keyboard.press('Escape');
        await settle(page);
        await page.getByRole('button', { name: 'Save 3 photos' }).click();
        await page.getByRole('heading', { name, level: 1 }).waitFor();
      }
    });

    await step('desk: adds a person by camera, which takes the photos by itself', async () => {
      await go(page, 'add/camera');
      await page.getByLabel('Who is it?').fill('Emil');
      await page.keyboard.press('Escape');
      await look(page, 'add-camera-before');
      await page.getByRole('button', { name: 'Start the camera' }).click();
      await page.locator('.slots li.filled').nth(2).waitFor({ timeout: 60_000 });
      await look(page, 'add-camera');
      await page.getByRole('button', { name: 'Stop the camera' }).click();
      await page.waitForTimeout(1500);
      await settle(page);
      await page.getByRole('button', { name: /^Save \d photos$/ }).click();
      await page.getByRole('heading', { name: 'Emil', level: 1 }).waitFor();
    });

    await step('desk: says who is in a photo, in three shapes', async () => {
      await go(page, 'people');
      await page.getByRole('link', { name: 'Try it' }).first().click();
      await choose(page, page.getByText('Choose a photo'), path.join(fixtures, 'party.jpg'));
      await page.getByRole('heading', { name: '6 faces' }).waitFor();
      const names = await page.locator('.answer .chip span:last-child').allTextContents();
      for (const name of ['Ada', 'Ben', 'Cleo', 'Dan']) if (!names.includes(name)) throw new Error(`${name} is not recognised, only ${names}`);
      await page.getByRole('button', { name: /^Numbers/ }).first().click();
      await look(page, 'try-who');
    });

    await step('desk: the same person, and not the same person', async () => {
      await page.getByRole('tab', { name: 'Same person?' }).click();
      const put = async (side, file) => choose(page, page.locator('.side').nth(side).locator('.link'), path.join(fixtures, file));
      await put(0, 'people/Ada/1.jpg');
      await put(1, 'people/Ada/2.jpg');
      await page.getByText('The same person', { exact: true }).waitFor();
      await look(page, 'try-same');
      await put(1, 'people/Ben/1.jpg');
      await page.getByText('Not the same person', { exact: true }).waitFor();
    });

    await step('desk: recognises live, and blurs whoever has no name', async () => {
      await page.getByRole('tab', { name: 'Live' }).click();
      await page.getByRole('button', { name: 'Start the camera' }).click();
      await page.locator('.here strong', { hasText: 'Emil' }).waitFor({ timeout: 40_000 });
      await page.getByRole('switch', { name: 'Blur everybody unnamed' }).check();
      await look(page, 'try-live');
      await page.waitForTimeout(3000);
      const times = await page.evaluate(() => performance.getEntriesByName('camera-to-box').map((entry) => entry.duration));
      times.sort((a, b) => a - b);
      report.note(`camera frame to drawn box: median ${times[Math.floor(times.length / 2)]?.toFixed(0)} ms of ${times.length} (aim 150 on a machine to itself)`);
      await page.getByRole('button', { name: 'Stop' }).click();
    });

    await step('desk: corrects: not this person, undo by key', async () => {
      await go(page, 'people');
      await page.getByRole('link', { name: /^Ben/ }).click();
      await page.getByRole('button', { name: 'Select face 1' }).click();
      await look(page, 'person-selected');
      await page.keyboard.press('x');
      await toast(page, '1 face will never be taken for Ben');
      await page.getByRole('heading', { name: 'Not Ben' }).waitFor();
      await look(page, 'person-negative');
      await page.keyboard.press('z');
      await toast(page, 'Undone');
      await page.getByRole('heading', { name: 'Not Ben' }).waitFor({ state: 'detached' });
      await page.getByRole('button', { name: 'Select face 3' }).waitFor();
    });

    await step('desk: splits a face off, then undo', async () => {
      await page.getByRole('button', { name: 'Select face 2' }).click();
      await page.keyboard.press('s');
      await page.getByRole('textbox', { name: 'Name', exact: true }).fill('Bert');
      await look(page, 'person-split');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'Bert', level: 1 }).waitFor();
      await page.getByRole('button', { name: /^Undo/ }).last().click();
      await toast(page, 'Undone');
      await go(page, 'people');
      await page.getByRole('link', { name: /^Ben/ }).waitFor();
      if ((await people(page)).includes('Bert')) throw new Error('Bert is still here');
    });

    await step('desk: naming somebody like somebody else offers to merge; undo brings both back', async () => {
      await go(page, 'people');
      await page.getByRole('link', { name: /^Cleo/ }).click();
      await page.getByRole('button', { name: 'Rename' }).click();
      await page.getByLabel('Name', { exact: true }).fill('Dan');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: 'There is already a Dan' }).waitFor();
      await look(page, 'merge');
      await page.getByRole('button', { name: 'Merge into' }).click();
      await toast(page, '2 people merged');
      await page.keyboard.press('z');
      await toast(page, 'Undone');
      await go(page, 'people');
      await page.getByRole('link', { name: /^Cleo/ }).waitFor();
      await page.getByRole('link', { name: /^Dan/ }).waitFor();
    });

    await step('desk: renames, puts on a list', async () => {
      await go(page, 'people');
      await page.getByRole('link', { name: /^Cleo/ }).click();
      await page.getByRole('button', { name: 'Rename' }).click();
      await page.getByLabel('Name', { exact: true }).fill('Cleo-Marie Wolffenbüttel-von Hohenstein und Marchetti');
      await page.keyboard.press('Enter');
      await toast(page, 'Now called Cleo-Marie');
      await page.getByRole('button', { name: 'Add to a list' }).click();
      await page.getByLabel('Name of the list').fill('Staff');
      await page.keyboard.press('Enter');
      await toast(page, 'Put on the list Staff');
      await go(page, 'people');
      await page.getByRole('button', { name: /^Staff/ }).click();
      await page.waitForFunction(() => document.querySelectorAll('ul.grid li').length === 1);
      await page.getByRole('button', { name: 'Everybody' }).click();
      await page.waitForFunction(() => document.querySelectorAll('ul.grid li').length === 5);
      await look(page, 'people');
    });

    await step('desk: by keyboard alone: search, arrows, marks', async () => {
      await go(page, 'people');
      await page.locator('a.tile').first().waitFor();
      await page.keyboard.press('/');
      await page.keyboard.type('da');
      await page.waitForFunction(() => document.querySelectorAll('ul.grid li').length === 2);
      await page.keyboard.press('Escape');
      await page.waitForFunction(() => document.querySelectorAll('ul.grid li').length === 5);
      await page.locator('a.tile').first().focus();
      await page.keyboard.press('m');
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('m');
      await page.getByText('2 people marked').waitFor();
      await page.keyboard.press('Escape');
      await page.getByText('2 people marked').waitFor({ state: 'detached' });
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { level: 1 }).filter({ hasText: 'Ben' }).waitFor();
    });

    await step('desk: removes a person; undo brings them back', async () => {
      await go(page, 'people');
      await page.getByRole('link', { name: /^Ben/ }).click();
      await page.getByRole('button', { name: 'More' }).click();
      await page.getByRole('menuitem', { name: 'Remove person…' }).click();
      await page.getByRole('heading', { name: 'Remove Ben?' }).waitFor();
      await look(page, 'remove');
      await page.getByRole('button', { name: 'Remove', exact: true }).click();
      await toast(page, 'Ben was removed');
      await page.waitForFunction(() => document.querySelectorAll('ul.grid li').length === 4);
      await page.keyboard.press('z');
      await page.getByRole('link', { name: /^Ben/ }).waitFor();
    });

    await step('desk: checks', async () => {
      await page.getByRole('link', { name: 'Check' }).first().click();
      await page.getByText(/Of 1,000 strangers about 10 would be given a name/).waitFor();
      await page.getByRole('slider').focus();
      await page.keyboard.press('ArrowRight');
      await page.getByText(/Of 1,000 strangers about 1 would be given a name/).waitFor();
      await page.keyboard.press('ArrowLeft');
      await page.getByRole('button', { name: 'Recognise everybody once' }).click();
      await page.getByText(/are most like their own person/).waitFor({ timeout: 60_000 });
      await page.getByRole('heading', { name: 'Closest two people' }).waitFor();
      await page.getByRole('heading', { name: 'Weakest person' }).waitFor();
      // The curve's handle is drawn where the slider stands, and can be dragged.
      const curve = await page.locator('svg[role=img]', { has: page.locator('circle.handle') }).boundingBox();
      await page.mouse.move(curve.x + curve.width * 0.6, curve.y + 60);
      await page.mouse.down();
      await page.mouse.move(curve.x + curve.width - 14, curve.y + 60, { steps: 3 });
      await page.mouse.up();
      await page.getByText(/Of 1,000 strangers fewer than 1 would be given a name/).waitFor();
      await page.getByRole('button', { name: 'Normal', exact: true, includeHidden: true }).click();
      await page.getByText(/Of 1,000 strangers about 10 would be given a name/).waitFor();
      await look(page, 'check');
    });

    await step('desk: two people who are one: ambiguous in a photo, doubtful in the list, alike on the page', async () => {
      const [dan] = (await ask(page, 'people?name=Dan', 'GET')).items;
      const stored = (await ask(page, `people/${dan.id}/faces`, 'GET')).items;
      const twin = await ask(page, `people/${dan.id}/split`, 'POST', { faces: [stored[2].id], name: 'Danilo' });
      await go(page, 'try/who');
      await choose(page, page.getByText('Choose a photo'), path.join(fixtures, 'party.jpg'));
      const card = page.locator('.answer.ambiguous');
      await card.getByText('too alike to say').waitFor();
      await card.getByRole('button', { name: /^Numbers/ }).click();
      await card.getByText('Beside the stored faces').waitFor();
      await card.locator('.tied li').nth(2).waitFor();
      await look(page, 'try-ambiguous');
      await page.keyboard.press('/');
      await page.waitForFunction(() => document.activeElement?.getAttribute('type') === 'search');
      await page.keyboard.type('dan');
      await page.locator('.doubt').nth(1).waitFor();
      await look(page, 'people-doubtful');
      await page.getByRole('link', { name: /^Danilo/ }).click();
      await page.getByRole('heading', { name: 'Looks like' }).waitFor();
      await page.getByText('Something here is in doubt').waitFor();
      await look(page, 'person-alike');
      await page.getByRole('button', { name: 'Compare Dan', exact: true }).click();
      await page.getByRole('heading', { name: 'Who stays?' }).waitFor();
      await page.keyboard.press('Escape');
      await ask(page, `people/${dan.id}/merge`, 'POST', { from: [twin.id] });
    });

    await step('desk: what was said not to be somebody has a shape of its own, and is taken back there', async () => {
      await go(page, 'people');
      await page.reload();
      await page.getByRole('link', { name: /^Ada/ }).click();
      await page.getByRole('heading', { name: 'Ada', level: 1 }).waitFor();
      const id = (await page.evaluate(() => location.hash)).split('/').at(-1);
      const [ada] = (await identify(page, path.join(fixtures, 'party.jpg'))).faces.filter((face) => face.person === 'Ada');
      const [x, y, w, h] = ada.box;
      await send(page, `people/${id}/negatives?at=${x + w / 2},${y + h / 2}`, [path.join(fixtures, 'party.jpg')]);
      await go(page, 'try/who');
      await choose(page, page.getByText('Choose a photo'), path.join(fixtures, 'party.jpg'));
      const card = page.locator('.answer.denied');
      await card.getByText(/^You said on .* that this is not Ada/).waitFor();
      await look(page, 'try-denied');
      await card.getByRole('button', { name: 'Allow again' }).click();
      await toast(page, 'may be taken for Ada again');
      await page.locator('.answer.match .chip', { hasText: 'Ada' }).waitFor();
    });

    await step('desk: a face that cannot be used says why; a sample is at hand', async () => {
      const bytes = readFileSync(path.join(fixtures, 'party.jpg')).toString('base64');
      const small = await page.evaluate(async (bytes) => {
        const image = await createImageBitmap(new Blob([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], { type: 'image/jpeg' }));
        const canvas = document.createElement('canvas');
        canvas.width = 330; canvas.height = 220;
        canvas.getContext('2d').drawImage(image, 0, 0, 330, 220);
        return canvas.toDataURL('image/jpeg', 0.92).split(',')[1];
      }, bytes);
      await page.getByRole('button', { name: 'Another photo' }).click();
      await choose(page, page.getByText('Choose a photo'), { name: 'small.jpg', mimeType: 'image/jpeg', buffer: Buffer.from(small, 'base64') });
      await page.locator('.answer.unusable').getByText(/too small \(\d+ px\)/).first().waitFor();
      await look(page, 'try-unusable');
      await page.getByRole('button', { name: 'Another photo' }).click();
      await page.getByRole('button', { name: 'Try it with a sample photo' }).click();
      await page.getByRole('heading', { name: '6 faces' }).waitFor();
    });

    await step('desk: a server that does not answer is told of, and so is its return', async () => {
      await page.route('**/v1/**', (route) => route.abort());
      await page.route('**/healthz', (route) => route.abort());
      await go(page, 'people');
      await page.locator('.status.down').waitFor();
      await page.getByRole('alert').first().waitFor();
      await look(page, 'people-offline');
      await page.unroute('**/v1/**');
      await page.unroute('**/healthz');
      await page.locator('.status:not(.down)').waitFor();
      await page.reload();
      await page.locator('a.tile').first().waitFor();
    });

    await step('desk: makes a key, which a program uses, and revokes it', async () => {
      await go(page, 'people');
      await page.getByRole('link', { name: 'Settings' }).first().click();
      await page.getByRole('button', { name: 'New key' }).click();
      await page.getByLabel('What is it for?').fill('Door');
      await look(page, 'settings-key');
      await page.getByRole('button', { name: 'Make the key' }).click();
      const key = (await page.locator('.key code').textContent()).trim();
      await page.getByRole('button', { name: 'Close' }).last().click();
      const ask = async () => (await fetch(`${server.origin}/v1/people`, { headers: { Authorization: `Bearer ${key}` } })).status;
      if (await ask() !== 200) throw new Error('the key does not work');
      // The client, as another program uses it: its own example, and a refusal in words.
      const program = spawnSync(process.execPath, [path.join(web, 'client/example.mjs'), server.origin, path.join(fixtures, 'people'), path.join(fixtures, 'party.jpg')], { encoding: 'utf8', env: { ...process.env, PHIZ_KEY: key } });
      if (program.status !== 1 || !program.stderr.startsWith('forbidden: ')) throw new Error(`a key that only reads may enrol by the client: ${program.stdout}${program.stderr}`);
      await look(page, 'settings');
      await page.getByRole('button', { name: 'Revoke Door' }).click();
      await page.getByRole('button', { name: 'Revoke', exact: true }).click();
      await toast(page, 'no longer works');
      if (await ask() !== 401) throw new Error('the key still works');
    });

    await step('desk: a name with markup is text', async () => {
      await go(page, 'people');
      await page.getByRole('link', { name: /^Dan/ }).click();
      await page.getByRole('button', { name: 'Rename' }).click();
      await page.getByLabel('Name', { exact: true }).fill('<img src=x onerror=alert(1)>');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: '<img src=x onerror=alert(1)>' }).waitFor();
      await page.keyboard.press('z');
      await page.getByRole('heading', { name: 'Dan', level: 1 }).waitFor();
    });

    const state = await page.context().storageState();
    const durations = await page.evaluate(() => globalThis.interactions);
    durations.sort((a, b) => a - b);
    report.note(`interaction to next paint: ${durations.length} over 16 ms, 98th percentile ${durations[Math.floor(durations.length * 0.98)] ?? '<16'} ms, worst ${durations.at(-1) ?? '<16'} ms (aim 100)`);
    await page.context().close();

    for (const [width, scheme] of [[820, 'dark'], [390, 'light'], [390, 'dark'], [1440, 'dark']]) {
      const narrow = await open(width, scheme, state);
      const name = (screen) => `${screen}-${scheme}`;
      await step(`${width} ${scheme}: every screen`, async () => {
        for (const [screen, place] of [['people', 'people'], ['person', 'people/p1'], ['add', 'add/files'], ['add-camera', 'add/camera'], ['try', 'try/who'], ['same', 'try/same'], ['live', 'try/live'], ['check', 'check'], ['settings', 'settings'], ['gone', 'nowhere'], ['no-person', 'people/p999']]) {
          await go(narrow, place);
          await narrow.getByRole('heading').first().waitFor();
          await narrow.waitForLoadState('networkidle');
          await look(narrow, name(screen));
        }
      });
      if (width === 390 && scheme === 'light') {
        await step('phone: adds by files, removes, undoes', async () => {
          await go(narrow, 'people');
          await narrow.getByRole('link', { name: 'Add', exact: true }).tap();
          await narrow.getByRole('button', { name: 'Photos', exact: true }).tap();
          await choose(narrow, narrow.getByText('choose files'), [path.join(fixtures, 'strangers/1.jpg')]);
          await narrow.getByText('Good', { exact: true }).waitFor();
          await narrow.getByLabel('Who is it?').fill('Fritz');
          await narrow.keyboard.press('Escape');
          await settle(narrow);
          await narrow.getByRole('button', { name: 'Save 1 photo' }).tap();
          await narrow.getByRole('heading', { name: 'Fritz', level: 1 }).waitFor();
          await narrow.getByRole('button', { name: 'Select face 1' }).tap();
          await look(narrow, name('person-selected'));
          await narrow.getByRole('button', { name: /^Remove/ }).tap();
          await toast(narrow, '1 face removed');
          await narrow.getByRole('button', { name: /^Undo/ }).last().tap();
          await narrow.getByRole('button', { name: 'Select face 1' }).waitFor();
        });
      }
      if (width === 820) {
        await step('tablet: live', async () => {
          await go(narrow, 'try/live');
          await narrow.getByRole('button', { name: 'Start the camera' }).click();
          await narrow.locator('.here strong', { hasText: 'Emil' }).waitFor({ timeout: 40_000 });
          await look(narrow, name('live-on'));
        });
      }
      if (width === 1440) {
        await step('desk: states: loading, server error, signed out, wrong passphrase', async () => {
          await narrow.route('**/v1/people?*', () => {});
          await go(narrow, 'try/who');
          await narrow.getByRole('heading', { name: 'Try it', level: 1 }).waitFor();
          await go(narrow, 'people');
          await narrow.locator('.ghost').first().waitFor();
          await look(narrow, name('people-loading'));
          await narrow.unroute('**/v1/people?*');
          await narrow.route('**/v1/people?*', (route) => route.abort());
          await go(narrow, 'try/who');
          await narrow.getByRole('heading', { name: 'Try it', level: 1 }).waitFor();
          await go(narrow, 'people');
          await narrow.getByRole('alert').waitFor();
          await look(narrow, name('people-error'));
          await narrow.unroute('**/v1/people?*');
          await narrow.getByRole('button', { name: 'Try again' }).click();
          await narrow.locator('a.tile').first().waitFor();
          await narrow.getByRole('button', { name: 'Sign out' }).click();
          await narrow.getByLabel('Passphrase', { exact: true }).fill('this is not it, no');
          await narrow.keyboard.press('Enter');
          await narrow.getByRole('alert').waitFor();
          await look(narrow, name('sign-in-wrong'));
          await narrow.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
          await narrow.keyboard.press('Enter');
          await narrow.locator('a.tile').first().waitFor();
          // A session that ended elsewhere: the page asks for the passphrase again.
          await narrow.context().clearCookies();
          await go(narrow, 'check');
          await narrow.getByRole('heading', { name: 'Sign in' }).waitFor();
        });
      }
      await narrow.context().close();
    }
    await streams({ report, server, open, look, step, fixtures });
    await review({ own, open, look, step, toast, phiz, folder, fixtures });

    await step('a program with a key that may enrol learns people and recognises them by the client', async () => {
      const window = await open(1440, 'light');
      await window.goto(`${server.origin}/#/people`);
      await window.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
      await window.keyboard.press('Enter');
      await window.locator('a.tile').first().waitFor();
      const key = await window.evaluate(async () => {
        const { csrf } = await (await fetch('./v1/session')).json();
        const made = await fetch('./v1/keys', { method: 'POST', headers: { 'Content-Type': 'application/json', 'Phiz-Csrf': csrf }, body: JSON.stringify({ name: 'example', scope: 'enrol' }) });
        return (await made.json()).key;
      });
      const program = spawnSync(process.execPath, [path.join(web, 'client/example.mjs'), server.origin, path.join(fixtures, 'people'), path.join(fixtures, 'party.jpg')], { encoding: 'utf8', env: { ...process.env, PHIZ_KEY: key } });
      if (program.status !== 0 || !/party\.jpg shows .*Ada/.test(program.stdout)) throw new Error(`${program.stdout}${program.stderr}`);
      await window.context().close();
    });
    report.holds('the page asked no other host', strangers.size === 0, [...strangers].join('\n'));
    const told = faults.filter((fault) => !/ERR_FAILED|ERR_ABORTED/.test(fault));
    report.holds('the browser reported no fault, and no breach of the policy', told.length === 0, told.join('\n'));
    report.note(`${shots} states looked at by axe; screenshots in ${path.relative(process.cwd(), out)}`);
  } finally {
    await launched.close();
    server.child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A camera that shows Ada, as motion JPEG over HTTP. ffmpeg opens it. */
async function streams({ report, server, open, look, step, fixtures }) {
  const window = await open(1440, 'light');
  await window.goto(`${server.origin}/#/streams`);
  await window.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
  await window.keyboard.press('Enter');
  await window.getByRole('heading').first().waitFor();
  const there = await window.evaluate(async () => (await fetch('./v1/streams')).status);
  if (there === 404) { report.note('NOT TESTED: streams, which this program does not have'); return window.context().close(); }
  if (spawnSync('ffmpeg', ['-version']).status !== 0) { report.note('NOT TESTED: streams, because there is no ffmpeg'); return window.context().close(); }
  const frame = readFileSync(path.join(fixtures, 'people/Ada/1.jpg'));
  const camera = createServer((request, answer) => {
    answer.writeHead(200, { 'Content-Type': 'multipart/x-mixed-replace; boundary=frame' });
    const timer = setInterval(() => { answer.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${frame.length}\r\n\r\n`); answer.write(frame); answer.write('\r\n'); }, 200);
    request.on('close', () => clearInterval(timer));
  });
  await new Promise((resolve) => camera.listen(0, '127.0.0.1', resolve));
  try {
    await step('streams: a camera is added, shows who is there, is stopped and removed', async () => {
      await window.getByRole('heading', { name: 'No camera yet' }).waitFor();
      await look(window, 'streams-none');
      await window.getByRole('button', { name: 'Add a camera' }).click();
      await window.getByLabel('Name', { exact: true }).fill('Front door');
      await window.getByLabel('Address').fill('this is no address');
      await window.getByRole('button', { name: 'Watch it' }).click();
      await window.getByRole('dialog').getByRole('alert').waitFor();
      await look(window, 'streams-add');
      await window.getByLabel('Address').fill(`http://user:secret@127.0.0.1:${camera.address().port}/video.mjpg`);
      await window.getByLabel(/Show the picture here/).check();
      await window.getByLabel(/Keep a picture of each arrival/).check();
      await window.getByLabel('Seconds without repeats').fill('60');
      await window.getByRole('button', { name: 'Watch it' }).click();
      await window.getByText('watching', { exact: true }).waitFor({ timeout: 60_000 });
      await window.locator('.present strong', { hasText: 'Ada' }).waitFor({ timeout: 60_000 });
      await window.getByText('here now').waitFor();
      if ((await window.locator('main').innerText()).includes('secret')) throw new Error('the password of the camera is shown');
      await window.waitForTimeout(1500);
      await look(window, 'streams');
      await window.getByRole('button', { name: 'More for Front door' }).click();
      await window.getByRole('menuitem', { name: 'Take a picture now' }).click();
      await window.getByText('The picture is kept').waitFor();
      await window.getByRole('button', { name: 'More for Front door' }).click();
      await window.getByRole('menuitem', { name: 'Pictures…' }).click();
      await window.getByText('Taken by hand').waitFor();
      await window.locator('.shots strong', { hasText: 'Ada' }).first().waitFor();
      await window.waitForTimeout(700);
      await look(window, 'streams-pictures');
      await window.getByRole('button', { name: 'Delete all pictures' }).click();
      await window.getByText('The pictures are deleted').waitFor();
      await window.getByRole('button', { name: 'More for Front door' }).click();
      await window.getByRole('menuitem', { name: 'Stop watching' }).click();
      await window.getByText('stopped', { exact: true }).waitFor();
      await window.locator('.visits img[src*="/visits/"]').waitFor({ timeout: 30_000 });
      await window.getByRole('button', { name: 'More for Front door' }).click();
      await window.getByRole('menuitem', { name: 'Remove camera…' }).click();
      await window.getByRole('button', { name: 'Remove', exact: true }).click();
      await window.getByRole('heading', { name: 'No camera yet' }).waitFor();
    });
  } finally {
    camera.closeAllConnections();
    camera.close();
    await window.context().close();
  }
}

/** A gallery with an archive: two strangers with four photos each, and a face of Ben among Ada's. */
async function review({ own, open, look, step, toast, phiz, folder, fixtures }) {
  const home = path.join(folder, 'archive');
  const [enrolled, photos] = [path.join(folder, 'enrolled'), path.join(folder, 'photos')];
  const copy = (from, to) => { mkdirSync(path.dirname(to), { recursive: true }); copyFileSync(path.join(fixtures, from), to); };
  for (const [name, i] of [['Ada', 1], ['Ada', 2], ['Ada', 3], ['Ben', 1], ['Ben', 2]]) copy(`people/${name}/${i}.jpg`, path.join(enrolled, name, `${i}.jpg`));
  copy('people/Ben/3.jpg', path.join(enrolled, 'Ada', 'ben.jpg'));
  for (const name of ['Cleo', 'Dan']) for (const i of [1, 2, 3]) copy(`people/${name}/${i}.jpg`, path.join(photos, `${name}-${i}.jpg`));
  for (const file of ['party.jpg', 'strangers/1.jpg', 'strangers/2.jpg']) copy(file, path.join(photos, file.replace('/', '-')));
  for (const args of [['enroll', enrolled], ['scan', photos]]) {
    const { status, stderr } = spawnSync(phiz, args, { encoding: 'utf8', env: { ...process.env, PHIZ_HOME: home, NO_COLOR: '1' } });
    if (status !== 0) throw new Error(`phiz ${args[0]}: ${stderr}`);
  }
  const server = await serve(phiz, home);
  own.add(server.origin);
  try {
    const page = await open(1440, 'light');
    const question = (text) => page.getByRole('heading', { level: 2, name: text }).waitFor();
    const go = async (place) => { await page.goto(`${server.origin}/#/${place}`); };
    const began = await step('review: the home asks who a stranger is', async () => {
      await page.goto(server.url);
      await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
      await page.getByLabel('The same again').fill(PASSPHRASE);
      await page.keyboard.press('Enter');
      await page.locator('a.tile').first().waitFor();
      await page.getByRole('link', { name: 'Review', exact: true }).click();
      // Two of the people who do not exist look a little alike.
      await question('Is this Ben?');
      await page.getByText('4 questions left').waitFor();
      await look(page, 'review-is-person');
      await page.getByRole('button', { name: 'No', exact: true }).click();
      await toast(page, 'It is not Ben');
      await question('Who is this?');
      await page.getByText('In 4 photos').waitFor();
      await page.getByText('3 questions left').waitFor();
      await look(page, 'review-who');
      await page.keyboard.press('p');
      await page.getByRole('dialog').locator('figure img').waitFor();
      await page.waitForFunction(() => document.querySelector('[role=dialog] figure img').naturalWidth > 0);
      await look(page, 'review-photo');
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    });
    if (!began) return;

    await step('review: a name by keyboard, undo, later, ignore', async () => {
      await page.keyboard.press('n');
      await page.keyboard.type('Cleo');
      await page.keyboard.press('Escape');
      await page.keyboard.press('Enter');
      await toast(page, 'is Cleo');
      await page.getByText('2 questions left').waitFor();
      await page.locator('h2').click();
      await page.keyboard.press('z');
      await toast(page, 'Asked again');
      await page.getByText('3 questions left').waitFor();
      await page.locator('h2').click();
      await page.keyboard.press(' ');
      await page.getByText('1 question put off').waitFor();
      await question('Who is this?');
      await page.keyboard.press('i');
      await question('Does this face belong to Ada?');
      await look(page, 'review-belongs');
      await page.getByRole('button', { name: /^1 question put off/ }).click();
      await question('Who is this?');
    });

    await step('review: naming is merging: the name of somebody who is here', async () => {
      await page.getByLabel('Who is it?').fill('Cleo');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Save the name' }).click();
      await toast(page, 'is Cleo');
      await question('Does this face belong to Ada?');
      await page.getByRole('button', { name: /Remove it/ }).click();
      await page.getByRole('heading', { name: 'Nothing to decide' }).waitFor();
      await page.getByText(/3 people, \d+ faces; last change/).waitFor();
      await look(page, 'review-none');
    });

    await step('review: strangers by themselves: split, undo, join, name', async () => {
      await page.getByRole('link', { name: /^Strangers/ }).click();
      await page.getByRole('heading', { name: 'No strangers' }).waitFor();
      await look(page, 'strangers-none');
      await page.getByRole('button', { name: 'Ignored' }).click();
      await page.getByRole('link', { name: /^Stranger \d+/ }).click();
      await page.getByRole('heading', { name: /^Stranger/, level: 1 }).waitFor();
      await page.getByRole('button', { name: 'Stop ignoring' }).click();
      await toast(page, 'no longer ignored');
      await page.getByRole('link', { name: /^Stranger \d+/ }).waitFor();
      await look(page, 'strangers');
      await page.getByRole('link', { name: /^Stranger \d+/ }).click();
      await page.getByRole('button', { name: 'Select face 1' }).click();
      await look(page, 'stranger');
      await page.keyboard.press('s');
      await toast(page, 'is stranger');
      await page.getByRole('button', { name: 'Select face 3' }).waitFor();
      await page.getByRole('button', { name: 'Select face 4' }).waitFor({ state: 'detached' });
      await page.getByRole('button', { name: 'Join…' }).click();
      await page.getByRole('dialog').getByRole('button', { name: /^Stranger \d+ ?seen once/ }).click();
      await look(page, 'stranger-join');
      await page.getByRole('button', { name: 'Join 2 groups' }).click();
      await toast(page, '2 groups are one person now');
      await page.getByRole('button', { name: 'Select face 4' }).waitFor();
      await page.getByLabel('Who is it?').fill('Dan');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Save the name' }).click();
      await page.getByRole('heading', { name: 'Dan', level: 1 }).waitFor();
      await page.keyboard.press('z');
      await toast(page, 'Undone');
      await go('review/strangers');
      await page.getByRole('link', { name: /^Stranger \d+/ }).waitFor();
    });

    const state = await page.context().storageState();
    await page.context().close();
    for (const [width, scheme, locale] of [[390, 'light', 'en-GB'], [820, 'dark', 'en-GB'], [390, 'dark', 'de-DE'], [1440, 'dark', 'de-DE']]) {
      await step(`review at ${width} ${scheme} ${locale}: every screen`, async () => {
        const narrow = await open(width, scheme, state, locale);
        const stranger = `stranger/2`;
        for (const [screen, place] of [['review', 'review'], ['strangers', 'review/strangers'], ['stranger', stranger], ['more', 'more'], ['people', 'people'], ['person', 'people/p1'], ['add', 'add/files'], ['try', 'try/who'], ['check', 'check'], ['settings', 'settings']]) {
          await narrow.goto(`${server.origin}/#/${place}`);
          await narrow.getByRole('heading').first().waitFor();
          await narrow.waitForLoadState('networkidle');
          await look(narrow, `${screen}-${scheme}-${locale}`);
        }
        await narrow.context().close();
      });
    }
    await step('review: loading and error states', async () => {
      const slow = await open(1440, 'light', state);
      await slow.route('**/v1/review?*', () => {});
      await slow.goto(`${server.origin}/#/review`);
      await slow.locator('.ghost').first().waitFor();
      await look(slow, 'review-loading');
      await slow.unroute('**/v1/review?*');
      await slow.route('**/v1/review?*', (route) => route.abort());
      await slow.reload();
      await slow.getByRole('alert').waitFor();
      await look(slow, 'review-error');
      await slow.unroute('**/v1/review?*');
      await slow.getByRole('button', { name: 'Try again' }).click();
      await slow.getByRole('heading', { level: 2 }).first().waitFor();
      await slow.context().close();
    });
  } finally {
    server.child.kill('SIGTERM');
  }
}
