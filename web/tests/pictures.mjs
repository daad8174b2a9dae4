// The pictures of the page in docs/images, of synthetic people: `node tests/pictures.mjs FOLDER`, where FOLDER is what
// `cargo xtask portraits --out FOLDER` made. PHIZ and CHROMIUM as for `npm test`.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { clip, launch, PASSPHRASE, serve } from './browser.mjs';

const web = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const images = path.join(web, '../docs/images');
const made = process.argv[2];
if (!made) { console.error('name the folder that `cargo xtask portraits --out FOLDER` made'); process.exit(2); }

const folder = mkdtempSync(path.join(os.tmpdir(), 'phiz-pictures-'));
const camera = path.join(folder, 'clip.mjpeg');
clip(camera, path.join(web, 'tests/camera'), [['straight', 5], ['left', 5], ['right', 5]]);
const phiz = path.resolve(process.env.PHIZ ?? path.join(web, '../target/debug/phiz'));
const server = await serve(phiz, path.join(folder, 'home'));
/** So many of the people are strangers, who are only seen in photos. */
const STRANGERS = 4;
const browser = await launch(process.env.CHROMIUM ?? '/usr/bin/chromium', camera);
const shoot = async (page, name) => { await page.waitForTimeout(700); await page.screenshot({ path: path.join(images, `${name}.jpg`), type: 'jpeg', quality: 84 }); console.log(name); };
const open = async (options, state) => (await browser.newContext({ permissions: ['camera'], locale: 'en-GB', ...(state ? { storageState: state } : {}), ...options })).newPage();
try {
  const page = await open({ viewport: { width: 1440, height: 900 } });
  await page.goto(server.url);
  await page.getByLabel('Passphrase', { exact: true }).fill(PASSPHRASE);
  await page.getByLabel('The same again').fill(PASSPHRASE);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Nobody is enrolled yet' }).waitFor();
  // People come through the API, as a program would bring them.
  const { csrf } = await page.evaluate(async () => (await fetch('./v1/session')).json());
  const ask = (route, method, body) => page.evaluate(async ([route, method, body, csrf]) => {
    const form = body.files ? new FormData() : null;
    for (const [name, bytes] of body.files ?? []) form.append('photo', new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], name, { type: 'image/jpeg' }));
    const answer = await fetch(`./v1/${route}`, { method, headers: { 'Phiz-Csrf': csrf, ...(form ? {} : { 'Content-Type': 'application/json' }) }, body: form ?? JSON.stringify(body) });
    return answer.json();
  }, [route, method, body, csrf]);
  const names = readdirSync(path.join(made, 'people'));
  for (const [i, name] of names.slice(0, -STRANGERS).entries()) {
    const lists = [...(i % 3 === 0 ? ['Staff'] : []), ...(i % 7 === 0 ? ['Night shift'] : [])];
    const person = await ask('people', 'POST', { name, lists });
    const files = readdirSync(path.join(made, 'people', name)).map((file) => [file, readFileSync(path.join(made, 'people', name, file)).toString('base64')]);
    const { photos } = await ask(`people/${person.id}/faces?consent=${encodeURIComponent('Signed 3 May 2026, door opener')}`, 'POST', { files });
    const refused = photos.filter((photo) => photo.error);
    if (refused.length) console.log(name, refused.map((photo) => photo.error.message).join('; '));
  }
  const state = await page.context().storageState();
  const go = async (on, place) => { await on.goto(`${server.origin}/#/${place}`); await on.reload(); await on.waitForLoadState('networkidle'); };
  const photos = path.join(folder, 'photos');
  for (const [i, name] of names.slice(-STRANGERS).entries()) cpSync(path.join(made, 'people', name), path.join(photos, `${2021 + i}`), { recursive: true });
  cpSync(path.join(web, '../fixtures/party.jpg'), path.join(photos, 'party.jpg'));
  const scanned = spawnSync(phiz, ['scan', photos], { encoding: 'utf8', env: { ...process.env, PHIZ_HOME: path.join(folder, 'home'), NO_COLOR: '1' } });
  if (scanned.status !== 0) throw new Error(scanned.stderr);
  await go(page, 'review');
  await page.getByRole('heading', { level: 2 }).waitFor();
  await shoot(page, 'page-review');
  await go(page, 'review/strangers');
  await shoot(page, 'page-strangers');
  await go(page, 'people');
  await shoot(page, 'page-people');
  await go(page, 'people/p1');
  await shoot(page, 'page-person');
  await go(page, 'add/camera');
  await page.getByLabel('Who is it?').fill('Emil Novak');
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Start the camera' }).click();
  await page.locator('.slots li.filled').nth(1).waitFor({ timeout: 60_000 });
  await shoot(page, 'page-add');
  await go(page, 'check');
  await page.getByRole('button', { name: 'Recognise everybody once' }).click();
  await page.getByText(/are most like their own person/).waitFor({ timeout: 120_000 });
  await shoot(page, 'page-check');
  const dark = await open({ viewport: { width: 1440, height: 900 }, colorScheme: 'dark' }, state);
  await go(dark, 'try/who');
  const [chooser] = await Promise.all([dark.waitForEvent('filechooser'), dark.getByText('Choose a photo').click()]);
  await chooser.setFiles(path.join(web, '../fixtures/party.jpg'));
  await dark.getByRole('heading', { name: '6 faces' }).waitFor();
  await shoot(dark, 'page-try');
  const phone = await open({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true }, state);
  await go(phone, 'people');
  await shoot(phone, 'page-phone');
  await go(phone, 'review');
  await phone.getByRole('heading', { level: 2 }).waitFor();
  await shoot(phone, 'page-phone-review');
} finally {
  await browser.close();
  server.child.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}
