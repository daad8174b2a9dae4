// How the page asks the server. Every failure is an ApiError with the server's stable code.

import type {
  Audit, Enrolled, Face, Gallery, IdentifiedFace, Job, Key, Negative, Operation, Page, Person, PhotoAnswer, Rates, Scope,
  Session, Status, StoredFace, Verified,
} from './types';

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly remedy: string,
    readonly requestId: string | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** Set by the session; sent with every request that changes something. */
let csrf: string | null = null;
export const setCsrf = (token: string | null): void => { csrf = token; };
/** The gallery that requests are about; null for the main one. */
let gallery: string | null = null;
export const setGallery = (name: string | null): void => { gallery = name; };
/** Called when the server says that nobody is signed in (any more). */
let signedOut: () => void = () => {};
export const onSignedOut = (then: () => void): void => { signedOut = then; };

type Query = Record<string, string | number | boolean | null | undefined>;
interface Options { query?: Query; json?: unknown; body?: BodyInit; signal?: AbortSignal | undefined; once?: boolean }

async function call<T>(method: string, path: string, { query, json, body, signal, once }: Options = {}): Promise<T> {
  const url = new URL(`.${path}`, document.baseURI.replace(/\/setup(#.*)?$/, '/'));
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== null && value !== undefined) url.searchParams.set(name, String(value));
  }
  const headers = new Headers({ Accept: 'application/json' });
  if (json !== undefined) headers.set('Content-Type', 'application/json');
  if (gallery) headers.set('Phiz-Gallery', gallery);
  if (method !== 'GET' && csrf) headers.set('Phiz-Csrf', csrf);
  // A request that stores something is done once, however often the network makes us ask.
  if (once) headers.set('Idempotency-Key', crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`);
  let answer: Response;
  try {
    answer = await fetch(url, {
      method, headers, signal: signal ?? null, credentials: 'same-origin',
      body: json !== undefined ? JSON.stringify(json) : (body ?? null),
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, 'unreachable', '', '');
  }
  if (answer.status === 204) return undefined as T;
  const text = await answer.text();
  let value: unknown = null;
  try { value = JSON.parse(text); } catch { /* told below */ }
  if (answer.ok) return value as T;
  const error = (value as { error?: Record<string, string> } | null)?.error ?? {};
  if (answer.status === 401 && (error.code === 'unauthorised' || error.code === 'setup_needed')) signedOut();
  const after = Number(answer.headers.get('Retry-After'));
  throw new ApiError(
    answer.status, error.code ?? 'internal', error.message ?? '', error.remedy ?? '', error.request_id ?? null,
    Number.isFinite(after) && after > 0 ? after : null,
  );
}

const at = encodeURIComponent;
const form = (fields: [string, Blob][]): FormData => {
  const data = new FormData();
  for (const [name, blob] of fields) data.append(name, blob, blob instanceof File ? blob.name : 'camera.jpg');
  return data;
};
/** Of people by id or name, all pages. */
async function everything<T>(path: string, query: Query = {}): Promise<T[]> {
  const items: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> = await call('GET', path, { query: { ...query, limit: 500, cursor } });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor);
  return items;
}

type Done = { operation: string };
export const api = {
  status: () => call<Status>('GET', '/v1/status'),
  setup: (code: string, passphrase: string) => call<Session>('POST', '/v1/setup', { json: { code, passphrase } }),
  signIn: (passphrase: string) => call<Session>('POST', '/v1/session', { json: { passphrase } }),
  session: () => call<Session>('GET', '/v1/session'),
  signOut: () => call<void>('DELETE', '/v1/session'),
  changePassphrase: (old: string, fresh: string) => call<void>('POST', '/v1/passphrase', { json: { old, new: fresh } }),

  people: (query: { q?: string; list?: string; name?: string; limit?: number; cursor?: string | null }, signal?: AbortSignal) =>
    call<Page<Person>>('GET', '/v1/people', { query, signal }),
  allPeople: () => everything<Person>('/v1/people'),
  person: (id: string) => call<Person>('GET', `/v1/people/${at(id)}`),
  addPerson: (name: string) => call<Person & Done>('POST', '/v1/people', { json: { name }, once: true }),
  changePerson: (id: string, change: { name?: string; lists?: string[]; attributes?: Record<string, string> }) =>
    call<Person & Done>('PATCH', `/v1/people/${at(id)}`, { json: change }),
  removePerson: (id: string) => call<Done>('DELETE', `/v1/people/${at(id)}`),
  merge: (into: string, from: string[]) => call<Person & { operations: string[] }>('POST', `/v1/people/${at(into)}/merge`, { json: { from } }),
  split: (id: string, faces: string[], name?: string) =>
    call<Person & Done>('POST', `/v1/people/${at(id)}/split`, { json: { faces, ...(name ? { name } : {}) } }),
  faces: (id: string) => call<Page<StoredFace>>('GET', `/v1/people/${at(id)}/faces`),
  enrol: (id: string, photos: Blob[], options: { consent?: string; force?: boolean; face?: number } = {}) =>
    call<Enrolled>('POST', `/v1/people/${at(id)}/faces`, { query: options, body: form(photos.map((p) => ['photo', p])), once: true }),
  negatives: (id: string) => call<Page<Negative>>('GET', `/v1/people/${at(id)}/negatives`),
  allow: (negative: string) => call<Done>('DELETE', `/v1/negatives/${at(negative)}`),
  notThisPerson: (face: string) => call<Done & { negative: string }>('POST', `/v1/faces/${at(face)}/not`),
  removeFace: (face: string) => call<Done>('DELETE', `/v1/faces/${at(face)}`),
  moveFace: (face: string, to: string) => call<StoredFace & Done>('POST', `/v1/faces/${at(face)}/move`, { json: { to } }),
  lists: () => call<Page<{ name: string; people: number }>>('GET', '/v1/lists'),
  history: (limit = 100) => call<Page<Operation>>('GET', '/v1/history', { query: { limit } }),
  undo: (operation?: string) => call<{ undone: Operation; people: string[] }>('POST', '/v1/undo', { json: operation ? { operation } : {} }),

  detect: (photo: Blob, query: Query = {}, signal?: AbortSignal) =>
    call<PhotoAnswer<Face>>('POST', '/v1/detect', { query, body: photo, signal }),
  identify: (photo: Blob, query: Query = {}, signal?: AbortSignal) =>
    call<PhotoAnswer<IdentifiedFace>>('POST', '/v1/identify', { query, body: photo, signal }),
  verify: (a: Blob, b: Blob, query: Query = {}) => call<Verified>('POST', '/v1/verify', { query, body: form([['a', a], ['b', b]]) }),

  galleries: () => call<Page<{ name: string }>>('GET', '/v1/galleries'),
  gallery: () => call<Gallery>('GET', '/v1/gallery'),
  rates: (fpir: number) => call<Rates>('GET', '/v1/gallery/rates', { query: { fpir } }),
  calibrate: () => call<Job>('POST', '/v1/gallery/calibration'),
  evaluate: (fpir: number) => call<Job>('POST', '/v1/gallery/evaluation', { query: { fpir } }),
  purge: () => call<Job>('POST', '/v1/gallery/purge', { json: {} }),
  job: (id: string) => call<Job>('GET', `/v1/jobs/${at(id)}`),
  jobs: () => call<Page<Job>>('GET', '/v1/jobs', { query: { limit: 100 } }),
  keys: () => call<Page<Key>>('GET', '/v1/keys'),
  addKey: (name: string, scope: Scope) => call<Key & { key: string }>('POST', '/v1/keys', { json: { name, scope } }),
  removeKey: (id: string) => call<void>('DELETE', `/v1/keys/${at(id)}`),
  audit: (cursor: string | null) => call<Page<Audit>>('GET', '/v1/audit', { query: { limit: 50, cursor } }),
};

/** Pictures can carry no header: the gallery stands in their address. */
const about = (more: Record<string, string> = {}): string => {
  const query = new URLSearchParams({ ...more, ...(gallery ? { gallery } : {}) }).toString();
  return query ? `?${query}` : '';
};
export const personPicture = (id: string, version = 0): string => `./v1/people/${at(id)}/picture${about(version ? { v: String(version) } : {})}`;
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
  throw new ApiError(0, now.error?.code ?? now.state, now.error?.message ?? '', now.error?.remedy ?? '');
}
