// Learns the people of a folder (one folder of photos for each) and says who is in a photo:
//   PHIZ_KEY=phiz_… node example.mjs http://127.0.0.1:7449 people party.jpg
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { form, ok, once, phiz, photo, PhizError } from './index.js';

const [url, people, picture] = process.argv.slice(2);
if (!picture) { console.error('usage: node example.mjs URL FOLDER PHOTO'); process.exit(2); }
const api = phiz({ url, key: process.env.PHIZ_KEY });

try {
  for (const name of await readdir(people)) {
    const person = await ok(api.POST('/v1/people', { body: { name }, headers: once() }));
    const files = await readdir(path.join(people, name));
    const pictures = await Promise.all(files.map(async (file) => ['photo', new Blob([await readFile(path.join(people, name, file))]), file]));
    const { photos } = await ok(api.POST('/v1/people/{id}/faces', { params: { path: { id: person.id } }, ...form(pictures) }));
    for (const { source, error } of photos) console.log(`${name}: ${source} ${error ? `was refused: ${error.message}` : 'learnt'}`);
  }
  const { faces } = await ok(api.POST('/v1/identify', { params: { query: { top: 1 } }, ...photo(await readFile(picture)) }));
  console.log(`${picture} shows ${faces.map((face) => face.person ?? face.decision).join(', ')}`);
} catch (error) {
  if (!(error instanceof PhizError)) throw error;
  console.error(`${error.code}: ${error.message}. ${error.remedy}`);
  process.exitCode = 1;
}
