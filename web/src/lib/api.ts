// What the page asks the server: the typed client with the page's session, gallery and addresses.

import { form, ok, once, phiz, photo, PhizError as ApiError } from '../../client';
import { online } from './online.svelte';
import type { paths } from '../../client';
import type { Answer, Asked, Candidate, Face, IdentifiedFace, Job, Page, Photo, PhotoAnswer, Scope, Seen, Stream, StreamSnapshot, StreamVisit, Stranger } from './types';

export { PhizError as ApiError } from '../../client';

/** Set by the session; sent with every request that changes something. */
let csrf: string | null = null;
export const setCsrf = (token: string | null): void => { csrf = token; };
/** The gallery that requests are about; null for the main one. */
let gallery: string | null = null;
export const setGallery = (name: string | null): void => { gallery = name; };
/** Called when the server says that nobody is signed in (any more). */
let signedOut: () => void = () => {};
export const onSignedOut = (then: () => void): void => { signedOut = then; };

const client = phiz({
  // The folder of the page, so that a proxy may serve it under a path; the first run's address has one word more.
  url: new URL('.', document.baseURI.replace(/\/setup(#.*)?$/, '/')).href,
  headers: (method) => ({ Accept: 'application/json', ...(gallery ? { 'Phiz-Gallery': gallery } : {}), ...(method !== 'GET' && csrf ? { 'Phiz-Csrf': csrf } : {}) }),
});
client.use({
  // Before the client makes a PhizError of it.
  async onResponse({ response }) {
    online.tell(true);
    if (response.status !== 401) return;
    const said = await response.clone().json().catch(() => null) as { error?: { code?: string } } | null;
    if (said?.error?.code === 'unauthorised' || said?.error?.code === 'setup_needed') signedOut();
  },
  // Only of what the server never answered.
  onError({ error }) { if ((error as Error | null)?.name !== 'AbortError') online.tell(false); },
});

/** For routes that the document does not have yet. */
const raw = client as any;
const at = encodeURIComponent;
const of = (id: string) => ({ path: { id } });
const no = (number: number) => ({ path: { number } });
type QueryOf<P extends keyof paths, M extends 'get' | 'post'> = paths[P][M] extends { parameters: { query?: infer Q } } ? Q : never;
/** All pages of a list. */
async function everything<T>(page: (cursor: string | undefined) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | undefined;
  do {
    const { items: more, next } = await page(cursor);
    items.push(...more);
    cursor = next ?? undefined;
  } while (cursor);
  return items;
}
const pictures = (photos: Blob[]) => form(photos.map((each) => ['photo', each, each instanceof File ? each.name : 'camera.jpg']));

export const api = {
  status: () => ok(client.GET('/v1/status')),
  setup: (code: string, passphrase: string) => ok(client.POST('/v1/setup', { body: { code, passphrase } })),
  signIn: (passphrase: string) => ok(client.POST('/v1/session', { body: { passphrase } })),
  session: () => ok(client.GET('/v1/session')),
  signOut: () => ok(client.DELETE('/v1/session')),
  changePassphrase: (old: string, fresh: string) => ok(client.POST('/v1/passphrase', { body: { old, new: fresh } })),

  people: (query: QueryOf<'/v1/people', 'get'>, signal?: AbortSignal) => ok(client.GET('/v1/people', { params: { query }, signal })),
  allPeople: () => everything((cursor) => ok(client.GET('/v1/people', { params: { query: { limit: 500, cursor } } }))),
  person: (id: string) => ok(client.GET('/v1/people/{id}', { params: of(id) })),
  addPerson: (name: string) => ok(client.POST('/v1/people', { body: { name }, headers: once() })),
  changePerson: (id: string, body: { name?: string; lists?: string[]; attributes?: Record<string, string> }) =>
    ok(client.PATCH('/v1/people/{id}', { params: of(id), body })),
  removePerson: (id: string) => ok(client.DELETE('/v1/people/{id}', { params: of(id) })),
  merge: (into: string, from: string[]) => ok(client.POST('/v1/people/{id}/merge', { params: of(into), body: { from } })),
  split: (id: string, faces: string[], name?: string) =>
    ok(client.POST('/v1/people/{id}/split', { params: of(id), body: { faces, ...(name ? { name } : {}) } })),
  personLike: (id: string) => ok(client.GET('/v1/people/{id}/candidates', { params: { ...of(id), query: { top: 3 } } })),
  faces: (id: string) => ok(client.GET('/v1/people/{id}/faces', { params: of(id) })),
  enrol: (id: string, photos: Blob[], query: QueryOf<'/v1/people/{id}/faces', 'post'> = {}) =>
    ok(client.POST('/v1/people/{id}/faces', { params: { ...of(id), query }, ...pictures(photos), headers: once() })),
  negatives: (id: string) => ok(client.GET('/v1/people/{id}/negatives', { params: of(id) })),
  allow: (negative: string) => ok(client.DELETE('/v1/negatives/{id}', { params: of(negative) })),
  notThisPerson: (face: string) => ok(client.POST('/v1/faces/{id}/not', { params: of(face) })),
  removeFace: (face: string) => ok(client.DELETE('/v1/faces/{id}', { params: of(face) })),
  moveFace: (face: string, to: string) => ok(client.POST('/v1/faces/{id}/move', { params: of(face), body: { to } })),
  lists: () => ok(client.GET('/v1/lists')),
  history: (limit = 100) => ok(client.GET('/v1/history', { params: { query: { limit } } })),
  undo: (operation?: string) => ok(client.POST('/v1/undo', { body: operation ? { operation } : {} })),

  // The client's types widen boxes and points to lists.
  detect: (bytes: Blob, query: QueryOf<'/v1/detect', 'post'> = {}, signal?: AbortSignal) =>
    ok(client.POST('/v1/detect', { params: { query }, ...photo(bytes), signal })) as Promise<PhotoAnswer<Face>>,
  identify: (bytes: Blob, query: QueryOf<'/v1/identify', 'post'> = {}, signal?: AbortSignal) =>
    ok(client.POST('/v1/identify', { params: { query }, ...photo(bytes), signal })) as Promise<PhotoAnswer<IdentifiedFace>>,
  verify: (a: Blob, b: Blob) => ok(client.POST('/v1/verify', form([['a', a], ['b', b]]))),

  review: (limit: number) => ok(client.GET('/v1/review', { params: { query: { limit } } })) as Promise<{ items: Asked[]; left: number }>,
  doubts: () => ok(client.GET('/v1/doubts', { params: { query: { limit: 500 } } })) as Promise<Page<Asked>>,
  answer: (body: { key: string; answer: Answer; name?: string; person?: string }) => ok(client.POST('/v1/review', { body })),
  takeBackAnswer: (key: string, operations: string[]) => ok(client.POST('/v1/review/undo', { body: { key, operations } })),
  strangers: (ignored: boolean, cursor?: string) => ok(client.GET('/v1/strangers', { params: { query: { ignored, limit: 60, faces: 4, cursor } } })),
  stranger: (id: number) => ok(client.GET('/v1/strangers/{number}', { params: no(id) })),
  strangerLike: (id: number) => ok(client.GET('/v1/strangers/{number}/candidates', { params: { ...no(id), query: { top: 5 } } })),
  nameStranger: (id: number, body: { name?: string; person?: string }) => ok(client.POST('/v1/strangers/{number}/name', { params: no(id), body })),
  ignoreStranger: (id: number) => ok(client.POST('/v1/strangers/{number}/ignore', { params: no(id) })),
  noticeStranger: (id: number) => ok(client.POST('/v1/strangers/{number}/notice', { params: no(id) })),
  joinStrangers: (id: number, from: number[]) => ok(client.POST('/v1/strangers/{number}/join', { params: no(id), body: { from } })),
  splitStranger: (id: number, faces: string[]) => ok(client.POST('/v1/strangers/{number}/split', { params: no(id), body: { faces } })),
  archive: () => ok(client.GET('/v1/archive')),
  photo: (id: string) => ok(client.GET('/v1/photos/{id}', { params: of(id) })),
  sighting: (id: string) => ok(client.GET('/v1/sightings/{id}', { params: of(id) })),
  photosOf: (person: string, cursor?: string) => ok(client.GET('/v1/photos', { params: { query: { person, limit: 24, ...(cursor ? { cursor } : {}) } } })),
  sightingNot: (id: string, person: string) => ok(client.POST('/v1/sightings/{id}/not', { params: of(id), body: { person } })),
  scanFolders: () => ok(client.GET('/v1/scan')),
  scan: () => ok(client.POST('/v1/scan', { body: {} })),

  streams: () => ok<Page<Stream>>(raw.GET('/v1/streams')),
  addStream: (body: { name: string; url: string; preview: boolean; remember: boolean; snapshots: boolean; cooldown: number; webhook?: string }) => ok<Stream>(raw.POST('/v1/streams', { body })),
  editStream: (id: string, body: { running?: boolean; preview?: boolean; remember?: boolean; snapshots?: boolean }) => ok<Stream>(raw.PATCH('/v1/streams/{id}', { params: of(id), body })),
  removeStream: (id: string) => ok<void>(raw.DELETE('/v1/streams/{id}', { params: of(id) })),
  snapshots: (id: string) => ok<Page<StreamSnapshot>>(raw.GET('/v1/streams/{id}/snapshots', { params: { ...of(id), query: { limit: 60 } } })),
  takeSnapshot: (id: string) => ok<StreamSnapshot>(raw.POST('/v1/streams/{id}/snapshots', { params: of(id) })),
  forgetSnapshots: (id: string) => ok<void>(raw.DELETE('/v1/streams/{id}/snapshots', { params: of(id) })),
  visits: (id: string) => ok<Page<StreamVisit>>(raw.GET('/v1/streams/{id}/visits', { params: { ...of(id), query: { limit: 60 } } })),

  galleries: () => ok(client.GET('/v1/galleries')),
  gallery: () => ok(client.GET('/v1/gallery')),
  rates: (fpir: number) => ok(client.GET('/v1/gallery/rates', { params: { query: { fpir } } })),
  calibrate: () => ok(client.POST('/v1/gallery/calibration')),
  evaluate: (fpir: number) => ok(client.POST('/v1/gallery/evaluation', { params: { query: { fpir } } })),
  purge: () => ok(client.POST('/v1/gallery/purge', { body: {} })),
  endJob: (id: string) => ok(client.DELETE('/v1/jobs/{id}', { params: of(id) })),
  job: (id: string) => ok(client.GET('/v1/jobs/{id}', { params: of(id) })),
  jobs: () => ok(client.GET('/v1/jobs')),
  keys: () => ok(client.GET('/v1/keys')),
  addKey: (name: string, scope: Scope, galleries?: string[]) => ok(client.POST('/v1/keys', { body: { name, scope, ...(galleries ? { galleries } : {}) } })),
  removeKey: (id: string) => ok(client.DELETE('/v1/keys/{id}', { params: of(id) })),
  audit: (cursor: string | null) => ok(client.GET('/v1/audit', { params: { query: { limit: 50, ...(cursor ? { cursor } : {}) } } })),
};

/** Pictures can carry no header: the gallery stands in their address. */
const about = (more: Record<string, string> = {}): string => {
  const query = new URLSearchParams({ ...more, ...(gallery ? { gallery } : {}) }).toString();
  return query ? `?${query}` : '';
};
export const personPicture = (id: string, version = 0): string => `./v1/people/${at(id)}/picture${about(version ? { v: String(version) } : {})}`;
export const sightingCrop = (id: string): string => `./v1/sightings/${at(id)}/crop${about()}`;
export const photoPicture = (id: string): string => `./v1/photos/${at(id)}/picture${about({ side: '1600' })}`;
export const streamPreview = (id: string): string => `./v1/streams/${at(id)}/preview${about()}`;
export const visitPicture = (stream: string, visit: string): string => `./v1/streams/${at(stream)}/visits/${at(visit)}/picture${about()}`;
export const snapshotPicture = (stream: string, snapshot: string): string => `./v1/streams/${at(stream)}/snapshots/${at(snapshot)}${about()}`;
/** What a camera tells while it is watched. */
export const streamEvents = (id: string): EventSource => new EventSource(`./v1/streams/${at(id)}/events${about()}`);
export const faceCrop = (id: string): string => `./v1/faces/${at(id)}/crop${about()}`;

/** Waits for a job, telling its progress, and gives what it found. */
export async function finish<T>(job: Job, progress: (job: Job) => void, signal?: AbortSignal): Promise<T> {
  let now = job;
  while (now.state === 'waiting' || now.state === 'running') {
    progress(now);
    await new Promise((resolve) => setTimeout(resolve, 400));
    if (signal?.aborted) throw new DOMException('left', 'AbortError');
    now = await api.job(now.id);
  }
  progress(now);
  if (now.state === 'done') return now.result as T;
  // Whoever ended it knows.
  if (now.state === 'cancelled') throw new DOMException('ended', 'AbortError');
  throw new ApiError(0, now.error?.code ?? now.state, now.error?.message ?? '', now.error?.remedy ?? '');
}
