import type { Client } from 'openapi-fetch';
import type { components, paths } from './schema.js';

export type { components, paths } from './schema.js';
/** Shapes of answers by name: `Schemas['Person']`. */
export type Schemas = components['schemas'];

export declare class PhizError extends Error {
  constructor(status: number, code: string, message: string, remedy?: string, requestId?: string | null, retryAfter?: number | null);
  /** HTTP status; 0 if there was no answer. */
  readonly status: number;
  /** Stable code, as in the table of docs/reference/http.md; `unreachable` if there was no answer. */
  readonly code: string;
  /** What helps, in a sentence. */
  readonly remedy: string;
  readonly requestId: string | null;
  /** Seconds after which to try again, if the server said so. */
  readonly retryAfter: number | null;
}

export interface Options {
  /** Address of the server, for example `http://127.0.0.1:7449`. */
  url: string;
  /** A key of `phiz key new`. */
  key?: string;
  /** The gallery that is meant; `main` unless it is set. */
  gallery?: string;
  /** Further headers, asked for anew at each request. */
  headers?: (method: string) => Record<string, string>;
  fetch?: typeof globalThis.fetch;
}

/** A client whose paths, parameters, bodies and answers are checked against the server's OpenAPI document. */
export declare function phiz(options: Options): Client<paths>;
/** Waits for a request and gives its answer. Throws a PhizError. */
export declare function ok<T>(request: Promise<{ data?: T }>): Promise<T>;
/** Body of a request with one picture: `api.POST('/v1/identify', photo(bytes))`. */
export declare function photo(bytes: Blob | ArrayBuffer | Uint8Array): { body: any; bodySerializer: (body: any) => any; headers: Record<string, string> };
/** Body with several pictures, each with the field's name: `form([['a', one], ['b', two]])`; a third entry names the file. */
export declare function form(fields: [field: string, picture: Blob, file?: string][]): { body: any; bodySerializer: (body: any) => any };
/** Header of a request that must not be done twice. */
export declare function once(): Record<string, string>;
