// A client of `phiz serve`: openapi-fetch with the types of schema.d.ts, and every failure as a PhizError.
import createClient from 'openapi-fetch';

/** The server refused, failed, or did not answer. `code` is one of the table in docs/reference/http.md, or `unreachable`. */
export class PhizError extends Error {
  constructor(status, code, message, remedy = '', requestId = null, retryAfter = null) {
    super(message || code);
    this.name = 'PhizError';
    Object.assign(this, { status, code, remedy, requestId, retryAfter });
  }
}

async function failure(response) {
  let said = {};
  try { said = (await response.json()).error ?? {}; } catch { /* an answer of something between us and Phiz */ }
  const after = Number(response.headers.get('Retry-After'));
  return new PhizError(response.status, said.code ?? 'internal', said.message ?? '', said.remedy ?? '', said.request_id ?? null, after > 0 ? after : null);
}

/** A client of the server at `url`; see index.d.ts. */
export function phiz({ url, key, gallery, headers, fetch }) {
  const client = createClient({ baseUrl: url, ...(fetch ? { fetch } : {}) });
  client.use({
    onRequest({ request }) {
      const more = { ...(key ? { Authorization: `Bearer ${key}` } : {}), ...(gallery ? { 'Phiz-Gallery': gallery } : {}), ...headers?.(request.method) };
      for (const [name, value] of Object.entries(more)) request.headers.set(name, value);
      return request;
    },
    async onResponse({ response }) { if (!response.ok) throw await failure(response); },
    onError({ error }) { return error?.name === 'AbortError' ? undefined : new PhizError(0, 'unreachable', 'the server does not answer'); },
  });
  return client;
}

/** What a request found. */
export async function ok(request) { return (await request).data; }

const asItIs = (body) => body;
/** The body of a request that is one picture, as its bytes. */
export const photo = (bytes) => ({ body: bytes, bodySerializer: asItIs, headers: { 'Content-Type': 'application/octet-stream' } });
/** The body of a request with several pictures, or with two that are compared. */
export function form(fields) {
  const data = new FormData();
  for (const [name, blob, file] of fields) data.append(name, blob, file ?? blob.name ?? 'photo.jpg');
  return { body: data, bodySerializer: asItIs };
}
/** A header that makes a request be done once, however often it is sent. */
export const once = () => ({ 'Idempotency-Key': globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}` });
