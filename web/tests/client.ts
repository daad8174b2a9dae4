// A program in TypeScript that uses the client as it is packed: `npm test` checks its types with the strictest settings.
import { form, ok, once, phiz, photo, PhizError, type Schemas } from '../client/index.js';

const api = phiz({ url: 'http://127.0.0.1:7449', key: 'phiz_…', gallery: 'main' });

export async function learn(name: string, picture: Uint8Array<ArrayBuffer>): Promise<Schemas['Person']> {
  const { id } = await ok(api.POST('/v1/people', { body: { name }, headers: once() }));
  await ok(api.POST('/v1/people/{id}/faces', { params: { path: { id } }, ...form([['photo', new Blob([picture]), 'one.jpg']]) }));
  return ok(api.GET('/v1/people/{id}', { params: { path: { id } } }));
}

export async function names(picture: Uint8Array): Promise<string[]> {
  try {
    const { faces } = await ok(api.POST('/v1/identify', { params: { query: { fpir: 0.001 } }, ...photo(picture) }));
    return faces.map((face) => face.person ?? face.decision);
  } catch (error) {
    if (error instanceof PhizError) return [`${error.code}: ${error.remedy}`];
    throw error;
  }
}

// @ts-expect-error A route that does not exist is a fault of the program.
void api.GET('/v1/persons');
